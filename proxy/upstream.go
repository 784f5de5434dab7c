package proxy

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy/config"
	"github.com/fender-proxy/fender/proxy/match"
)

const (
	// maxAnswerHead is the largest head of an answer, in bytes.
	maxAnswerHead = 64 << 10
	// maxIdleConns is how many unused connections are kept to one upstream.
	maxIdleConns = 256
)

// upstream is an API and the connections to it. It is an [http.RoundTripper]
// that keeps connections; fresh is one that does not. It is safe for concurrent
// use.
type upstream struct {
	name   string
	config config.Upstream
	shared policy.Shared
	// observed is the limit for routes that only count what it would refuse.
	observed *policy.Limit
	// breaker is nil if no routes share one; sharers are those that do.
	breaker *policy.Breaker
	sharers []*routeMetrics

	url    *url.URL
	prefix string // of the path, escaped, without a last slash
	fresh  *http.Transport

	current atomic.Pointer[generation]
	renew   sync.Mutex
}

// generation is a transport that takes new requests until it is too old, so
// that connections follow what DNS says.
type generation struct {
	*http.Transport
	until time.Time
}

func newUpstream(name string, c config.Upstream, l *slog.Logger) (*upstream, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, err
	}
	up := &upstream{name: name, config: c, url: u, prefix: strings.TrimSuffix(u.EscapedPath(), "/"), fresh: newTransport(c)}
	up.fresh.DisableKeepAlives = true
	up.shared = policy.Shared{
		Gate:  newGate(l, "upstream", name, "scope", policy.ScopeUpstream),
		Limit: policy.NewLimit(c.Concurrency.MaxRequests, c.Concurrency.MaxPending),
	}
	up.observed = observedLimit(c.Concurrency.MaxRequests, c.Concurrency.MaxPending)
	if r := c.RateLimit; r != nil {
		up.shared.Rate = policy.NewRate(r.Requests, r.Interval, cmp.Or(r.Burst, r.Requests))
	}
	if b := c.RetryBudget; b != nil {
		up.shared.Budget = policy.NewBudget(b.Ratio, b.MinPerSecond)
	}
	up.current.Store(up.generation())
	return up, nil
}

func (u *upstream) generation() *generation {
	return &generation{Transport: newTransport(u.config), until: time.Now().Add(u.config.MaxConnectionAge)}
}

// newTransport returns a transport in which every bound is set: the zero
// http.Transport has none, and the default one reads the proxy of the
// environment, asks for gzip unasked and keeps two connections.
func newTransport(c config.Upstream) *http.Transport {
	dialer := &net.Dialer{Timeout: c.DialTimeout, KeepAlive: 15 * time.Second}
	t := &http.Transport{
		Proxy: nil,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return policy.TrackConn(conn), nil
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    max(c.DialTimeout, 5*time.Second),
		DisableCompression:     true,
		MaxIdleConns:           0,
		MaxIdleConnsPerHost:    maxIdleConns,
		IdleConnTimeout:        c.IdleTimeout,
		MaxResponseHeaderBytes: maxAnswerHead,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second, WriteByteTimeout: 10 * time.Second},
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	t.Protocols.SetHTTP2(c.HTTP2)
	return t
}

// RoundTrip sends a request over a kept or a new connection.
func (u *upstream) RoundTrip(req *http.Request) (*http.Response, error) {
	g := u.current.Load()
	if u.config.MaxConnectionAge > 0 && time.Now().After(g.until) {
		g = u.renewed(g)
	}
	return g.RoundTrip(req)
}

// renewed replaces the generation g, unless another request has done so.
// Requests on their way keep their connections; these close once idle.
func (u *upstream) renewed(g *generation) *generation {
	u.renew.Lock()
	defer u.renew.Unlock()
	if current := u.current.Load(); current != g {
		return current
	}
	next := u.generation()
	u.current.Store(next)
	g.CloseIdleConnections()
	return next
}

// address points out at the target below the upstream's URL, byte for byte as
// the client sent it. A prefix that is to be stripped ends at a slash.
func (u *upstream) address(out *url.URL, target match.Target, strip string) {
	path := target.Path
	strip = strings.TrimSuffix(strip, "/")
	if rest, ok := strings.CutPrefix(path, strip); ok && strip != "" && (rest == "" || rest[0] == '/') {
		path = rest
	}
	if path == "" {
		path = "/"
	}
	out.Scheme, out.Host = u.url.Scheme, u.url.Host
	out.RawPath = u.prefix + path
	out.Path, _ = url.PathUnescape(out.RawPath) // both parts were parsed before
	out.RawQuery, out.ForceQuery = target.Query, target.HasQuery
}

// close frees timers and ends the connections that are not in use.
func (u *upstream) close() {
	if u.breaker != nil {
		u.breaker.Close()
	}
	u.shared.Gate.Close()
	u.current.Load().CloseIdleConnections()
	u.fresh.CloseIdleConnections()
}
