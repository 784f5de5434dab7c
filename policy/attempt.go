package policy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// attempt is what became of one try.
type attempt struct {
	resp *http.Response // nil if there is no answer
	err  error          // nil if there is one

	class      Class
	reason     Reason        // empty if the answer can be used as it is
	on         Condition     // the named retry condition, if any
	fine       bool          // a rule says so, whatever the conditions
	result     AttemptResult // as it is counted
	proxyError string        // RFC 9209, if there is no answer
	client     *ClientError  // not nil if the client was the cause
	status     int           // of the answer, also of one that broke
	hint       time.Duration // that the answer asks to wait; 0 is none
	gateTime   time.Duration // for which it shuts the gate; 0 is the default
	scope      Scope         // of that gate
	held       time.Duration // that the caller has to wait there because of it, at most
	unsent     bool          // nothing of the request was written
	dead       bool          // a reused connection turned out dead
	repeats    int           // that the transport made by itself
	streamed   bool          // the answer's end has not been seen
	took       time.Duration
	wire       *wire
	retryAt    time.Time // when asking again makes sense, if it was refused until then
}

// try makes one attempt, which ends after timeout. A kept connection that
// turns out dead before any byte of an answer says nothing about the upstream:
// it is replaced once by a fresh one, as a part of the same attempt, if the
// request may be sent again or nothing of it was written.
func (t *Transport) try(call *Call, req *http.Request, timeout time.Duration) attempt {
	clock := newClock(call, timeout)
	call.patience = min(timeout, t.Policy.Timeout.Request/2)
	a := t.send(call, req, t.Upstream, clock)
	if a.dead && call.ctx.Err() == nil && call.Body.sendable() && (a.unsent || t.repeatable(req)) {
		t.count(call, a)
		a = t.send(call, req, t.Fresh, clock)
	}
	clock.stop()
	t.count(call, a)
	return a
}

// count adds an attempt to what the call and the observer know.
func (t *Transport) count(call *Call, a attempt) {
	call.Attempts += 1 + a.repeats
	if a.wire.h2 {
		t.Shared.Budget.spend(a.repeats) // else they replace dead connections
	}
	call.Upstream += a.took
	for range a.repeats {
		t.Observer.Attempt(ResultReset, 0)
	}
	t.Observer.Attempt(a.result, a.took)
	if a.class == Throttled && a.hint > 0 {
		t.Observer.Hint(a.hint)
	}
}

// send makes one request to the upstream and reads its answer as far as it must
// be known. It returns in time as far as rt ends with its context.
func (t *Transport) send(call *Call, req *http.Request, rt http.RoundTripper, clock *clock) attempt {
	start := time.Now()
	ctx, cancel := context.WithCancelCause(call.ctx)
	clock.ends(cancel)
	w := &wire{repeatable: t.repeatable(req)}
	out := req.WithContext(w.trace(ctx, cancel))
	call.Body.attach(out)

	resp, err := rt.RoundTrip(out)
	var held []byte
	status, streamed := 0, false
	if err == nil {
		status = resp.StatusCode
		held, streamed, err = t.receive(req, resp, clock.stop, cancel)
	}
	var a attempt
	if err == nil {
		a = t.classify(call, resp, held)
	} else {
		a = judge(call, w, err, context.Cause(ctx), start)
	}
	if !streamed {
		cancel(errEnded)
	}
	a.wire, a.status, a.streamed = w, status, streamed
	a.repeats, a.unsent, a.took = w.repeats, !w.written(), time.Since(start)
	return a
}

// judge says what an attempt means that ended with err; cause is why its context
// has ended, if it has. The client comes first: when it fails, everything else
// fails with it.
func judge(call *Call, w *wire, err, cause error, start time.Time) attempt {
	if cause == nil && errors.Is(err, errAttempt) {
		cause = errAttempt // its clock has fired and is about to cancel
	}
	client := call.Body.Err()
	switch {
	case client != nil:
		return attempt{err: err, client: client, result: ResultCanceled}
	case cause == nil || errors.Is(cause, errReplaced):
		return broken(w, err)
	}
	return cutOff(call, cause, w.connected(), call.Body.sentSince(start))
}

// broken is an attempt that failed at the upstream or on the way to it.
func broken(w *wire, err error) attempt {
	a := attempt{class: Failure, reason: ReasonUnreachable, dead: w.deadOnReuse()}
	a.result, a.on, a.proxyError = diagnose(err, w)
	a.err = presentable(err, a.proxyError)
	if w.lostWithOthers(err) {
		a.class = Neutral
	}
	return a
}

// cutOff is an attempt that a clock or the client ended. That is the upstream's
// failure only if it alone had the whole request for long enough, since then or
// in all: no client can blame an upstream by leaving early, by asking for a
// short timeout, or by sending slowly. A zero since says that it never had it.
func cutOff(call *Call, cause error, connected bool, since time.Time) attempt {
	a := attempt{err: cause}
	if !since.IsZero() {
		call.alone += time.Since(since)
	}
	if call.failed || call.patience > 0 && call.alone >= call.patience { // no patience: never sent
		a.class = Failure
	}
	switch {
	case errors.Is(cause, errDeadline):
		a.result, a.reason = ResultTimeout, ReasonTimeout
	case !errors.Is(cause, errAttempt):
		a.result = ResultCanceled
		a.client = &ClientError{Status: StatusClientClosedRequest, Err: fmt.Errorf("client left: %w", cause)}
	case !connected:
		a.result, a.on, a.reason, a.proxyError = ResultDial, OnConnect, ReasonUnreachable, connectionTimeout
	default:
		a.result, a.on, a.reason = ResultTimeout, OnTimeout, ReasonTimeout
	}
	return a
}

// describe says what went wrong, for people; it is empty if nothing did.
func (a attempt) describe() string {
	switch {
	case a.err != nil:
		return a.err.Error()
	case a.class == Failure || a.class == Throttled:
		return fmt.Sprintf("status %d", a.status)
	}
	return ""
}
