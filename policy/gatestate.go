package policy

import (
	"fmt"
	"time"
)

// GateState is how a [Gate] stands.
type GateState string

// The states of a gate.
const (
	// GateOpen lets everybody in.
	GateOpen GateState = "open"
	// GateShut lets nobody in.
	GateShut GateState = "shut"
	// GateReentry lets a few in at a time, and more as they succeed.
	GateReentry GateState = "reentry"
)

// GateChange is a gate's change from one state to another.
type GateChange struct {
	From, To GateState
	At       time.Time
	// Until is when a gate that was shut opens; else zero.
	Until time.Time
	// Why says what shut it; else it is empty.
	Why string
}

// GateSnapshot is a gate as it is shown to people.
type GateSnapshot struct {
	State GateState
	// Until is when a gate that is shut opens; else zero.
	Until time.Time
	// Why says what shut it last.
	Why string
	// Pending is how many callers wait.
	Pending int
	// Shuts is how often it has been shut, ShutTime for how long in all.
	Shuts    int
	ShutTime time.Duration
}

// Snapshot returns what the gate holds now, all of one moment. A nil gate is
// open.
func (g *Gate) Snapshot() GateSnapshot {
	if g == nil {
		return GateSnapshot{State: GateOpen}
	}
	g.mu.Lock()
	defer g.unlock()
	now := time.Now()
	g.openIfDue(now)
	s := GateSnapshot{
		State: g.state, Until: g.opens, Why: g.why, Pending: g.line.Len(),
		Shuts: g.shuts, ShutTime: g.shutTime,
	}
	if g.state == GateShut {
		s.ShutTime += now.Sub(g.shutAt)
	}
	return s
}

// ShutError is the refusal of a gate or of a rate limit.
type ShutError struct {
	// What refuses.
	What string
	// Until is when it is worth asking again. It is zero while calls re-enter:
	// then nobody knows when there is room.
	Until time.Time
}

// Error returns what refuses, and the moment.
func (e *ShutError) Error() string {
	if e.Until.IsZero() {
		return e.What + " lets few in at a time, and has no room"
	}
	return fmt.Sprintf("%s lets nobody in until %s", e.What, e.Until.Format(time.RFC3339Nano))
}
