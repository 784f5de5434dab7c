package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fender-proxy/fender/policy"
)

// cleanRequest removes from a request's headers what a client must not tell an
// upstream, and brings back what its Connection header must not strip: in is
// the header as it came, with hop-by-hop headers and what Connection lists.
func cleanRequest(out, in http.Header, idempotencyKey string) {
	for name := range out {
		if dropped(name) {
			delete(out, name)
		}
	}
	if _, ok := in["Connection"]; !ok {
		return
	}
	for name, values := range in {
		if _, ok := out[name]; !ok && !dropped(name) && (protected(name) || strings.EqualFold(name, idempotencyKey)) {
			out[name] = values
		}
	}
}

// dropped reports whether a client's header ends here. Underscores are an old
// way around such lists, because many servers read X_Real_Ip as X-Real-Ip.
func dropped(name string) bool {
	switch name {
	case "Forwarded", "X-Real-Ip", "X-Original-Url", "X-Rewrite-Url", "Expect", "Trailer":
		return true
	}
	return strings.HasPrefix(name, "X-Forwarded-") || strings.HasPrefix(name, "Fender-") || strings.Contains(name, "_")
}

// protected reports whether a header reaches the upstream although a client's
// Connection lists it (RFC 9110, 7.6.1, lets a sender list any).
func protected(name string) bool {
	switch name {
	case "Host", "Authorization", "Cookie", "X-Request-Id", "Traceparent", "Tracestate", "Inin-Correlation-Id":
		return true
	}
	return strings.HasPrefix(name, "Content-") || strings.HasPrefix(name, "Accept")
}

// cleanAnswer removes from an upstream's answer what only Fender may say, and
// the offer of a protocol that a client cannot use through us. Trailers may come
// with the end of a body that streams.
func cleanAnswer(resp *http.Response, streams bool) {
	removeOwn(resp.Header)
	delete(resp.Header, "Alt-Svc")
	removeOwn(resp.Trailer)
	if _, tunnel := resp.Body.(io.Writer); streams && !tunnel {
		resp.Body = &trailerGuard{resp.Body, resp}
	}
}

func removeOwn(h http.Header) {
	for name := range h {
		if strings.HasPrefix(name, "Fender-") {
			delete(h, name)
		}
	}
}

// trailerGuard is a body behind which an answer's trailers are cleaned.
type trailerGuard struct {
	io.ReadCloser
	resp *http.Response
}

func (g *trailerGuard) Read(p []byte) (int, error) {
	n, err := g.ReadCloser.Read(p)
	if err != nil {
		removeOwn(g.resp.Trailer)
	}
	return n, err
}

// describe adds to an answer what became of its call.
func (x *exchange) describe(h http.Header) {
	h.Set("X-Request-Id", x.requestID)
	if x.route == nil {
		return
	}
	circuit, attempts := policy.State(""), 0
	if x.call != nil {
		circuit, attempts = x.call.Circuit, x.call.Attempts
	}
	if circuit == "" && x.route.breaker != nil {
		circuit = x.route.breaker.State()
	}
	if circuit != "" {
		h.Set("Fender-Circuit", string(circuit))
	}
	h.Set("Fender-Attempts", strconv.Itoa(attempts))
	h.Set("Fender-Outcome", string(x.outcome))
}

// requestID returns the client's X-Request-Id if it is harmless, else a new one.
func requestID(h http.Header) string {
	id := h.Get("X-Request-Id")
	if id == "" || len(id) > 128 || strings.Trim(id, idBytes) != "" {
		return randomID(16)
	}
	return id
}

// idBytes are what a client's X-Request-Id may consist of. It gets into logs.
const idBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

// clientTimeout returns the request's timeout: the policy's, or a shorter one
// that the client asks for in Fender-Timeout-Ms.
func clientTimeout(h http.Header, longest time.Duration) time.Duration {
	ms, err := strconv.ParseUint(h.Get("Fender-Timeout-Ms"), 10, 32)
	if err != nil || ms == 0 {
		return longest
	}
	return min(longest, time.Duration(ms)*time.Millisecond)
}

// addVia adds this proxy to the way the request has come (RFC 9110, 7.6.3).
func addVia(out http.Header, in *http.Request, pseudonym string) {
	hop := fmt.Sprintf("%d.%d %s", in.ProtoMajor, in.ProtoMinor, pseudonym)
	out.Set("Via", strings.Join(append(out["Via"], hop), ", "))
}

// isCredential reports whether a header is one that upstreams know callers by.
func isCredential(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"auth", "key", "token", "secret", "cookie", "password"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// offerReadable leaves of the codings that a client accepts those that the rules
// can read: gzip, or none.
func offerReadable(out http.Header) {
	coding := "identity"
	for token := range strings.SplitSeq(strings.Join(out["Accept-Encoding"], ","), ",") {
		name, weight, _ := strings.Cut(token, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") && !isZero(weight) {
			coding = "gzip"
		}
	}
	out.Set("Accept-Encoding", coding)
}

// isZero reports whether a weight (RFC 9110, 12.4.2) says "not acceptable".
func isZero(weight string) bool {
	q, ok := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(weight), " ", ""), "q=")
	return ok && strings.Trim(q, "0.") == ""
}
