package blackbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

func TestDeadline(t *testing.T) {
	play(t, []scene{
		{
			name:  "a silent upstream is a 504 when timeout.request has passed, and its connection ends",
			route: "timeout: {request: 300ms}\n" + quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Silent())
				answer := s.get(t)
				expect(t, answer, expectation{status: 504, outcome: "failed", reason: "timeout", attempts: 1, error: "error=http_response_timeout"})
				expectProblem(t, answer, s.up.Addr, "context")
				atLeast(t, "the answer", answer.Elapsed, 300*time.Millisecond)
				sidecar.Await(t, "upstream's connection has ended", func() bool { return s.up.Open() == 0 })
				s.sum(t, 1, "fender_requests_total", "code", "504", "outcome", "failed")
				s.sum(t, 1, "fender_upstream_attempts_total", "result", "timeout")
			},
		},
		{
			name:  "the deadline holds all attempts and waits",
			route: "timeout: {request: 2s, attempt: 300ms}\nretry: {max_retries: 10, backoff: {initial: 1ms, max: 2ms}}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Silent())
				answer := s.get(t)
				expect(t, answer, expectation{status: 504, outcome: "failed", reason: "timeout", attempts: -1, error: "error=http_response_timeout"})
				if got := s.up.Count(); got < 2 || got > 7 {
					t.Errorf("got %d attempts of 300ms within 2s, want 2 to 7", got)
				}
				sidecar.Await(t, "nothing goes on behind the answer", func() bool { return s.up.Open() == 0 })
			},
		},
		{
			name:  "an answer whose body stalls is a timeout",
			route: "timeout: {request: 300ms}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Then(wire.Head(200, "Content-Length: 10") + "half"))
				answer := s.get(t)
				expect(t, answer, expectation{status: 504, outcome: "failed", reason: "timeout", attempts: 1})
				atLeast(t, "the answer", answer.Elapsed, 300*time.Millisecond)
				sidecar.Await(t, "upstream's connection has ended", func() bool { return s.up.Open() == 0 })
			},
		},
		{
			name:  "an upstream that never reads a big request is a timeout",
			route: "timeout: {request: 500ms}\nrequest_buffer: 0",
			run: func(t *testing.T, s *stage) {
				left := make(chan struct{})
				s.up.Script(func(*wire.Exchange) { <-left })
				client := wire.Dial(t, s.Proxy)
				go client.Send(wire.Compose("PUT", s.path, strings.Repeat("x", 32<<20)))
				answer := client.Read(t, "PUT")
				close(left)
				if answer.StatusCode != 504 && answer.StatusCode != 408 {
					t.Errorf("got status %d, want 504, or 408 for it took not all of the body", answer.StatusCode)
				}
			},
		},
		{
			name: "Fender-Timeout-Ms shortens the deadline and goes no further",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Silent())
				answer := s.get(t, "Fender-Timeout-Ms: 1000")
				expect(t, answer, expectation{status: 504, outcome: "failed", reason: "timeout", attempts: 1})
				atLeast(t, "the answer", answer.Elapsed, time.Second)
				atOnce(t, answer)
				if got := s.arrived(t).Header.Get("Fender-Timeout-Ms"); got != "" {
					t.Errorf("got Fender-Timeout-Ms %q at the upstream, want none", got)
				}
			},
		},
		{
			name:  "Fender-Timeout-Ms does not lengthen the deadline",
			route: "timeout: {request: 300ms}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Silent())
				answer := s.get(t, "Fender-Timeout-Ms: 3600000")
				expect(t, answer, expectation{status: 504, reason: "timeout", attempts: 1})
				atOnce(t, answer)
			},
		},
		{
			name: "a Fender-Timeout-Ms that is no positive integer is ignored",
			run: func(t *testing.T, s *stage) {
				for _, value := range []string{"0", "-1", "1.5", "abc", "", "1ms", "99999999999999999999", "+", "0x10"} {
					expect(t, s.get(t, "Fender-Timeout-Ms: "+value), expectation{status: 200, outcome: "upstream", attempts: 1})
				}
				for _, request := range s.up.Requests() {
					if _, ok := request.Header["Fender-Timeout-Ms"]; ok {
						t.Errorf("got Fender-Timeout-Ms at the upstream, want none")
					}
				}
			},
		},
	})
}
