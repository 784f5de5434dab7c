package policy

import (
	"math"
	"sync"
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

	// mu is held while a turn is taken and perhaps given back: the bucket cannot
	// take one back behind which there are others, and many who are refused at
	// the same time would leave nobody a turn.
	mu sync.Mutex
}

// NewRate returns a rate of requests per interval, with up to burst at once.
func NewRate(requests int, interval time.Duration, burst int) *Rate {
	perSecond := rate.Limit(float64(requests) / interval.Seconds())
	return &Rate{bucket: rate.NewLimiter(perSecond, burst)}
}

// wait waits for the request's turn. If that does not come before until, or
// pending callers wait already, it returns a [*ShutError] at once.
func (r *Rate) wait(call *Call, until time.Time, pending int) error {
	turn, wait, ok := r.take(until, int64(pending))
	if !ok {
		return &ShutError{What: rateLimit, Until: time.Now().Add(wait)}
	}
	if wait == 0 {
		return nil
	}
	defer r.pending.Add(-1)
	err := call.sleep(wait)
	if err != nil {
		r.giveBack(turn)
	}
	return err
}

// giveBack gives back the turn of one who has left.
func (r *Rate) giveBack(turn *rate.Reservation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	turn.Cancel()
}

// take takes the next turn, unless it comes too late or too many wait already,
// and returns how long it is until then. Who has to wait is counted as pending.
func (r *Rate) take(until time.Time, pending int64) (turn *rate.Reservation, wait time.Duration, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now() // under mu: giving back sets the bucket's clock, and must not set it back
	turn = r.bucket.ReserveN(now, 1)
	switch wait = turn.DelayFrom(now); {
	case wait == 0:
	case r.pending.Load() >= pending || now.Add(wait).After(until):
		turn.CancelAt(now)
		return nil, wait, false
	default:
		r.pending.Add(1)
	}
	return turn, wait, true
}

// force takes the request's turn without waiting for it, and reports whether it
// would have been refused: then it takes none.
func (r *Rate) force(until time.Time) (refused bool) {
	_, wait, ok := r.take(until, math.MaxInt64)
	if ok && wait > 0 {
		r.pending.Add(-1) // it does not wait
	}
	return !ok
}
