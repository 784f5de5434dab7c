package policy

import (
	"context"
	"sync"
	"time"
)

// clock ends an attempt. It runs from the attempt's begin if the body is held;
// from the end of the body if that is passed on while it comes, because it is the
// client who takes that time. There is no timer where the call's deadline comes
// first.
type clock struct {
	call    *Call
	timeout time.Duration

	mu      sync.Mutex
	timer   *time.Timer
	cancel  context.CancelCauseFunc // of the attempt's request on its way
	rung    bool
	stopped bool
}

func newClock(call *Call, timeout time.Duration) *clock {
	c := &clock{call: call, timeout: timeout}
	if call.Body.unread() {
		call.Body.atEnd(c.run)
	} else {
		c.run()
	}
	return c
}

// run sets the timer.
func (c *clock) run() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped && c.timeout < c.call.remaining() {
		c.timer = time.AfterFunc(c.timeout, c.ring)
	}
}

// ends names the request that the clock ends: the attempt's first, or the one
// that replaces it, which has only what is left of the time.
func (c *clock) ends(cancel context.CancelCauseFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel = cancel
	if c.rung {
		cancel(errAttempt)
	}
}

func (c *clock) ring() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rung = true
	if c.cancel != nil {
		c.cancel(errAttempt)
	}
}

// stop stops the clock for good and reports whether the attempt was in time.
func (c *clock) stop() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	inTime := c.timer == nil || c.timer.Stop()
	return inTime && c.call.ctx.Err() == nil
}
