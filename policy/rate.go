package policy

import (
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// rateLimit names the rate limit in its refusals.
const rateLimit = "rate limit"

// Rate bounds the requests in a time, so that a known quota is kept before the
// upstream has to say so. It is a token bucket, and safe for concurrent use.
type Rate struct {
	bucket  *rate.Limiter
	pending atomic.Int64
}

// NewRate returns a rate of requests per interval, with up to burst at once.
func NewRate(requests int, interval time.Duration, burst int) *Rate {
	perSecond := rate.Limit(float64(requests) / interval.Seconds())
	return &Rate{bucket: rate.NewLimiter(perSecond, burst)}
}

// wait waits for the request's turn. If that does not come before until, or
// pending callers wait already, it returns a [*ShutError] at once.
func (r *Rate) wait(call *Call, until time.Time, pending int) error {
	now := time.Now()
	turn := r.bucket.ReserveN(now, 1)
	wait := turn.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	defer r.pending.Add(-1)
	if r.pending.Add(1) > int64(pending) || now.Add(wait).After(until) {
		turn.CancelAt(now)
		return &ShutError{What: rateLimit, Until: now.Add(wait)}
	}
	if err := call.sleep(wait); err != nil {
		turn.Cancel()
		return err
	}
	return nil
}

// force takes the request's turn without waiting for it, and reports whether it
// would have been refused: then it takes none.
func (r *Rate) force(until time.Time) (refused bool) {
	now := time.Now()
	turn := r.bucket.ReserveN(now, 1)
	refused = now.Add(turn.DelayFrom(now)).After(until)
	if refused {
		turn.CancelAt(now)
	}
	return refused
}
