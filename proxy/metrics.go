package proxy

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy/config"
	"github.com/fender-proxy/fender/proxy/credential"
)

// Metrics are the process's metric families. Labels come from the configuration
// and from fixed sets only. It is safe for concurrent use.
type Metrics struct {
	requests    *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	inFlight    *prometheus.GaugeVec
	attempts    *prometheus.CounterVec
	attemptTime *prometheus.HistogramVec
	retries     *prometheus.CounterVec
	skipped     *prometheus.CounterVec
	hints       *prometheus.HistogramVec
	fallbacks   *prometheus.CounterVec
	state       *prometheus.GaugeVec
	transitions *prometheus.CounterVec
	routeInfo   *prometheus.GaugeVec
	configInfo  *prometheus.GaugeVec
	buildInfo   *prometheus.GaugeVec
	pending     *prometheus.GaugeVec
	observed    *prometheus.CounterVec
	fetches     *prometheus.CounterVec
	gauges      *gauges
}

// Buckets in seconds: a call ends with its timeout, a hint may be hours.
var (
	callBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 3, 5, 10, 30}
	hintBuckets = []float64{.5, 1, 2, 5, 10, 30, 60, 300, 3600}
)

// NewMetrics registers the families. It panics if reg has them already.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
		reg.MustRegister(g)
		return g
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name, Help: help,
			Buckets:                         buckets,
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  160,
			NativeHistogramMinResetDuration: time.Hour,
		}, labels)
		reg.MustRegister(h)
		return h
	}
	atScrape := newGauges()
	reg.MustRegister(atScrape)
	return &Metrics{
		requests:    counter("fender_requests_total", "Requests answered, by what the client got. No route: route is empty.", "route", "method", "code", "outcome"),
		duration:    histogram("fender_request_duration_seconds", "Time from a request's head to the end of its answer.", callBuckets, "route", "outcome"),
		inFlight:    gauge("fender_requests_in_flight", "Requests that are being handled.", "route"),
		attempts:    counter("fender_upstream_attempts_total", "Tries that went upstream, by result.", "route", "result"),
		attemptTime: histogram("fender_upstream_attempt_duration_seconds", "Time of a try until its answer was whole, or streamed.", callBuckets, "route"),
		retries:     counter("fender_retries_total", "Repeats, by the condition that asked for them.", "route", "reason"),
		skipped:     counter("fender_retries_skipped_total", "Results worth a repeat that was not made, by why not.", "route", "reason"),
		hints:       histogram("fender_throttle_hint_seconds", "Waits that throttled answers asked for.", hintBuckets, "route"),
		fallbacks:   counter("fender_fallbacks_total", "Answers in the upstream's stead, by reason and source.", "route", "reason", "source"),
		state:       gauge("fender_breaker_state", "1 for the state the circuit breaker is in, 0 for the others.", "route", "state"),
		transitions: counter("fender_breaker_transitions_total", "Changes of the circuit breaker's state.", "route", "from", "to"),
		routeInfo:   gauge("fender_route_info", "1 for each configured route.", "route", "upstream", "mode"),
		configInfo:  gauge("fender_config_info", "1 for the configuration in force.", "sha256"),
		buildInfo:   gauge("fender_build_info", "1 for the running build.", "version", "revision", "goversion"),
		pending:     gauge("fender_concurrency_pending", "Calls that wait for a place in flight.", "route"),
		observed:    counter("fender_observed_rejections_total", "Calls that would have been refused if the policy were in force.", "route", "policy"),
		fetches:     counter("fender_oauth2_token_fetches_total", "Requests for a token.", "upstream", "result"),
		gauges:      atScrape,
	}
}

// SetBuildInfo says what is running.
func (m *Metrics) SetBuildInfo(version, revision, goversion string) {
	m.buildInfo.WithLabelValues(version, revision, goversion).Set(1)
}

// SetConfig says which configuration is in force.
func (m *Metrics) SetConfig(sha256 string) {
	m.configInfo.Reset()
	m.configInfo.WithLabelValues(sha256).Set(1)
}

// outcomes are those of requests on a route.
var outcomes = []Outcome{
	OutcomeUpstream, OutcomeRetried, OutcomeFallback, OutcomeStale,
	OutcomeRefused, OutcomeFailed, OutcomeCanceled, OutcomeInvalid,
}

// knownMethods are those that metrics tell apart.
var knownMethods = map[string]bool{
	"GET": true, "HEAD": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true,
	"OPTIONS": true, "CONNECT": true, "TRACE": true,
}

// request counts an exchange.
func (m *Metrics) request(x *exchange, took time.Duration) {
	method := x.request.Method
	if !knownMethods[method] {
		method = "_OTHER"
	}
	m.requests.WithLabelValues(x.routeName(), method, strconv.Itoa(x.status), string(x.outcome)).Inc()
	if x.route == nil {
		m.duration.WithLabelValues("", string(x.outcome)).Observe(took.Seconds())
		return
	}
	x.route.metrics.duration[x.outcome].Observe(took.Seconds())
}

// routeMetrics are one route's series, made when the route is, so that all of
// them exist from the start. It is the observer of the route's calls.
type routeMetrics struct {
	inFlight    prometheus.Gauge
	duration    map[Outcome]prometheus.Observer
	attempts    map[policy.AttemptResult]prometheus.Counter
	attemptTime prometheus.Observer
	hints       prometheus.Observer
	retries     map[policy.Condition]prometheus.Counter
	skipped     map[policy.Skip]prometheus.Counter
	fallbacks   map[fallbackLabels]prometheus.Counter
	pending     prometheus.Gauge
	observed    map[policy.Refuser]prometheus.Counter
	states      map[policy.State]prometheus.Gauge
	transitions map[[2]policy.State]prometheus.Counter
}

// fallbackLabels are those of fender_fallbacks_total beside the route.
type fallbackLabels struct {
	reason policy.Reason
	source fallbackSource
}

// route returns the series of a route with the policy p and the fallback f, which
// may be nil, in force.
func (m *Metrics) route(c *config.Route, p *policy.Policy, f *fallback) *routeMetrics {
	name := c.Name
	m.routeInfo.WithLabelValues(name, c.Upstream, string(c.Mode)).Set(1)
	r := &routeMetrics{
		inFlight:    m.inFlight.WithLabelValues(name),
		attemptTime: m.attemptTime.WithLabelValues(name),
		hints:       m.hints.WithLabelValues(name),
		duration:    map[Outcome]prometheus.Observer{},
		attempts:    map[policy.AttemptResult]prometheus.Counter{},
		retries:     map[policy.Condition]prometheus.Counter{},
		skipped:     map[policy.Skip]prometheus.Counter{},
		fallbacks:   map[fallbackLabels]prometheus.Counter{},
		pending:     m.pending.WithLabelValues(name),
		observed:    map[policy.Refuser]prometheus.Counter{},
		states:      map[policy.State]prometheus.Gauge{},
		transitions: map[[2]policy.State]prometheus.Counter{},
	}
	for _, o := range outcomes {
		r.duration[o] = m.duration.WithLabelValues(name, string(o))
	}
	for _, result := range policy.AttemptResults() {
		r.attempts[result] = m.attempts.WithLabelValues(name, string(result))
	}
	if p.Retry != nil {
		for _, condition := range p.Retry.Conditions {
			r.retries[condition] = m.retries.WithLabelValues(name, condition.String())
		}
		for _, why := range policy.Skips() {
			r.skipped[why] = m.skipped.WithLabelValues(name, string(why))
		}
	}
	if p.Mode == policy.Observe {
		for _, by := range policy.Refusers() {
			r.observed[by] = m.observed.WithLabelValues(name, string(by))
		}
	}
	for _, labels := range f.labels() {
		r.fallbacks[labels] = m.fallbacks.WithLabelValues(name, string(labels.reason), string(labels.source))
	}
	if p.Breaker != nil {
		m.breaker(r, name)
	}
	return r
}

func (m *Metrics) breaker(r *routeMetrics, name string) {
	for _, state := range policy.States() {
		r.states[state] = m.state.WithLabelValues(name, string(state))
		r.states[state].Set(0)
	}
	r.states[policy.Closed].Set(1)
	for _, step := range [][2]policy.State{
		{policy.Closed, policy.Open}, {policy.Open, policy.HalfOpen},
		{policy.HalfOpen, policy.Open}, {policy.HalfOpen, policy.Closed},
	} {
		r.transitions[step] = m.transitions.WithLabelValues(name, string(step[0]), string(step[1]))
	}
}

// Attempt implements [policy.Observer].
func (r *routeMetrics) Attempt(result policy.AttemptResult, took time.Duration) {
	r.attempts[result].Inc()
	r.attemptTime.Observe(took.Seconds())
}

// Hint implements [policy.Observer].
func (r *routeMetrics) Hint(wait time.Duration) { r.hints.Observe(wait.Seconds()) }

// Retry implements [policy.Observer].
func (r *routeMetrics) Retry(on policy.Condition) { r.retries[on].Inc() }

// RetrySkipped implements [policy.Observer].
func (r *routeMetrics) RetrySkipped(why policy.Skip) { r.skipped[why].Inc() }

// Pending implements [policy.Observer].
func (r *routeMetrics) Pending(change int) { r.pending.Add(float64(change)) }

// Observed implements [policy.Observer].
func (r *routeMetrics) Observed(by policy.Refuser) { r.observed[by].Inc() }

// fallback counts an answer in the upstream's stead.
func (r *routeMetrics) fallback(reason policy.Reason, source fallbackSource) {
	r.fallbacks[fallbackLabels{reason, source}].Inc()
}

// transition shows a breaker's change of state.
func (r *routeMetrics) transition(t policy.Transition) {
	r.states[t.From].Set(0)
	r.states[t.To].Set(1)
	r.transitions[[2]policy.State{t.From, t.To}].Inc()
}

// tokenFetched returns what counts the fetches of an upstream's tokens, nil if it
// needs none.
func (m *Metrics) tokenFetched(upstream string, a *config.Auth) func(credential.FetchResult) {
	if a == nil || a.OAuth2 == nil {
		return nil
	}
	fetches := map[credential.FetchResult]prometheus.Counter{}
	for _, result := range credential.FetchResults() {
		fetches[result] = m.fetches.WithLabelValues(upstream, string(result))
	}
	return func(result credential.FetchResult) { fetches[result].Inc() }
}
