package policy

import (
	"net/http"
	"time"
)

// RetryPolicy says what is tried again, how often and after what wait.
type RetryPolicy struct {
	// MaxRetries is the number of repeats after the first try.
	MaxRetries int `yaml:"max_retries"`
	// Conditions are the results that are worth a repeat.
	Conditions []Condition `yaml:"conditions"`
	// Methods are those that may be repeated once they were sent
	// (RFC 9110, 9.2.2).
	Methods []string `yaml:"methods"`
	// UnsafeOn429 lets any method be repeated after a 429.
	UnsafeOn429 bool          `yaml:"unsafe_on_429"`
	Backoff     BackoffPolicy `yaml:"backoff"`
	// MaxHint is the longest hinted wait that a caller is made to wait for.
	MaxHint time.Duration `yaml:"max_hint"`
	// MinAttempt is the time that must be left after a wait.
	MinAttempt     time.Duration        `yaml:"min_attempt"`
	IdempotencyKey IdempotencyKeyPolicy `yaml:"idempotency_key"`
}

// SetDefaults sets the built-in values.
func (r *RetryPolicy) SetDefaults() {
	*r = RetryPolicy{
		MaxRetries: 2,
		Conditions: []Condition{
			OnConnect, OnReset, OnTimeout,
			OnStatus(http.StatusTooManyRequests), OnStatus(http.StatusBadGateway),
			OnStatus(http.StatusServiceUnavailable), OnStatus(http.StatusGatewayTimeout),
		},
		Methods:    []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete},
		Backoff:    BackoffPolicy{Initial: 100 * time.Millisecond, Max: time.Second},
		MaxHint:    2 * time.Second,
		MinAttempt: 50 * time.Millisecond,
	}
}

// BackoffPolicy is exponential with full jitter: before repeat n (from 0) a
// random time up to min(Max, Initial * 2^n).
type BackoffPolicy struct {
	Initial time.Duration `yaml:"initial"`
	Max     time.Duration `yaml:"max"`
}

// IdempotencyKeyPolicy names the header by which an upstream recognises a
// repeat (draft-ietf-httpapi-idempotency-key-header).
type IdempotencyKeyPolicy struct {
	Header   string `yaml:"header"`
	Generate bool   `yaml:"generate"`
}

// BreakerPolicy says when an upstream is left alone and when it is asked again.
type BreakerPolicy struct {
	Scope Scope `yaml:"scope"`
	// FailureOn are the statuses that are failures.
	FailureOn []StatusRange `yaml:"failure_on"`
	// ConsecutiveFailures opens the breaker; zero turns the rule off.
	ConsecutiveFailures int `yaml:"consecutive_failures"`
	// FailureRate is nil if the rule is off.
	FailureRate *FailureRatePolicy `yaml:"failure_rate"`
	// SlowCalls is nil if the rule is off.
	SlowCalls *SlowCallsPolicy `yaml:"slow_calls"`
	Open      OpenPolicy       `yaml:"open"`
	HalfOpen  HalfOpenPolicy   `yaml:"half_open"`
	// Override is nil if the automaton rules.
	Override *OverridePolicy `yaml:"override"`
}

// SetDefaults sets the built-in values.
func (b *BreakerPolicy) SetDefaults() {
	*b = BreakerPolicy{
		Scope:               ScopeRoute,
		FailureOn:           []StatusRange{{500, 599}},
		ConsecutiveFailures: 5,
		FailureRate:         &FailureRatePolicy{},
		Open:                OpenPolicy{Initial: 15 * time.Second, Max: time.Minute},
		HalfOpen:            HalfOpenPolicy{Probes: 1, Successes: 2},
	}
	b.FailureRate.SetDefaults()
}

// FailureRatePolicy opens the breaker when Threshold (0..1) or more of at least
// MinCalls calls in a rolling Window failed.
type FailureRatePolicy struct {
	Threshold float64       `yaml:"threshold"`
	MinCalls  int           `yaml:"min_calls"`
	Window    time.Duration `yaml:"window"`
}

// SetDefaults sets the built-in values.
func (f *FailureRatePolicy) SetDefaults() {
	*f = FailureRatePolicy{Threshold: 0.5, MinCalls: 5, Window: 10 * time.Second}
}

// SlowCallsPolicy opens the breaker when Threshold (0..1) or more of the calls
// in the failure rate's window took Duration or longer.
type SlowCallsPolicy struct {
	Duration  time.Duration `yaml:"duration"`
	Threshold float64       `yaml:"threshold"`
}

// SetDefaults sets the built-in values.
func (s *SlowCallsPolicy) SetDefaults() {
	*s = SlowCallsPolicy{Duration: 2 * time.Second, Threshold: 0.8}
}

// OpenPolicy is how long the breaker stays open: Initial, doubled by each
// failed probe up to Max.
type OpenPolicy struct {
	Initial time.Duration `yaml:"initial"`
	Max     time.Duration `yaml:"max"`
}

// HalfOpenPolicy is how a recovering upstream is tried.
type HalfOpenPolicy struct {
	// Probes is how many calls are let through at a time.
	Probes int `yaml:"probes"`
	// Successes in a row close the breaker.
	Successes int `yaml:"successes"`
	// Timeout is a probe's time from sending. Zero is timeout.attempt.
	Timeout time.Duration `yaml:"timeout"`
}

// OverridePolicy holds the breaker in a state until a moment.
type OverridePolicy struct {
	State  OverrideState `yaml:"state"`
	Until  time.Time     `yaml:"until"`
	Reason string        `yaml:"reason"`
}

// ThrottlePolicy says which answers mean "slow down" and how that is obeyed.
type ThrottlePolicy struct {
	// Statuses are throttled answers; a 503 only with a usable hint.
	Statuses []StatusRange `yaml:"statuses"`
	// Hints name the headers that may say how long, in order.
	Hints []Hint `yaml:"hints"`
	// DefaultWait is the gate's time when there is no hint; zero is none.
	DefaultWait time.Duration `yaml:"default_wait"`
	// MaxWait is the longest time that a caller is held back.
	MaxWait time.Duration `yaml:"max_wait"`
	// MaxPending is how many callers may be held back.
	MaxPending int `yaml:"max_pending"`
	// Max is the longest time the gate stays shut.
	Max   time.Duration `yaml:"max"`
	Scope Scope         `yaml:"scope"`
}

// SetDefaults sets the built-in values.
func (t *ThrottlePolicy) SetDefaults() {
	*t = ThrottlePolicy{
		Statuses:    []StatusRange{{429, 429}, {503, 503}},
		Hints:       []Hint{{Header: "Retry-After", Format: FormatAuto}},
		DefaultWait: time.Second,
		MaxWait:     time.Second,
		MaxPending:  64,
		Max:         5 * time.Minute,
		Scope:       ScopeRoute,
	}
}

// Hint names a header that says how long to wait, and how to read it.
type Hint struct {
	Header string     `yaml:"header"`
	Format HintFormat `yaml:"format"`
}

// SetDefaults sets the built-in values.
func (h *Hint) SetDefaults() { *h = Hint{Format: FormatAuto} }

// ConcurrencyPolicy bounds the calls in flight and those that wait for a place.
type ConcurrencyPolicy struct {
	// MaxRequests is the number in flight; zero is no limit.
	MaxRequests int `yaml:"max_requests"`
	// MaxPending is the number that may wait for a place.
	MaxPending int `yaml:"max_pending"`
}

// SetDefaults sets the built-in values of a route's limit.
func (c *ConcurrencyPolicy) SetDefaults() { *c = ConcurrencyPolicy{MaxRequests: 256} }

// Rule classifies an answer. All its set fields must match.
type Rule struct {
	// Status is the answer's status; the zero value matches any.
	Status StatusRange `yaml:"status"`
	// Contains is a text in the body, at most 64 KiB into it.
	Contains string `yaml:"contains"`
	// ContentTypeNot matches an answer of any other media type.
	ContentTypeNot string `yaml:"content_type_not"`
	// As is the class given.
	As RuleClass `yaml:"as"`
	// Wait is the gate's time for a throttled answer; zero leaves it to hints.
	Wait time.Duration `yaml:"wait"`
	// Scope is the gate's scope; empty leaves it to throttle.scope.
	Scope Scope `yaml:"scope"`
}
