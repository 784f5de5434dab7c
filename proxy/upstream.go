package proxy

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy/config"
	"github.com/fender-proxy/fender/proxy/credential"
	"github.com/fender-proxy/fender/proxy/match"
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
	// credentials are nil if requests are given none but fixed headers.
	credentials credential.Source

	connector *connector

	current atomic.Pointer[generation]
	renew   sync.Mutex
}

// generation is a transport that takes new requests until it is too old, so
// that connections follow what DNS says.
type generation struct {
	*http.Transport                 // keeps its connections
	fresh           *http.Transport // opens one for each request
	until           time.Time
}

func newUpstream(name string, c config.Upstream, o Options) (*upstream, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, err
	}
	connector, err := newConnector(c, o.Logger.With("upstream", name))
	if err != nil {
		return nil, err
	}
	up := &upstream{
		name: name, config: c, url: u, prefix: strings.TrimSuffix(u.EscapedPath(), "/"),
		connector: connector,
	}
	up.credentials = credential.New(c.Auth, credential.Options{
		Client: connector.tokenClient(), Logger: o.Logger.With("upstream", name), Fetched: o.Metrics.tokenFetched(name, c.Auth),
	})
	up.shared = policy.Shared{
		Gate:  newGate(o.Logger, "upstream", name, "scope", policy.ScopeUpstream),
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
	g := &generation{
		Transport: u.connector.transport(), fresh: u.connector.transport(),
		until: time.Now().Add(u.config.MaxConnectionAge),
	}
	g.fresh.DisableKeepAlives = true
	return g
}

// RoundTrip sends a request over a kept or a new connection.
func (u *upstream) RoundTrip(req *http.Request) (*http.Response, error) {
	return u.youngEnough().RoundTrip(req)
}

// fresh sends a request over a connection of its own.
type fresh struct{ *upstream }

func (f fresh) RoundTrip(req *http.Request) (*http.Response, error) {
	return f.youngEnough().fresh.RoundTrip(req)
}

// youngEnough returns the generation that takes new requests.
func (u *upstream) youngEnough() *generation {
	g := u.current.Load()
	if u.config.MaxConnectionAge > 0 && time.Now().After(g.until) {
		g = u.renewed(g)
	}
	return g
}

// renewed replaces the generation g, unless another request has done so.
// Requests on their way keep their connections; these close once idle.
func (u *upstream) renewed(g *generation) *generation {
	u.renew.Lock()
	defer u.renew.Unlock()
	if current := u.current.Load(); current != g {
		return current
	}
	u.connector.refresh()
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
}
