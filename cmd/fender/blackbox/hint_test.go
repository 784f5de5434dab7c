package blackbox_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// patient waits out what a hint says, and lets a caller wait as long for the gate that the hint shuts.
const patient = `
throttle: {max_wait: 10s}
retry: {max_retries: 1, max_hint: 5s, backoff: {initial: 1ms, max: 2ms}}
`

// waited is the time between an upstream's first answer and the next request.
func waited(t *testing.T, s *stage) time.Duration {
	t.Helper()
	requests := s.up.Requests()
	if len(requests) != 2 {
		t.Fatalf("got %d requests at the upstream, want 2", len(requests))
	}
	return requests[1].Arrived.Sub(requests[0].Answered)
}

func TestRetryAfterIsWaitedOut(t *testing.T) {
	ago := time.Date(1994, time.November, 6, 8, 49, 37, 0, time.UTC)
	now := time.Now().UTC()
	tests := []struct {
		name   string
		status int
		fields []string
		want   time.Duration
	}{
		{"seconds", 429, []string{"Retry-After: 1"}, time.Second},
		{"seconds with a 503", 503, []string{"Retry-After: 1"}, time.Second},
		{"a fraction of seconds", 429, []string{"Retry-After: 0.4"}, 400 * time.Millisecond},
		{"a date", 429, []string{"Date: " + now.Format(http.TimeFormat), "Retry-After: " + now.Add(time.Second).Format(http.TimeFormat)}, time.Second},
		{"a date by the clock of an upstream that is years behind", 429, []string{"Date: " + ago.Format(http.TimeFormat), "Retry-After: " + ago.Add(time.Second).Format(http.TimeFormat)}, time.Second},
		{"a date of RFC 850", 429, []string{"Date: " + ago.Format(http.TimeFormat), "Retry-After: Sunday, 06-Nov-94 08:49:38 GMT"}, time.Second},
		{"a date of asctime", 429, []string{"Date: " + ago.Format(http.TimeFormat), "Retry-After: Sun Nov  6 08:49:38 1994"}, time.Second},
		{"the latest of several lines", 429, []string{"Retry-After: 0.1", "Retry-After: 1", "Retry-After: 0.2"}, time.Second},
	}
	var scenes []scene
	for _, test := range tests {
		scenes = append(scenes, scene{
			name:  test.name + " is waited out before the retry",
			route: patient,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(test.status, "slow down", test.fields...), wire.Reply(200, "fine"))
				expect(t, s.get(t), expectation{status: 200, body: "fine", outcome: "retried", reason: "-", attempts: 2})
				atLeast(t, "the retry", waited(t, s), test.want)
				s.sum(t, 1, "fender_upstream_attempts_total", "result", "throttled")
			},
		})
	}
	for _, value := range []string{"-5", "0", "", "soon", "1e9999", "Mon, 99 Foo 2026 00:00:00 GMT", "Sun, 06 Nov 1994 08:49:37 GMT"} {
		scenes = append(scenes, scene{
			name:  "a hint that is not usable is not waited for: " + value,
			route: "throttle: {default_wait: 0s}\n" + quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(429, "slow down", "Retry-After: "+value), wire.Reply(200, "fine"))
				answer := s.get(t)
				expect(t, answer, expectation{status: 200, body: "fine", outcome: "retried", attempts: 2})
				atOnce(t, answer)
				s.expectCount(t, 2)
			},
		})
	}
	play(t, scenes)
}

func TestAHintThatDoesNotFitIsAnsweredAtOnce(t *testing.T) {
	play(t, []scene{
		{
			name:  "a 429 whose hint is beyond max_hint is passed on untouched",
			route: "timeout: {request: 2h}\nbreaker: {consecutive_failures: 1}\nretry: {max_retries: 3}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(429, "slow down", "Retry-After: 3600", "X-Left: 0"))
				answer := s.get(t)
				expect(t, answer, expectation{status: 429, body: "slow down", outcome: "upstream", attempts: 1, circuit: "closed"})
				field(t, answer, "Retry-After", "3600")
				field(t, answer, "X-Left", "0")
				atOnce(t, answer)
				s.expectCount(t, 1)
				s.sum(t, 1, "fender_retries_skipped_total", "reason", "max_hint")
				s.sum(t, 0, "fender_breaker_transitions_total")
			},
		},
		{
			name:  "a date beyond max_hint is no more waited for than seconds are",
			route: "timeout: {request: 2h}\nretry: {max_retries: 3}",
			run: func(t *testing.T, s *stage) {
				now := time.Now().UTC()
				s.up.Script(wire.Reply(429, "slow down", "Date: "+now.Format(http.TimeFormat), "Retry-After: "+now.Add(time.Hour).Format(http.TimeFormat)))
				answer := s.get(t)
				expect(t, answer, expectation{status: 429, body: "slow down", outcome: "upstream", attempts: 1})
				atOnce(t, answer)
				s.expectCount(t, 1)
			},
		},
		{
			name:  "a 503 whose hint is beyond max_hint is answered at once",
			route: "timeout: {request: 2h}\nretry: {max_retries: 3}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(503, "slow down", "Retry-After: 3600"))
				answer := s.get(t)
				expect(t, answer, expectation{status: 503, attempts: 1})
				retryAfter(t, answer)
				atOnce(t, answer)
				s.expectCount(t, 1)
			},
		},
		{
			name:  "a hint after which an attempt no longer fits before the deadline is not waited for",
			route: "timeout: {request: 20s}\nretry: {max_retries: 3, max_hint: 1h}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(429, "slow down", "Retry-After: 20"))
				answer := s.get(t)
				expect(t, answer, expectation{status: 429, body: "slow down", outcome: "upstream", attempts: 1})
				atOnce(t, answer)
				s.expectCount(t, 1)
				s.sum(t, 1, "fender_retries_skipped_total", "reason", "deadline")
			},
		},
		{
			name:  "a backoff after which min_attempt no longer fits is not waited for",
			route: "timeout: {request: 5s}\nretry: {max_retries: 3, min_attempt: 5s, backoff: {initial: 1ms, max: 2ms}}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(503, "down"))
				expect(t, s.get(t), expectation{status: 503, body: "down", outcome: "upstream", attempts: 1})
				s.expectCount(t, 1)
				s.sum(t, 1, "fender_retries_skipped_total", "reason", "deadline")
			},
		},
		{
			name:  "a POST is repeated after a 429 with unsafe_on_429",
			route: "throttle: {default_wait: 0s}\nretry: {unsafe_on_429: true, backoff: {initial: 1ms, max: 2ms}}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(429, "slow down"), wire.Reply(201, "made"))
				expect(t, s.do(t, "POST", "order"), expectation{status: 201, body: "made", outcome: "retried", attempts: 2})
				s.expectCount(t, 2)
			},
		},
		{
			name:  "a POST is not repeated after a 429 without unsafe_on_429",
			route: "throttle: {default_wait: 0s}\n" + quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(429, "slow down"))
				expect(t, s.do(t, "POST", "order"), expectation{status: 429, body: "slow down", outcome: "upstream", attempts: 1})
				s.expectCount(t, 1)
			},
		},
		{
			name:  "a status that conditions does not name is not retried although it is throttled",
			route: "throttle: {max_wait: 10s}\nretry: {conditions: [502]}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(429, "slow down", "Retry-After: 0.1"))
				expect(t, s.get(t), expectation{status: 429, body: "slow down", outcome: "upstream", attempts: 1})
				s.expectCount(t, 1)
			},
		},
		{
			name:  "a 429 never opens the breaker",
			route: "throttle: null\nbreaker: {consecutive_failures: 1, failure_rate: {threshold: 0.1, min_calls: 1}}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(429, "slow down"))
				for range 5 {
					expect(t, s.get(t), expectation{status: 429, body: "slow down", outcome: "upstream", attempts: 1, circuit: "closed"})
				}
				s.expectCount(t, 5)
			},
		},
	})
}
