// Package proxy is the HTTP side of Fender: it matches a request to a route,
// sends it upstream under the route's policy, and answers in the upstream's
// stead where the policy says so.
package proxy

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy/config"
	"github.com/fender-proxy/fender/proxy/match"
)

// heldTogether bounds what all request bodies together take in memory, and all
// answers together. Beyond it bodies are sent once and answers are streamed.
const heldTogether = 64 * policy.MiB

// Options are what a Proxy reports to.
type Options struct {
	// Logger gets a line for each request and each change of state.
	Logger *slog.Logger
	// Metrics must not be nil.
	Metrics *Metrics
}

// Proxy is the handler for the calls of one configuration. It is safe for
// concurrent use.
type Proxy struct {
	table     *match.Table
	routes    []*route
	upstreams map[string]*upstream
	log       *requestLog
	logger    *slog.Logger
	metrics   *Metrics
	// pseudonym is our name in Via (RFC 9110, 7.6.3), random so that two
	// sidecars in a row are no loop.
	pseudonym string
}

// New returns a Proxy for a configuration that [config.Load] returned. The
// caller must Close it.
func New(cfg *config.Config, o Options) (*Proxy, error) {
	p := &Proxy{
		upstreams: make(map[string]*upstream, len(cfg.Upstreams)),
		log:       newRequestLog(o.Logger, cfg.Log),
		logger:    o.Logger,
		metrics:   o.Metrics,
		pseudonym: "fender-" + randomID(6),
	}
	for name, u := range cfg.Upstreams {
		up, err := newUpstream(name, u, o)
		if err != nil {
			return nil, fmt.Errorf("upstreams.%s: %w", name, err)
		}
		p.upstreams[name] = up
	}
	requests, answers := policy.NewMemory(heldTogether), policy.NewMemory(heldTogether)
	matches := make([]match.Route, len(cfg.Routes))
	for i := range cfg.Routes {
		r := &cfg.Routes[i]
		m := r.Match
		matches[i] = match.Route{Methods: m.Methods, Host: m.Host, Path: m.Path, Headers: m.Headers}
		rt, err := newRoute(p, r, requests, answers)
		if err != nil {
			return nil, fmt.Errorf("routes[%d] %q: %w", i, r.Name, err)
		}
		p.routes = append(p.routes, rt)
	}
	var err error
	if p.table, err = match.NewTable(matches); err != nil {
		return nil, err
	}
	p.metrics.gauges.proxy.Store(p)
	return p, nil
}

// Close ends what the proxy keeps for later: timers and idle connections.
// Requests in flight go on.
func (p *Proxy) Close() {
	for _, r := range p.routes {
		r.close()
	}
	for _, u := range p.upstreams {
		u.close()
	}
}

// ServeHTTP answers one request of a client.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := p.begin(w, r)
	defer x.finishRequest()
	defer x.end() //nolint:contextcheck // it logs under the context of r
	defer x.recover()
	if r.ProtoMajor == 1 && r.ProtoMinor == 0 {
		// An HTTP/1.0 client may frame its requests otherwise than we do.
		w.Header().Set("Connection", "close")
	}
	found, refusal := p.find(r)
	if found.route != nil {
		x.route, x.found = found.route, found
	}
	if refusal != nil {
		x.refuse(refusal)
		return
	}
	x.serve(r)
}

// refusal is an answer to a request that no route takes.
type refusal struct {
	status int
	detail string
	allow  []string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d: %s", r.status, r.detail) }

// found is a request's route, nil if there is none, and its target.
type found struct {
	match.Result
	route  *route
	target match.Target
}

// find returns the route that takes a request, or why none does.
func (p *Proxy) find(r *http.Request) (found, *refusal) {
	switch {
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		return found{}, &refusal{status: http.StatusMethodNotAllowed, detail: r.Method + " is never proxied", allow: p.allowed(r)}
	case p.loops(r.Header):
		return found{}, &refusal{status: http.StatusLoopDetected, detail: "the request has been here before: an upstream leads back to this proxy"}
	}
	target, err := match.ParseTarget(r.RequestURI)
	if err != nil {
		return found{}, &refusal{status: http.StatusBadRequest, detail: err.Error()}
	}
	result := p.table.Lookup(r.Method, r.Host, target, r.Header)
	switch {
	case result.Route >= 0:
		rt := p.routes[result.Route]
		return found{Result: result, route: rt, target: target}, rt.refusesUpgrade(r.Header)
	case result.Allow != nil:
		return found{}, &refusal{status: http.StatusMethodNotAllowed, detail: "no route for this path takes " + r.Method, allow: result.Allow}
	}
	return found{}, &refusal{status: http.StatusNotFound, detail: "no route takes this request"}
}

// allowed returns the methods that the routes of a request's path take.
func (p *Proxy) allowed(r *http.Request) []string {
	if target, err := match.ParseTarget(r.RequestURI); err == nil {
		return append([]string{}, p.table.Lookup(r.Method, r.Host, target, r.Header).Allow...)
	}
	return []string{}
}

// loops reports whether a request has been through this process before.
func (p *Proxy) loops(h http.Header) bool {
	for _, via := range h["Via"] {
		if strings.Contains(via, p.pseudonym) {
			return true
		}
	}
	return false
}

// Match returns the route that takes a request with the method and URL, or an
// error that says why none does.
func (p *Proxy) Match(method string, u *url.URL) (*config.Route, error) {
	r := &http.Request{Method: method, Host: u.Host, RequestURI: u.RequestURI(), Header: http.Header{}}
	f, refusal := p.find(r)
	if refusal != nil {
		return nil, refusal
	}
	return f.route.config, nil
}

// recover turns a panic into one 502 and one log line. A handler that was
// aborted on purpose stays aborted: the client must see that its answer is not
// whole.
func (x *exchange) recover() {
	v := recover()
	if v == nil {
		return
	}
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		x.abort()
	}
	x.proxy.logger.Error("panic", "request_id", x.requestID, "route", x.routeName(), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	if x.status != 0 {
		x.abort()
	}
	x.outcome = OutcomeFailed
	x.problem(http.StatusBadGateway, "an internal error")
}

// abort breaks the client's connection, so that it sees that its answer is not
// whole. To an HTTP/1.0 client the end of a connection may be the end of the
// answer, so its connection is reset.
func (x *exchange) abort() {
	x.aborted = true
	if x.request.ProtoMajor == 1 && x.request.ProtoMinor == 0 {
		if conn, _, err := x.control.Hijack(); err == nil {
			if tcp, ok := conn.(interface{ SetLinger(sec int) error }); ok {
				_ = tcp.SetLinger(0)
			}
			_ = conn.Close()
		}
	}
	panic(http.ErrAbortHandler)
}

// randomID returns 2n hexadecimal digits.
func randomID(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
