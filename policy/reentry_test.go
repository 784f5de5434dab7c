package policy

import (
	"testing"
	"time"
)

func TestCallsReenterAtATrickle(t *testing.T) {
	reentry := func(t *testing.T, name string, test func(t *testing.T, g *testGate)) {
		gateBubble(t, name, func(t *testing.T, g *testGate) {
			g.shutFor(time.Second)
			g.reopen()
			test(t, g)
		})
	}
	wantRoom := func(t *testing.T, g *testGate, want int) {
		t.Helper()
		if got := g.room(); got != want {
			t.Fatalf("got room for %d, want %d", got, want)
		}
	}
	reentry(t, "one at first, one more for each success, all at 64", func(t *testing.T, g *testGate) {
		for n := 1; n < freeAt; n++ {
			g.want(GateReentry)
			wantRoom(t, g, n)
			g.succeed(1)
		}
		g.want(GateOpen)
		if _, free := g.pass(); !free {
			t.Error("got a gate that is open and not free")
		}
	})
	reentry(t, "those on their way count", func(t *testing.T, g *testGate) {
		g.succeed(3)
		a, b := g.now(), g.now()
		wantRoom(t, g, 2)
		g.leave(a, Success)
		wantRoom(t, g, 4)
		g.leave(b, Failure)
		wantRoom(t, g, 5)
	})
	reentry(t, "what fails otherwise, or says nothing, makes no room and takes none", func(t *testing.T, g *testGate) {
		g.succeed(4)
		for _, c := range []Class{Failure, Neutral} {
			g.leave(g.now(), c)
			wantRoom(t, g, 5)
		}
	})
	reentry(t, "one again after it shut again", func(t *testing.T, g *testGate) {
		g.succeed(10)
		g.throttled(g.now(), time.Second)
		g.want(GateShut)
		wantRoom(t, g, 0)
		g.reopen()
		wantRoom(t, g, 1)
	})
	reentry(t, "one again after a throttled answer that shuts nothing", func(t *testing.T, g *testGate) {
		g.policy.DefaultWait = 0
		g.succeed(10)
		g.throttled(g.now(), 0)
		g.want(GateReentry)
		wantRoom(t, g, 1)
	})
	reentry(t, "calls from before it shut make no room, but take theirs", func(t *testing.T, g *testGate) {
		g.succeed(2)
		old := []entry{g.now(), g.now()}
		g.throttled(g.now(), time.Second)
		g.reopen()
		wantRoom(t, g, 0) // two are in flight, one may be
		g.leave(old[0], Success)
		wantRoom(t, g, 0)
		g.leave(old[1], Success)
		wantRoom(t, g, 1)
		g.wantIdle(t)
	})
	reentry(t, "and of those who were let in when it was open, nothing is counted", func(t *testing.T, g *testGate) {
		g.Open()
		old := []entry{g.now(), g.now()}
		g.throttled(g.now(), time.Second)
		g.reopen()
		for _, e := range old {
			g.leave(e, Success)
		}
		wantRoom(t, g, 1)
		g.wantIdle(t)
	})
	reentry(t, "it is open to all only while nobody is throttled again", func(t *testing.T, g *testGate) {
		g.succeed(freeAt - 1)
		g.want(GateOpen)
		g.throttled(g.now(), time.Second)
		g.reopen()
		wantRoom(t, g, 1)
	})
}

// The same trickle follows a breaker that has closed.
func TestReenter(t *testing.T) {
	gateBubble(t, "an open gate lets in one at first", func(t *testing.T, g *testGate) {
		g.reenter()
		g.deliver()
		if got := g.room(); got != 1 {
			t.Errorf("got room for %d, want 1", got)
		}
		if got := g.path(); got != "open > reentry" {
			t.Errorf("got %s, want open > reentry", got)
		}
	})
	gateBubble(t, "calls from before make no room", func(t *testing.T, g *testGate) {
		g.reenter()
		g.succeed(4)
		old := g.now()
		g.reenter()
		g.leave(old, Success)
		if got := g.room(); got != 1 {
			t.Errorf("got room for %d, want 1", got)
		}
	})
	gateBubble(t, "a gate that is shut stays so", func(t *testing.T, g *testGate) {
		g.shutFor(time.Minute)
		until := g.Until()
		g.reenter()
		g.want(GateShut)
		if !g.Until().Equal(until) {
			t.Errorf("got shut until %v, want %v", g.Until(), until)
		}
		g.reopen()
	})
	t.Run("nil is not there", func(*testing.T) {
		var g *Gate
		g.reenter()
		g.deliver()
	})
}
