package blackbox_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// substitute is the tutorial's fallback body.
const substitute = `{"id":"fallback","name":"Service Unavailable","tier":"unknown","_circuit_breaker":true}`

// tripping opens on the first failure for longer than any test.
const tripping = "breaker: {consecutive_failures: 1, open: {initial: 1h, max: 1h}}\n"

// standIn is a fallback for every reason, with the built-in methods and status.
const standIn = "fallback: {headers: {Content-Type: application/json, X-Stand-In: \"yes\"}, body: '" + substitute + "'}\n"

func TestFallback(t *testing.T) {
	play(t, []scene{
		{
			name:  "stands in for an upstream that is left alone",
			route: tripping + standIn,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(500, "broken"))
				answer := s.get(t)
				expect(t, answer, expectation{status: 200, body: substitute, outcome: "fallback", reason: "error", circuit: "open", attempts: 1, error: "received-status=500"})
				field(t, answer, "Retry-After", "-")
				answer = s.get(t)
				expect(t, answer, expectation{status: 200, body: substitute, outcome: "fallback", reason: "open", circuit: "open", attempts: 0, error: "error=destination_unavailable"})
				field(t, answer, "Content-Type", "application/json")
				field(t, answer, "X-Stand-In", "yes")
				field(t, answer, "Content-Length", fmt.Sprint(len(substitute)))
				if got := retryAfter(t, answer); got < 3240 || got > 3960 {
					t.Errorf("got Retry-After %d, want 1h and a tenth of it at most", got)
				}
				s.expectCount(t, 1)
				s.sum(t, 1, "fender_fallbacks_total", "reason", "open", "source", "static")
				s.sum(t, 1, "fender_fallbacks_total", "reason", "error", "source", "static")
				s.sum(t, 2, "fender_requests_total", "method", "GET", "code", "200", "outcome", "fallback")
			},
		},
		{
			name:  "HEAD gets its headers alone",
			route: tripping + standIn,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(500, ""))
				s.get(t)
				answer := s.do(t, "HEAD", "")
				expect(t, answer, expectation{status: 200, outcome: "fallback", reason: "open", attempts: 0})
				field(t, answer, "Content-Type", "application/json")
				field(t, answer, "Content-Length", fmt.Sprint(len(substitute)))
				s.expectCount(t, 1)
			},
		},
		{
			name:  "a write does not look done",
			route: tripping + standIn,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(500, "broken"))
				expect(t, s.do(t, "POST", "order"), expectation{status: 500, body: "broken", outcome: "upstream", reason: "-", attempts: 1})
				for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
					answer := s.do(t, method, "order")
					expect(t, answer, expectation{status: 503, outcome: "refused", reason: "open", attempts: 0})
					expectProblem(t, answer)
				}
				s.sum(t, 0, "fender_fallbacks_total")
			},
		},
		{
			name:  "serves the methods it names, with its status",
			route: tripping + "fallback: {methods: [POST], status: 202, headers: {Content-Type: text/plain}, body: \"later\\n\"}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(500, ""))
				s.get(t)
				answer := s.do(t, "POST", "order")
				expect(t, answer, expectation{status: 202, body: "later\n", outcome: "fallback", reason: "open", attempts: 0})
				expect(t, s.get(t), expectation{status: 503, outcome: "refused", reason: "open", attempts: 0})
			},
		},
		{
			name:  "serves the reasons it names",
			route: "timeout: {request: 300ms}\n" + tripping + "fallback: {reasons: [timeout], body: late}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Silent())
				expect(t, s.get(t), expectation{status: 200, body: "late", outcome: "fallback", reason: "timeout", attempts: 1, error: "error=http_response_timeout"})
				expect(t, s.get(t), expectation{status: 503, outcome: "refused", reason: "open", attempts: 0})
			},
		},
		{
			name:   "stands in for an upstream that cannot be reached",
			refuse: true,
			route:  standIn + quick,
			run: func(t *testing.T, s *stage) {
				expect(t, s.get(t), expectation{status: 200, body: substitute, outcome: "fallback", reason: "unreachable", circuit: "-", attempts: 4, error: "error=connection_refused"})
				s.sum(t, 1, "fender_fallbacks_total", "reason", "unreachable")
			},
		},
		{
			name:  "stands in for a broken answer, of which nothing reaches the client",
			route: standIn,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Raw(wire.Head(200, "Content-Length: 100", "X-Broken: yes") + "half"))
				answer := s.get(t)
				expect(t, answer, expectation{status: 200, body: substitute, outcome: "fallback", reason: "unreachable", attempts: 1})
				field(t, answer, "X-Broken", "-")
			},
		},
		{
			name:  "stands in for a 429 whose hint is too long",
			route: standIn + "retry: {}\n",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(429, "slow down", "Retry-After: 600"))
				answer := s.get(t)
				expect(t, answer, expectation{status: 200, body: substitute, outcome: "fallback", reason: "throttled", attempts: 1})
				retryAfter(t, answer)
				s.expectCount(t, 1)
			},
		},
		{
			name:  "leaves an answer alone that is no failure",
			route: standIn + tripping,
			run: func(t *testing.T, s *stage) {
				for _, status := range []int{404, 401, 301} {
					s.up.Script(wire.Reply(status, "as it is"))
					expect(t, s.get(t), expectation{status: status, body: "as it is", outcome: "upstream", reason: "-", circuit: "closed", attempts: 1, error: "-"})
				}
			},
		},
		{
			name:  "fills in its template, escaped as JSON",
			match: "path: \"/t/{id}\"",
			route: tripping + `fallback:
  headers: {Content-Type: application/json}
  body: '{"route":"{{.Route}}","reason":"{{.Reason}}","circuit":"{{.Circuit}}","again":"{{.RetryAfter}}","request":"{{.RequestID}}","id":"{{.Params.id}}"}'`,
			run: func(t *testing.T, s *stage) {
				s.path = "/t/a%22b%0A%3C%5C"
				s.up.Script(wire.Reply(500, ""))
				s.get(t)
				answer := s.get(t, "X-Request-Id: req-1")
				expect(t, answer, expectation{status: 200, outcome: "fallback", reason: "open", attempts: 0})
				var got map[string]string
				if err := json.Unmarshal(answer.Content, &got); err != nil {
					t.Fatalf("got %q, want JSON: %v", answer.Content, err)
				}
				want := map[string]string{
					"route": s.route, "reason": "open", "circuit": "open", "request": "req-1", "id": "a\"b\n<\\",
					"again": answer.Header.Get("Retry-After"),
				}
				for key, value := range want {
					if got[key] != value {
						t.Errorf("got %s %q, want %q", key, got[key], value)
					}
				}
			},
		},
		{
			name:  "is byte for byte what the file says where it has no template",
			route: "fallback: {body: \"} { {% \\u00e9 \\t$HOME ${HOME:-} $$\"}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(500, ""))
				home := os.Getenv("HOME")
				expect(t, s.get(t), expectation{status: 200, body: "} { {% é \t$HOME " + home + " $", outcome: "fallback", reason: "error", attempts: 1})
			},
		},
	})
}

func TestAFallbackFromAFile(t *testing.T) {
	t.Parallel()
	up := wire.Listen(t)
	up.Script(wire.Reply(500, "broken"))
	file := filepath.Join(t.TempDir(), "body.bin")
	body := "\x00\x01\xff" + strings.Repeat("}{", 32<<10-2)
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, preamble+fmt.Sprintf(`
upstreams: {crm: {url: %s}}
routes:
  - {name: a, upstream: crm, fallback: {body_file: %q, headers: {Content-Type: application/octet-stream}}}
`, up.URL(), file))
	expect(t, wire.Do(t, p.Proxy, "GET", "/", ""), expectation{status: 200, body: body, outcome: "fallback", reason: "error", attempts: 1})
}
