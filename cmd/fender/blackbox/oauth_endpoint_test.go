package blackbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/authority"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// tokenless is what a call gets for which no token can be had.
var tokenless = expectation{status: 502, outcome: "refused", reason: "unauthorized", attempts: 0, error: "error=destination_unavailable"}

func TestATokenThatCannotBeHad(t *testing.T) {
	playGrants(t, []grant{
		{
			name:  "makes its callers unauthorized, opens the breaker, and is had again after a while",
			route: "breaker: {consecutive_failures: 3, open: {initial: 300ms, max: 300ms}}",
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				e.Script(wire.Reply(503, "down"))
				begun := time.Now()
				for i := range 3 {
					answer := s.get(t)
					want := tokenless
					want.circuit = []string{"closed", "closed", "open"}[i]
					expect(t, answer, want)
					expectProblem(t, answer, e.Addr, "oauth", "503")
				}
				if time.Since(begun) < 500*time.Millisecond {
					s.expectFetches(t, e, 1, "error")
				}
				s.sum(t, 0, "fender_upstream_attempts_total")
				line := s.AwaitLine(t, "msg", "token", "upstream", s.route, "result", "error")
				if line.Text("level") != "WARN" || line.Text("next_fetch") == "" || !strings.Contains(line.Text("error"), "503") {
					t.Errorf("got the log line %v, want a warning that tells why and until when", line)
				}
				e.Script(e.Grant())
				sidecar.Await(t, "the breaker is closed", func() bool { return s.get(t).Header.Get("Fender-Circuit") == "closed" })
				if took := time.Since(begun); took < 800*time.Millisecond {
					t.Errorf("got a second fetch after %v, want none for about 1s", took)
				}
			},
		},
		{
			name:  "while the endpoint is down costs a fetch for each step of its back-off",
			route: standIn,
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				e.Script(wire.Reply(500, "down"))
				want := tokenless
				want.status, want.body, want.outcome = 200, substitute, "fallback"
				begun := time.Now()
				for time.Since(begun) < 3500*time.Millisecond { // fetches after about 0, 1 and 3 seconds
					expect(t, s.get(t), want)
					<-time.After(20 * time.Millisecond)
				}
				if got := e.Count(); got < 2 || got > 3 {
					t.Errorf("got %d fetches in %v, want one for each step", got, time.Since(begun))
				}
				s.expectFetches(t, e, e.Count(), "error")
			},
		},
		{
			name:  "because the endpoint hangs ends within the caller's deadline",
			route: "timeout: {request: 2s}\nretry: {min_attempt: 1s}",
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				e.Script(wire.Silent())
				answers := s.ask(20)
				for range 20 {
					expect(t, one(t, answers), tokenless)
				}
				if got := e.Count(); got != 1 {
					t.Errorf("got %d requests for a token, want one for all", got)
				}
				s.expectCount(t, 0)
			},
		},
		{
			name: "because the endpoint asks for patience is not asked for until then",
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				e.Script(wire.Reply(429, "slow down", "Retry-After: 3"), e.Grant())
				begun := time.Now()
				expect(t, s.get(t), tokenless)
				s.expectFetches(t, e, 1, "throttled")
				sidecar.Await(t, "there is a token", func() bool { return s.get(t).StatusCode == 200 })
				atLeast(t, "a token", time.Since(begun), 2900*time.Millisecond)
				if got := e.Count(); got != 2 {
					t.Errorf("got %d requests for a token, want the second once the first one's hint is over", got)
				}
			},
		},
		{
			name: "because the client is not known says so to the log, and nothing to the caller",
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				e.Script(wire.Reply(401, `{"error":"invalid_client","error_description":"no such client"}`, "Content-Type: application/json"))
				answer := s.get(t)
				expect(t, answer, tokenless)
				expectProblem(t, answer, "invalid_client", e.Addr)
				s.expectFetches(t, e, 1, "rejected")
				line := s.AwaitLine(t, "msg", "token", "upstream", s.route)
				if !strings.Contains(line.Text("error"), "invalid_client") {
					t.Errorf("got the log line %v, want the endpoint's error code in it", line)
				}
			},
		},
		{
			name: "because there is none in the answer is an error",
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				e.Script(wire.Reply(200, `<html>please log in</html>`, "Content-Type: text/html"))
				expect(t, s.get(t), tokenless)
				s.expectFetches(t, e, 1, "error")
			},
		},
		{
			name: "because it could not be sent in a header is an error, and no call breaks",
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				e.Script(wire.Reply(200, `{"access_token":"a\r\nX-Injected: 1","token_type":"bearer"}`, "Content-Type: application/json"))
				expect(t, s.get(t), tokenless)
				s.expectFetches(t, e, 1, "error")
				s.expectCount(t, 0)
			},
		},
		{
			name: "because the endpoint points elsewhere is not asked for there",
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				elsewhere := wire.Listen(t)
				for _, status := range []int{302, 307} {
					e.Script(wire.Reply(status, "", "Location: "+elsewhere.URL()+"/oauth/token"))
					expect(t, s.get(t), tokenless)
				}
				if elsewhere.Accepted() != 0 {
					t.Errorf("got %d connections to where the redirect points, want none", elsewhere.Accepted())
				}
			},
		},
	})
}
