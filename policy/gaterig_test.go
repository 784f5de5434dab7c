package policy

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// testGate is a gate in a bubble that remembers its changes.
type testGate struct {
	*Gate
	t       *testing.T
	policy  ThrottlePolicy
	changes []GateChange // read after synctest.Wait
}

func newTestGate(t *testing.T) *testGate {
	g := &testGate{t: t}
	g.policy.SetDefaults()
	g.Gate = NewGate(func(c GateChange) { g.changes = append(g.changes, c) })
	t.Cleanup(g.Close)
	return g
}

// gateBubble runs test with a gate under the built-in policy.
func gateBubble(t *testing.T, name string, test func(t *testing.T, g *testGate)) {
	t.Helper()
	bubble(t, name, func(t *testing.T) { test(t, newTestGate(t)) })
}

// now takes the leave of one who need not wait for it.
func (g *testGate) now() entry {
	g.t.Helper()
	e, in := g.pass()
	if in {
		return e
	}
	w := g.join(time.Now().Add(time.Hour), 0)
	if w.err != nil {
		g.t.Fatalf("a caller was refused: %v", w.err)
	}
	return w.entry
}

// throttled is an answer to e that asks for hint, zero for none. A caller settles
// it so: first it shuts the gate, then it leaves.
func (g *testGate) throttled(e entry, hint time.Duration) {
	g.shut(e, hint, &g.policy, "status 429")
	g.leave(e, Throttled)
}

// succeed makes n calls one after the other that succeed.
func (g *testGate) succeed(n int) {
	g.t.Helper()
	for range n {
		g.leave(g.now(), Success)
	}
}

// shutFor shuts the gate.
func (g *testGate) shutFor(hint time.Duration) {
	g.t.Helper()
	e, _ := g.pass()
	g.throttled(e, hint)
	g.want(GateShut)
}

// reopen waits until calls may re-enter.
func (g *testGate) reopen() {
	g.t.Helper()
	pass(time.Until(g.Until()))
	g.want(GateReentry)
}

// asked returns for how long the gate was asked to stay shut from now on.
func (g *testGate) asked() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Until(g.notBefore)
}

func (g *testGate) want(want GateState) {
	g.t.Helper()
	if got := g.Snapshot().State; got != want {
		g.t.Fatalf("got gate %s, want %s", got, want)
	}
}

// wantIdle checks that nothing is left of those who came: a place that is lost
// is lost for ever.
func (g *Gate) wantIdle(t *testing.T) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inFlight != 0 || g.line.Len() != 0 {
		t.Errorf("got %d in flight, %d waiting after the end, want none", g.inFlight, g.line.Len())
	}
}

// room returns how many more are let in, and leaves with them as neutral.
func (g *testGate) room() int {
	var in []entry
	for len(in) < 2*freeAt {
		w := g.join(time.Now().Add(time.Hour), 0)
		if w.err != nil {
			break
		}
		in = append(in, w.entry)
	}
	for _, e := range in {
		g.leave(e, Neutral)
	}
	return len(in)
}

func (g *testGate) path() string {
	synctest.Wait()
	var path []string
	for _, c := range g.changes {
		path = append(path, string(c.From)+" > "+string(c.To))
	}
	return strings.Join(path, ", ")
}

// forced lets one more in than there is room for, as a policy that only observes
// does.
func (g *testGate) forced() entry {
	e, _ := g.force(time.Now())
	return e
}
