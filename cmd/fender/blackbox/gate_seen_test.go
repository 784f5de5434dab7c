package blackbox_test

import (
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

func TestTheGateIsSeen(t *testing.T) {
	play(t, []scene{
		{
			name: "its series are there before the first call",
			run: func(t *testing.T, s *stage) {
				m := s.Scrape(t)
				for _, name := range []string{
					"fender_throttle_gate_remaining_seconds", "fender_throttle_gate_shut_total", "fender_throttle_gate_shut_seconds_total",
					"fender_throttle_hint_seconds_count",
				} {
					found := m.Find(name, "route", s.route)
					if len(found) != 1 || found[0].Value != 0 {
						t.Errorf("got series %v of %s, want one that is 0", found, name)
					}
				}
			},
		},
		{
			name: "what remains is shown when it is asked for, and the time it was shut adds up",
			run: func(t *testing.T, s *stage) {
				s.shut(t, "0.5")
				sidecar.Await(t, "the gate has opened", func() bool { return s.remaining(t) == 0 })
				atLeast(t, "an open gate", time.Since(s.request(t, 0).Answered), 500*time.Millisecond)
				m := s.Scrape(t)
				if got := m.Sum("fender_throttle_gate_shut_seconds_total", "route", s.route); got < 0.5 || got > 2 {
					t.Errorf("got fender_throttle_gate_shut_seconds_total %v, want 0.5 to 0.6", got)
				}
				s.sum(t, 1, "fender_throttle_gate_shut_total")
				s.sum(t, 1, "fender_throttle_hint_seconds_count")
				s.sum(t, 0.5, "fender_throttle_hint_seconds_sum")
				if got := len(s.Lines("msg", "gate", "route", s.route, "state", "shut")); got != 1 {
					t.Errorf("got %d lines of a gate that is shut, want 1", got)
				}
				s.AwaitLine(t, "msg", "gate", "route", s.route, "state", "reentry")
			},
		},
		{
			name: "answers that come while it is shut are hints, and no further shutting",
			run: func(t *testing.T, s *stage) {
				turn := make(chan struct{})
				s.up.Script(wire.Held(turn, one429("300")))
				answers := s.ask(5)
				sidecar.Await(t, "upstream has the calls", func() bool { return s.up.Count() == 5 })
				close(turn)
				for range 5 {
					expect(t, one(t, answers), expectation{status: 429, outcome: "upstream", attempts: 1})
				}
				s.sum(t, 5, "fender_throttle_hint_seconds_count")
				s.sum(t, 1500, "fender_throttle_hint_seconds_sum")
				s.sum(t, 1, "fender_throttle_gate_shut_total")
				if got := len(s.Lines("msg", "gate", "route", s.route)); got != 1 {
					t.Errorf("got %d lines of the gate, want 1", got)
				}
			},
		},
		{
			name: "a held-back call is one line of the log that says so",
			run: func(t *testing.T, s *stage) {
				s.shut(t, "300")
				expectHeldBack(t, s.get(t, "X-Request-Id: held-1"))
				line := s.AwaitLine(t, "msg", "request", "request_id", "held-1")
				for key, want := range map[string]string{"route": s.route, "status": "503", "outcome": "refused", "reason": "throttled", "attempts": "0"} {
					if got := line.Text(key); got != want {
						t.Errorf("got %s %q in the log, want %q", key, got, want)
					}
				}
			},
		},
		{
			name:  "a throttled call says in the log what it was asked to wait",
			route: "throttle: {max: 10m}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(one429("2.5"))
				s.get(t, "X-Request-Id: hint-1")
				line := s.AwaitLine(t, "msg", "request", "request_id", "hint-1")
				for key, want := range map[string]string{"status": "429", "upstream_status": "429", "hint_ms": "2500"} {
					if got := line.Text(key); got != want {
						t.Errorf("got %s %q in the log, want %q", key, got, want)
					}
				}
			},
		},
	})
}
