package blackbox_test

import (
	"bytes"
	"compress/gzip"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// refusing is a rule for an API that says no with a 200.
const refusing = "classify: [{status: 200, contains: '\"success\":false', as: failure}]\n"

// no is such an answer.
const no = `{"success":false,"error":"try later"}`

// zip compresses a body.
func zip(t *testing.T, body string) string {
	t.Helper()
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	w.Write([]byte(body))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return zipped.String()
}

func TestClassify(t *testing.T) {
	play(t, []scene{
		{
			name:  "Salesforce's 403 that means a limit is throttled, shuts the gate and is passed on as it came",
			route: "classify: [{status: 403, contains: REQUEST_LIMIT_EXCEEDED, as: throttled, wait: 30s}]\nbreaker: {consecutive_failures: 1}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(403, usedUp, "Content-Type: application/json;charset=UTF-8"))
				since := time.Now()
				answer := s.get(t)
				expect(t, answer, expectation{status: 403, body: usedUp, outcome: "upstream", reason: "-", attempts: 1, circuit: "closed"})
				field(t, answer, "Content-Type", "application/json;charset=UTF-8")
				s.expectRemaining(t, 30*time.Second, since)
				expectHeldBack(t, s.get(t))
				s.expectCount(t, 1)
				s.sum(t, 1, "fender_upstream_attempts_total", "result", "throttled")
			},
		},
		{
			name:  "a 403 that means a missing permission is an answer as any other",
			route: "classify: [{status: 403, contains: REQUEST_LIMIT_EXCEEDED, as: throttled, wait: 30s}]\nbreaker: {consecutive_failures: 1}\n" + standIn,
			run: func(t *testing.T, s *stage) {
				denied := `[{"message":"insufficient access rights","errorCode":"INSUFFICIENT_ACCESS"}]`
				s.up.Script(wire.Reply(403, denied))
				for range 2 {
					expect(t, s.get(t), expectation{status: 403, body: denied, outcome: "upstream", reason: "-", attempts: 1, circuit: "closed"})
				}
				s.expectCount(t, 2)
				s.sum(t, 2, "fender_upstream_attempts_total", "result", "4xx")
				s.sum(t, 0, "fender_throttle_gate_shut_total")
			},
		},
		{
			name:  "a rule's wait goes before the answer's own hint",
			route: "classify: [{status: 429, contains: DAILY, as: throttled, wait: 200s}]",
			run: func(t *testing.T, s *stage) {
				since := time.Now()
				s.up.Script(wire.Reply(429, `{"policyName":"DAILY"}`, "Retry-After: 1"))
				expect(t, s.get(t), expectation{status: 429, attempts: 1})
				s.expectRemaining(t, 200*time.Second, since)
			},
		},
		{
			name:  "a rule without a wait leaves it to the answer's hint",
			route: "classify: [{status: 403, contains: rate limit, as: throttled}]",
			run: func(t *testing.T, s *stage) {
				since := time.Now()
				s.up.Script(wire.Reply(403, "secondary rate limit", "Retry-After: 70"))
				expect(t, s.get(t), expectation{status: 403, body: "secondary rate limit", attempts: 1})
				s.expectRemaining(t, 70*time.Second, since)
			},
		},
		{
			name:  "a 200 whose body says no is a failure to the fallback and the breaker",
			route: refusing + tripping + standIn,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(200, `{"success":true}`), wire.Reply(200, no))
				expect(t, s.get(t), expectation{status: 200, body: `{"success":true}`, outcome: "upstream", circuit: "closed", attempts: 1})
				expect(t, s.get(t), expectation{status: 200, body: substitute, outcome: "fallback", reason: "error", circuit: "open", attempts: 1, error: "received-status=200"})
				expect(t, s.get(t), expectation{status: 200, body: substitute, outcome: "fallback", reason: "open", attempts: 0})
				s.expectCount(t, 2)
			},
		},
		{
			name:  "without a fallback the client gets the 200 that says no untouched",
			route: refusing + tripping,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(200, no))
				expect(t, s.get(t), expectation{status: 200, body: no, outcome: "upstream", reason: "-", circuit: "open", attempts: 1, error: "-"})
				s.expectOpen(t)
			},
		},
		{
			name:  "what a rule calls a failure is not retried unless conditions says so",
			route: refusing + quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(200, no))
				expect(t, s.get(t), expectation{status: 200, body: no, outcome: "upstream", attempts: 1})
				s.expectCount(t, 1)
			},
		},
		{
			name:  "what a rule calls a failure is retried if conditions says so",
			route: refusing + "retry: {max_retries: 3, conditions: [failure], backoff: {initial: 1ms, max: 2ms}}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(200, no), wire.Reply(200, no), wire.Reply(200, "fine"))
				expect(t, s.get(t), expectation{status: 200, body: "fine", outcome: "retried", attempts: 3})
				s.sum(t, 2, "fender_retries_total", "reason", "failure")
				s.up.Script(wire.Reply(500, "broken"))
				expect(t, s.get(t), expectation{status: 500, body: "broken", outcome: "upstream", attempts: 1})
				s.expectCount(t, 4)
			},
		},
		{
			name:  "a login page in place of JSON is a failure",
			route: "classify: [{status: \"200-299\", content_type_not: application/json, as: failure}]\n" + standIn,
			run: func(t *testing.T, s *stage) {
				for _, media := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON"} {
					s.up.Script(wire.Reply(200, "{}", "Content-Type: "+media))
					expect(t, s.get(t), expectation{status: 200, body: "{}", outcome: "upstream", attempts: 1})
				}
				for _, media := range []string{"text/html; charset=utf-8", "text/plain", "application/jsonp", "no media type"} {
					s.up.Script(wire.Reply(200, "<h1>Log in</h1>", "Content-Type: "+media))
					expect(t, s.get(t), expectation{status: 200, body: substitute, outcome: "fallback", reason: "error", attempts: 1})
				}
				s.up.Script(wire.Reply(404, "<h1>Not here</h1>", "Content-Type: text/html"))
				expect(t, s.get(t), expectation{status: 404, outcome: "upstream", attempts: 1})
			},
		},
		{
			name:  "as: success lets an answer stand that would be a failure",
			route: "classify: [{status: 503, contains: planned maintenance, as: success}]\n" + tripping + standIn,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(503, "planned maintenance", "Retry-After: 300"))
				for range 3 {
					answer := s.get(t)
					expect(t, answer, expectation{status: 503, body: "planned maintenance", outcome: "upstream", reason: "-", circuit: "closed", attempts: 1})
					field(t, answer, "Retry-After", "300")
				}
				s.expectCount(t, 3)
				s.up.Script(wire.Reply(503, "down"))
				expect(t, s.get(t), expectation{status: 200, body: substitute, outcome: "fallback", reason: "error", circuit: "open", attempts: 1})
			},
		},
		{
			name: "the first rule that matches wins",
			route: `classify:
- {status: 200, contains: partly, as: success}
- {status: 200, contains: broken, as: failure}
- {contains: busy, as: throttled, wait: 100s}
- {contains: busy, as: failure}
` + standIn,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(200, "partly broken"), wire.Reply(200, "broken"), wire.Reply(418, "busy"))
				expect(t, s.get(t), expectation{status: 200, body: "partly broken", outcome: "upstream", attempts: 1})
				expect(t, s.get(t), expectation{status: 200, body: substitute, outcome: "fallback", reason: "error", attempts: 1})
				expect(t, s.get(t), expectation{status: 200, body: substitute, outcome: "fallback", reason: "throttled", attempts: 1, error: "received-status=418"})
				expect(t, s.get(t), expectation{status: 200, body: substitute, outcome: "fallback", reason: "throttled", attempts: 0})
				s.expectCount(t, 3)
			},
		},
	})
}

// random is a text of random letters, which does not compress to nothing.
func random(n int) string {
	letters := make([]byte, n)
	for i := range letters {
		letters[i] = 'a' + byte(rand.IntN(26))
	}
	return string(letters)
}

func TestHowFarARuleReads(t *testing.T) {
	const limit = 64 << 10
	tests := []struct {
		name string
		body string
		seen bool
	}{
		{"at the begin", no + random(limit), true},
		{"at the end of its first 64 KiB", random(limit-len(no)) + no, true},
		{"beyond its first 64 KiB", random(limit) + no, false},
		{"across the end of its first 64 KiB", random(limit-5) + no, false},
		{"in none of it", random(10), false},
	}
	var scenes []scene
	for _, test := range tests {
		scenes = append(scenes, scene{
			name:  "a text " + test.name + " is seen as far as it may be, whole, in chunks and zipped",
			route: refusing + standIn,
			run: func(t *testing.T, s *stage) {
				zipped := zip(t, test.body)
				half := max(0, strings.Index(test.body, no)) + 5
				answers := map[string]wire.Answer{
					"whole":            wire.Reply(200, test.body),
					"in chunks":        wire.Chunked([]string{test.body[:half], test.body[half:]}, nil),
					"zipped":           wire.Reply(200, zipped, "Content-Encoding: gzip"),
					"zipped in chunks": wire.Chunked([]string{zipped[:20], zipped[20:]}, nil, "Content-Encoding: gzip"),
				}
				for how, answer := range answers {
					s.up.Script(answer)
					got := s.get(t, "Accept-Encoding: gzip")
					if test.seen {
						expect(t, got, expectation{status: 200, body: substitute, outcome: "fallback", reason: "error", attempts: 1})
						continue
					}
					body := test.body
					if strings.HasPrefix(how, "zipped") {
						body = zipped
						field(t, got, "Content-Encoding", "gzip")
					}
					expect(t, got, expectation{status: 200, body: body, outcome: "upstream", attempts: 1})
				}
			},
		})
	}
	play(t, scenes)
}
