package policy

import (
	"errors"
	"time"
)

// Shared is what the routes of one upstream have in common. Its nil parts are
// off.
type Shared struct {
	Gate   *Gate
	Limit  *Limit
	Rate   *Rate
	Budget *Budget
}

// ticket is what one attempt has been given before it is made: the leave of the
// gates, and places under the limits. The route's come first, so that nobody has
// the upstream's while waiting for the route's.
type ticket struct {
	gates  [2]entry
	limits [2]*Limit
}

func (t *Transport) gates() [2]*Gate {
	if t.Policy.Throttle == nil {
		return [2]*Gate{}
	}
	return [2]*Gate{t.Gate, t.Shared.Gate}
}

// observes reports whether the policy only counts what it would refuse.
func (t *Transport) observes() bool { return t.Policy.Mode == Observe }

// heldBack returns until when a caller may be held back that is ready to go
// after ready: no longer than it is worth waiting for.
func (t *Transport) heldBack(call *Call, ready time.Duration) time.Time {
	until := time.Now().Add(ready + t.Policy.Throttling().MaxWait)
	if last := t.lastStart(call); last.Before(until) {
		return last
	}
	return until
}

// lastStart is the last moment at which an attempt after a wait makes sense.
func (t *Transport) lastStart(call *Call) time.Time {
	return call.deadline.Add(-t.Policy.minAttempt())
}

// await gets the call a ticket for an attempt that may begin after ready: first
// the gates' leave, then places under the limits. It returns a refusal of ours,
// or the cause of the call's end.
func (t *Transport) await(call *Call, ready time.Duration) error {
	if t.observes() {
		t.observe(call)
		return nil
	}
	most := t.Policy.Throttling().MaxPending
	var until time.Time
	for i, gate := range t.gates() {
		var in bool
		if call.ticket.gates[i], in = gate.pass(); in {
			continue
		}
		if until.IsZero() { // once for both
			until = t.heldBack(call, ready)
		}
		var err error
		if call.ticket.gates[i], err = gate.enter(call, until, most); err != nil {
			return err
		}
	}
	for i, limit := range [2]*Limit{t.Limit, t.Shared.Limit} {
		if err := limit.enter(call, t.lastStart(call), t.Observer); err != nil {
			return err
		}
		call.ticket.limits[i] = limit
	}
	return nil
}

// turn waits for the attempt's turn under the rate limit. It is the last thing
// to wait for, so that what is let through goes out at once, and no turn is
// spent on a call that is refused.
func (t *Transport) turn(call *Call) error {
	rate := t.Shared.Rate
	if rate == nil {
		return nil
	}
	if t.observes() {
		if rate.force(t.heldBack(call, 0)) {
			t.wouldRefuse(call, RefusedByThrottle)
		}
		return nil
	}
	return rate.wait(call, t.heldBack(call, 0), t.Policy.Throttling().MaxPending)
}

// observe lets an attempt through and counts what would have been refused.
func (t *Transport) observe(call *Call) {
	until := t.heldBack(call, 0)
	for i, gate := range t.gates() {
		var refused bool
		if call.ticket.gates[i], refused = gate.force(until); refused {
			t.wouldRefuse(call, RefusedByThrottle)
		}
	}
	for i, limit := range [2]*Limit{t.Limit, t.Shared.Limit} {
		taken, refused := limit.force()
		if taken {
			call.ticket.limits[i] = limit
		}
		if refused {
			t.wouldRefuse(call, RefusedByConcurrency)
		}
	}
}

// wouldRefuse counts a refusal that is not made, once a call.
func (t *Transport) wouldRefuse(call *Call, by Refuser) {
	if call.observe(by) {
		t.Observer.Observed(by)
	}
}

// settle tells the gates how an attempt ended, and gives back what its ticket
// was good for. A streamed answer keeps its places under the limits until the
// call ends.
func (t *Transport) settle(call *Call, a *attempt) {
	gates := t.gates()
	scope := 0
	if a.scope == ScopeUpstream {
		scope = 1
	}
	if a.class == Throttled && gates[scope] != nil {
		a.held = gates[scope].shut(call.ticket.gates[scope], a.gateTime, t.Policy.Throttle, a.describe())
	}
	for i, gate := range gates {
		gate.leave(call.ticket.gates[i], a.class)
		call.ticket.gates[i] = entry{}
	}
	if !a.streamed {
		call.leaveLimits()
	}
}

// giveUp gives back what the call was given for an attempt that is not made.
func (t *Transport) giveUp(call *Call) { t.settle(call, &attempt{}) }

// leaveLimits gives the call's places back.
func (c *Call) leaveLimits() {
	for i, limit := range c.ticket.limits {
		if limit != nil {
			limit.leave()
			c.ticket.limits[i] = nil
		}
	}
}

// gateOpens returns when the last of the gates opens, if one is shut.
func (t *Transport) gateOpens() time.Time {
	var opens time.Time
	for _, gate := range t.gates() {
		opens = latest(opens, gate.Until())
	}
	return opens
}

// refusal is a call that a policy of ours did not let through, or one that ended
// while it waited for that.
func (t *Transport) refusal(call *Call, err error) attempt {
	var shut *ShutError
	var open *OpenError
	switch {
	case errors.As(err, &shut):
		return attempt{err: err, reason: ReasonThrottled, retryAt: latest(shut.Until, t.gateOpens())}
	case errors.As(err, &open):
		return attempt{err: err, reason: ReasonOpen, retryAt: open.Until}
	case errors.Is(err, errOverloaded):
		return attempt{err: err, reason: ReasonOverloaded}
	}
	return cutOff(call, err, false, time.Time{})
}

// skipped returns why a repeat was not let through; it is empty if the call has
// ended.
func skipped(err error) Skip {
	var shut *ShutError
	switch {
	case errors.As(err, &shut):
		return SkipThrottled
	case errors.Is(err, errOverloaded):
		return SkipOverloaded
	}
	return ""
}
