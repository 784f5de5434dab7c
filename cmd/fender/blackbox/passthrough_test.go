package blackbox_test

import (
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

func TestPassthrough(t *testing.T) {
	const all = "mode: passthrough\nconcurrency: {max_requests: 1}\n" + tripping + quick + "\n"
	limits := "rate_limit: {requests: 1, interval: 1h, burst: 1}\nconcurrency: {max_requests: 1}"
	play(t, []scene{
		{
			name:     "has neither retry nor breaker nor fallback",
			upstream: limits,
			route:    all + keeping(""),
			run: func(t *testing.T, s *stage) {
				expect(t, s.get(t), expectation{status: 200, outcome: "upstream", circuit: "-", attempts: 1})
				for range 5 {
					s.up.Script(wire.Reply(503, "down"))
					expect(t, s.get(t), expectation{status: 503, body: "down", outcome: "upstream", reason: "-", circuit: "-", attempts: 1, error: "-"})
				}
				s.up.Script(wire.Reset(""))
				expect(t, s.do(t, "POST", "order"), expectation{status: 502, outcome: "failed", reason: "unreachable", circuit: "-", attempts: 1})
				s.expectCount(t, 7)
				s.sum(t, 0, "fender_fallbacks_total")
				s.sum(t, 0, "fender_retries_total")
				s.sum(t, 0, "fender_observed_rejections_total")
				for _, name := range []string{"fender_breaker_state", "fender_breaker_transitions_total"} {
					if got := s.Scrape(t).Find(name, "route", s.route); len(got) > 0 {
						t.Errorf("got %v, want no series of a breaker", got)
					}
				}
				s.sum(t, 1, "fender_route_info", "mode", "passthrough")
			},
		},
		{
			name:     "has neither gate nor limits",
			upstream: limits,
			route:    all,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(429, "slow down", "Retry-After: 600"))
				answer := s.get(t)
				expect(t, answer, expectation{status: 429, body: "slow down", outcome: "upstream", reason: "-", circuit: "-", attempts: 1})
				field(t, answer, "Retry-After", "600")
				answers, release := s.occupy(t, 5)
				release()
				allFine(t, answers, 5)
			},
		},
		{
			name:  "has a deadline",
			route: "timeout: {request: 1s}\n" + all + standIn,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Silent())
				answer := s.get(t)
				expect(t, answer, expectation{status: 504, outcome: "failed", reason: "timeout", circuit: "-", attempts: 1, error: "error=http_response_timeout"})
				expectProblem(t, answer)
			},
		},
		{
			name:  "checks small answers whole, and keeps our names to ourselves",
			route: all,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Raw(wire.Head(200, "Content-Length: 100") + "half"))
				expect(t, s.get(t), expectation{status: 502, outcome: "failed", reason: "unreachable", attempts: 1})
				s.up.Script(wire.Reply(200, "fine", "Fender-Outcome: stale", "Fender-Circuit: open"))
				expect(t, s.get(t, "Fender-Anything: 1", "X-Forwarded-For: 1.2.3.4"), expectation{status: 200, outcome: "upstream", circuit: "-", attempts: 1})
				for _, name := range []string{"Fender-Anything", "X-Forwarded-For"} {
					if got := s.arrived(t).Header.Values(name); len(got) > 0 {
						t.Errorf("got %s %q at the upstream, want none", name, got)
					}
				}
			},
		},
	})
}
