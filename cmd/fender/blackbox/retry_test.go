package blackbox_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// quick is a retry whose waits are of no account.
const quick = "retry: {max_retries: 3, backoff: {initial: 1ms, max: 2ms}}"

func TestRetry(t *testing.T) {
	play(t, []scene{
		{
			name:  "three 503 and then a 200 are one 200 after four upstream calls",
			route: quick,
			run: func(t *testing.T, s *stage) {
				down := wire.Reply(503, "down")
				s.up.Script(down, down, down, wire.Reply(200, "fine"))
				expect(t, s.get(t), expectation{status: 200, body: "fine", outcome: "retried", reason: "-", circuit: "-", attempts: 4, error: "-"})
				s.expectCount(t, 4)
				s.sum(t, 1, "fender_requests_total", "method", "GET", "code", "200", "outcome", "retried")
				s.sum(t, 1, "fender_requests_total")
				s.sum(t, 3, "fender_upstream_attempts_total", "result", "5xx")
				s.sum(t, 1, "fender_upstream_attempts_total", "result", "2xx")
				s.sum(t, 3, "fender_retries_total")
			},
		},
		{
			name:  "a POST is not repeated on a 503",
			route: quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(503, "down"))
				expect(t, s.do(t, "POST", "order"), expectation{status: 503, body: "down", outcome: "upstream", reason: "-", attempts: 1, error: "-"})
				s.expectCount(t, 1)
				s.sum(t, 1, "fender_retries_skipped_total", "reason", "method")
				s.sum(t, 0, "fender_retries_total")
			},
		},
		{
			name:   "a POST is repeated on a refused connection",
			refuse: true,
			route:  "retry: {max_retries: 10, backoff: {initial: 1s, max: 5s}}",
			run: func(t *testing.T, s *stage) {
				answers := make(chan *wire.Response, 1)
				go func() {
					answer, _ := wire.Try(s.Proxy, "POST", s.path, "order")
					answers <- answer
				}()
				sidecar.Await(t, "a dial was refused", func() bool {
					return s.Scrape(t).Sum("fender_upstream_attempts_total", "route", s.route, "result", "dial") >= 1
				})
				s.up.Listen(t)
				answer := <-answers
				if answer == nil {
					t.Fatal("got no answer")
				}
				expect(t, answer, expectation{status: 200, body: "ok", outcome: "retried", reason: "-", attempts: -1})
				if attempts, _ := strconv.Atoi(answer.Header.Get("Fender-Attempts")); attempts < 2 {
					t.Errorf("got Fender-Attempts %d, want at least 2", attempts)
				}
				s.expectCount(t, 1)
				if got := s.request(t, 0); got.Method != "POST" || string(got.Body) != "order" {
					t.Errorf("got %s %q at the upstream, want POST %q", got.Method, got.Body, "order")
				}
			},
		},
		{
			name:   "a connection that is refused to the end is a 502 after all its attempts",
			refuse: true,
			route:  quick,
			run: func(t *testing.T, s *stage) {
				answer := s.do(t, "POST", "order")
				expect(t, answer, expectation{status: 502, outcome: "failed", reason: "unreachable", attempts: 4, error: "error=connection_refused"})
				expectProblem(t, answer, s.up.Addr, "dial")
				s.sum(t, 4, "fender_upstream_attempts_total", "result", "dial")
				s.sum(t, 1, "fender_requests_total", "method", "POST", "code", "502", "outcome", "failed")
			},
		},
		{
			name:  "GET, HEAD, OPTIONS, PUT and DELETE are repeated on a 503, other methods are not",
			route: quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(503, ""))
				for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE"} {
					expect(t, s.do(t, method, ""), expectation{status: 503, outcome: "retried", attempts: 4})
				}
				s.expectCount(t, 20)
				for _, method := range []string{"POST", "PATCH", "PROPFIND"} {
					expect(t, s.do(t, method, ""), expectation{status: 503, outcome: "upstream", attempts: 1})
				}
				s.expectCount(t, 23)
			},
		},
		{
			name:  "the last answer stands, untouched, when the retries are used up",
			route: quick,
			run: func(t *testing.T, s *stage) {
				down := wire.Reply(503, "down")
				s.up.Script(down, down, down, wire.Reply(502, "still down", "X-Left: yes"))
				answer := s.get(t)
				expect(t, answer, expectation{status: 502, body: "still down", outcome: "retried", reason: "-", attempts: 4, error: "-"})
				field(t, answer, "X-Left", "yes")
				s.expectCount(t, 4)
			},
		},
		{
			name:  "a status that conditions does not name is not retried",
			route: quick,
			run: func(t *testing.T, s *stage) {
				for i, status := range []int{500, 501, 408, 404, 400} {
					s.up.Script(wire.Reply(status, "as it is"))
					expect(t, s.get(t), expectation{status: status, body: "as it is", outcome: "upstream", reason: "-", attempts: 1})
					s.expectCount(t, i+1)
				}
			},
		},
		{
			name: "without retry nothing is repeated",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(503, "down"))
				expect(t, s.get(t), expectation{status: 503, body: "down", outcome: "upstream", attempts: 1})
				s.expectCount(t, 1)
			},
		},
		{
			name:  "a connection that is lost before the head is retried",
			route: quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reset(""), wire.Raw(""), wire.Raw("HTTP/1.1 200"), wire.Reply(200, "fine"))
				expect(t, s.get(t), expectation{status: 200, body: "fine", outcome: "retried", attempts: 4})
				s.expectCount(t, 4)
			},
		},
		{
			name:  "a POST that was written is not repeated when its connection is lost",
			route: quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reset(""))
				expect(t, s.do(t, "POST", "order"), expectation{status: 502, outcome: "failed", reason: "unreachable", attempts: 1, error: "error=connection_terminated"})
				s.expectCount(t, 1)
			},
		},
		{
			name:  "an attempt that takes too long is retried",
			route: "timeout: {attempt: 1s}\n" + quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Silent(), wire.Reply(200, "fine"))
				answer := s.get(t)
				expect(t, answer, expectation{status: 200, body: "fine", outcome: "retried", attempts: 2})
				atLeast(t, "an answer", answer.Elapsed, time.Second)
				s.expectCount(t, 2)
				s.sum(t, 1, "fender_upstream_attempts_total", "result", "timeout")
			},
		},
		{
			name:  "conditions says what is retried",
			route: "timeout: {attempt: 1s}\nretry: {conditions: [502], backoff: {initial: 1ms, max: 2ms}}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(502, ""), wire.Reply(503, "down"))
				expect(t, s.get(t), expectation{status: 503, body: "down", outcome: "retried", attempts: 2})
				s.up.Script(wire.Silent())
				expect(t, s.get(t), expectation{status: 504, outcome: "failed", reason: "timeout", attempts: 1})
				s.up.Script(wire.Reset(""))
				expect(t, s.get(t), expectation{status: 502, outcome: "failed", reason: "unreachable", attempts: 1})
				s.expectCount(t, 4)
			},
		},
		{
			name:  "a request with the idempotency key is repeated whatever its method, with the same key",
			route: "retry: {backoff: {initial: 1ms, max: 2ms}, idempotency_key: {header: Idempotency-Key}}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(503, ""), wire.Reply(201, "made"))
				expect(t, s.do(t, "POST", "order", "Idempotency-Key: k1"), expectation{status: 201, body: "made", outcome: "retried", attempts: 2})
				for _, request := range s.up.Requests() {
					if got := request.Header.Get("Idempotency-Key"); got != "k1" || string(request.Body) != "order" {
						t.Errorf("got key %q and body %q, want %q and %q", got, request.Body, "k1", "order")
					}
				}
				s.up.Script(wire.Reply(503, ""))
				expect(t, s.do(t, "POST", "order"), expectation{status: 503, outcome: "upstream", attempts: 1})
				s.expectCount(t, 3)
			},
		},
		{
			name:  "a generated idempotency key is the same on all attempts and another for each call",
			route: "retry: {backoff: {initial: 1ms, max: 2ms}, idempotency_key: {header: Idempotency-Key, generate: true}}",
			run: func(t *testing.T, s *stage) {
				for range 2 {
					s.up.Script(wire.Reply(503, ""), wire.Reply(201, "made"))
					expect(t, s.do(t, "POST", "order"), expectation{status: 201, outcome: "retried", attempts: 2})
				}
				var keys []string
				for _, request := range s.up.Requests() {
					keys = append(keys, request.Header.Get("Idempotency-Key"))
				}
				if len(keys) != 4 || len(keys[0]) != 36 || keys[0] != keys[1] || keys[2] != keys[3] || keys[0] == keys[2] {
					t.Errorf("got keys %q, want a UUID for each two attempts", keys)
				}
			},
		},
	})
}
