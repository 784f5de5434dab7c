package blackbox_test

import (
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// lasting is a breaker that opens on the third failure in a row and then stays open for longer than any test.
const lasting = "breaker: {consecutive_failures: 3, failure_rate: null, open: {initial: 1h, max: 1h}}"

// fail makes calls that the upstream fails.
func (s *stage) fail(t *testing.T, times int) {
	t.Helper()
	s.up.Script(wire.Reply(500, "broken"))
	for range times {
		expect(t, s.get(t), expectation{status: 500, body: "broken", outcome: "upstream", attempts: 1})
	}
}

// expectOpen looks at an answer that an open breaker gave.
func (s *stage) expectOpen(t *testing.T) {
	t.Helper()
	count := s.up.Count()
	answer := s.get(t)
	expect(t, answer, expectation{status: 503, outcome: "refused", reason: "open", circuit: "open", attempts: 0, error: "error=destination_unavailable"})
	expectProblem(t, answer, s.up.Addr)
	retryAfter(t, answer)
	s.expectCount(t, count)
}

func TestBreaker(t *testing.T) {
	play(t, []scene{
		{
			name:  "consecutive failures open it, and then upstream is left alone",
			route: lasting,
			run: func(t *testing.T, s *stage) {
				s.sum(t, 1, "fender_breaker_state", "state", "closed")
				s.up.Script(wire.Reply(500, "broken"))
				for _, circuit := range []string{"closed", "closed", "open"} {
					expect(t, s.get(t), expectation{status: 500, body: "broken", outcome: "upstream", reason: "-", circuit: circuit, attempts: 1})
				}
				for range 5 {
					s.expectOpen(t)
				}
				s.expectCount(t, 3)
				s.sum(t, 1, "fender_breaker_state", "state", "open")
				s.sum(t, 1, "fender_breaker_state")
				s.sum(t, 1, "fender_breaker_transitions_total", "from", "closed", "to", "open")
				s.sum(t, 5, "fender_requests_total", "code", "503", "outcome", "refused")
				if got := s.Lines("level", "WARN", "route", s.route); len(got) == 0 {
					t.Error("got no line that warns of an open breaker, want one")
				}
			},
		},
		{
			name:  "Retry-After of an open breaker is what remains of its time, and counts down",
			route: "breaker: {consecutive_failures: 1, open: {initial: 4s, max: 4s}}",
			run: func(t *testing.T, s *stage) {
				s.fail(t, 1)
				first := retryAfter(t, s.get(t))
				if first > 5 {
					t.Errorf("got Retry-After %d, want at most 5 for 4s and a tenth", first)
				}
				sidecar.Await(t, "Retry-After has counted down", func() bool {
					answer := s.get(t)
					return answer.Header.Get("Fender-Circuit") != "open" || retryAfter(t, answer) < first
				})
				s.expectCount(t, 1)
			},
		},
		{
			name:  "failures that are each further apart than the window still open it",
			route: "breaker: {consecutive_failures: 3, failure_rate: {threshold: 1, min_calls: 100, window: 500ms}, open: {initial: 1h, max: 1h}}",
			run: func(t *testing.T, s *stage) {
				s.fail(t, 1)
				for range 2 {
					<-time.After(600 * time.Millisecond)
					s.fail(t, 1)
				}
				s.expectOpen(t)
				s.expectCount(t, 3)
			},
		},
		{
			name:  "a success between failures ends their row",
			route: lasting,
			run: func(t *testing.T, s *stage) {
				for range 3 {
					s.fail(t, 2)
					s.up.Script(wire.Reply(200, "fine"))
					expect(t, s.get(t), expectation{status: 200, circuit: "closed", attempts: 1})
				}
				s.expectCount(t, 9)
			},
		},
		{
			name:  "a share of failures opens it once there are min_calls",
			route: "breaker: {consecutive_failures: 0, failure_rate: {threshold: 0.5, min_calls: 4, window: 1h}, open: {initial: 1h, max: 1h}}",
			run: func(t *testing.T, s *stage) {
				fine, broken := wire.Reply(200, ""), wire.Reply(500, "")
				s.up.Script(broken, fine, fine, broken)
				for _, circuit := range []string{"closed", "closed", "closed", "open"} {
					field(t, s.get(t), "Fender-Circuit", circuit)
				}
				s.expectOpen(t)
			},
		},
		{
			name:  "failures that left the window count no more",
			route: "breaker: {consecutive_failures: 0, failure_rate: {threshold: 0.5, min_calls: 4, window: 500ms}}",
			run: func(t *testing.T, s *stage) {
				s.fail(t, 3)
				<-time.After(700 * time.Millisecond)
				s.up.Script(wire.Reply(200, ""), wire.Reply(200, ""), wire.Reply(200, ""), wire.Reply(500, ""))
				for range 4 {
					field(t, s.get(t), "Fender-Circuit", "closed")
				}
				s.expectCount(t, 7)
			},
		},
		{
			name:  "answers that are no failures never open it",
			route: "breaker: {consecutive_failures: 1, failure_rate: {threshold: 0.1, min_calls: 1}}",
			run: func(t *testing.T, s *stage) {
				for _, status := range []int{404, 400, 401, 403, 409, 410, 422, 301, 304, 204} {
					s.up.Script(wire.Reply(status, ""))
					for range 3 {
						expect(t, s.get(t), expectation{status: status, outcome: "upstream", reason: "-", circuit: "closed", attempts: 1})
					}
				}
				s.expectCount(t, 30)
				s.sum(t, 0, "fender_breaker_transitions_total")
			},
		},
		{
			name:  "it counts calls and not attempts",
			route: lasting + "\n" + quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(503, "down"))
				for _, circuit := range []string{"closed", "closed", "open"} {
					expect(t, s.get(t), expectation{status: 503, body: "down", outcome: "retried", circuit: circuit, attempts: 4})
				}
				s.expectOpen(t)
				s.expectCount(t, 12)
			},
		},
		{
			name:  "a call that a retry saved is a success",
			route: lasting + "\n" + quick,
			run: func(t *testing.T, s *stage) {
				for range 4 {
					s.up.Script(wire.Reply(503, "down"), wire.Reply(503, "down"), wire.Reply(503, "down"), wire.Reply(200, "fine"))
					expect(t, s.get(t), expectation{status: 200, outcome: "retried", circuit: "closed", attempts: 4})
				}
			},
		},
		{
			name:   "refused connections open it",
			refuse: true,
			route:  lasting,
			run: func(t *testing.T, s *stage) {
				for range 3 {
					expect(t, s.get(t), expectation{status: 502, outcome: "failed", reason: "unreachable", attempts: 1})
				}
				s.expectOpen(t)
			},
		},
		{
			name:  "timeouts, lost connections and broken bodies open it",
			route: "timeout: {request: 1s}\n" + lasting,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Silent(), wire.Reset(""), wire.Raw(wire.Head(200, "Content-Length: 9")+"half"))
				for _, status := range []int{504, 502, 502} {
					expect(t, s.get(t), expectation{status: status, outcome: "failed", attempts: 1})
				}
				s.expectOpen(t)
			},
		},
		{
			name:  "failure_on says what is a failure",
			route: "breaker: {failure_on: [404, \"501-502\"], consecutive_failures: 2, failure_rate: null, open: {initial: 1h, max: 1h}}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(500, ""), wire.Reply(503, ""), wire.Reply(500, ""), wire.Reply(404, ""), wire.Reply(502, ""))
				for _, circuit := range []string{"closed", "closed", "closed", "closed", "open"} {
					field(t, s.get(t), "Fender-Circuit", circuit)
				}
			},
		},
		{
			name: "a route without a breaker says nothing of a circuit",
			run: func(t *testing.T, s *stage) {
				s.fail(t, 20)
				expect(t, s.get(t), expectation{status: 500, circuit: "-", attempts: 1})
				s.expectCount(t, 21)
			},
		},
	})
}
