package policy

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Causes of a context's end, told apart by context.Cause.
var (
	errDeadline   = errors.New("the request's deadline passed")
	errAttempt    = errors.New("the attempt's timeout passed")
	errStreamIdle = errors.New("the stream was silent for too long")
	errReplaced   = errors.New("the reused connection was dead")
	errEnded      = errors.New("the call has ended")
)

// Call is one client request on its way through a [Transport]: its deadline,
// its body and, once the Transport has returned, what became of it. It belongs
// to one goroutine.
type Call struct {
	// Body is the request's body, or nil.
	Body *Body
	// BodyFirst says that the body is read before the call may be refused,
	// because what its client gets then depends on it.
	BodyFirst bool
	// Injected says that the request carries credentials that Fender gave it
	// and none of the client's, so that a 401 is not the client's doing.
	Injected bool

	Result

	deadline time.Time
	ctx      context.Context
	cancel   context.CancelCauseFunc
	clock    *time.Timer
	alone    time.Duration // that the upstream alone had the request, so far
	patience time.Duration // it must have had it before it is blamed for a call cut off
	failed   bool          // an attempt before this one was a failure
	ticket   ticket        // of the attempt under way
	grant    Grant         // its credentials, nil if it has none of ours
	fetching time.Duration // that it waited for them
	replayed bool          // after a 401
}

// Result is what a [Transport] has to say about a call beside its answer.
type Result struct {
	// Reason is why there is no usable answer of the upstream; empty if there
	// is one, or if the client is the cause (see ClientErr).
	Reason Reason
	// Class is what the breaker was told.
	Class Class
	// ClientErr is not nil if the call failed through its client.
	ClientErr *ClientError
	// Err is the last attempt's error.
	Err error
	// ProxyError is the error type of RFC 9209 for an upstream that could not
	// be reached.
	ProxyError string
	// UpstreamStatus is the last status that the upstream sent, or 0.
	UpstreamStatus int
	// Attempts is how often the call went upstream.
	Attempts int
	// Circuit is the breaker's state after the call was recorded; empty if
	// there is no breaker.
	Circuit State
	// RetryAt is when asking again makes sense; the zero time if not known.
	RetryAt time.Time
	// Streamed says that the answer was passed on before its end was seen.
	Streamed bool
	// Upstream is the time spent in attempts, Wait the time spent waiting for
	// them: at the gate, in a queue, between two of them.
	Upstream, Wait time.Duration
	// Observed are the parts of the policy that would have refused the call if
	// they were in force.
	Observed []Refuser
	// Hint is the wait that the last throttled answer asked for.
	Hint time.Duration
}

// NewCall begins a call that may take timeout from start on. The caller must
// call End.
func NewCall(ctx context.Context, start time.Time, timeout time.Duration, body *Body) *Call {
	c := &Call{Body: body, deadline: start.Add(timeout)}
	ctx, c.cancel = context.WithCancelCause(ctx)
	c.ctx = context.WithValue(ctx, callKey{}, c)
	c.clock = time.AfterFunc(time.Until(c.deadline), func() { c.cancel(errDeadline) })
	return c
}

type callKey struct{}

// callOf returns the call of a context, or nil.
func callOf(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}

// Context returns the call's context. It ends with the client's request, at the
// deadline, or at End; once an answer streams, the deadline is off.
func (c *Call) Context() context.Context { return c.ctx }

// Deadline returns the moment by which the client has its answer.
func (c *Call) Deadline() time.Time { return c.deadline }

// End frees what the call holds and ends what still goes on for it.
func (c *Call) End() {
	c.clock.Stop()
	c.cancel(errEnded)
	c.ticket.leave(Neutral, false)
	c.Body.close()
}

// remaining is the time left before the deadline.
func (c *Call) remaining() time.Duration { return time.Until(c.deadline) }

// stream turns the deadline off, because an answer streams from here on. It
// reports whether the deadline had not passed yet.
func (c *Call) stream() bool { return c.clock.Stop() }

// cause returns why the call has ended, or nil.
func (c *Call) cause() error { return context.Cause(c.ctx) }

// waited adds the time since began to what the call has waited.
func (c *Call) waited(began time.Time) { c.Wait += time.Since(began) }

// observe notes who would have refused the call, and reports whether that is
// new.
func (c *Call) observe(by Refuser) bool {
	if slices.Contains(c.Observed, by) {
		return false
	}
	c.Observed = append(c.Observed, by)
	return true
}

// sleep waits for d. It returns early, with the context's cause, if the call
// ends.
func (c *Call) sleep(d time.Duration) error {
	defer c.waited(time.Now())
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-c.ctx.Done():
		return c.cause()
	}
}
