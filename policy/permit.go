package policy

import (
	"fmt"
	"time"
)

// Outcome is how a call ended.
type Outcome struct {
	Class Class
	// Wait is the hint of a throttled answer; zero is none.
	Wait time.Duration
	// Err says what went wrong; it is shown to people and never interpreted.
	Err string
	// Took is the call's time, for the slow call rule.
	Took time.Duration
}

// Permit lets one call through a [Breaker] and takes its outcome back. Each
// permit must be given one with Done; until then a probe holds its place, and
// the breaker does not take it away: whoever holds a probe must bound its time.
// The usual form is a deferred Done, so that a panic loses no place.
//
// A Permit is a value, and not safe for concurrent use. Of several copies only
// one may be used. The zero Permit belongs to no breaker: it is always current
// and its outcome goes nowhere.
type Permit struct {
	breaker *Breaker
	phase   *phase
	stage   permitStage
}

type permitStage uint8

const (
	permitOut permitStage = iota
	permitDone
	permitFailedLate
)

// Probe reports whether the call tries a half-open breaker's upstream.
func (p *Permit) Probe() bool { return p.phase != nil && p.phase.state == HalfOpen }

// Current reports whether the breaker is still in the very state in which it
// gave the permit. A breaker that has meanwhile opened and closed again is not.
func (p *Permit) Current() bool { return p.breaker == nil || p.breaker.phase.Load() == p.phase }

// Done records the call's outcome. It has an effect only once, and only while
// the permit is current: what an earlier state let through says nothing about
// this one.
func (p *Permit) Done(o Outcome) {
	if p.breaker == nil || p.stage != permitOut {
		return
	}
	p.stage = permitDone
	p.breaker.record(p.phase, o)
}

// FailLate records one more failure for a call whose outcome was recorded at
// the answer's head and whose body broke later. It counts once, and only while
// the breaker is closed and the permit is current.
func (p *Permit) FailLate(err string) {
	if p.breaker == nil || p.stage != permitDone || p.phase.state != Closed {
		return
	}
	p.stage = permitFailedLate
	p.breaker.record(p.phase, Outcome{Class: Failure, Err: err})
}

// OpenError is a breaker's refusal. It must not be changed.
type OpenError struct {
	// State is Open, or HalfOpen when all probes are on their way.
	State State
	// Until is when it is worth asking again.
	Until time.Time
}

// Error returns the state and the moment.
func (e *OpenError) Error() string {
	return fmt.Sprintf("circuit breaker is %s until %s", e.State, e.Until.Format(time.RFC3339Nano))
}

// RetryAfter returns the time left at now, never less than zero.
func (e *OpenError) RetryAfter(now time.Time) time.Duration { return max(e.Until.Sub(now), 0) }
