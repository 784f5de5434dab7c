package policy

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mercari/go-circuitbreaker"
)

const (
	// probeRetry is when a call that found all probes on their way may ask
	// again. How long they take is unknown; they are given a moment.
	probeRetry = time.Second
	// maxProbeHint is the longest wait that a throttled probe is believed.
	maxProbeHint = 5 * time.Minute
)

// Breaker leaves an upstream alone that fails, and tries it again.
//
// Closed, it counts the outcomes of calls. It opens when one of the policy's
// rules says so; the rules are asked at every success and failure, since a
// success too may be the call that completes min_calls. Open, it refuses calls
// for a time. Half-open, it lets a few probes through: enough successes close
// it, one failure opens it for twice as long. The longer times last until it
// has been closed for a whole window. Transitions by time need no traffic.
//
// The states are those of a go-circuitbreaker automaton, whose surface is used
// as little as is safe: it is told of successes and failures, and never asked
// to count.
//
// A Breaker is safe for concurrent use. Close frees its timer.
type Breaker struct {
	// Reentry, if not nil, lets calls back in one by one once the breaker has
	// closed. It must be set before the first call.
	Reentry *Gate

	policy   BreakerPolicy
	minCalls int
	settle   time.Duration // closed for so long, open times start anew
	born     time.Time     // the window's zero

	automaton *circuitbreaker.CircuitBreaker
	// phase mirrors the automaton's state. It is written in changed alone,
	// under the automaton's lock.
	phase       atomic.Pointer[phase]
	ended       atomic.Bool
	transitions notices[Transition]

	// mu guards all below. It is taken before the automaton's lock, never
	// after. Held, it also holds a closed or half-open phase in place: only a
	// result leads out of these, and results are recorded under mu.
	mu          sync.Mutex
	window      window
	consecutive int
	probes      int // on their way, of this half-open phase
	lastError   string
	lastTrip    Transition
	openTime    openTime
	cause       string        // why the automaton shall open now, if at all
	openFor     time.Duration // and for how long
}

// NewBreaker returns a closed breaker. If onChange is not nil it is told of each
// transition, in order and under no lock, by the goroutine of the call that
// caused it or one of its own; it may use the breaker, should return soon, and
// must not be waited for by what it calls.
func NewBreaker(p BreakerPolicy, onChange func(Transition)) *Breaker {
	var rate FailureRatePolicy
	rate.SetDefaults() // the slow call rule needs a window where this one is off
	if p.FailureRate != nil {
		rate = *p.FailureRate
	}
	now := time.Now()
	b := &Breaker{
		policy:      p,
		minCalls:    rate.MinCalls,
		settle:      rate.Window,
		transitions: notices[Transition]{onChange: onChange},
		born:        now,
		window:      newWindow(rate.Window),
		openTime:    openTime{initial: p.Open.Initial, max: max(p.Open.Initial, p.Open.Max), random: rand.Float64},
	}
	b.phase.Store(&phase{state: Closed, since: now})
	b.automaton = circuitbreaker.New(
		circuitbreaker.WithCounterResetInterval(-1), // its ticker's goroutine would never end
		circuitbreaker.WithTripFunc(func(*circuitbreaker.Counters) bool { return b.cause != "" }),
		circuitbreaker.WithOpenTimeoutBackOff(openBackOff{b}),
		circuitbreaker.WithHalfOpenMaxSuccesses(int64(max(p.HalfOpen.Successes, 1))),
		circuitbreaker.WithOnStateChangeHookFn(b.changed),
	)
	return b
}

// Admit lets a call through, or refuses it with an [*OpenError].
func (b *Breaker) Admit() (Permit, error) {
	ready, now := b.automaton.Ready(), b.phase.Load()
	switch {
	case !ready, now.state == Open:
		return Permit{}, now.refuse()
	case now.state == HalfOpen:
		return b.admitProbe()
	}
	return Permit{breaker: b, phase: now}, nil
}

// admitProbe lets at most half_open.probes calls through at a time. How many
// successes are still missing does not matter: a probe that hangs must not keep
// the others from closing the breaker.
func (b *Breaker) admitProbe() (Permit, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.phase.Load()
	if now.state == Closed {
		return Permit{breaker: b, phase: now}, nil
	}
	if now.state == Open || b.probes >= max(b.policy.HalfOpen.Probes, 1) {
		return Permit{}, now.refuse()
	}
	b.probes++
	return Permit{breaker: b, phase: now}, nil
}

// record counts the outcome of a call that was let through in phase then.
func (b *Breaker) record(then *phase, o Outcome) {
	if b.count(then, o) {
		b.transitions.deliver()
		b.Reentry.deliver()
	}
}

// count reports whether the outcome ended the phase.
func (b *Breaker) count(then *phase, o Outcome) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.phase.Load() != then:
		return false // a result of the past
	case then.state == Closed:
		b.countCall(o)
	case then.state == HalfOpen:
		b.countProbe(o)
	}
	return b.phase.Load() != then
}

// countCall counts a call of the closed state and opens the breaker if a rule
// says so. A slow success is a success to all rules but that of slow calls.
func (b *Breaker) countCall(o Outcome) {
	failed := o.Class == Failure
	if b.ended.Load() || !failed && o.Class != Success {
		return
	}
	c := counts{calls: 1}
	if failed {
		c.failures = 1
		b.consecutive++
		b.lastError = o.Err
	} else {
		b.consecutive = 0
	}
	if slow := b.policy.SlowCalls; slow != nil && o.Took >= slow.Duration {
		c.slow = 1
	}
	b.window.add(time.Since(b.born), c)

	b.cause = b.judge(b.window.total)
	switch {
	case b.cause != "":
		if time.Since(b.phase.Load().since) >= b.settle {
			b.openTime.reset()
		}
		b.openFor = b.openTime.next()
		b.automaton.Fail() // of a success too: it judges at failures only
	case failed:
		b.automaton.Fail()
	default:
		b.automaton.Success()
	}
}

// judge returns the cause to open, if there is one.
func (b *Breaker) judge(c counts) string {
	p := &b.policy
	switch {
	case p.ConsecutiveFailures > 0 && b.consecutive >= p.ConsecutiveFailures:
		return CauseConsecutiveFailures
	case c.calls < b.minCalls:
		return ""
	case p.FailureRate != nil && c.failures > 0 && c.rate(c.failures) >= p.FailureRate.Threshold:
		return CauseFailureRate
	case p.SlowCalls != nil && c.slow > 0 && c.rate(c.slow) >= p.SlowCalls.Threshold:
		return CauseSlowCalls
	}
	return ""
}

// countProbe gives a probe's place back and tells the automaton the result. A
// throttled upstream is not broken: it is left alone for as long as it asked,
// or for the same time again, but not for longer.
func (b *Breaker) countProbe(o Outcome) {
	b.probes--
	if b.ended.Load() {
		return
	}
	switch o.Class {
	case Neutral:
	case Success:
		b.automaton.Success()
	case Failure:
		b.reopen(o, b.openTime.next())
	case Throttled:
		if o.Wait > 0 {
			b.reopen(o, min(o.Wait, maxProbeHint))
		} else {
			b.reopen(o, b.openTime.again())
		}
	}
}

func (b *Breaker) reopen(o Outcome, d time.Duration) {
	b.lastError, b.cause, b.openFor = o.Err, CauseProbeFailed, d
	b.automaton.Fail()
}

// Close frees the breaker's timer and drops all later transitions. The state
// stays as it is for the calls still under way; their outcomes go nowhere. It
// may be called more than once.
func (b *Breaker) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended.Store(true)
	b.transitions.stop()
	b.automaton.SetState(circuitbreaker.StateHalfOpen) // the one state without a timer
}
