package policy

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Transport is an [http.RoundTripper] that sends a request under a policy. Its
// requests must carry a [Call] in their context; what became of it is left
// there. It is safe for concurrent use.
type Transport struct {
	// Policy is complete (see [Policy.Complete]) and is not changed.
	Policy *Policy
	// Upstream keeps its connections. Fresh opens a new one for each request.
	Upstream, Fresh http.RoundTripper
	// Breaker is nil if there is none, Gate and Limit likewise. The breaker may be
	// one that several transports share; the gate and the limit are the route's.
	Breaker *Breaker
	Gate    *Gate
	Limit   *Limit
	// Shared is the upstream's.
	Shared Shared
	// Credentials is nil if attempts are given none.
	Credentials Credentials
	// Requests and Memory bound what request bodies and answers together take
	// in memory, over all transports that share them.
	Requests, Memory *Memory
	Observer         Observer
}

// NoAnswerError is the error of a call without an answer of the upstream.
type NoAnswerError struct {
	// Reason is empty if the client is the cause.
	Reason Reason
	Err    error
}

func (e *NoAnswerError) Error() string {
	if e.Reason == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("%s: %v", e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *NoAnswerError) Unwrap() error { return e.Err }

var errNoCall = errors.New("policy: the request's context has no call")

// RoundTrip admits the request, makes attempts until one is good enough or no
// further one is allowed, and records the outcome. The answer it returns may
// still be one that is to be replaced: the call's Reason says so. An error is a
// [*NoAnswerError].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	call := callOf(req.Context())
	if call == nil {
		return nil, errNoCall
	}
	var permit Permit
	// Has no effect after the outcome was recorded; this is for a panic.
	defer permit.Done(Outcome{})

	a := t.attempts(call, req, &permit) //nolint:contextcheck // attempts end with the call, whose context req has
	if a.streamed && !call.stream() {
		// The upstream was in time, if only just: it is not to blame.
		_ = a.resp.Body.Close()
		a = attempt{err: errDeadline, reason: ReasonTimeout, status: a.status}
	}
	t.record(call, a, &permit)
	if a.resp == nil {
		return nil, &NoAnswerError{Reason: a.reason, Err: a.err}
	}
	if s, ok := a.resp.Body.(*stream); ok {
		s.broke = func(err error) { failLate(call, &permit, a.wire, err) }
	}
	return a.resp, nil
}

// attempts makes attempts until one stands. Between two of them the last answer
// is kept, because it stands if the next is not let through.
func (t *Transport) attempts(call *Call, req *http.Request, permit *Permit) attempt {
	if no := t.admit(call, req, permit); no.err != nil {
		return no
	}
	t.setIdempotencyKey(req)
	t.Shared.Budget.call()
	for retries := 0; ; {
		a := t.try(call, req, t.timeout(permit))
		t.settle(call, &a)
		again, err := t.replay(call, req, &a, permit)
		if again {
			continue
		}
		call.ticket.leave(Neutral, a.streamed) // what it has kept for a replay
		if err != nil {
			_ = a.resp.Body.Close()
			return t.refusal(call, err)
		}
		next := t.next(call, req, a, retries, permit)
		if next.again {
			next.skip, err = t.readmit(call, req, permit, a, next.wait)
		}
		if next.skip != "" {
			t.Observer.RetrySkipped(next.skip)
			return a
		}
		if !next.again {
			return a
		}
		discard(call, a)
		if err != nil {
			return t.refusal(call, err)
		}
		t.Observer.Retry(next.on)
		retries++
	}
}

// discard drops the answer of an attempt that is followed by another.
func discard(call *Call, a attempt) {
	if a.resp != nil {
		_ = a.resp.Body.Close()
	}
	call.failed = call.failed || a.class == Failure
}

// timeout returns the time of one attempt.
func (t *Transport) timeout(permit *Permit) time.Duration {
	if permit.Probe() && t.Policy.Breaker != nil && !t.observes() {
		return t.Policy.Breaker.HalfOpen.Timeout
	}
	return t.Policy.Timeout.Attempt
}

// record tells the breaker and the call how it ended.
func (t *Transport) record(call *Call, a attempt, permit *Permit) {
	call.Reason, call.Class, call.ClientErr, call.Err = a.reason, a.class, a.client, a.err
	call.UpstreamStatus, call.Streamed = a.status, a.streamed
	if a.resp == nil && a.reason == ReasonUnreachable {
		call.ProxyError = a.proxyError
	}
	call.RetryAt = a.retryAt
	if a.class == Throttled {
		call.Hint = a.hint
		if call.RetryAt = t.gateOpens(); call.RetryAt.IsZero() {
			call.RetryAt = time.Now().Add(a.hint)
		}
	}
	permit.Done(Outcome{Class: a.class, Wait: min(a.gateTime, t.Policy.Throttling().Max), Err: a.describe(), Took: call.Upstream})
	if t.Breaker != nil {
		call.Circuit = t.Breaker.State()
	}
}

// failLate records a streamed answer that the upstream broke. A client that
// left, or a call that is over, breaks a body too.
func failLate(call *Call, permit *Permit, w *wire, err error) {
	if call.ctx.Err() != nil {
		return
	}
	call.Err = fmt.Errorf("broken stream: %w", err)
	if !w.lostWithOthers(err) {
		permit.FailLate(call.Err.Error())
	}
}
