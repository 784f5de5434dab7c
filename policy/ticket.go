package policy

import "time"

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
	until  time.Time // the caller is held back; zero until it has been
	gates  [2]entry
	limits [2]*Limit
}

func (t *Transport) gates() [2]*Gate {
	if t.Policy.Throttle == nil {
		return [2]*Gate{}
	}
	return [2]*Gate{t.Gate, t.Shared.Gate}
}

func (t *Transport) limits() [2]*Limit { return [2]*Limit{t.Limit, t.Shared.Limit} }

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

// patience is heldBack, counted from the first time that the caller meets
// something to wait for.
func (t *Transport) patience(call *Call, ready time.Duration) time.Time {
	if call.ticket.until.IsZero() {
		call.ticket.until = t.heldBack(call, ready)
	}
	return call.ticket.until
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
	for i, gate := range t.gates() {
		e, in := gate.pass()
		if !in {
			var err error
			if e, err = gate.enter(call, t.patience(call, ready), most); err != nil {
				return err
			}
		}
		call.ticket.gates[i] = e
	}
	for i, limit := range t.limits() {
		if call.ticket.limits[i] != nil {
			continue // of an answer that streams until this attempt is made
		}
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
func (t *Transport) turn(call *Call, ready time.Duration) error {
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
	return rate.wait(call, t.patience(call, ready), t.Policy.Throttling().MaxPending)
}

// isVoid reports whether a gate has been shut since it let the attempt through,
// which may have waited for other things meanwhile.
func (t *Transport) isVoid(call *Call) bool {
	for _, e := range call.ticket.gates {
		if e.gate != nil && e.period != e.gate.period.Load() && !t.observes() {
			return true
		}
	}
	return false
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
	for i, limit := range t.limits() {
		if call.ticket.limits[i] != nil {
			continue
		}
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
// call ends, an attempt that may be replayed until that is decided.
func (t *Transport) settle(call *Call, a *attempt) {
	whose := 0
	if a.scope == ScopeUpstream {
		whose = 1
	}
	if gate := t.gates()[whose]; a.class == Throttled && gate != nil {
		a.held = gate.shut(call.ticket.gates[whose], a.gateTime, t.Policy.Throttle, a.describe())
	}
	call.ticket.leave(a.class, a.streamed || a.mayReplay(call))
}

// leave tells the gates how the attempt ended and gives its places back, unless
// they are to be kept. An attempt that is not made, or whose end nobody saw, is
// neutral. What has been given back already is not given back again.
func (t *ticket) leave(c Class, keepPlaces bool) {
	for i, e := range t.gates {
		e.gate.leave(e, c)
		t.gates[i] = entry{}
	}
	for i, limit := range t.limits {
		if limit != nil && !keepPlaces {
			limit.leave()
			t.limits[i] = nil
		}
	}
}

// gateOpens returns when the last of the gates opens, if one is shut and acts.
func (t *Transport) gateOpens() time.Time {
	var opens time.Time
	if t.observes() {
		return opens
	}
	for _, gate := range t.gates() {
		opens = latest(opens, gate.Until())
	}
	return opens
}
