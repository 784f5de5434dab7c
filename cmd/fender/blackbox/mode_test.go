package blackbox_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// observed are the policies that would have held a request back, as its line of the log names them.
func (s *stage) observed(t *testing.T, requestID string) []string {
	t.Helper()
	line := s.AwaitLine(t, "msg", "request", "request_id", requestID)
	return strings.FieldsFunc(line.Text("observed"), func(r rune) bool { return r == ',' })
}

// rejections waits until as many requests would have been held back by a policy.
func (s *stage) rejections(t *testing.T, want float64, policy string) {
	t.Helper()
	s.sum(t, want, "fender_observed_rejections_total", "policy", policy)
}

// crowd makes ten calls at once where one has a place and two may wait.
func crowd(t *testing.T, s *stage) {
	t.Helper()
	answers, release := s.occupy(t, 10)
	s.rejections(t, 7, "concurrency")
	release()
	allFine(t, answers, 10)
}

func TestObserve(t *testing.T) {
	play(t, []scene{
		{
			name:  "shows an open breaker, and lets all calls through it",
			route: "mode: observe\n" + tripping,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(500, "broken"))
				for range 5 {
					expect(t, s.get(t), expectation{status: 500, body: "broken", outcome: "upstream", reason: "-", circuit: "open", attempts: 1, error: "-"})
				}
				s.up.Script(wire.Reply(200, "fine"))
				answer := s.get(t, "X-Request-Id: observe-1")
				expect(t, answer, expectation{status: 200, body: "fine", outcome: "upstream", reason: "-", circuit: "open", attempts: 1, error: "-"})
				field(t, answer, "Retry-After", "-")
				s.expectCount(t, 6)
				s.rejections(t, 5, "breaker")
				s.sum(t, 5, "fender_observed_rejections_total")
				s.sum(t, 1, "fender_breaker_state", "state", "open")
				s.sum(t, 1, "fender_breaker_transitions_total")
				if got := s.observed(t, "observe-1"); !slices.Equal(got, []string{"breaker"}) {
					t.Errorf("got observed %q in the log, want the breaker", got)
				}
				s.sum(t, 1, "fender_route_info", "mode", "observe")
			},
		},
		{
			name:  "watches the breaker recover",
			route: "mode: observe\nbreaker: {consecutive_failures: 1, open: {initial: 200ms, max: 200ms}, half_open: {successes: 2}}",
			run: func(t *testing.T, s *stage) {
				s.fail(t, 1)
				s.await(t, "half-open")
				answers, release := s.occupy(t, 10)
				release()
				allFine(t, answers, 10)
				s.rejections(t, 9, "breaker") // one of them was a probe
				expect(t, s.get(t), expectation{status: 200, body: "fine", outcome: "upstream", reason: "-", circuit: "closed", attempts: 1})
			},
		},
		{
			name:  "shuts a gate that holds nobody back",
			route: "mode: observe\n",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(429, "slow down", "Retry-After: 600"))
				expect(t, s.get(t), expectation{status: 429, body: "slow down", outcome: "upstream", reason: "-", attempts: 1})
				answers, release := s.occupy(t, 10)
				release()
				allFine(t, answers, 10)
				s.rejections(t, 10, "throttle")
				s.get(t, "X-Request-Id: observe-2")
				if got := s.observed(t, "observe-2"); !slices.Equal(got, []string{"throttle"}) {
					t.Errorf("got observed %q in the log, want the gate", got)
				}
			},
		},
		{
			name:     "counts whose turn is too far away, and does not hold them back",
			upstream: "rate_limit: {requests: 1, interval: 1h, burst: 2}",
			route:    "mode: observe",
			run: func(t *testing.T, s *stage) {
				for range 5 {
					expect(t, s.get(t), expectation{status: 200, outcome: "upstream", attempts: 1})
				}
				s.rejections(t, 3, "throttle")
			},
		},
		{
			name:     "does not count whose turn would come within max_wait",
			upstream: "rate_limit: {requests: 10, interval: 1s, burst: 1}",
			route:    "mode: observe\nthrottle: {max_wait: 20s}",
			run: func(t *testing.T, s *stage) {
				for range 3 {
					expect(t, s.get(t), expectation{status: 200, outcome: "upstream", attempts: 1})
				}
				s.sum(t, 3, "fender_requests_total")
				s.rejections(t, 0, "throttle")
			},
		},
		{
			name:  "does not count those who would have had a place in the queue",
			route: "mode: observe\nconcurrency: {max_requests: 1, max_pending: 2}",
			run:   func(t *testing.T, s *stage) { crowd(t, s) },
		},
		{
			name:     "does not count those who would have had one in the queue of the upstream",
			upstream: "concurrency: {max_requests: 1, max_pending: 2}",
			route:    "mode: observe",
			run:      func(t *testing.T, s *stage) { crowd(t, s) },
		},
		{
			name:     "counts calls beyond max_requests, and does not hold them back",
			upstream: "concurrency: {max_requests: 4}",
			route:    "mode: observe\nconcurrency: {max_requests: 2}",
			run: func(t *testing.T, s *stage) {
				answers, release := s.occupy(t, 6)
				s.get(t, "X-Request-Id: observe-3", "Fender-Timeout-Ms: 1000")
				s.rejections(t, 5, "concurrency")
				if got := s.observed(t, "observe-3"); !slices.Equal(got, []string{"concurrency"}) {
					t.Errorf("got observed %q in the log, want the concurrency", got)
				}
				s.sum(t, 0, "fender_concurrency_pending")
				release()
				allFine(t, answers, 6)
			},
		},
		{
			name:  "names all that would have held a call back",
			route: "mode: observe\nconcurrency: {max_requests: 1}\n" + tripping,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(500, "broken"), wire.Reply(429, "slow down", "Retry-After: 600"))
				s.get(t)
				s.get(t)
				sidecar.Await(t, "nothing is in flight", func() bool { return s.Scrape(t).Sum("fender_requests_in_flight", "route", s.route) == 0 })
				answers, release := s.occupy(t, 1)
				last := s.begin("", "X-Request-Id: observe-4")
				sidecar.Await(t, "upstream has both", func() bool { return s.up.Count() == 4 })
				release()
				allFine(t, answers, 1)
				allFine(t, last, 1)
				got := s.observed(t, "observe-4")
				slices.Sort(got)
				if !slices.Equal(got, []string{"breaker", "concurrency", "throttle"}) {
					t.Errorf("got observed %q in the log, want all three", got)
				}
			},
		},
		{
			name:  "lets retries and fallback act, also while the breaker would be open",
			route: "mode: observe\n" + tripping + quick + "\n" + standIn,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(503, "down"))
				for range 2 {
					expect(t, s.get(t), expectation{status: 200, body: substitute, outcome: "fallback", reason: "error", circuit: "open", attempts: 4, error: "received-status=503"})
				}
				s.up.Script(wire.Reply(503, "down"), wire.Reply(200, "fine"))
				expect(t, s.get(t), expectation{status: 200, body: "fine", outcome: "retried", reason: "-", circuit: "open", attempts: 2})
				s.expectCount(t, 10)
			},
		},
		{
			name:  "lets the deadline act",
			route: "mode: observe\ntimeout: {request: 1s}\n" + tripping,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Silent())
				answer := s.get(t)
				expect(t, answer, expectation{status: 504, outcome: "failed", reason: "timeout", circuit: "open", attempts: 1, error: "error=http_response_timeout"})
				expectProblem(t, answer)
			},
		},
		{
			name:  "lets the last good answer be given",
			route: "mode: observe\n" + tripping + keeping(""),
			run: func(t *testing.T, s *stage) {
				s.keep(t)
				s.up.Script(wire.Reply(500, "broken"))
				for range 2 {
					expectStale(t, s.get(t), "fwd=stale; fwd-status=500", expectation{body: lastGood, reason: "error", circuit: "open", attempts: 1})
				}
				s.expectCount(t, 3)
			},
		},
		{
			name:  "says nothing of a call that nothing would have held back",
			route: "mode: observe\nconcurrency: {max_requests: 1}\n" + tripping,
			run: func(t *testing.T, s *stage) {
				s.get(t, "X-Request-Id: observe-5")
				if got := s.observed(t, "observe-5"); len(got) > 0 {
					t.Errorf("got observed %q in the log, want nothing", got)
				}
				for _, policy := range []string{"breaker", "throttle", "concurrency"} {
					if got := s.Scrape(t).Find("fender_observed_rejections_total", "route", s.route, "policy", policy); len(got) != 1 || got[0].Value != 0 {
						t.Errorf("got %v for policy %s, want one series that is 0", got, policy)
					}
				}
			},
		},
	})
}

func TestTheModeIsSeen(t *testing.T) {
	play(t, []scene{{
		name: "as enforce where nothing else is said",
		run: func(t *testing.T, s *stage) {
			s.sum(t, 1, "fender_route_info", "mode", "enforce", "upstream", s.route)
			s.sum(t, 1, "fender_route_info")
			s.rejections(t, 0, "breaker")
		},
	}})
}
