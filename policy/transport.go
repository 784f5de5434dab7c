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
	// Breaker is nil if there is none.
	Breaker *Breaker
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
	permit, err := t.admit(call)
	if err != nil {
		return nil, err
	}
	// Has no effect after the outcome was recorded; this is for a panic.
	defer permit.Done(Outcome{})

	t.setIdempotencyKey(req)
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

// admit reads the body as far as it is held and asks the breaker. An open
// breaker answers before that; a half-open one is asked after it, so that no
// client has a probe's place while it is still sending.
func (t *Transport) admit(call *Call) (permit Permit, err error) {
	if t.Breaker != nil && t.Breaker.State() == Open {
		return permit, t.refuse(call, &OpenError{State: Open, Until: t.Breaker.Until()})
	}
	if client := call.Body.hold(t.Policy.RequestBuffer, t.Requests); client != nil {
		t.record(call, attempt{client: client, err: client}, &permit)
		return permit, &NoAnswerError{Err: client}
	}
	if t.Breaker == nil {
		return permit, nil
	}
	permit, err = t.Breaker.Admit()
	if err != nil {
		return permit, t.refuse(call, err)
	}
	return permit, nil
}

// refuse answers in place of a breaker that lets nothing through.
func (t *Transport) refuse(call *Call, err error) error {
	call.Reason, call.Err = ReasonOpen, err
	call.Circuit = t.Breaker.State()
	if open, ok := errors.AsType[*OpenError](err); ok {
		call.RetryAt = open.Until
	}
	return &NoAnswerError{Reason: ReasonOpen, Err: err}
}

// attempts makes attempts until one stands. Between two of them the last
// answer is kept, because it stands if the breaker opens meanwhile.
func (t *Transport) attempts(call *Call, req *http.Request, permit *Permit) attempt {
	for retries := 0; ; retries++ {
		a := t.try(call, req, t.timeout(permit))
		next := t.next(call, req, a, retries, permit)
		if next.skip != "" {
			t.Observer.RetrySkipped(next.skip)
		}
		if !next.again {
			return a
		}
		began := time.Now()
		err := call.sleep(next.wait)
		call.Wait += time.Since(began)
		if err == nil && !t.mayContinue(permit) {
			t.Observer.RetrySkipped(SkipBreaker)
			return a
		}
		if a.resp != nil {
			_ = a.resp.Body.Close()
		}
		call.failed = call.failed || a.class == Failure
		if err != nil {
			return cutOff(call, err, false, time.Time{})
		}
		t.Observer.Retry(next.on)
	}
}

// timeout returns the time of one attempt.
func (t *Transport) timeout(permit *Permit) time.Duration {
	if permit.Probe() && t.Policy.Breaker != nil {
		return t.Policy.Breaker.HalfOpen.Timeout
	}
	return t.Policy.Timeout.Attempt
}

// record tells the breaker and the call how it ended.
func (t *Transport) record(call *Call, a attempt, permit *Permit) {
	call.Reason, call.Class, call.ClientErr, call.Err = a.reason, a.class, a.client, a.err
	call.UpstreamStatus, call.Hint, call.Streamed = a.status, a.hint, a.streamed
	if a.resp == nil && a.reason == ReasonUnreachable {
		call.ProxyError = a.proxyError
	}
	if a.class == Throttled {
		call.RetryAt = time.Now().Add(a.hint)
	}
	permit.Done(Outcome{Class: a.class, Wait: a.hint, Err: a.describe(), Took: call.Upstream})
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
