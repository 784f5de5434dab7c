// Package policy decides what happens to one call to an upstream API: how long
// it may take, whether it is tried again, when the upstream is left alone, and
// what a result means. It knows no YAML, no metrics library and no HTTP server;
// the struct tags name the keys under which package config reads the fields.
//
// The settings in this file are plain data. SetDefaults fills in the built-in
// values; nothing here is changed after a [Transport] has been made from it.
package policy

import "time"

// Policy is the resilience policy of one route.
type Policy struct {
	// Mode says whether the policy acts or only watches.
	Mode Mode `yaml:"mode"`
	// MaxRequestBody bounds a request body in bytes; beyond it the client gets
	// 413. Zero is no limit.
	MaxRequestBody Size `yaml:"max_request_body"`
	// RequestBuffer is the largest request body that is held, so that it can be
	// sent again. A larger one is streamed and sent once.
	RequestBuffer Size `yaml:"request_buffer"`
	// Buffer is the largest answer that is read whole before a byte of it is
	// passed on. Zero streams every answer.
	Buffer Size `yaml:"buffer"`
	// Classify lists rules that come before the built-in classes; the first
	// that matches wins.
	Classify []Rule `yaml:"classify"`
	// Timeout bounds the call, its attempts and the silences of a stream.
	Timeout TimeoutPolicy `yaml:"timeout"`
	// Retry is nil if a call is never repeated.
	Retry *RetryPolicy `yaml:"retry"`
	// Breaker is nil if the route has none.
	Breaker *BreakerPolicy `yaml:"breaker"`
	// Throttle is nil if the route has no throttle gate.
	Throttle *ThrottlePolicy `yaml:"throttle"`
	// Concurrency is nil if the calls in flight are not limited.
	Concurrency *ConcurrencyPolicy `yaml:"concurrency"`
}

// SetDefaults sets the built-in values. Retry, breaker and concurrency are off
// until a configuration names them; the throttle gate is on.
func (p *Policy) SetDefaults() {
	*p = Policy{
		Mode:          Enforce,
		RequestBuffer: 64 * KiB,
		Buffer:        512 * KiB,
		Throttle:      &ThrottlePolicy{},
	}
	p.Timeout.SetDefaults()
	p.Throttle.SetDefaults()
}

// Complete sets the values whose built-in value is another key's value:
// timeout.attempt is timeout.request, breaker.half_open.timeout is
// timeout.attempt.
func (p *Policy) Complete() {
	if p.Timeout.Attempt == 0 {
		p.Timeout.Attempt = p.Timeout.Request
	}
	if p.Breaker != nil && p.Breaker.HalfOpen.Timeout == 0 {
		p.Breaker.HalfOpen.Timeout = p.Timeout.Attempt
	}
}

// FailureOn returns the statuses that are failures, also where the breaker is
// off: a failure means the same everywhere.
func (p *Policy) FailureOn() []StatusRange {
	if p.Breaker == nil {
		return builtin.breaker.FailureOn
	}
	return p.Breaker.FailureOn
}

// Throttling returns the settings that classify throttled answers, also where
// the gate is off.
func (p *Policy) Throttling() *ThrottlePolicy {
	if p.Throttle == nil {
		return &builtin.throttle
	}
	return p.Throttle
}

// retryMethods returns the methods that may be sent again, also where retries
// are off: a dead connection is replaced for them.
func (p *Policy) retryMethods() []string {
	if p.Retry == nil {
		return builtin.retry.Methods
	}
	return p.Retry.Methods
}

// minAttempt returns the time that must be left after a wait, also where retries
// are off.
func (p *Policy) minAttempt() time.Duration {
	if p.Retry == nil {
		return builtin.retry.MinAttempt
	}
	return p.Retry.MinAttempt
}

// InForce returns the part of the policy that its mode leaves in force. Passed
// through, a call has its deadline and no more.
func (p *Policy) InForce() *Policy {
	if p.Mode != Passthrough {
		return p
	}
	rest := *p
	rest.Classify, rest.Retry, rest.Breaker, rest.Throttle, rest.Concurrency = nil, nil, nil, nil, nil
	return &rest
}

// builtin are the built-in values, for what holds even where a policy is off.
var builtin = func() (b struct {
	retry    RetryPolicy
	breaker  BreakerPolicy
	throttle ThrottlePolicy
}) {
	b.retry.SetDefaults()
	b.breaker.SetDefaults()
	b.throttle.SetDefaults()
	return b
}()

// TimeoutPolicy bounds one call.
type TimeoutPolicy struct {
	// Request is the time from the request's head to the last byte of a
	// buffered answer, or to the head of a streamed one.
	Request time.Duration `yaml:"request"`
	// Attempt is the time of one try. Zero is Request.
	Attempt time.Duration `yaml:"attempt"`
	// StreamIdle is the longest silence of a streamed answer or a tunnel.
	StreamIdle time.Duration `yaml:"stream_idle"`
}

// SetDefaults sets the built-in values.
func (t *TimeoutPolicy) SetDefaults() {
	*t = TimeoutPolicy{Request: 3 * time.Second, StreamIdle: time.Minute}
}
