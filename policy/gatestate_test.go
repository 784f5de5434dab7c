package policy

import (
	"slices"
	"testing"
	"time"
)

func TestChangesAreToldInOrder(t *testing.T) {
	gateBubble(t, "with moments and reason", func(t *testing.T, g *testGate) {
		began := time.Now()
		g.shutFor(2 * time.Second)
		until := g.Until()
		g.throttled(entry{}, 10*time.Second) // longer, but no change of state
		g.reopen()
		g.throttled(g.now(), time.Second)
		g.reopen()
		g.succeed(freeAt - 1)
		g.Open()
		if got, want := g.path(), "open > shut, shut > reentry, reentry > shut, shut > reentry, reentry > open"; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		if c := g.changes[0]; !c.At.Equal(began) || !c.Until.Equal(until) || c.Why != "status 429" {
			t.Errorf("got %+v, want shut at %v until %v", c, began, until)
		}
		if c := g.changes[1]; c.At.Sub(began) < 10*time.Second || !c.Until.IsZero() || c.Why != "" {
			t.Errorf("got %+v, want a bare change after 10s", c)
		}
	})
	gateBubble(t, "to a function that may use the gate", func(t *testing.T, g *testGate) {
		seen := []GateState{}
		g.Gate = NewGate(func(GateChange) { seen = append(seen, g.Snapshot().State) })
		g.shutFor(time.Second)
		g.reopen()
		if !slices.Equal(seen, []GateState{GateShut, GateReentry}) {
			t.Errorf("got %v, want shut, reentry", seen)
		}
	})
	gateBubble(t, "to nobody after Close", func(t *testing.T, g *testGate) {
		g.shutFor(time.Second)
		g.Close()
		g.Close()
		g.Open()
		g.throttled(g.now(), time.Second)
		if got := g.path(); got != "open > shut" {
			t.Errorf("got %s, want open > shut", got)
		}
	})
}

func TestAGateOpenedByHand(t *testing.T) {
	gateBubble(t, "lets everybody in, and forgets what it was told", func(t *testing.T, g *testGate) {
		g.shutFor(time.Hour)
		g.Open()
		g.want(GateOpen)
		if !g.Until().IsZero() {
			t.Errorf("got shut until %v, want open", g.Until())
		}
		pass(2 * time.Hour) // the timer of what was forgotten
		g.want(GateOpen)
		if got := g.path(); got != "open > shut, shut > open" {
			t.Errorf("got %s, want open > shut, shut > open", got)
		}
	})
	gateBubble(t, "shuts again for as long as it is asked then", func(t *testing.T, g *testGate) {
		g.shutFor(time.Hour)
		g.Open()
		g.shutFor(time.Minute)
		if g.asked() != time.Minute {
			t.Errorf("got shut for %v, want 1m", g.asked())
		}
		pass(time.Until(g.Until()) - 1)
		g.want(GateShut)
	})
	gateBubble(t, "does so while calls re-enter too", func(t *testing.T, g *testGate) {
		g.shutFor(time.Second)
		g.reopen()
		old := g.now()
		g.Open()
		g.leave(old, Throttled)
		g.want(GateOpen)
		g.wantIdle(t)
	})
	t.Run("nil is open", func(t *testing.T) {
		var g *Gate
		g.Open()
		g.Close()
		if s := g.Snapshot(); s.State != GateOpen || !g.Until().IsZero() {
			t.Errorf("got %+v, want open", s)
		}
	})
}

// Close must leave no timer behind that would fire into a route that is gone;
// a caller that is still under way may look at the gate all the same.
func TestAClosedGateStillKeepsTime(t *testing.T) {
	gateBubble(t, "for those who come to it", func(t *testing.T, g *testGate) {
		g.shutFor(time.Second)
		until := g.Until()
		g.Close()
		pass(time.Until(until))
		if got := g.room(); got != 1 {
			t.Errorf("got room for %d after its time, want 1", got)
		}
	})
	gateBubble(t, "for those who wait, as long as they would", func(t *testing.T, g *testGate) {
		g.shutFor(time.Second)
		c := g.comes(3*time.Second, 64)
		g.Close()
		c.waits(t)
		pass(3 * time.Second)
		c.isIn(t)
		g.leave(c.entry, Neutral)
		g.wantIdle(t)
	})
}

func TestGateSnapshot(t *testing.T) {
	gateBubble(t, "counts and adds up", func(t *testing.T, g *testGate) {
		if s := g.Snapshot(); s != (GateSnapshot{State: GateOpen}) {
			t.Errorf("got %+v, want one that is open and no more", s)
		}
		g.shutFor(time.Second)
		until := g.Until()
		pass(600 * time.Millisecond)
		want := GateSnapshot{State: GateShut, Until: until, Why: "status 429", Shuts: 1, ShutTime: 600 * time.Millisecond}
		if s := g.Snapshot(); s != want {
			t.Errorf("got %+v, want %+v", s, want)
		}
		first := 600*time.Millisecond + time.Until(until)
		g.reopen()
		pass(time.Hour)
		want = GateSnapshot{State: GateReentry, Why: "status 429", Shuts: 1, ShutTime: first}
		if s := g.Snapshot(); s != want {
			t.Errorf("got %+v, want %+v", s, want)
		}
		g.throttled(g.now(), time.Minute)
		pass(time.Second)
		g.throttled(entry{}, time.Minute) // the same time it is shut
		if s := g.Snapshot(); s.Shuts != 2 || s.ShutTime != first+time.Second {
			t.Errorf("got %d times, %v, want 2, %v", s.Shuts, s.ShutTime, first+time.Second)
		}
		g.Open()
		if s := g.Snapshot(); s.State != GateOpen || s.Shuts != 2 || s.ShutTime != first+time.Second || !s.Until.IsZero() {
			t.Errorf("got %+v, want open, 2 times, %v", s, first+time.Second)
		}
	})
}
