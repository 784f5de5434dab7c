package blackbox_test

import (
	"fmt"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// A duet is a scene with two routes to one upstream, a and b, in a process of its own.
type duet struct {
	name     string // a sentence
	upstream string // further keys of the upstream, a line each
	a, b     string // further keys of the routes, a line each
	run      func(t *testing.T, a, b *stage)
}

// playDuets runs duets in parallel and sees to it that their processes end up holding nothing.
func playDuets(t *testing.T, duets []duet) {
	t.Helper()
	t.Parallel()
	for _, d := range duets {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			a, b := d.stages(t)
			d.run(t, a, b)
		})
	}
}

func (d duet) stages(t *testing.T) (a, b *stage) {
	t.Helper()
	up := wire.Listen(t)
	config := preamble + "upstreams:\n  crm:\n    url: " + up.URL() + "\n" + indent(budgetless(d.upstream), 4) + "routes:\n"
	for name, keys := range map[string]string{"a": d.a, "b": d.b} {
		config += fmt.Sprintf("  - name: %s\n    upstream: crm\n    match: {path: \"/%s/{rest...}\"}\n%s", name, name, indent(keys, 4))
	}
	process := start(t, config)
	base := process.Baseline(t)
	t.Cleanup(func() {
		up.Close()
		process.AwaitBaseline(t, base)
	})
	return &stage{Process: process, up: up, route: "a", path: "/a/x"}, &stage{Process: process, up: up, route: "b", path: "/b/x"}
}

// shared is a breaker for all routes of an upstream that opens on the third failure in a row and stays open.
const shared = "policy: {breaker: {scope: upstream, consecutive_failures: 3, failure_rate: null, open: {initial: 1h, max: 1h}}}"

// brief is one that opens on the first failure and is soon half-open.
const brief = "policy: {breaker: {scope: upstream, consecutive_failures: 1, open: {initial: 200ms, max: 200ms}}}"

func TestTheBreakerOfAnUpstream(t *testing.T) {
	playDuets(t, []duet{
		{
			name:     "is opened by one route for all of them",
			upstream: shared,
			run: func(t *testing.T, a, b *stage) {
				a.fail(t, 3)
				for range 3 {
					b.expectOpen(t)
					a.expectOpen(t)
				}
				a.expectCount(t, 3)
				for _, s := range []*stage{a, b} {
					s.sum(t, 1, "fender_breaker_state", "state", "open")
					s.sum(t, 1, "fender_breaker_state")
					s.sum(t, 1, "fender_breaker_transitions_total", "from", "closed", "to", "open")
				}
				if got := changes(a.Process, "open"); got != 1 {
					t.Errorf("got %d lines of the change, want 1", got)
				}
			},
		},
		{
			name:     "counts consecutive failures over all of them",
			upstream: shared,
			run: func(t *testing.T, a, b *stage) {
				a.fail(t, 1)
				b.fail(t, 1)
				a.up.Script(wire.Reply(200, "fine"))
				expect(t, b.get(t), expectation{status: 200, circuit: "closed", attempts: 1})
				a.fail(t, 1)
				b.fail(t, 1)
				expect(t, b.get(t), expectation{status: 500, circuit: "open", attempts: 1})
				a.expectOpen(t)
				b.expectOpen(t)
			},
		},
		{
			name:     "counts its window over all of them",
			upstream: "policy: {breaker: {scope: upstream, consecutive_failures: 0, failure_rate: {threshold: 0.5, min_calls: 4, window: 1h}, open: {initial: 1h, max: 1h}}}",
			run: func(t *testing.T, a, b *stage) {
				a.up.Script(wire.Reply(200, "fine"))
				expect(t, b.get(t), expectation{status: 200, circuit: "closed", attempts: 1})
				expect(t, a.get(t), expectation{status: 200, circuit: "closed", attempts: 1})
				a.fail(t, 1)
				b.fail(t, 1)
				a.expectOpen(t)
			},
		},
		{
			name:     "takes the probe of any route, one at a time over all of them",
			upstream: brief,
			run: func(t *testing.T, a, b *stage) {
				a.fail(t, 1)
				b.await(t, "half-open")
				answers, release := b.occupy(t, 1)
				expect(t, a.get(t), expectation{status: 503, outcome: "refused", reason: "open", circuit: "half-open", attempts: 0})
				release()
				expect(t, one(t, answers), expectation{status: 200, circuit: "half-open", attempts: 1})
				expect(t, a.get(t), expectation{status: 200, circuit: "closed", attempts: 1})
				a.await(t, "closed")
				b.await(t, "closed")
				for _, to := range []string{"open", "half-open", "closed"} {
					if got := changes(a.Process, to); got != 1 {
						t.Errorf("got %d lines of the change to %s, want 1", got, to)
					}
				}
			},
		},
		{
			name:     "is opened again for all of them by a failed probe of one",
			upstream: brief,
			run: func(t *testing.T, a, b *stage) {
				a.fail(t, 1)
				a.await(t, "half-open")
				b.up.Script(wire.Reply(500, "broken"))
				expect(t, b.get(t), expectation{status: 500, circuit: "open", attempts: 1})
				a.sum(t, 1, "fender_breaker_transitions_total", "from", "half-open", "to", "open")
				b.sum(t, 1, "fender_breaker_transitions_total", "from", "half-open", "to", "open")
			},
		},
		{
			name:     "is not that of a route that has none",
			upstream: shared,
			b:        "breaker: null",
			run: func(t *testing.T, a, b *stage) {
				b.fail(t, 5)
				a.fail(t, 3)
				a.expectOpen(t)
				expect(t, b.get(t), expectation{status: 500, outcome: "upstream", circuit: "-", attempts: 1})
			},
		},
		{
			name:     "is not that of a route that has its own",
			upstream: shared,
			b:        "breaker: {scope: route}",
			run: func(t *testing.T, a, b *stage) {
				a.fail(t, 3)
				a.expectOpen(t)
				expect(t, b.get(t), expectation{status: 500, outcome: "upstream", circuit: "closed", attempts: 1})
				b.fail(t, 1)
				expect(t, b.get(t), expectation{status: 500, outcome: "upstream", circuit: "open", attempts: 1})
			},
		},
		{
			name:     "neither hears of a route in passthrough nor holds it back",
			upstream: shared,
			b:        "mode: passthrough",
			run: func(t *testing.T, a, b *stage) {
				b.fail(t, 5)
				a.fail(t, 3)
				a.expectOpen(t)
				expect(t, b.get(t), expectation{status: 500, outcome: "upstream", circuit: "-", attempts: 1})
			},
		},
		{
			name:     "hears of a route that observes, and does not hold that one back",
			upstream: shared,
			b:        "mode: observe",
			run: func(t *testing.T, a, b *stage) {
				b.fail(t, 3)
				a.expectOpen(t)
				expect(t, b.get(t), expectation{status: 500, outcome: "upstream", circuit: "open", attempts: 1})
				b.sum(t, 1, "fender_observed_rejections_total", "policy", "breaker")
				a.sum(t, 0, "fender_observed_rejections_total")
			},
		},
		{
			name:     "is nothing that routes with scope route share",
			upstream: "policy: {breaker: {consecutive_failures: 3, failure_rate: null, open: {initial: 1h, max: 1h}}}",
			run: func(t *testing.T, a, b *stage) {
				a.fail(t, 3)
				a.expectOpen(t)
				expect(t, b.get(t), expectation{status: 500, outcome: "upstream", circuit: "closed", attempts: 1})
			},
		},
		{
			name:     "stops the retries of every route once it is open",
			upstream: shared,
			b:        "concurrency: {max_requests: 1, max_pending: 1}\nthrottle: null\nretry: {max_retries: 1}",
			run: func(t *testing.T, a, b *stage) {
				first, second := make(chan struct{}), make(chan struct{})
				b.up.Script(wire.Held(first, wire.Reply(429, "slow down", "Retry-After: 0.1")), wire.Held(second, wire.Reply(200, "fine")), wire.Reply(500, "broken"))
				retried := b.begin("")
				sidecar.Await(t, "upstream has the first try", func() bool { return b.up.Count() == 1 })
				other := b.begin("")
				b.pending(t, 1)
				close(first)
				sidecar.Await(t, "upstream has the other call", func() bool { return b.up.Count() == 2 })
				b.pending(t, 1) // the retry
				for range 3 {
					expect(t, a.get(t), expectation{status: 500, outcome: "upstream", attempts: 1})
				}
				close(second)
				allFine(t, other, 1)
				expect(t, one(t, retried), expectation{status: 429, body: "slow down", outcome: "upstream", circuit: "open", attempts: 1})
				b.sum(t, 1, "fender_retries_skipped_total", "reason", "breaker")
				b.expectCount(t, 5)
			},
		},
	})
}

// changes is the number of lines that tell of a change to a state.
func changes(p *sidecar.Process, to string) int {
	lines := 0
	for _, line := range p.Lines("to", to) {
		if line.Text("msg") != "request" {
			lines++
		}
	}
	return lines
}
