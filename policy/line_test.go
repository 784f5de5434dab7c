package policy

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// guest is a caller that came to a gate. What became of it is set when it is
// there no more.
type guest struct {
	call *Call
	goes context.CancelFunc
	gone chan struct{}

	entry entry
	err   error
	at    time.Time // when it was let in or turned away
}

// comes has a caller ask that would wait for wait if fewer than pending do.
func (g *testGate) comes(wait time.Duration, pending int) *guest {
	c := &guest{gone: make(chan struct{})}
	ctx, goes := context.WithCancel(g.t.Context())
	c.goes = goes
	c.call = NewCall(ctx, time.Now(), time.Hour, nil)
	g.t.Cleanup(c.call.End)
	until := time.Now().Add(wait)
	go func() {
		c.entry, c.err = g.enter(c.call, until, pending)
		c.at = time.Now()
		close(c.gone)
	}()
	synctest.Wait()
	return c
}

func (c *guest) isGone() bool {
	synctest.Wait()
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

func (c *guest) waits(t *testing.T) {
	t.Helper()
	if c.isGone() {
		t.Fatalf("got error %v at %v, want a caller that waits", c.err, c.at)
	}
}

func (c *guest) isIn(t *testing.T) {
	t.Helper()
	if !c.isGone() {
		t.Fatal("got a caller that waits, want one that was let in")
	}
	if c.err != nil {
		t.Fatalf("got error %v, want a caller that was let in", c.err)
	}
}

// isTurnedAway checks that the caller got a refusal until a moment.
func (c *guest) isTurnedAway(t *testing.T, until time.Time) {
	t.Helper()
	if !c.isGone() {
		t.Fatal("got a caller that waits, want a refusal")
	}
	shut, ok := errors.AsType[*ShutError](c.err)
	if !ok || !shut.Until.Equal(until) || shut.What != throttleGate {
		t.Fatalf("got error %v, want a refusal until %v", c.err, until)
	}
}

func TestCallersWaitWhereThatIsOfUse(t *testing.T) {
	gateBubble(t, "if the gate opens in time", func(t *testing.T, g *testGate) {
		g.shutFor(time.Second)
		until := g.Until()
		c := g.comes(2*time.Second, 1)
		c.waits(t)
		pass(time.Until(until) - 1)
		c.waits(t)
		pass(1)
		c.isIn(t)
		if !c.at.Equal(until) || c.call.Wait != until.Sub(c.call.Deadline().Add(-time.Hour)) {
			t.Errorf("got in at %v after %v, want at %v", c.at, c.call.Wait, until)
		}
	})
	gateBubble(t, "to the last moment", func(t *testing.T, g *testGate) {
		g.shutFor(time.Second)
		g.comes(time.Until(g.Until()), 1).waits(t)
		g.comes(time.Until(g.Until())-1, 2).isTurnedAway(t, g.Until())
	})
	gateBubble(t, "and are told at once if it does not, for how long", func(t *testing.T, g *testGate) {
		g.shutFor(time.Minute)
		c := g.comes(time.Second, 64)
		c.isTurnedAway(t, g.Until())
		if c.call.Wait != 0 {
			t.Errorf("got a caller that waited for %v", c.call.Wait)
		}
		if err := g.refuses(time.Now().Add(time.Second)); err == nil {
			t.Error("got no refusal for one who has not asked yet")
		}
		if err := g.refuses(g.Until()); err != nil {
			t.Errorf("got %v for one who can wait", err)
		}
	})
	gateBubble(t, "only so many, and the others are told at once", func(t *testing.T, g *testGate) {
		g.shutFor(time.Second)
		for range 3 {
			g.comes(2*time.Second, 3).waits(t)
		}
		g.comes(2*time.Second, 3).isTurnedAway(t, g.Until())
		if s := g.Snapshot(); s.Pending != 3 {
			t.Errorf("got %d waiting, want 3", s.Pending)
		}
		g.comes(2*time.Second, 4).waits(t)
	})
	gateBubble(t, "nobody, where nobody may", func(t *testing.T, g *testGate) {
		g.shutFor(time.Second)
		g.comes(2*time.Second, 0).isTurnedAway(t, g.Until())
		g.reopen()
		g.comes(0, 0).isIn(t) // there is room: nothing to wait for
		g.comes(2*time.Second, 0).isTurnedAway(t, time.Time{})
		g.comes(0, 64).isTurnedAway(t, time.Time{})
	})
	gateBubble(t, "until their time is up", func(t *testing.T, g *testGate) {
		g.shutFor(time.Second)
		g.reopen()
		g.now()
		c := g.comes(700*time.Millisecond, 64)
		came := time.Now()
		pass(time.Second)
		c.isTurnedAway(t, time.Time{})
		if c.at.Sub(came) != 700*time.Millisecond || c.call.Wait != 700*time.Millisecond {
			t.Errorf("got refused after %v, %v waited, want 700ms", c.at.Sub(came), c.call.Wait)
		}
		if s := g.Snapshot(); s.Pending != 0 {
			t.Errorf("got %d waiting, want none", s.Pending)
		}
	})
	gateBubble(t, "and are turned away when it shuts for longer", func(t *testing.T, g *testGate) {
		old := g.now()
		g.shutFor(time.Second)
		short, long := g.comes(5*time.Second, 64), g.comes(time.Minute, 64)
		g.throttled(old, 10*time.Second)
		short.isTurnedAway(t, g.Until())
		long.waits(t)
		g.reopen()
		long.isIn(t)
	})
	gateBubble(t, "and when it shuts again while calls re-enter", func(t *testing.T, g *testGate) {
		g.shutFor(time.Second)
		short, long, longer := g.comes(2*time.Second, 64), g.comes(3*time.Second, 64), g.comes(time.Minute, 64)
		g.reopen()
		short.isIn(t)
		g.throttled(short.entry, 10*time.Second)
		long.isTurnedAway(t, g.Until())
		longer.waits(t)
	})
}

func TestCallersAreLetInInOrder(t *testing.T) {
	gateBubble(t, "one, then two, then all", func(t *testing.T, g *testGate) {
		g.shutFor(time.Second)
		var line []*guest
		for range freeAt + 10 {
			line = append(line, g.comes(time.Minute, 2*freeAt))
		}
		g.reopen()
		in := func(n int) {
			t.Helper()
			for _, c := range line[:n] {
				c.isIn(t)
			}
			for _, c := range line[n:] {
				c.waits(t)
			}
		}
		in(1)
		g.leave(line[0].entry, Success)
		in(3)
		g.leave(line[1].entry, Failure)
		in(4)
		g.leave(line[2].entry, Success)
		in(6)
		g.Open()
		in(len(line))
		for _, c := range line[3:] {
			g.leave(c.entry, Success)
		}
		g.wantIdle(t)
	})
	gateBubble(t, "one who comes when there is room goes behind those who wait", func(t *testing.T, g *testGate) {
		g.shutFor(time.Second)
		g.reopen()
		g.succeed(1)
		first := g.comes(time.Minute, 64)
		first.isIn(t)
		second, third, fourth := g.comes(time.Minute, 64), g.comes(time.Minute, 64), g.comes(time.Minute, 64)
		second.isIn(t)
		third.waits(t)
		g.leave(second.entry, Neutral)
		third.isIn(t)
		fourth.waits(t)
		if s := g.Snapshot(); s.Pending != 1 {
			t.Errorf("got %d waiting, want 1", s.Pending)
		}
	})
	gateBubble(t, "one who leaves does not hold up the others", func(t *testing.T, g *testGate) {
		g.shutFor(time.Second)
		a, b, c := g.comes(time.Minute, 64), g.comes(time.Minute, 64), g.comes(time.Minute, 64)
		a.goes()
		c.waits(t)
		if !a.isGone() || !errors.Is(a.err, context.Canceled) {
			t.Errorf("got %v, want the client's end", a.err)
		}
		g.reopen()
		b.isIn(t)
		c.waits(t)
	})
	gateBubble(t, "the trickle goes on when a success opens the gate to all", func(t *testing.T, g *testGate) {
		g.shutFor(time.Second)
		g.reopen()
		g.succeed(freeAt - 2)
		var in []*guest
		for range freeAt - 1 {
			in = append(in, g.comes(time.Minute, 64))
		}
		last := g.comes(time.Minute, 64)
		last.waits(t)
		g.leave(in[0].entry, Success)
		last.isIn(t)
		g.want(GateOpen)
	})
}
