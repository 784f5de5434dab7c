package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy/config"
)

const (
	// maxAnswerHead is the largest head of an answer, in bytes.
	maxAnswerHead = 64 << 10
	// maxIdleConns is how many unused connections are kept to one upstream.
	maxIdleConns = 256
)

// connector makes transports to one upstream, all alike but for its certificates,
// which may change. It is used by one goroutine at a time.
type connector struct {
	config  config.Upstream
	logger  *slog.Logger
	tls     *tls.Config
	through *url.URL // the egress proxy, nil for none
}

func newConnector(c config.Upstream, l *slog.Logger) (*connector, error) {
	secure, err := c.TLS.Config()
	if err != nil {
		return nil, err
	}
	n := &connector{config: c, logger: l, tls: secure}
	if c.Proxy.Reveal() != "" {
		through, err := url.Parse(c.Proxy.Reveal())
		if err != nil {
			return nil, errors.New("proxy: not a URL") // which may have a password
		}
		n.through = through
	}
	return n, nil
}

// refresh reads the certificates again. While they can't be read, as in the
// middle of a change, those before hold.
func (n *connector) refresh() {
	secure, err := n.config.TLS.Config()
	if err != nil {
		n.logger.Warn("credential", "error", err)
		return
	}
	n.tls = secure
}

// transport returns a transport in which every bound is set: the zero
// http.Transport has none, and the default one reads the proxy of the
// environment, asks for gzip unasked and keeps two connections.
func (n *connector) transport() *http.Transport {
	dialer := &net.Dialer{Timeout: n.config.DialTimeout, KeepAlive: 15 * time.Second}
	t := &http.Transport{
		Proxy: nil,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return policy.TrackConn(conn), nil
		},
		TLSClientConfig:        n.tls.Clone(),
		TLSHandshakeTimeout:    max(n.config.DialTimeout, 5*time.Second),
		DisableCompression:     true,
		MaxIdleConns:           0,
		MaxIdleConnsPerHost:    maxIdleConns,
		IdleConnTimeout:        n.config.IdleTimeout,
		MaxResponseHeaderBytes: maxAnswerHead,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second, WriteByteTimeout: 10 * time.Second},
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	t.Protocols.SetHTTP2(n.config.HTTP2)
	if n.through != nil {
		n.goThrough(t)
	}
	return t
}

// goThrough sends a transport's connections through the egress proxy. What that
// says in its answer to CONNECT may quote the credentials for it. Over TLS it is
// verified under its own name, and not shown the upstream's client certificate.
func (n *connector) goThrough(t *http.Transport) {
	t.Proxy = http.ProxyURL(n.through)
	t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("the egress proxy answered %d", answer.StatusCode)
		}
		return nil
	}
	if n.through.Scheme != "https" {
		return
	}
	dial, timeout := t.DialContext, t.TLSHandshakeTimeout
	secure := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: n.tls.RootCAs, ServerName: n.through.Hostname()}
	t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		toProxy := tls.Client(conn, secure)
		if err := toProxy.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return toProxy, nil
	}
}

// tokenClient returns a client for the endpoint that gives out the upstream's
// tokens: over the same proxy, verified by and shown the same certificates, but
// under its own name, and verified whatever the upstream is. It follows no
// redirect, which would take the secret elsewhere.
func (n *connector) tokenClient() *http.Client {
	t := n.transport()
	t.TLSClientConfig.ServerName, t.TLSClientConfig.InsecureSkipVerify = "", false
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
