package policy

import (
	"errors"
	"net/http"
	"time"
)

// admit lets the call's first attempt through: it reads the body as far as it is
// held, gets credentials, waits for a ticket, asks the breaker, and waits for its
// turn. Who would be refused whatever the body is gets that answer before it, and
// no call has a place while its client is still sending or a token is fetched.
func (t *Transport) admit(call *Call, req *http.Request, permit *Permit) attempt {
	err := t.refuses(call)
	if call.Body != nil && (err == nil || call.BodyFirst) {
		if client := call.Body.hold(t.Policy.RequestBuffer, t.Requests); client != nil {
			return attempt{client: client, err: client}
		}
		err = t.refuses(call)
	}
	if err != nil {
		return t.refusal(call, err)
	}
	if err = t.authorize(call, req); err != nil {
		return t.unauthorized(call, permit, err)
	}
	for {
		if err = t.await(call, 0); err == nil {
			err = t.ask(call, permit)
		}
		if err == nil {
			err = t.turn(call, 0)
		}
		if err != nil {
			call.ticket.leave(Neutral, false)
			return t.refusal(call, err)
		}
		if !t.isVoid(call) && (permit.Current() || t.observes()) {
			return attempt{}
		}
		// A gate was shut or the breaker has changed while the call waited.
		permit.Done(Outcome{})
		call.ticket.leave(Neutral, false)
	}
}

// ask asks the breaker for a permit.
func (t *Transport) ask(call *Call, permit *Permit) error {
	if t.Breaker == nil {
		return nil
	}
	p, err := t.Breaker.Admit()
	if err != nil && t.observes() {
		t.wouldRefuse(call, RefusedByBreaker)
		return nil
	}
	*permit = p
	return err
}

// refuses returns the refusal of a breaker or gate that is sure to refuse.
func (t *Transport) refuses(call *Call) error {
	if t.observes() {
		return nil
	}
	if t.Breaker != nil && t.Breaker.State() == Open {
		return &OpenError{State: Open, Until: t.Breaker.Until()}
	}
	for _, gate := range t.gates() {
		if _, in := gate.pass(); in {
			continue
		}
		if err := gate.refuses(t.heldBack(call, 0)); err != nil {
			return err
		}
	}
	return nil
}

// readmit lets a repeat of an attempt through after a wait, as the first try was,
// while the breaker stays as it is and the budget allows. If not, it says why. An
// error is the cause of the call's end.
func (t *Transport) readmit(call *Call, req *http.Request, permit *Permit, a attempt, wait time.Duration) (Skip, error) {
	if err := call.sleep(wait); err != nil {
		return "", err
	}
	if !t.mayContinue(permit) {
		return SkipBreaker, nil
	}
	if t.authorize(call, req) != nil {
		if ended := call.cause(); ended != nil {
			return "", ended
		}
		return SkipUnauthorized, nil
	}
	err := t.reenter(call, a, max(a.held-wait, 0), func() bool {
		return t.mayContinue(permit) && t.Shared.Budget.Remaining() > 0
	})
	skip := skipped(err)
	switch {
	case skip != "":
		err = nil
	case err != nil:
	case !t.mayContinue(permit):
		skip = SkipBreaker
	case !t.Shared.Budget.take():
		skip = SkipBudget
	default:
		return "", nil
	}
	call.ticket.leave(Neutral, a.streamed)
	return skip, err
}

// reenter gets a ticket and a turn for another attempt, as long as it may be
// made.
func (t *Transport) reenter(call *Call, a attempt, ready time.Duration, may func() bool) error {
	call.ticket.until = time.Time{}
	for {
		err := t.await(call, ready)
		if err != nil || !may() {
			return err
		}
		if err = t.turn(call, ready); err != nil || !t.isVoid(call) {
			return err
		}
		call.ticket.leave(Neutral, a.streamed)
	}
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
