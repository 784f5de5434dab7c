package blackbox_test

import (
	"math"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// limited is what a caller gets whose turn is too far away.
var limited = expectation{status: 503, outcome: "refused", reason: "throttled", attempts: 0, error: "error=destination_unavailable"}

// spaced fails the test if the upstream saw more requests by any moment than the burst and the rate allow. The limit was
// whole when the test began.
func (s *stage) spaced(t *testing.T, begun time.Time, burst int, each time.Duration) {
	t.Helper()
	for i, request := range s.up.Requests() {
		if turn := time.Duration(i+1-burst) * each; request.Arrived.Sub(begun) < turn {
			t.Errorf("got request %d after %v, want it no sooner than after %v", i, request.Arrived.Sub(begun), turn)
		}
	}
}

// leavers makes calls whose clients leave when the test ends, and gives their answers as they come.
func (s *stage) leavers(t *testing.T, calls int) <-chan *wire.Response {
	t.Helper()
	answers := make(chan *wire.Response, calls)
	for range calls {
		client := wire.Dial(t, s.Proxy)
		client.Send(wire.Compose("GET", s.path, ""))
		go func() {
			answer, _ := client.Next("GET")
			answers <- answer
		}()
	}
	return answers
}

// trueHint fails the test unless Retry-After is what is left of a time that began then.
func trueHint(t *testing.T, answer *wire.Response, begun time.Time, whole time.Duration) {
	t.Helper()
	least := max(1, int(math.Ceil((whole - time.Since(begun)).Seconds())))
	if got, most := retryAfter(t, answer), int(whole.Seconds()); got < least || got > most {
		t.Errorf("got Retry-After %d, want %d to %d", got, least, most)
	}
}

func TestRateLimit(t *testing.T) {
	play(t, []scene{
		{
			name:     "lets a burst pass at once, and whoever comes next wait for its turn",
			upstream: "rate_limit: {requests: 10, interval: 1s, burst: 3}",
			route:    "throttle: {max_wait: 20s}",
			run: func(t *testing.T, s *stage) {
				begun := time.Now()
				s.up.Script(wire.Reply(200, "fine"))
				allFine(t, s.ask(10), 10)
				s.spaced(t, begun, 3, 100*time.Millisecond)
				s.expectCount(t, 10)
			},
		},
		{
			name:     "without a throttle lets callers wait as long as the built-in one does",
			upstream: "rate_limit: {requests: 5, interval: 1s, burst: 1}",
			route:    "throttle: null",
			run: func(t *testing.T, s *stage) {
				begun := time.Now()
				s.up.Script(wire.Reply(200, "fine"))
				allFine(t, s.ask(3), 3)
				s.spaced(t, begun, 1, 200*time.Millisecond)
			},
		},
		{
			name:     "refuses whose turn is further away than max_wait, says when it comes, and no breaker hears of it",
			upstream: "rate_limit: {requests: 1, interval: 100s, burst: 1}",
			route:    tripping,
			run: func(t *testing.T, s *stage) {
				begun := time.Now()
				expect(t, s.get(t), expectation{status: 200, outcome: "upstream", attempts: 1})
				want := limited
				want.circuit = "closed"
				for range 5 {
					answer := s.get(t)
					expect(t, answer, want)
					expectProblem(t, answer, s.up.Addr)
					trueHint(t, answer, begun, 100*time.Second)
					atOnce(t, answer)
				}
				s.expectCount(t, 1)
				s.sum(t, 0, "fender_breaker_transitions_total")
				s.sum(t, 5, "fender_requests_total", "code", "503", "outcome", "refused")
				s.sum(t, 1, "fender_upstream_attempts_total")
			},
		},
		{
			name:     "is stood in for by the fallback",
			upstream: "rate_limit: {requests: 1, interval: 1h, burst: 1}",
			route:    standIn,
			run: func(t *testing.T, s *stage) {
				s.get(t)
				answer := s.get(t)
				expect(t, answer, expectation{status: 200, body: substitute, outcome: "fallback", reason: "throttled", attempts: 0, error: "error=destination_unavailable"})
				retryAfter(t, answer)
				s.expectCount(t, 1)
				s.sum(t, 1, "fender_fallbacks_total", "reason", "throttled", "source", "static")
			},
		},
		{
			name:     "refuses at once whose turn comes after its deadline, which then takes no turn from others",
			upstream: "rate_limit: {requests: 1, interval: 3s, burst: 1}",
			route:    "throttle: {max_wait: 7s}",
			run: func(t *testing.T, s *stage) {
				begun := time.Now()
				s.up.Script(wire.Reply(200, "fine"))
				s.get(t)
				for range 3 {
					answer := s.get(t, "Fender-Timeout-Ms: 200")
					expect(t, answer, limited)
					trueHint(t, answer, begun, 3*time.Second)
				}
				allFine(t, s.ask(1), 1)
				s.spaced(t, begun, 1, 3*time.Second)
				s.expectCount(t, 2)
			},
		},
		{
			name:     "lets no more than max_pending wait",
			upstream: "rate_limit: {requests: 1, interval: 8s, burst: 1}",
			route:    "throttle: {max_wait: 25s, max_pending: 2}",
			run: func(t *testing.T, s *stage) {
				s.get(t)
				answers := s.leavers(t, 6)
				for range 4 {
					answer := one(t, answers)
					expect(t, answer, limited)
					retryAfter(t, answer)
				}
				s.expectCount(t, 1)
			},
		},
		{
			name:     "gives the turn of a caller that leaves to the next",
			upstream: "rate_limit: {requests: 1, interval: 4s, burst: 1}",
			route:    "throttle: {max_wait: 6s}",
			run: func(t *testing.T, s *stage) {
				begun := time.Now()
				s.up.Script(wire.Reply(200, "fine"))
				s.get(t)
				client := wire.Dial(t, s.Proxy)
				client.Send(wire.Compose("GET", s.path, ""))
				s.sum(t, 1, "fender_requests_in_flight")
				client.Close()
				s.sum(t, 1, "fender_requests_total", "code", "499")
				allFine(t, s.ask(1), 1)
				s.spaced(t, begun, 1, 4*time.Second)
				s.expectCount(t, 2)
			},
		},
		{
			name:     "takes a turn of each attempt, and a retry that has none is skipped",
			upstream: "rate_limit: {requests: 1, interval: 1h, burst: 2}",
			route:    quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(502, "down"))
				expect(t, s.get(t), expectation{status: 502, body: "down", outcome: "retried", reason: "-", attempts: 2})
				s.sum(t, 1, "fender_retries_skipped_total", "reason", "throttled")
				expect(t, s.get(t), limited)
				s.expectCount(t, 2)
			},
		},
		{
			name:     "is not used up by callers that a half-open breaker refuses",
			upstream: "rate_limit: {requests: 1, interval: 1h, burst: 3}",
			route:    recovering,
			run: func(t *testing.T, s *stage) {
				s.fail(t, 1)
				s.await(t, "half-open")
				answers, release := s.occupy(t, 1)
				for range 5 {
					expect(t, s.get(t), expectation{status: 503, outcome: "refused", reason: "open", circuit: "half-open", attempts: 0})
				}
				release()
				allFine(t, answers, 1)
				expect(t, s.get(t), expectation{status: 200, body: "fine", circuit: "closed", attempts: 1})
				s.expectCount(t, 3)
			},
		},
	})
}

func TestRateLimitIsOneForAllRoutesOfAnUpstream(t *testing.T) {
	playDuets(t, []duet{
		{
			name:     "who refuses the calls of any once it is used up by all",
			upstream: "rate_limit: {requests: 1, interval: 100s, burst: 3}",
			run: func(t *testing.T, a, b *stage) {
				begun := time.Now()
				for _, s := range []*stage{a, b, a} {
					expect(t, s.get(t), expectation{status: 200, outcome: "upstream", attempts: 1})
				}
				for _, s := range []*stage{b, a} {
					answer := s.get(t)
					expect(t, answer, limited)
					trueHint(t, answer, begun, 100*time.Second)
				}
				a.expectCount(t, 3)
			},
		},
		{
			name:     "who has their callers wait in one line",
			upstream: "rate_limit: {requests: 10, interval: 1s, burst: 2}\npolicy: {throttle: {max_wait: 20s}}",
			run: func(t *testing.T, a, b *stage) {
				begun := time.Now()
				a.up.Script(wire.Reply(200, "fine"))
				first, second := a.ask(5), b.ask(5)
				allFine(t, first, 5)
				allFine(t, second, 5)
				a.spaced(t, begun, 2, 100*time.Millisecond)
			},
		},
	})
}
