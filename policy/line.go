package policy

import (
	"container/list"
	"time"
)

// throttleGate names the gate in its refusals.
const throttleGate = "throttle gate"

// waiter is a caller in a gate's line. Its result is set before done is closed.
type waiter struct {
	place *list.Element
	until time.Time
	done  chan struct{}

	entry entry
	err   error
}

// pass lets a request in if everybody is, and reports that.
func (g *Gate) pass() (e entry, in bool) {
	if g == nil {
		return entry{}, true
	}
	return entry{gate: g, period: g.period.Load()}, g.free.Load()
}

// enter lets a request in. A caller is made to wait only if its turn can come
// before until and fewer than pending wait already; else it gets a [*ShutError]
// at once.
func (g *Gate) enter(call *Call, until time.Time, pending int) (entry, error) {
	w := g.join(until, pending)
	if w.place == nil {
		return w.entry, w.err
	}
	began := time.Now()
	defer call.waited(began)
	timer := time.NewTimer(until.Sub(began))
	defer timer.Stop()
	select {
	case <-w.done:
	case <-timer.C:
	case <-call.ctx.Done():
	}
	return g.resolve(call, w)
}

// join decides at once, or puts the caller at the end of the line.
func (g *Gate) join(until time.Time, pending int) *waiter {
	g.mu.Lock()
	defer g.unlock()
	now := time.Now()
	g.openIfDue(now)
	w := &waiter{until: until}
	switch {
	case g.line.Len() == 0 && g.hasRoom():
		g.letIn(w)
	case until.Before(g.opens) || !now.Before(until) || g.line.Len() >= pending:
		w.err = g.refusal()
	default:
		w.done = make(chan struct{})
		w.place = g.line.PushBack(w)
	}
	return w
}

// resolve returns what became of a caller that waits no longer. One that left
// just as it was let in gives its place back.
func (g *Gate) resolve(call *Call, w *waiter) (entry, error) {
	g.mu.Lock()
	defer g.unlock()
	g.openIfDue(time.Now()) // its time may be up in the very moment that the gate opens
	left := call.cause()
	select {
	case <-w.done:
		if left != nil && w.err == nil {
			g.giveBack(w.entry)
			w.err = left
		}
		return w.entry, w.err
	default:
	}
	g.line.Remove(w.place)
	if left != nil {
		return entry{}, left
	}
	return entry{}, g.refusal()
}

// force lets a request in whatever the gate's state, and reports whether it
// would have been refused. It takes nobody's place.
func (g *Gate) force(until time.Time) (e entry, refused bool) {
	if e, in := g.pass(); in {
		return e, false
	}
	g.mu.Lock()
	defer g.unlock()
	g.openIfDue(time.Now())
	e = entry{gate: g, period: g.period.Load()}
	if g.state == GateShut {
		e.period-- // what it has to tell was known before
	}
	return e, until.Before(g.opens)
}

// refuses returns the error for a caller that could not wait until the gate
// opens, or nil.
func (g *Gate) refuses(until time.Time) error {
	g.mu.Lock()
	defer g.unlock()
	if g.openIfDue(time.Now()); until.Before(g.opens) {
		return g.refusal()
	}
	return nil
}

// Until returns when a gate that is shut opens; else the zero time.
func (g *Gate) Until() time.Time {
	if _, in := g.pass(); in {
		return time.Time{}
	}
	g.mu.Lock()
	defer g.unlock()
	g.openIfDue(time.Now())
	return g.opens
}

// hasRoom reports whether one more may be let in.
func (g *Gate) hasRoom() bool {
	return g.state == GateOpen || g.state == GateReentry && g.inFlight < g.limit
}

func (g *Gate) letIn(w *waiter) {
	w.entry = entry{gate: g, period: g.period.Load(), counted: g.state != GateOpen}
	if w.entry.counted {
		g.inFlight++
	}
}

func (g *Gate) giveBack(e entry) {
	if e.counted {
		g.inFlight--
		g.callIn()
	}
}

// callIn lets in those whose turn it is.
func (g *Gate) callIn() {
	for first := g.line.Front(); first != nil && g.hasRoom(); first = g.line.Front() {
		w := g.line.Remove(first).(*waiter)
		g.letIn(w)
		close(w.done)
	}
}

// turnAway refuses those who cannot wait until the gate opens.
func (g *Gate) turnAway() {
	for at := g.line.Front(); at != nil; {
		w, next := at.Value.(*waiter), at.Next()
		if w.until.Before(g.opens) {
			g.line.Remove(at)
			w.err = g.refusal()
			close(w.done)
		}
		at = next
	}
}

// refusal is the error for one who is not let in.
func (g *Gate) refusal() error { return &ShutError{What: throttleGate, Until: g.opens} }
