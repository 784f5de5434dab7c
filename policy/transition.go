package policy

import (
	"log/slog"
	"runtime/debug"
	"sync"
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
// it may take no other but a leaf. All transitions but that of the timer come
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

// transitions hands each transition to one function: in order, one at a time,
// under no lock of the breaker, and each exactly once. The goroutine that finds
// nobody at it does it for all; the others go on. The zero value drops them.
type transitions struct {
	onChange func(Transition)

	mu      sync.Mutex // a leaf: held while no other lock is taken
	queue   []Transition
	busy    bool // somebody delivers
	stopped bool
}

// add queues t. It takes no lock but its own, for it is called under those of
// the breaker and its automaton.
func (ts *transitions) add(t Transition) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.onChange != nil && !ts.stopped {
		ts.queue = append(ts.queue, t)
	}
}

// deliver empties the queue, unless somebody else is at it: then that one
// delivers what was added too.
func (ts *transitions) deliver() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.busy {
		return
	}
	ts.busy = true
	defer func() { ts.busy = false }()
	for len(ts.queue) > 0 {
		next := ts.queue[0]
		ts.queue = ts.queue[1:]
		ts.handOver(next)
	}
	ts.queue = nil
}

// handOver calls onChange without the lock. Its panic ends neither the request
// nor the timer that happened to deliver.
func (ts *transitions) handOver(t Transition) {
	ts.mu.Unlock()
	defer ts.mu.Lock()
	defer func() {
		if v := recover(); v != nil {
			//nolint:sloglint // the function that should have been told is the one that is broken
			slog.Error("panic while a breaker's transition was reported", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	ts.onChange(t)
}

// stop drops what is queued and all that comes later. It does not wait for an
// onChange under way, which may be its caller.
func (ts *transitions) stop() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.stopped, ts.queue = true, nil
}
