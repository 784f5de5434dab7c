package policy

import (
	"crypto/rand"
	"fmt"
	"math/bits"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"time"
)

// condition returns the configured condition that makes an attempt worth a
// repeat.
func (r *RetryPolicy) condition(a attempt) (Condition, bool) {
	for _, c := range r.Conditions {
		if c.Name != "" && c == a.on || a.resp != nil && c.Name == "" && c.Statuses.Contains(a.status) {
			return c, true
		}
	}
	return Condition{}, false
}

// decision is what follows an attempt.
type decision struct {
	again bool
	wait  time.Duration
	on    Condition // that made the attempt worth a repeat
	skip  Skip      // why there is none although it was
}

// next decides whether an attempt is repeated; retries is how many repeats there
// were.
func (t *Transport) next(call *Call, req *http.Request, a attempt, retries int, permit *Permit) decision {
	r := t.Policy.Retry
	if r == nil || retries >= r.MaxRetries || a.client != nil || a.fine {
		return decision{}
	}
	on, ok := r.condition(a)
	if !ok {
		return decision{}
	}
	wait := backoff(r.Backoff, retries)
	shut := time.Until(t.gateOpens()) // the gate keeps the caller's hint too
	if shut < a.hint {
		wait = max(a.hint, wait)
	}
	switch {
	case !t.mayRepeat(req, a):
		return decision{skip: SkipMethod}
	case !call.Body.sendable():
		return decision{skip: SkipBody}
	case !t.mayContinue(permit):
		return decision{skip: SkipBreaker}
	case a.hint > r.MaxHint:
		return decision{skip: SkipMaxHint}
	case shut > a.held+t.Policy.Throttling().MaxWait:
		return decision{skip: SkipThrottled}
	case max(wait, shut)+r.MinAttempt > call.remaining():
		return decision{skip: SkipDeadline}
	case t.Shared.Budget.Remaining() < 1:
		return decision{skip: SkipBudget}
	}
	return decision{again: true, wait: wait, on: on}
}

// mayRepeat reports whether a request may be sent again (RFC 9110, 9.2.2): its
// method allows it, nothing of it was written, it carries a key by which the
// upstream recognises a repeat, or the upstream refused it with a 429 and the
// configuration trusts that.
func (t *Transport) mayRepeat(req *http.Request, a attempt) bool {
	r := t.Policy.Retry
	switch {
	case t.repeatable(req), a.unsent:
		return true
	case r.IdempotencyKey.Header != "" && req.Header.Get(r.IdempotencyKey.Header) != "":
		return true
	}
	return r.UnsafeOn429 && a.resp != nil && a.status == http.StatusTooManyRequests
}

// repeatable reports whether the request's method may be sent again.
func (t *Transport) repeatable(req *http.Request) bool {
	return slices.Contains(t.Policy.retryMethods(), req.Method)
}

// mayContinue reports whether the breaker still lets the call go on. A probe is
// a single attempt.
func (t *Transport) mayContinue(permit *Permit) bool {
	return t.Breaker == nil || t.observes() || !permit.Probe() && permit.Current()
}

// backoff is a random time up to initial * 2^retries, at most max: full jitter
// spreads callers that failed together.
func backoff(p BackoffPolicy, retries int) time.Duration {
	ceiling := p.Max
	if retries < bits.LeadingZeros64(uint64(p.Initial))-1 {
		ceiling = min(p.Max, p.Initial<<retries)
	}
	if ceiling <= 0 {
		return 0
	}
	return mathrand.N(ceiling + 1)
}

// setIdempotencyKey gives the request one key for all its attempts (a random
// UUID, RFC 9562, 5.4) if the configuration says so and it has none.
func (t *Transport) setIdempotencyKey(req *http.Request) {
	r := t.Policy.Retry
	if r == nil || !r.IdempotencyKey.Generate || req.Header.Get(r.IdempotencyKey.Header) != "" {
		return
	}
	var u [16]byte
	_, _ = rand.Read(u[:])
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	req.Header.Set(r.IdempotencyKey.Header, fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]))
}
