package policy

import (
	"slices"
	"testing"
	"time"
)

func TestAGateStaysShutAsLongAsItIsAsked(t *testing.T) {
	policy := func(set func(*ThrottlePolicy)) ThrottlePolicy {
		var p ThrottlePolicy
		p.SetDefaults()
		set(&p)
		return p
	}
	var builtin ThrottlePolicy
	builtin.SetDefaults()
	tests := []struct {
		name   string
		policy ThrottlePolicy
		hint   time.Duration
		least  time.Duration
		late   time.Duration // at most
	}{
		{"for a hint, up to a fifth later", builtin, 2 * time.Second, 2 * time.Second, 400 * time.Millisecond},
		{"for a long hint, up to a second later", builtin, time.Minute, time.Minute, time.Second},
		{"for the least hint", builtin, 1, 1, 0},
		{"for max where the hint is longer, and then one may ask again", builtin, 24 * time.Hour, 5 * time.Minute, time.Second},
		{"for default_wait where there is none", builtin, 0, time.Second, 200 * time.Millisecond},
		{"for max where default_wait is longer", policy(func(p *ThrottlePolicy) { p.DefaultWait, p.Max = time.Minute, time.Second }), 0, time.Second, 200 * time.Millisecond},
	}
	for _, tt := range tests {
		gateBubble(t, tt.name, func(t *testing.T, g *testGate) {
			g.policy = tt.policy
			moments := map[time.Duration]bool{}
			for range 300 {
				g.Open()
				e, _ := g.pass()
				longest := g.shut(e, tt.hint, &g.policy, "status 429")
				wait := time.Until(g.Until())
				if wait < tt.least || wait > tt.least+tt.late || g.asked() != tt.least {
					t.Fatalf("got shut for %v, asked for %v, want %v and up to %v more", wait, g.asked(), tt.least, tt.late)
				}
				if longest != tt.least+tt.late {
					t.Fatalf("got at most %v, want %v", longest, tt.least+tt.late)
				}
				moments[wait] = true
			}
			if tt.late > 0 && len(moments) < 100 {
				t.Errorf("got %d different moments of 300, want them at random", len(moments))
			}
		})
	}
	gateBubble(t, "not at all without a hint and with no default_wait", func(_ *testing.T, g *testGate) {
		g.policy.DefaultWait = 0
		g.throttled(g.now(), 0)
		g.want(GateOpen)
	})
	gateBubble(t, "to the very moment", func(_ *testing.T, g *testGate) {
		g.shutFor(2 * time.Second)
		pass(time.Until(g.Until()) - 1)
		g.want(GateShut)
		pass(1)
		g.want(GateReentry)
	})
}

// Answers that were under way together ask for different times: the latest
// counts, and none undercuts it.
func TestTheLatestMomentCounts(t *testing.T) {
	gateBubble(t, "a shorter hint changes nothing", func(t *testing.T, g *testGate) {
		e := g.now()
		g.throttled(e, 10*time.Second)
		opens := g.Until()
		pass(time.Second)
		g.throttled(e, 9*time.Second)
		g.throttled(e, 2*time.Second)
		if !g.Until().Equal(opens) || g.asked() != 9*time.Second {
			t.Errorf("got open at %v, want %v", g.Until(), opens)
		}
	})
	gateBubble(t, "a longer one is waited for in full", func(t *testing.T, g *testGate) {
		e := g.now()
		g.throttled(e, 2*time.Second)
		pass(time.Second)
		g.throttled(e, 10*time.Second)
		if wait := time.Until(g.Until()); wait < 10*time.Second || wait > 11*time.Second {
			t.Errorf("got shut for %v, want 10s to 11s", wait)
		}
		pass(9 * time.Second)
		g.want(GateShut)
	})
	gateBubble(t, "it never opens earlier than it said", func(t *testing.T, g *testGate) {
		for range 100 {
			g.Open()
			e, _ := g.pass()
			g.throttled(e, 10*time.Second)
			before := g.Until()
			g.throttled(e, 10*time.Second+time.Nanosecond)
			if after := g.Until(); after.Before(before) || after.After(time.Now().Add(11*time.Second+time.Nanosecond)) {
				t.Fatalf("got open at %v, want %v or up to 11s", after, before)
			}
		}
	})
	gateBubble(t, "the last one's is forgotten when it has opened", func(t *testing.T, g *testGate) {
		g.shutFor(time.Minute)
		g.reopen()
		g.throttled(g.now(), time.Second)
		if g.asked() != time.Second || !g.Until().Before(time.Now().Add(1300*time.Millisecond)) {
			t.Errorf("got shut until %v, want for 1s", g.Until())
		}
	})
}

// An upstream that says "slow down" without a time gets twice as much each time
// it says so again, but not for each of those who asked at once.
func TestDefaultWaitDoubles(t *testing.T) {
	waits := func(g *testGate, n int) []time.Duration {
		var got []time.Duration
		for range n {
			g.throttled(g.now(), 0)
			got = append(got, g.asked())
			g.reopen()
		}
		return got
	}
	seconds := func(s ...int) []time.Duration {
		var d []time.Duration
		for _, n := range s {
			d = append(d, time.Duration(n)*time.Second)
		}
		return d
	}
	check := func(t *testing.T, got, want []time.Duration) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	gateBubble(t, "up to 30 s", func(t *testing.T, g *testGate) {
		check(t, waits(g, 8), seconds(1, 2, 4, 8, 16, 30, 30, 30))
	})
	gateBubble(t, "not where it is longer than that already", func(t *testing.T, g *testGate) {
		g.policy.DefaultWait = 45 * time.Second
		check(t, waits(g, 3), seconds(45, 45, 45))
	})
	gateBubble(t, "never beyond max", func(t *testing.T, g *testGate) {
		g.policy.Max = 3 * time.Second
		check(t, waits(g, 4), seconds(1, 2, 3, 3))
	})
	gateBubble(t, "once for all that were under way together", func(t *testing.T, g *testGate) {
		all := []entry{g.now(), g.now(), g.now()}
		for _, e := range all {
			g.throttled(e, 0)
		}
		check(t, []time.Duration{g.asked()}, seconds(1))
		g.reopen()
		g.throttled(all[0], 0) // a straggler from before the gate shut
		check(t, []time.Duration{g.asked()}, seconds(1))
		g.reopen()
		check(t, waits(g, 1), seconds(2))
	})
	gateBubble(t, "once for all of a re-entry", func(t *testing.T, g *testGate) {
		waits(g, 1)
		g.succeed(3)
		a, b, c := g.now(), g.now(), g.now()
		g.throttled(a, 0)
		g.throttled(b, 0)
		check(t, []time.Duration{g.asked()}, seconds(1))
		g.reopen()
		g.throttled(c, 0)
		check(t, []time.Duration{g.asked()}, seconds(1))
		g.reopen()
		check(t, waits(g, 1), seconds(2))
	})
	gateBubble(t, "from the start again after a success", func(t *testing.T, g *testGate) {
		waits(g, 3)
		g.succeed(1)
		check(t, waits(g, 2), seconds(1, 2))
	})
	gateBubble(t, "on after a success of a call from before it shut", func(t *testing.T, g *testGate) {
		waits(g, 2)
		old := g.now()
		g.throttled(g.forced(), 0)
		g.reopen()
		g.leave(old, Success)
		check(t, waits(g, 1), seconds(8))
	})
	gateBubble(t, "from the start again after a hint", func(t *testing.T, g *testGate) {
		waits(g, 3)
		g.throttled(g.now(), 7*time.Second)
		g.reopen()
		check(t, waits(g, 2), seconds(1, 2))
	})
	gateBubble(t, "from the start again after it was opened by hand", func(t *testing.T, g *testGate) {
		waits(g, 3)
		g.Open()
		check(t, waits(g, 2), seconds(1, 2))
	})
	gateBubble(t, "on after calls that say nothing or fail otherwise", func(t *testing.T, g *testGate) {
		waits(g, 2)
		for _, c := range []Class{Neutral, Failure} {
			g.leave(g.now(), c)
		}
		check(t, waits(g, 1), seconds(4))
	})
}
