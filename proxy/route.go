package proxy

import (
	"errors"
	"log/slog"
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
	policy   *policy.Policy // what of the configured one is in force
	upstream *upstream
	gate     *policy.Gate    // nil if there is none
	breaker  *policy.Breaker // nil if there is none; the upstream's, if it is shared
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
	r := &route{config: c, policy: c.InForce(), upstream: p.upstreams[c.Upstream]}
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
	if source := r.upstream.credentials; source != nil {
		r.credentials = true
		r.authorization = r.authorization || source.Header() == "Authorization"
	}
	var err error
	if r.fallback, err = newFallback(c); err != nil {
		return nil, err
	}
	r.metrics = p.metrics.route(c, r.policy, r.fallback)
	if r.policy.Throttle != nil {
		r.gate = newGate(p.logger, "route", c.Name, "upstream", c.Upstream)
	}
	r.breaker = r.newBreaker(p.logger)
	transport := &policy.Transport{
		Policy:   r.policy,
		Upstream: r.upstream,
		Fresh:    fresh{r.upstream},
		Breaker:  r.breaker,
		Gate:     r.gate,
		Limit:    r.limit(),
		Shared:   r.shared(),
		Requests: requests,
		Memory:   answers,
		Observer: r.metrics,
	}
	if r.upstream.credentials != nil {
		transport.Credentials = r.upstream.credentials
	}
	r.proxy = &httputil.ReverseProxy{
		Rewrite:        r.rewrite,
		Transport:      transport,
		FlushInterval:  -1, // what streams is passed on as it comes
		BufferPool:     &copyBuffers,
		ModifyResponse: r.modifyResponse,
		ErrorHandler:   r.handleError,
		// What it has to say concerns one client's connection.
		ErrorLog: slog.NewLogLogger(p.logger.Handler(), slog.LevelDebug),
	}
	return r, nil
}

// limit returns the route's limit on calls in flight, nil if it has none.
func (r *route) limit() *policy.Limit {
	switch c := r.policy.Concurrency; {
	case c == nil:
		return nil
	case r.policy.Mode == policy.Observe:
		return observedLimit(c.MaxRequests, c.MaxPending)
	default:
		return policy.NewLimit(c.MaxRequests, c.MaxPending)
	}
}

// observedLimit returns a limit that only counts. As nobody is made to wait,
// those who would be are in flight too.
func observedLimit(maxRequests, maxPending int) *policy.Limit {
	if maxRequests == 0 {
		return nil
	}
	return policy.NewLimit(maxRequests+maxPending, 0)
}

// shared is what the route has in common with others: nothing of it if its
// policy is not in force, and a limit of those who only observe if it does.
func (r *route) shared() policy.Shared {
	s := r.upstream.shared
	switch r.policy.Mode {
	case policy.Passthrough:
		return policy.Shared{}
	case policy.Observe:
		s.Limit = r.upstream.observed
	case policy.Enforce:
	}
	return s
}

func (r *route) close() {
	if r.breaker != nil && r.breaker != r.upstream.breaker {
		r.breaker.Close()
	}
	r.gate.Close()
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
	if r.policy.ReadsBodies() {
		offerReadable(pr.Out.Header)
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
	if r.policy.Retry == nil {
		return ""
	}
	return r.policy.Retry.IdempotencyKey.Header
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
	if x.instead = x.standIn(); x.instead != nil {
		return errReplaced
	}
	x.outcome = OutcomeUpstream
	if x.call.Attempts > 1 {
		x.outcome = OutcomeRetried
	}
	cleanAnswer(resp, x.call.Streamed)
	x.remember(resp)
	x.describe(resp.Header)
	if x.call.Streamed {
		x.streamed = true
		x.extend()
	} else {
		x.writeSoon()
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
