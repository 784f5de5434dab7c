package policy

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// errOverloaded is the refusal of a limit of our own on calls in flight.
var errOverloaded = errors.New("too many calls are in flight, and as many as may are waiting")

// Limit bounds the calls in flight. Those beyond it wait in the order they came,
// as many as may. It is safe for concurrent use. A nil Limit has no bound.
type Limit struct {
	places  *semaphore.Weighted
	most    int64 // that may wait
	pending atomic.Int64
}

// NewLimit returns a limit of maxRequests in flight and maxPending waiting. It
// is nil if maxRequests is zero.
func NewLimit(maxRequests, maxPending int) *Limit {
	if maxRequests == 0 {
		return nil
	}
	return &Limit{places: semaphore.NewWeighted(int64(maxRequests)), most: int64(maxPending)}
}

// enter takes a place. If there is none, the caller waits for one until a
// moment, unless as many as may wait already.
func (l *Limit) enter(call *Call, until time.Time, observer Observer) error {
	if l == nil || l.places.TryAcquire(1) {
		return nil
	}
	if l.pending.Add(1) > l.most {
		l.pending.Add(-1)
		return errOverloaded
	}
	defer l.pending.Add(-1)
	observer.Pending(1)
	defer observer.Pending(-1)
	defer call.waited(time.Now())
	ctx, cancel := context.WithDeadlineCause(call.ctx, until, errOverloaded)
	defer cancel()
	if l.places.Acquire(ctx, 1) != nil {
		return context.Cause(ctx)
	}
	return nil
}

// force takes a place if there is one, and reports whether a caller would have
// been refused.
func (l *Limit) force() (taken, refused bool) {
	switch {
	case l == nil:
		return false, false
	case l.places.TryAcquire(1):
		return true, false
	}
	return false, l.pending.Load() >= l.most
}

// leave gives a place back.
func (l *Limit) leave() { l.places.Release(1) }
