package policy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
)

// Error types of RFC 9209, 2.3, for an upstream that could not be reached.
const (
	dnsError             = "dns_error"
	connectionRefused    = "connection_refused"
	connectionTimeout    = "connection_timeout"
	connectionTerminated = "connection_terminated"
	tlsCertificateError  = "tls_certificate_error"
	httpProtocolError    = "http_protocol_error"
)

// diagnose says what an error of an attempt means that neither the client nor
// one of our clocks caused.
func diagnose(err error, w *wire) (result AttemptResult, on Condition, proxyError string) {
	if w.connected() {
		if isLost(err) {
			return ResultReset, OnReset, connectionTerminated
		}
		return ResultReset, OnReset, httpProtocolError
	}
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &dns):
		return ResultDNS, OnConnect, dnsError
	case errors.As(err, &certificate):
		return ResultTLS, OnConnect, tlsCertificateError
	}
	result = ResultDial
	if w.tls.Load() {
		result = ResultTLS
	}
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return result, OnConnect, connectionRefused
	case errors.As(err, &timeout) && timeout.Timeout():
		return result, OnConnect, connectionTimeout
	}
	return result, OnConnect, connectionTerminated
}

// presentable returns err as it may be shown. What net/http says of an answer
// that it can't read quotes it, and that may be a cookie or an essay.
func presentable(err error, proxyError string) error {
	switch {
	case err.Error() == "EOF":
		return fmt.Errorf("connection closed before the answer: %w", err)
	case proxyError != httpProtocolError && !strings.Contains(err.Error(), "malformed"): // an egress proxy's answer may be
		return err
	}
	text, _, quotes := strings.Cut(err.Error(), `"`)
	if !quotes {
		return err
	}
	return errors.New(strings.TrimRight(text, ": "))
}

// isLost reports whether err is the loss of a connection, as opposed to an
// answer that cannot be understood.
func isLost(err error) bool {
	for _, lost := range []error{errReplaced, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed} {
		if errors.Is(err, lost) {
			return true
		}
	}
	var op *net.OpError
	// net/http's own error for a kept connection that the server closed has no
	// type to ask for.
	return errors.As(err, &op) || err.Error() == "http: server closed idle connection"
}

// streamError is the shape of net/http's error for one broken HTTP/2 stream,
// which it converts to any struct with these fields.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return "http2 stream error" }

// isStream reports whether err broke one HTTP/2 stream and not its connection.
func isStream(err error) bool {
	var s streamError
	return errors.As(err, &s)
}
