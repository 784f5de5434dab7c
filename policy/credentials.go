package policy

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// ErrLate is wrapped by the error of an Authorize that had no more time.
var ErrLate = errors.New("out of time")

// Credentials give each attempt what the upstream knows its caller by. They are
// safe for concurrent use.
type Credentials interface {
	// Authorize sets the credentials on an attempt's header. It waits for them
	// no longer than until: then the error wraps ErrLate; and no longer than ctx:
	// then it is the cause of its end. Any other error says, in words that may
	// be shown, why there are none.
	Authorize(ctx context.Context, until time.Time, h http.Header) (Grant, error)
}

// Grant is what one attempt was given.
type Grant interface {
	// Answered takes note of the status that the upstream answered with; replay
	// says that the attempt was one that followed a 401. It reports whether
	// other credentials can be had after this 401.
	Answered(status int, replay bool) (again bool)
}

// authorize gives the next attempt its credentials, on a header of its own: the
// caller's is not ours to change, and attempts before it may still be reading
// theirs.
func (t *Transport) authorize(call *Call, req *http.Request) error {
	if t.Credentials == nil {
		return nil
	}
	began := time.Now()
	header := req.Header.Clone()
	grant, err := t.Credentials.Authorize(call.ctx, t.lastStart(call), header)
	call.fetching = time.Since(began)
	call.Wait += call.fetching
	if err != nil {
		return err
	}
	req.Header, call.grant = header, grant
	return nil
}

// unauthorized is a call for which no credentials can be had. That is a failure,
// also of the breaker's, unless the call itself has ended or its client had too
// little patience to tell.
func (t *Transport) unauthorized(call *Call, permit *Permit, err error) attempt {
	if ended := call.cause(); ended != nil {
		return t.refusal(call, ended)
	}
	if errors.Is(err, ErrLate) && call.fetching < min(t.Policy.Timeout.Attempt, t.Policy.Timeout.Request/2) {
		return attempt{err: err, reason: ReasonUnauthorized}
	}
	if open := t.ask(call, permit); open != nil {
		return t.refusal(call, open)
	}
	return attempt{err: err, class: Failure, reason: ReasonUnauthorized}
}

// mayReplay reports whether an attempt may be made once more because its
// credentials were refused. What a rule or the throttling says of a 401 comes
// before that.
func (a *attempt) mayReplay(call *Call) bool {
	return call.grant != nil && !call.replayed && a.status == http.StatusUnauthorized && a.resp != nil &&
		!a.fine && a.class != Throttled && call.Body.sendable()
}

// replay reports whether an attempt whose credentials were refused shall be made
// once more, and has got everything for it: a 401 says that nothing was done, so
// every method may be sent again. It is counted in the retry budget, but not
// bound by it: all calls that a revoked token has failed are to be cured; for
// that the call has kept its places. One that we don't let through says nothing
// of the upstream. An error is the cause of the call's end.
func (t *Transport) replay(call *Call, req *http.Request, a *attempt, permit *Permit) (again bool, err error) {
	if call.grant == nil || a.resp == nil {
		return false, nil
	}
	current := func() bool { return permit.Current() || t.observes() }
	if !call.grant.Answered(a.status, call.replayed) || !a.mayReplay(call) || !current() {
		return false, nil
	}
	refused := call.grant
	call.replayed = true
	if call.remaining() < t.Policy.minAttempt() || t.authorize(call, req) != nil || call.grant == refused {
		return false, call.cause()
	}
	if t.reenter(call, *a, 0, current) != nil || !current() {
		a.class = Neutral
		return false, call.cause()
	}
	_ = a.resp.Body.Close()
	t.Shared.Budget.spend(1)
	return true, nil
}
