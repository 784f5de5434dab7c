package blackbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/authority"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// notYou is what a call gets whose token upstream did not take, when another is of no use.
var notYou = expectation{status: 401, body: "not you", outcome: "upstream", reason: "-", attempts: 1, error: "-"}

// inFlight makes calls, which the upstream holds with a good token until it is released and looks at then.
func (s *stage) inFlight(t *testing.T, e *authority.Endpoint, calls int) (answers <-chan *wire.Response, release func()) {
	t.Helper()
	released := make(chan struct{})
	s.up.Script(wire.Held(released, e.Guard(wire.Reply(200, "fine"))))
	before := s.up.Count()
	answers = s.ask(calls)
	sidecar.Await(t, "upstream has the calls", func() bool { return s.up.Count() == before+calls })
	return answers, func() { close(released) }
}

func TestTokensThatAreRefused(t *testing.T) {
	playGrants(t, []grant{
		{
			name:     "because they were revoked cost each call in flight one replay, and all of them one fetch",
			upstream: "retry_budget: {ratio: 0, min_per_second: 0.1}",
			route:    "retry: {}\n" + tripping,
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				want := cured
				want.circuit = "closed"
				answers, release := s.inFlight(t, e, 30)
				e.Revoke()
				release()
				for range 30 {
					expect(t, one(t, answers), want)
				}
				s.expectFetches(t, e, 2, "success")
				s.expectCount(t, 60)
				s.sum(t, 30, "fender_upstream_attempts_total", "result", "401")
				s.sum(t, 30, "fender_requests_total", "code", "200", "outcome", "retried")
				s.sum(t, 0, "fender_retries_total")
				if left := s.Scrape(t).Sum("fender_retry_budget_remaining", "upstream", s.route); left >= 1 {
					t.Errorf("got %v left of the retry budget, want the replays to have spent it", left)
				}
			},
		},
		{
			name: "late make nobody throw away a newer one",
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				late, release := s.inFlight(t, e, 3)
				e.Revoke()
				s.up.Script(e.Guard(wire.Reply(200, "fine")))
				expect(t, s.get(t), cured)
				release()
				for range 3 {
					expect(t, one(t, late), cured)
				}
				expect(t, s.get(t), fine)
				s.expectFetches(t, e, 2, "success")
				if got := s.arrived(t).Header.Get("Authorization"); got != "Bearer token-2" {
					t.Errorf("got Authorization %q after the stale 401s, want the newer token", got)
				}
			},
		},
		{
			name:  "because upstream takes none cost a handful of fetches, and never stop the calls",
			route: "retry: {}",
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				s.up.Script(wire.Reply(401, "not you"))
				begun := time.Now()
				want := notYou
				want.attempts, want.outcome = 2, "retried"
				expect(t, s.get(t), want)
				for range 50 {
					expect(t, s.get(t), notYou)
				}
				if took := time.Since(begun); took < 4*time.Second { // the hold of 5s less a tenth, and some
					s.expectFetches(t, e, 2, "success")
				}
				s.up.Script(e.Guard(wire.Reply(200, "fine")))
				expect(t, s.get(t), fine)
			},
		},
		{
			name: "because others push them out cost no fetch for every call",
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				for range 20 {
					if answer := s.get(t); answer.StatusCode != 200 && answer.StatusCode != 401 {
						t.Errorf("got status %d, want 200 or upstream's 401", answer.StatusCode)
					}
					e.Revoke()
				}
				s.expectFetches(t, e, 6, "success") // the first, and five at once
			},
		},
		{
			name:  "are replaced by the fallback, which says so, and open the breaker",
			route: "breaker: {consecutive_failures: 2, open: {initial: 1h, max: 1h}}\n" + standIn,
			run: func(t *testing.T, s *stage, _ *authority.Endpoint) {
				s.up.Script(wire.Reply(401, "not you"))
				want := expectation{status: 200, body: substitute, outcome: "fallback", reason: "unauthorized", circuit: "closed", attempts: 2, error: "received-status=401"}
				expect(t, s.get(t), want)
				want.circuit, want.attempts = "open", 1
				expect(t, s.get(t), want)
				s.sum(t, 2, "fender_fallbacks_total", "reason", "unauthorized", "source", "static")
				s.sum(t, 3, "fender_upstream_attempts_total", "result", "401")
				line := s.AwaitLine(t, "msg", "request", "route", s.route, "reason", "unauthorized")
				if line.Text("upstream_status") != "401" || line.Text("status") != "200" {
					t.Errorf("got the log line %v, want it to tell upstream's 401", line)
				}
			},
		},
		{
			name:  "are replayed for any method, with a body up to request_buffer",
			route: "request_buffer: 1KiB",
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				expect(t, s.get(t), fine)
				for i, method := range []string{"POST", "PATCH", "DELETE"} {
					e.Revoke()
					body := strings.Repeat(method[:1], 1024)
					expect(t, s.do(t, method, body), cured)
					first, second := s.request(t, 1+2*i), s.arrived(t)
					if string(first.Body) != body || string(second.Body) != body || second.Method != method {
						t.Errorf("got %d and %d bytes of %s, want 1024 twice", len(first.Body), len(second.Body), second.Method)
					}
				}
			},
		},
		{
			name:  "are not replayed with a bigger body, but the next call has a new one",
			route: "request_buffer: 1KiB",
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				expect(t, s.get(t), fine)
				e.Revoke()
				expect(t, s.do(t, "POST", strings.Repeat("b", 1025)), notYou)
				s.expectCount(t, 2)
				expect(t, s.get(t), fine)
				s.expectFetches(t, e, 2, "success")
			},
		},
		{
			name:  "are replayed by a probe of a half-open breaker, and where answers stream",
			route: "buffer: 0\nbreaker: {consecutive_failures: 1, open: {initial: 300ms, max: 300ms}, half_open: {successes: 1}}",
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				s.up.Script(e.Guard(wire.Reply(500, "broken")), e.Guard(wire.Reply(200, "fine")))
				expect(t, s.get(t), expectation{status: 500, outcome: "upstream", circuit: "open", attempts: 1})
				e.Revoke()
				s.await(t, "half-open")
				want := cured
				want.circuit = "closed"
				expect(t, s.get(t), want)
			},
		},
		{
			name:  "are replayed where no policy is in force either",
			route: "mode: passthrough",
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				expect(t, s.get(t), fine)
				e.Revoke()
				expect(t, s.get(t), cured)
			},
		},
		{
			name:  "while no other can be had are upstream's 401, and after that there is none",
			route: tripping,
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				expect(t, s.get(t), fine)
				e.Script(wire.Reply(503, "down"))
				e.Revoke()
				want := notYou
				want.circuit = "open"
				expect(t, s.get(t), want)
				s.AwaitSum(t, 1, "fender_oauth2_token_fetches_total", "upstream", s.route, "result", "error")
			},
		},
	})
}
