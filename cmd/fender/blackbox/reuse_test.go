package blackbox_test

import (
	"strings"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

func TestConnections(t *testing.T) {
	play(t, []scene{
		{
			name: "a connection to upstream is used again",
			run: func(t *testing.T, s *stage) {
				for range 20 {
					expect(t, s.get(t), expectation{status: 200, attempts: 1})
				}
				if got := s.up.Accepted(); got != 1 {
					t.Errorf("got %d connections for 20 requests in a row, want 1", got)
				}
			},
		},
		{
			name:  "a connection that an answer to be retried came on is used again",
			route: quick,
			run: func(t *testing.T, s *stage) {
				down := wire.Reply(503, strings.Repeat("down", 1000))
				s.up.Script(down, down, down, wire.Reply(200, ""))
				expect(t, s.get(t), expectation{status: 200, attempts: 4})
				if got := s.up.Accepted(); got != 1 {
					t.Errorf("got %d connections for 4 attempts, want 1", got)
				}
			},
		},
		{
			name:  "a GET on a reused connection that turns out dead goes once to a fresh one",
			route: "retry: {max_retries: 0}\nbreaker: {consecutive_failures: 1}",
			run: func(t *testing.T, s *stage) {
				for _, dead := range []wire.Answer{wire.Raw(""), wire.Reset("")} {
					s.up.Script(wire.Reply(200, "first"), dead, wire.Reply(200, "second"))
					before := s.up.Count()
					expect(t, s.get(t), expectation{status: 200, body: "first", attempts: 1})
					expect(t, s.get(t), expectation{status: 200, body: "second", circuit: "closed", attempts: 2})
					s.expectCount(t, before+3)
				}
				s.sum(t, 0, "fender_retries_total")
			},
		},
		{
			name:  "a connection that dies again on the fresh one is lost",
			route: "retry: {max_retries: 0}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(200, "first"), wire.Raw(""))
				expect(t, s.get(t), expectation{status: 200, attempts: 1})
				expect(t, s.get(t), expectation{status: 502, outcome: "failed", reason: "unreachable", attempts: 2, error: "error=connection_terminated"})
				s.expectCount(t, 3)
			},
		},
		{
			name:  "a POST that was written on a reused connection is not repeated",
			route: quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(200, "first"), wire.Raw(""))
				expect(t, s.get(t), expectation{status: 200, attempts: 1})
				expect(t, s.do(t, "POST", "order"), expectation{status: 502, outcome: "failed", reason: "unreachable", attempts: 1})
				s.expectCount(t, 2)
			},
		},
		{
			name:  "a POST with a client's Idempotency-Key is not repeated unless the route says so",
			route: quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(200, "first"), wire.Raw(""))
				expect(t, s.get(t), expectation{status: 200, attempts: 1})
				expect(t, s.do(t, "POST", "order", "Idempotency-Key: k", "X-Idempotency-Key: k"), expectation{status: 502, outcome: "failed", reason: "unreachable", attempts: 1})
				s.expectCount(t, 2)
			},
		},
		{
			name:     "an idle connection is closed after idle_timeout",
			upstream: "idle_timeout: 300ms",
			run: func(t *testing.T, s *stage) {
				expect(t, s.get(t), expectation{status: 200, attempts: 1})
				sidecar.Await(t, "the idle connection is closed", func() bool { return s.up.Open() == 0 })
				expect(t, s.get(t), expectation{status: 200, attempts: 1})
			},
		},
	})
}
