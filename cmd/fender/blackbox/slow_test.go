package blackbox_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// slowly is a breaker that opens when half of at least so many calls took a second or more, and stays open.
func slowly(minCalls int, further string) string {
	return fmt.Sprintf("breaker: {slow_calls: {duration: 1s, threshold: 0.5}, failure_rate: {threshold: 0.5, min_calls: %d, window: 1h}, open: {initial: 1h, max: 1h}%s}", minCalls, further)
}

func TestSlowCalls(t *testing.T) {
	slow := wire.After(1100*time.Millisecond, wire.Reply(200, "fine"))
	play(t, []scene{
		{
			name:  "open the breaker, although their answers are good and are passed on",
			route: slowly(3, ""),
			run: func(t *testing.T, s *stage) {
				s.up.Script(slow)
				allFine(t, s.ask(3), 3)
				s.await(t, "open")
				s.expectOpen(t)
				s.expectCount(t, 3)
				s.sum(t, 3, "fender_requests_total", "code", "200", "outcome", "upstream")
				if got := s.Lines("level", "WARN", "route", s.route, "to", "open"); len(got) != 1 || got[0].Text("cause") == "" {
					t.Errorf("got %v as warnings, want one that tells the cause", got)
				}
			},
		},
		{
			name:  "open it where failure_rate is off too, in its built-in window",
			route: "breaker: {consecutive_failures: 0, failure_rate: null, slow_calls: {duration: 1s, threshold: 1}, open: {initial: 1h, max: 1h}}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(slow)
				allFine(t, s.ask(4), 4)
				s.await(t, "closed")
				expect(t, s.get(t), expectation{status: 200, body: "fine", outcome: "upstream", circuit: "open", attempts: 1})
			},
		},
		{
			name:  "are no failures to the other rules",
			route: slowly(3, ", consecutive_failures: 1"),
			run: func(t *testing.T, s *stage) {
				s.up.Script(slow)
				for range 2 {
					expect(t, s.get(t), expectation{status: 200, body: "fine", circuit: "closed", attempts: 1})
				}
				s.sum(t, 0, "fender_breaker_transitions_total")
			},
		},
		{
			name:  "below their share leave it closed",
			route: slowly(4, ""),
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(200, "fine"), wire.Reply(200, "fine"), wire.Reply(200, "fine"), slow)
				for range 4 {
					expect(t, s.get(t), expectation{status: 200, body: "fine", circuit: "closed", attempts: 1})
				}
			},
		},
		{
			name:  "are slow upstream and not in our queue",
			route: "concurrency: {max_requests: 1, max_pending: 4}\n" + slowly(5, ""),
			run: func(t *testing.T, s *stage) {
				// Four of these five take over a second with their wait, and only the first without it.
				s.up.Script(slow, wire.Reply(200, "fine"))
				allFine(t, s.ask(5), 5)
				expect(t, s.get(t), expectation{status: 200, circuit: "closed", attempts: 1})
				s.sum(t, 0, "fender_breaker_transitions_total")
			},
		},
		{
			name:  "that fail are failures as well",
			route: "breaker: {slow_calls: {duration: 1s, threshold: 1}, consecutive_failures: 2, failure_rate: {threshold: 1, min_calls: 100, window: 1h}, open: {initial: 1h, max: 1h}}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.After(1100*time.Millisecond, wire.Reply(500, "broken")))
				for _, circuit := range []string{"closed", "open"} {
					expect(t, s.get(t), expectation{status: 500, body: "broken", circuit: circuit, attempts: 1})
				}
			},
		},
		{
			name:  "as probes are successes",
			route: "breaker: {slow_calls: {duration: 1s, threshold: 0.1}, consecutive_failures: 1, open: {initial: 200ms, max: 200ms}, half_open: {successes: 1}}",
			run: func(t *testing.T, s *stage) {
				s.fail(t, 1)
				s.await(t, "half-open")
				s.up.Script(slow)
				expect(t, s.get(t), expectation{status: 200, body: "fine", circuit: "closed", attempts: 1})
				s.sum(t, 1, "fender_breaker_transitions_total", "from", "half-open", "to", "closed")
			},
		},
	})
}

// recovered closes the scene's breaker again.
func (s *stage) recovered(t *testing.T) {
	t.Helper()
	s.fail(t, 1)
	s.await(t, "half-open")
	s.up.Script(wire.Reply(200, "fine"))
	expect(t, s.get(t), expectation{status: 200, body: "fine", circuit: "closed", attempts: 1})
	sidecar.Await(t, "the breaker is closed", func() bool { return s.state(t) == "closed" })
}
