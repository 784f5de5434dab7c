package blackbox_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// keeping is a fallback that gives the last good answer, and a body of its own where there is none. The text is further
// keys of stale.
func keeping(further string) string {
	return "fallback: {headers: {Content-Type: application/json}, body: '" + substitute + "', stale: {max_age: 1h" + further + "}}\n"
}

// lastGood is an answer that is kept.
const lastGood = `{"id":"42","name":"kept"}`

// keep has the upstream give an answer that is kept.
func (s *stage) keep(t *testing.T, fields ...string) {
	t.Helper()
	s.up.Script(wire.Reply(200, lastGood, fields...))
	expect(t, s.get(t), expectation{status: 200, body: lastGood, outcome: "upstream", reason: "-", attempts: 1, error: "-"})
}

// expectStale compares an answer with a kept one that is to be given again. Way is what Cache-Status says of how.
func expectStale(t *testing.T, answer *wire.Response, way string, want expectation) {
	t.Helper()
	want.status, want.outcome = 200, "stale"
	expect(t, answer, want)
	age, err := strconv.Atoi(strings.Join(answer.Header.Values("Age"), " | "))
	if err != nil || age < 0 {
		t.Errorf("got Age %q, want whole seconds", answer.Header.Values("Age"))
	}
	field(t, answer, "Cache-Status", "fender; "+way+"; ttl=-"+strconv.Itoa(age))
}

// expectStatic looks for the fallback's own body, which is given where no answer is kept.
func expectStatic(t *testing.T, answer *wire.Response) {
	t.Helper()
	expect(t, answer, expectation{status: 200, body: substitute, outcome: "fallback", attempts: -1})
	for _, name := range []string{"Age", "Cache-Status"} {
		field(t, answer, name, "-")
	}
}

func TestTheLastGoodAnswer(t *testing.T) {
	broken := wire.Reply(500, "broken")
	play(t, []scene{
		{
			name:  "is given for an answer that fails, with its own headers",
			route: keeping(""),
			run: func(t *testing.T, s *stage) {
				s.keep(t, "Content-Type: application/json", "ETag: \"e\"", "X-Own: 1", "X-Own: 2", "Cache-Control: max-age=60", "Connection: X-Theirs", "X-Theirs: 1", "Age: 7")
				s.up.Script(broken)
				answer := s.get(t, "X-Request-Id: another")
				expectStale(t, answer, "fwd=stale; fwd-status=500", expectation{body: lastGood, reason: "error", circuit: "-", attempts: 1, error: "received-status=500"})
				wants := map[string]string{
					"Content-Type": "application/json", "ETag": `"e"`, "X-Own": "1 | 2", "X-Theirs": "-",
					"Content-Length": strconv.Itoa(len(lastGood)), "X-Request-Id": "another", "Retry-After": "-",
				}
				for name, want := range wants {
					field(t, answer, name, want)
				}
				if age, _ := strconv.Atoi(answer.Header.Get("Age")); age < 7 {
					t.Errorf("got Age %d, want the 7 that upstream said and its time here", age)
				}
				s.sum(t, 1, "fender_fallbacks_total", "reason", "error", "source", "stale")
				s.sum(t, 0, "fender_fallbacks_total", "source", "static")
				s.sum(t, 1, "fender_requests_total", "method", "GET", "code", "200", "outcome", "stale")
				s.AwaitLine(t, "msg", "request", "request_id", "another", "outcome", "stale", "reason", "error", "upstream_status", "500")
			},
		},
		{
			name:  "is given for an open breaker, before the static body",
			route: tripping + keeping(""),
			run: func(t *testing.T, s *stage) {
				s.keep(t)
				s.up.Script(broken)
				expectStale(t, s.get(t), "fwd=stale; fwd-status=500", expectation{body: lastGood, reason: "error", circuit: "open", attempts: 1, error: "received-status=500"})
				for range 3 {
					answer := s.get(t)
					expectStale(t, answer, "hit", expectation{body: lastGood, reason: "open", circuit: "open", attempts: 0, error: "error=destination_unavailable"})
					retryAfter(t, answer)
				}
				expectStatic(t, wire.Do(t, s.Proxy, "GET", s.path+"/unknown", ""))
				s.expectCount(t, 2)
				s.sum(t, 3, "fender_fallbacks_total", "reason", "open", "source", "stale")
				s.sum(t, 1, "fender_fallbacks_total", "reason", "open", "source", "static")
			},
		},
		{
			name:  "is given for a throttled answer and at a shut gate",
			route: keeping(""),
			run: func(t *testing.T, s *stage) {
				s.keep(t)
				s.up.Script(wire.Reply(429, "slow down", "Retry-After: 600"))
				answer := s.get(t)
				expectStale(t, answer, "fwd=stale; fwd-status=429", expectation{body: lastGood, reason: "throttled", attempts: 1, error: "received-status=429"})
				retryAfter(t, answer)
				answer = s.get(t)
				expectStale(t, answer, "hit", expectation{body: lastGood, reason: "throttled", attempts: 0, error: "error=destination_unavailable"})
				retryAfter(t, answer)
				s.expectCount(t, 2)
			},
		},
		{
			name:  "is given where there is no place",
			route: "concurrency: {max_requests: 1}\n" + keeping(""),
			run: func(t *testing.T, s *stage) {
				s.keep(t)
				sidecar.Await(t, "the place is free", func() bool { return s.Scrape(t).Sum("fender_requests_in_flight", "route", s.route) == 0 })
				answers, release := s.occupy(t, 1)
				answer := s.get(t)
				expectStale(t, answer, "hit", expectation{body: lastGood, reason: "overloaded", attempts: 0, error: "error=connection_limit_reached"})
				field(t, answer, "Retry-After", "-")
				release()
				allFine(t, answers, 1)
			},
		},
		{
			name:  "is given at the deadline",
			route: keeping(""),
			run: func(t *testing.T, s *stage) {
				s.keep(t)
				s.up.Script(wire.Silent())
				answer := s.get(t, "Fender-Timeout-Ms: 1000")
				expectStale(t, answer, "fwd=stale", expectation{body: lastGood, reason: "timeout", attempts: 1, error: "error=http_response_timeout"})
			},
		},
		{
			name:  "is given after an attempt that took too long, and retries",
			route: "timeout: {attempt: 1s}\nretry: {max_retries: 1, backoff: {initial: 1ms, max: 2ms}}\n" + keeping(""),
			run: func(t *testing.T, s *stage) {
				s.keep(t)
				s.up.Script(wire.Silent())
				expectStale(t, s.get(t), "fwd=stale", expectation{body: lastGood, reason: "timeout", attempts: 2, error: "error=http_response_timeout"})
				s.up.Script(wire.Reply(503, "down"))
				expectStale(t, s.get(t), "fwd=stale; fwd-status=503", expectation{body: lastGood, reason: "error", attempts: 2, error: "received-status=503"})
			},
		},
		{
			name:  "is given for a connection that is lost, and for one that is refused",
			route: keeping(""),
			run: func(t *testing.T, s *stage) {
				s.keep(t)
				s.up.Script(wire.Reset(""))
				expectStale(t, s.get(t), "fwd=stale", expectation{body: lastGood, reason: "unreachable", attempts: -1, error: "error=connection_terminated"})
				s.up.Close()
				expectStale(t, s.get(t), "fwd=stale", expectation{body: lastGood, reason: "unreachable", attempts: -1, error: "error=connection_refused"})
			},
		},
		{
			name:     "is given for credentials of ours that are refused",
			upstream: "headers: {Authorization: Bearer ours}",
			route:    keeping(""),
			run: func(t *testing.T, s *stage) {
				s.keep(t)
				s.up.Script(wire.Reply(401, "who are you"))
				expectStale(t, s.get(t), "fwd=stale; fwd-status=401", expectation{body: lastGood, reason: "unauthorized", attempts: 1, error: "received-status=401"})
			},
		},
		{
			name:  "is not given for reasons that are not named",
			route: tripping + "fallback: {reasons: [open], stale: {max_age: 1h}}",
			run: func(t *testing.T, s *stage) {
				s.keep(t)
				s.up.Script(broken)
				answer := s.get(t)
				expect(t, answer, expectation{status: 500, body: "broken", outcome: "upstream", reason: "-", circuit: "open", attempts: 1})
				field(t, answer, "Cache-Status", "-")
				expectStale(t, s.get(t), "hit", expectation{body: lastGood, reason: "open", circuit: "open", attempts: 0})
			},
		},
		{
			name:  "alone leaves a problem, or upstream's answer, where none is kept",
			route: tripping + "fallback: {stale: {max_age: 1h}}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(broken)
				expect(t, s.get(t), expectation{status: 500, body: "broken", outcome: "upstream", reason: "-", circuit: "open", attempts: 1})
				s.expectOpen(t)
				s.sum(t, 0, "fender_fallbacks_total")
			},
		},
		{
			name:  "outlasts failures, and the newest is given",
			route: keeping(""),
			run: func(t *testing.T, s *stage) {
				for _, body := range []string{"one", "two"} {
					s.up.Script(wire.Reply(200, body), broken)
					expect(t, s.get(t), expectation{status: 200, body: body, outcome: "upstream", attempts: 1})
					for range 3 {
						expectStale(t, s.get(t), "fwd=stale; fwd-status=500", expectation{body: body, reason: "error", attempts: 1})
					}
				}
			},
		},
		{
			name:  "is given for max_age, and tells its age",
			route: "fallback: {body: '" + substitute + "', stale: {max_age: 2s}}",
			run: func(t *testing.T, s *stage) {
				begun := time.Now()
				s.keep(t)
				s.up.Script(broken)
				<-time.After(1200 * time.Millisecond)
				if answer := s.get(t); time.Since(begun) < 2*time.Second { // else this machine was too slow to tell
					expectStale(t, answer, "fwd=stale; fwd-status=500", expectation{body: lastGood, reason: "error", attempts: 1})
					field(t, answer, "Age", "1")
				}
				<-time.After(1200 * time.Millisecond)
				expectStatic(t, s.get(t))
			},
		},
		{
			name:  "has its series from the start",
			route: keeping(""),
			run: func(t *testing.T, s *stage) {
				for _, reason := range []string{"open", "throttled", "overloaded", "timeout", "unreachable", "unauthorized", "error"} {
					if got := s.Scrape(t).Find("fender_fallbacks_total", "route", s.route, "reason", reason, "source", "stale"); len(got) != 1 {
						t.Errorf("got %d series for stale answers because of %s, want one", len(got), reason)
					}
				}
			},
		},
	})
}
