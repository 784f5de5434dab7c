package policy

import (
	"container/list"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// freeAt is how many calls must be allowed in flight for a gate that lets
	// them in one by one to open to all.
	freeAt = 64
	// longestDefaultWait is what default_wait doubles up to.
	longestDefaultWait = 30 * time.Second
	// lateness and longestLateness are how much later than asked a gate opens at
	// most, as a share of the wait and as a time, so that not all who were told
	// the same come back together.
	lateness        = 0.2
	longestLateness = time.Second
)

// Gate holds callers back from an upstream that asked for patience: one answer
// that says so holds for all who share the gate, not only for the caller that got
// it.
//
// Shut, it lets nobody in until the upstream's time is up. Then calls re-enter:
// one in flight, one more for each success, and everybody from 64 on. Callers
// wait in the order they came, as long as it is of use.
//
// A Gate is safe for concurrent use. Close frees its timer. A nil Gate lets
// everybody in.
type Gate struct {
	changes notices[GateChange]
	free    atomic.Bool   // everybody is let in, without the lock
	period  atomic.Uint64 // a new one begins when the gate shuts, or lets nobody but one in

	mu        sync.Mutex // a leaf but for that of changes
	state     GateState
	notBefore time.Time // as the upstream asked
	opens     time.Time // a little later
	timer     *time.Timer
	limit     int        // in flight while re-entering
	inFlight  int        // of those that were let in while re-entering
	line      *list.List // of *waiter, in the order they came
	doubled   time.Duration
	why       string

	shutAt   time.Time // if it is shut
	shuts    int
	shutTime time.Duration // all but the present one's
}

// NewGate returns an open gate. If onChange is not nil it is told of each change
// of state, in order and under no lock.
func NewGate(onChange func(GateChange)) *Gate {
	g := &Gate{state: GateOpen, line: list.New(), changes: notices[GateChange]{onChange: onChange}}
	g.free.Store(true)
	return g
}

// entry is a request that a gate let in. The zero entry is of no gate.
type entry struct {
	gate    *Gate
	period  uint64
	counted bool // among those in flight
}

// leave says how a request that was let in has ended. While calls re-enter, a
// success makes room for one more, and a throttled answer leaves room for one.
func (g *Gate) leave(e entry, c Class) {
	if g == nil || !e.counted && g.free.Load() {
		return
	}
	g.mu.Lock()
	defer g.unlock()
	if e.counted {
		g.inFlight--
	}
	switch {
	case g.state != GateReentry:
	case c == Throttled:
		g.limit = 1
	case c == Success && e.period == g.period.Load():
		g.doubled = 0
		if g.limit++; g.limit >= freeAt {
			g.change(GateOpen, time.Now())
		}
	}
	g.callIn()
}

// shut keeps everybody out for as long as the answer to the request e asks: for
// hint or, if that is zero, for the policy's default_wait. That doubles while
// such answers follow each other; several that were under way together are one.
// It returns how long that can be at most.
func (g *Gate) shut(e entry, hint time.Duration, p *ThrottlePolicy, why string) time.Duration {
	g.mu.Lock()
	defer g.unlock()
	now := time.Now()
	g.openIfDue(now)
	wait := min(g.wait(e, hint, p.DefaultWait), p.Max)
	if wait <= 0 {
		return 0 // leave makes it one at a time
	}
	g.why = why
	late := min(time.Duration(lateness*float64(wait)), longestLateness)
	if notBefore := now.Add(wait); notBefore.After(g.notBefore) {
		g.notBefore = notBefore
		g.opens = latest(g.opens, notBefore.Add(rand.N(late+1)))
	}
	if g.state != GateShut {
		g.change(GateShut, now)
	}
	g.ring(g.opens.Sub(now))
	g.turnAway()
	return wait + late
}

// wait returns for how long an answer shuts the gate.
func (g *Gate) wait(e entry, hint, defaultWait time.Duration) time.Duration {
	if hint > 0 {
		g.doubled = 0
		return hint
	}
	if e.period == g.period.Load() {
		g.doubled = min(2*g.doubled, max(defaultWait, longestDefaultWait))
	}
	g.doubled = max(defaultWait, g.doubled)
	return g.doubled
}

// reenter lets calls in one by one from now on, unless the gate is shut: then it
// does so later. It is called under a breaker's locks; see deliver.
func (g *Gate) reenter() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch g.state {
	case GateOpen:
		g.change(GateReentry, time.Now())
	case GateReentry:
		g.limit = 1
		g.period.Add(1)
	case GateShut:
	}
}

// deliver reports what reenter changed.
func (g *Gate) deliver() {
	if g != nil {
		g.changes.deliver()
	}
}

// Open opens a gate to all, whatever it was told before.
func (g *Gate) Open() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.unlock()
	if g.state != GateOpen {
		g.doubled = 0
		g.change(GateOpen, time.Now())
		g.callIn()
	}
}

// Close frees the gate's timer and reports no more changes. Those who wait go on
// waiting until their time is up.
func (g *Gate) Close() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.changes.stop()
	if g.timer != nil {
		g.timer.Stop()
	}
}

// ring has the gate opened in d.
func (g *Gate) ring(d time.Duration) {
	if g.timer != nil {
		g.timer.Reset(d)
		return
	}
	g.timer = time.AfterFunc(d, func() {
		g.mu.Lock()
		defer g.unlock()
		g.openIfDue(time.Now())
	})
}

// openIfDue lets callers re-enter if the gate is shut and its time is up.
func (g *Gate) openIfDue(now time.Time) {
	if g.state == GateShut && !now.Before(g.opens) {
		g.change(GateReentry, now)
		g.callIn()
	}
}

// change puts the gate into another state.
func (g *Gate) change(to GateState, now time.Time) {
	c := GateChange{From: g.state, To: to, At: now}
	if g.state == GateShut {
		g.shutTime += now.Sub(g.shutAt)
		g.notBefore, g.opens = time.Time{}, time.Time{}
	}
	if to == GateShut {
		g.shuts++
		g.shutAt = now
		c.Until, c.Why = g.opens, g.why
	}
	if g.state == GateOpen || to == GateShut {
		g.period.Add(1)
	}
	g.state, g.limit = to, 1
	g.free.Store(to == GateOpen)
	g.changes.add(c)
}

func (g *Gate) unlock() {
	g.mu.Unlock()
	g.changes.deliver()
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
