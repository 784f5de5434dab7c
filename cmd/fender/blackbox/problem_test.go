package blackbox_test

import (
	"fmt"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

func TestWithoutAFallback(t *testing.T) {
	play(t, []scene{
		{
			name:  "a failure passes upstream's answer untouched",
			route: tripping,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(500, `{"error":"theirs"}`, "Content-Type: application/json", "X-Theirs: 1", "Cache-Control: max-age=1"))
				answer := s.get(t)
				expect(t, answer, expectation{status: 500, body: `{"error":"theirs"}`, outcome: "upstream", reason: "-", circuit: "open", attempts: 1, error: "-"})
				field(t, answer, "X-Theirs", "1")
				field(t, answer, "Cache-Control", "max-age=1")
				field(t, answer, "Content-Type", "application/json")
			},
		},
		{
			name:  "an open breaker is a 503 to every method, and HEAD gets no body",
			route: tripping,
			run: func(t *testing.T, s *stage) {
				s.fail(t, 1)
				for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
					answer := s.do(t, method, "")
					expect(t, answer, expectation{status: 503, outcome: "refused", reason: "open", circuit: "open", attempts: 0, error: "error=destination_unavailable"})
					expectProblem(t, answer)
				}
				expect(t, s.do(t, "HEAD", ""), expectation{status: 503, outcome: "refused", reason: "open", attempts: 0})
				s.expectCount(t, 1)
			},
		},
	})
}

func TestAnUpstreamThatCannotBeHad(t *testing.T) {
	t.Parallel()
	plain := wire.Listen(t)
	plain.Script(wire.Raw("HTTP/1.1 400 Bad Request\r\n\r\n"))
	p := start(t, preamble+fmt.Sprintf(`
upstreams:
  nowhere: {url: "http://fender.invalid"}
  plain: {url: "https://%s"}
routes:
  - {name: nowhere, match: {path: /nowhere}, upstream: nowhere, timeout: {request: 10s}}
  - {name: plain, match: {path: /plain}, upstream: plain, timeout: {request: 10s}}
`, plain.Addr))
	answer := wire.Do(t, p.Proxy, "GET", "/nowhere", "")
	if answer.StatusCode != 504 { // a resolver that does not answer
		expect(t, answer, expectation{status: 502, outcome: "failed", reason: "unreachable", attempts: 1, error: "error=dns_error"})
		expectProblem(t, answer, "fender.invalid", "lookup")
	}
	answer = wire.Do(t, p.Proxy, "GET", "/plain", "")
	expect(t, answer, expectation{status: 502, outcome: "failed", reason: "unreachable", attempts: 1})
	expectProblem(t, answer, plain.Addr)
	p.AwaitSum(t, 1, "fender_upstream_attempts_total", "route", "plain", "result", "tls")
}
