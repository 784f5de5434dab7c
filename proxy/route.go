package proxy

import (
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy/config"
)

// route is one route's way of handling requests. It is not changed after
// newRoute has returned it.
type route struct {
	config   *config.Route
	upstream *upstream
	breaker  *policy.Breaker // nil if there is none
	fallback *fallback       // nil if there is none
	metrics  *routeMetrics
	proxy    *httputil.ReverseProxy
	via      string // our name, empty if it is not to be added

	// credentials says that every request is given some, authorization that
	// the client's Authorization does not go through.
	credentials, authorization bool
}

// errReplaced says that an upstream's answer is not to be passed on, because
// there is a fallback for it.
var errReplaced = errors.New("the upstream's answer is replaced")

func newRoute(p *Proxy, c *config.Route, requests, answers *policy.Memory) (*route, error) {
	r := &route{config: c, upstream: p.upstreams[c.Upstream]}
	if r.upstream == nil {
		return nil, errors.New("unknown upstream")
	}
	if r.upstream.config.Via {
		r.via = p.pseudonym
	}
	for name := range r.upstream.config.Headers {
		r.credentials = r.credentials || isCredential(name)
		r.authorization = r.authorization || strings.EqualFold(name, "Authorization")
	}
	var err error
	if r.fallback, err = newFallback(c); err != nil {
		return nil, err
	}
	r.metrics = p.metrics.route(c)
	if c.Breaker != nil {
		r.breaker = policy.NewBreaker(*c.Breaker, func(t policy.Transition) {
			r.metrics.transition(t)
			logTransition(p.logger, c, t)
		})
	}
	r.proxy = &httputil.ReverseProxy{
		Rewrite: r.rewrite,
		Transport: &policy.Transport{
			Policy:   &c.Policy.Policy,
			Upstream: r.upstream,
			Fresh:    r.upstream.fresh,
			Breaker:  r.breaker,
			Requests: requests,
			Memory:   answers,
			Observer: r.metrics,
		},
		FlushInterval:  -1, // what streams is passed on as it comes
		BufferPool:     &copyBuffers,
		ModifyResponse: r.modifyResponse,
		ErrorHandler:   r.handleError,
		// What it has to say concerns one client's connection.
		ErrorLog: slog.NewLogLogger(p.logger.Handler(), slog.LevelDebug),
	}
	return r, nil
}

func (r *route) close() {
	if r.breaker != nil {
		r.breaker.Close()
	}
}

// rewrite makes the request for the upstream from the client's.
func (r *route) rewrite(pr *httputil.ProxyRequest) {
	x := exchangeOf(pr.In.Context())
	r.upstream.address(pr.Out.URL, x.found.target, r.config.Rewrite.StripPrefix)
	pr.Out.Host = ""
	pr.Out.Trailer = nil
	cleanRequest(pr.Out.Header, pr.In.Header, r.protected())
	pr.Out.Header.Set("X-Request-Id", x.requestID)
	if r.upstream.config.Forwarded {
		pr.SetXForwarded()
	}
	if r.via != "" {
		addVia(pr.Out.Header, pr.In, r.via)
	}
	for _, name := range r.config.Rewrite.RemoveHeaders {
		pr.Out.Header.Del(name)
	}
	for name, value := range r.config.Rewrite.SetHeaders {
		pr.Out.Header.Set(name, value.Reveal())
	}
	for name, value := range r.upstream.config.Headers {
		pr.Out.Header.Set(name, value.Reveal())
	}
}

// protected is a header of this route that a client's Connection cannot strip.
func (r *route) protected() string {
	if r.config.Retry == nil {
		return ""
	}
	return r.config.Retry.IdempotencyKey.Header
}

// injects reports whether a request gets credentials from Fender and none from
// its client. Only then is a 401 not the client's doing.
func (r *route) injects(client http.Header) bool {
	return r.credentials && (r.authorization || client.Get("Authorization") == "")
}

// modifyResponse prepares the upstream's answer for the client, or asks for the
// fallback in its place.
func (r *route) modifyResponse(resp *http.Response) error {
	x := exchangeOf(resp.Request.Context())
	if r.fallback.covers(x.call.Reason, x.request.Method) {
		return errReplaced
	}
	x.outcome = OutcomeUpstream
	if x.call.Attempts > 1 {
		x.outcome = OutcomeRetried
	}
	cleanAnswer(resp, x.call.Streamed)
	x.describe(resp.Header)
	if x.call.Streamed {
		x.streamed = true
		x.extend()
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		x.status = resp.StatusCode // it is written past us
	}
	return nil
}

// handleError answers where there is nothing of the upstream to pass on.
func (r *route) handleError(_ http.ResponseWriter, req *http.Request, err error) {
	x := exchangeOf(req.Context())
	if x.call.Reason == "" && x.call.ClientErr == nil {
		// ReverseProxy itself gave up, on an answer that we let pass.
		x.call.Reason, x.call.Err = policy.ReasonUnreachable, err
		x.call.ProxyError = "http_protocol_error"
	}
	x.answer()
}

// refusesUpgrade refuses protocols that the route does not let through. A
// tunnel is past every policy, and h2c would carry any request in it.
func (r *route) refusesUpgrade(h http.Header) *refusal {
	for _, line := range h["Upgrade"] {
		for token := range strings.SplitSeq(line, ",") {
			token = strings.TrimSpace(token)
			if !slices.ContainsFunc(r.config.Upgrade, func(allowed string) bool { return strings.EqualFold(allowed, token) }) {
				return &refusal{status: http.StatusForbidden, detail: "this route does not let the upgrade to " + strconv.Quote(token) + " through"}
			}
		}
	}
	return nil
}

// logTransition writes one line for a change of a breaker's state; for its
// opening, with what it had counted.
func logTransition(l *slog.Logger, c *config.Route, t policy.Transition) {
	attrs := []any{"route", c.Name, "upstream", c.Upstream, "from", t.From, "to", t.To, "cause", t.Cause}
	if t.To != policy.Open {
		l.Info("circuit", attrs...)
		return
	}
	l.Warn("circuit", append(attrs,
		"calls", t.Calls, "failures", t.Failures, "failure_rate", math.Round(t.Rate*1e3)/1e3, "consecutive_failures", t.Consecutive,
		"until", t.Until, "last_error", short(t.LastError))...)
}
