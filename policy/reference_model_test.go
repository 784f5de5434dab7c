package policy

import (
	"math"
	"time"
)

// reference is a breaker as one would explain it to a colleague: it remembers
// every call, counts anew whenever it is asked, and has neither locks nor
// timers. It is told what time it is, and that never goes back. It shares the
// breaker's vocabulary, but no code with it.
type reference struct {
	policy BreakerPolicy
	born   time.Time

	state        State
	since, until time.Time
	stay         int // which one of its stays in a state this is

	counted   []counted        // of this closed state
	probes    []*referenceCall // of this half-open state
	successes int              // of these

	openFor   time.Duration // when it opened last; zero: it starts from initial
	lastError string
	lastTrip  Transition
	told      []Transition
}

// counted is a success or failure of the closed state.
type counted struct {
	tenth        int
	failed, slow bool
}

// referenceCall is a call that was let through.
type referenceCall struct {
	stay              int
	probe             bool
	ended, brokeLater bool
}

func newReference(p BreakerPolicy, now time.Time) *reference {
	return &reference{policy: p, born: now, state: Closed, since: now}
}

// pass lets an open time that is over by now end.
func (r *reference) pass(now time.Time) {
	if r.state == Open && !now.Before(r.until) {
		r.change(Transition{To: HalfOpen, At: r.until, Cause: CauseTimer})
	}
}

// admit returns either a call or a refusal.
func (r *reference) admit(now time.Time) (*referenceCall, *OpenError) {
	call := &referenceCall{stay: r.stay, probe: r.state == HalfOpen}
	if r.state == Open {
		return nil, &OpenError{State: Open, Until: r.until}
	}
	if call.probe {
		onTheirWay := 0
		for _, probe := range r.probes {
			if !probe.ended {
				onTheirWay++
			}
		}
		if onTheirWay >= r.policy.HalfOpen.Probes {
			return nil, &OpenError{State: HalfOpen, Until: now.Add(time.Second)}
		}
		r.probes = append(r.probes, call)
	}
	return call, nil
}

// current reports whether the call began in the stay that still lasts.
func (r *reference) current(call *referenceCall) bool { return call.stay == r.stay }

func (r *reference) done(call *referenceCall, o Outcome, now time.Time) {
	if call.ended {
		return
	}
	call.ended = true
	switch {
	case !r.current(call):
	case r.state == Closed && (o.Class == Success || o.Class == Failure):
		r.count(o, now)
	case r.state == HalfOpen:
		r.probed(o, now)
	}
}

func (r *reference) failLate(call *referenceCall, err string, now time.Time) {
	if !call.ended || call.brokeLater {
		return
	}
	call.brokeLater = true
	if r.current(call) && r.state == Closed {
		r.count(Outcome{Class: Failure, Err: err}, now)
	}
}

// count is for the successes and failures of the closed state.
func (r *reference) count(o Outcome, now time.Time) {
	c := counted{tenth: r.tenth(now), failed: o.Class == Failure}
	if slow := r.policy.SlowCalls; slow != nil {
		c.slow = o.Took >= slow.Duration
	}
	r.counted = append(r.counted, c)
	if c.failed {
		r.lastError = o.Err
	}

	seen := r.seen(now)
	cause := r.judge(seen)
	if cause == "" {
		return
	}
	length, _ := r.window()
	if now.Sub(r.since) >= length {
		r.openFor = 0
	}
	seen.To, seen.At, seen.Until = Open, now, now.Add(r.longer())
	seen.Cause, seen.LastError = cause, r.lastError
	r.change(seen)
	r.lastTrip = r.told[len(r.told)-1]
}

// judge returns the first rule that says so.
func (r *reference) judge(seen Transition) string {
	_, enough := r.window()
	reaches := func(n int, threshold float64) bool {
		// Whole percents, so that no rounding decides.
		return seen.Calls >= enough && n > 0 && n*100 >= int(math.Round(threshold*100))*seen.Calls
	}
	p := r.policy
	switch {
	case p.ConsecutiveFailures > 0 && seen.Consecutive >= p.ConsecutiveFailures:
		return CauseConsecutiveFailures
	case p.FailureRate != nil && reaches(seen.Failures, p.FailureRate.Threshold):
		return CauseFailureRate
	case p.SlowCalls != nil && reaches(seen.Slow, p.SlowCalls.Threshold):
		return CauseSlowCalls
	}
	return ""
}

// window returns how long calls are remembered and how many are enough. Without
// a failure rate the slow calls have the built-in values.
func (r *reference) window() (length time.Duration, enough int) {
	if rate := r.policy.FailureRate; rate != nil {
		return rate.Window, rate.MinCalls
	}
	return 10 * time.Second, 5
}

// tenth returns in which tenth of a window, from the breaker's birth on, now is.
func (r *reference) tenth(now time.Time) int {
	length, _ := r.window()
	return int(now.Sub(r.born) / (length / 10))
}

// seen returns the counts. A call counts in its own tenth of the window and in
// the nine that follow. The failures in a row are as old as they like.
func (r *reference) seen(now time.Time) Transition {
	var seen Transition
	oldest := r.tenth(now) - 9
	for _, c := range r.counted {
		seen.Consecutive++
		if !c.failed {
			seen.Consecutive = 0
		}
		if c.tenth < oldest {
			continue
		}
		seen.Calls++
		if c.failed {
			seen.Failures++
		}
		if c.slow {
			seen.Slow++
		}
	}
	if seen.Calls > 0 {
		seen.Rate = float64(seen.Failures) / float64(seen.Calls)
	}
	return seen
}

// probed is for the outcomes of the half-open state.
func (r *reference) probed(o Outcome, now time.Time) {
	var openFor time.Duration
	switch {
	case o.Class == Neutral:
		return
	case o.Class == Success:
		r.successes++
		if r.successes == r.policy.HalfOpen.Successes {
			r.change(Transition{To: Closed, At: now, Cause: CauseProbeSucceeded, LastError: r.lastError})
		}
		return
	case o.Class == Failure:
		openFor = r.longer()
	case o.Wait > 5*time.Minute: // throttled, as below
		openFor = 5 * time.Minute
	case o.Wait > 0:
		openFor = o.Wait
	default:
		openFor = r.openFor
	}
	r.lastError = o.Err
	r.change(Transition{To: Open, At: now, Until: now.Add(openFor), Cause: CauseProbeFailed, LastError: o.Err})
}

// longer returns the next open time. It does not vary.
func (r *reference) longer() time.Duration {
	if r.openFor == 0 {
		r.openFor = r.policy.Open.Initial
	} else {
		r.openFor = min(2*r.openFor, r.policy.Open.Max)
	}
	return r.openFor
}

// change begins a new stay, which knows nothing of the last one's calls.
func (r *reference) change(t Transition) {
	t.From = r.state
	r.told = append(r.told, t)
	r.state, r.since, r.until = t.To, t.At, t.Until
	r.stay++
	r.counted, r.probes, r.successes = nil, nil, 0
}

// snapshot returns what a [Breaker] in its place would show.
func (r *reference) snapshot(now time.Time) Snapshot {
	seen := r.seen(now)
	return Snapshot{
		State: r.state, Since: r.since, Until: r.until,
		Calls: seen.Calls, Failures: seen.Failures, Slow: seen.Slow, Rate: seen.Rate,
		Consecutive: seen.Consecutive, LastError: r.lastError, LastTrip: r.lastTrip,
	}
}
