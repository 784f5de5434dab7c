package policy

import (
	"time"

	"github.com/mercari/go-circuitbreaker"
)

// The causes of a [Transition].
const (
	CauseConsecutiveFailures = "consecutive_failures"
	CauseFailureRate         = "failure_rate"
	CauseSlowCalls           = "slow_calls"
	CauseProbeFailed         = "probe_failed"
	CauseProbeSucceeded      = "probe_succeeded"
	CauseTimer               = "timer"
)

// Transition is a breaker's change from one state to another.
type Transition struct {
	From, To State
	At       time.Time
	// Until is when a breaker that opened will try the upstream; else zero.
	Until time.Time
	// Cause is one of the causes above.
	Cause string
	// Calls, Failures and Slow are those of the window, and Consecutive the
	// failures in a row, that opened a closed breaker; else zero.
	Calls, Failures, Slow, Consecutive int
	// Rate is Failures of Calls, 0..1.
	Rate float64
	// LastError is the latest failure's; it is empty when the cause is the timer.
	LastError string
}

// changed mirrors a transition of the automaton, which calls it under its lock:
// it may take no other but leaves. All transitions but that of the timer come
// from under mu.
func (b *Breaker) changed(from, to circuitbreaker.State) {
	if b.ended.Load() {
		return
	}
	now := time.Now()
	next := &phase{state: State(to), since: now}
	t := Transition{From: State(from), To: State(to), At: now}
	switch to {
	case circuitbreaker.StateHalfOpen:
		t.Cause = CauseTimer
	case circuitbreaker.StateClosed:
		t.Cause, t.LastError = CauseProbeSucceeded, b.lastError
		b.Reentry.reenter() // before anybody sees that it is closed
	case circuitbreaker.StateOpen:
		next.refusal = OpenError{State: Open, Until: now.Add(b.openFor)}
		t = b.trip(t, next.refusal.Until)
	}
	b.phase.Store(next)
	b.transitions.add(t)
	if t.Cause == CauseTimer {
		go b.transitions.deliver() // the timer's own goroutine ends with the lock
	}
}

// trip completes the transition to open and clears what the next states count,
// since the one to half-open happens outside mu.
func (b *Breaker) trip(t Transition, until time.Time) Transition {
	c := b.window.total
	t.Cause, t.Until, t.LastError = b.cause, until, b.lastError
	t.Calls, t.Failures, t.Slow, t.Rate = c.calls, c.failures, c.slow, c.rate(c.failures)
	t.Consecutive = b.consecutive
	if t.From == Closed {
		b.lastTrip = t
	}
	b.window.reset()
	b.consecutive, b.probes = 0, 0
	return t
}
