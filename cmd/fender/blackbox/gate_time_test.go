package blackbox_test

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// remaining is the time until the scene's gate opens, 0 if it is not shut.
func (s *stage) remaining(t *testing.T) time.Duration {
	t.Helper()
	return s.remainingOf(s.Scrape(t))
}

func (s *stage) remainingOf(m sidecar.Metrics) time.Duration {
	left := m.Sum("fender_throttle_gate_remaining_seconds", "route", s.route)
	return time.Duration(left * float64(time.Second))
}

// expectRemaining looks at the time of a gate that was shut for want since the given moment: never less than that, and
// a fifth, or one second, more at most. It returns the metrics that say so.
func (s *stage) expectRemaining(t *testing.T, want time.Duration, since time.Time) sidecar.Metrics {
	t.Helper()
	m := s.Scrape(t)
	left := s.remainingOf(m)
	least, most := want-time.Since(since), want+min(want/5, time.Second)
	if left < least || left > most {
		t.Errorf("got a gate that opens in %v, want at least %v and at most %v", left, least, most)
	}
	return m
}

// one429 is an upstream's answer with this Retry-After.
func one429(hint string) wire.Answer { return wire.Reply(429, "slow down", "Retry-After: "+hint) }

// underWay begins a call and returns once the upstream has it.
func (s *stage) underWay(t *testing.T) <-chan *wire.Response {
	t.Helper()
	count := s.up.Count()
	answers := s.ask(1)
	sidecar.Await(t, "upstream has the call", func() bool { return s.up.Count() == count+1 })
	return answers
}

// expectOpenFor429 makes calls that are all answered 429 and looks that each of them reaches the upstream.
func (s *stage) expectOpenFor429(t *testing.T, calls int, circuit string) {
	t.Helper()
	for range calls {
		expect(t, s.get(t), expectation{status: 429, body: "slow down", outcome: "upstream", reason: "-", attempts: 1, circuit: circuit})
	}
	s.expectCount(t, calls)
	s.sum(t, float64(calls), "fender_upstream_attempts_total", "result", "throttled")
}

func TestHowLongTheGateIsShut(t *testing.T) {
	play(t, []scene{
		{
			name: "Retry-After of a held-back caller is what remains, rounded up",
			run: func(t *testing.T, s *stage) {
				s.shut(t, "200")
				for range 3 {
					most := math.Ceil(s.remaining(t).Seconds())
					got := float64(retryAfter(t, s.get(t)))
					least := math.Ceil(s.remaining(t).Seconds())
					if got < least || got > most {
						t.Errorf("got Retry-After %v, want %v to %v", got, least, most)
					}
				}
			},
		},
		{
			name: "a shorter hint to a call that was under way opens it no earlier, a longer one later, a success not at all",
			run: func(t *testing.T, s *stage) {
				turns := make([]chan struct{}, 4)
				replies := []wire.Answer{one429("100"), one429("1"), wire.Reply(200, "fine"), one429("250")}
				calls := make([]<-chan *wire.Response, len(turns))
				for i := range turns {
					turns[i] = make(chan struct{})
					s.up.Script(wire.Held(turns[i], replies[i]))
					calls[i] = s.underWay(t)
				}
				since := time.Now()
				for i, status := range []int{429, 429, 200} {
					close(turns[i])
					expect(t, one(t, calls[i]), expectation{status: status, outcome: "upstream", attempts: 1})
					s.expectRemaining(t, 100*time.Second, since)
				}
				since = time.Now()
				close(turns[3])
				expect(t, one(t, calls[3]), expectation{status: 429, attempts: 1})
				s.expectRemaining(t, 250*time.Second, since)
				expectHeldBack(t, s.get(t))
				s.expectCount(t, 4)
			},
		},
		{
			name: "a date is taken against our own clock where the answer has no Date",
			run: func(t *testing.T, s *stage) {
				since := time.Now()
				s.up.Script(one429(since.Add(100 * time.Second).UTC().Format(http.TimeFormat)))
				expect(t, s.get(t), expectation{status: 429, attempts: 1})
				left := s.remaining(t) // a date has no fractions of a second
				if least, most := 99*time.Second-time.Since(since), 101*time.Second; left < least || left > most {
					t.Errorf("got a gate that opens in %v, want at least %v and at most %v", left, least, most)
				}
			},
		},
		{
			name:  "max caps it",
			route: "throttle: {max: 150s}",
			run: func(t *testing.T, s *stage) {
				since := time.Now()
				s.shut(t, "86400")
				s.expectRemaining(t, 150*time.Second, since)
				if got := retryAfter(t, s.get(t)); got > 151 {
					t.Errorf("got Retry-After %d, want at most 151", got)
				}
			},
		},
		{
			name: "the built-in max is five minutes",
			run: func(t *testing.T, s *stage) {
				since := time.Now()
				s.shut(t, "86400")
				s.expectRemaining(t, 5*time.Minute, since)
			},
		},
		{
			name:  "the hint of a 503 is believed for a minute at most",
			route: "throttle: {max: 1h}\nbreaker: {consecutive_failures: 1}",
			run: func(t *testing.T, s *stage) {
				since := time.Now()
				s.up.Script(wire.Reply(503, "maintenance", "Retry-After: 3600"))
				expect(t, s.get(t), expectation{status: 503, circuit: "closed", attempts: 1})
				s.expectRemaining(t, time.Minute, since)
				expectHeldBack(t, s.get(t))
				s.expectCount(t, 1)
				s.sum(t, 1, "fender_upstream_attempts_total", "result", "throttled")
			},
		},
		{
			name:  "a 503 whose hint is shorter is taken at its word",
			route: "throttle: {max: 1h}",
			run: func(t *testing.T, s *stage) {
				since := time.Now()
				s.up.Script(wire.Reply(503, "maintenance", "Retry-After: 40"))
				s.get(t)
				s.expectRemaining(t, 40*time.Second, since)
			},
		},
		{
			name: "a 503 without a hint shuts nothing, it is a failure",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(503, "down"))
				for range 3 {
					expect(t, s.get(t), expectation{status: 503, body: "down", outcome: "upstream", reason: "-", attempts: 1})
				}
				s.expectCount(t, 3)
				s.sum(t, 0, "fender_throttle_gate_shut_total")
				s.sum(t, 3, "fender_upstream_attempts_total", "result", "5xx")
			},
		},
		{
			name:  "a 503 does not count where statuses does not name it",
			route: "throttle: {statuses: [429]}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(503, "down", "Retry-After: 100"))
				for range 2 {
					expect(t, s.get(t), expectation{status: 503, body: "down", attempts: 1})
				}
				s.expectCount(t, 2)
			},
		},
		{
			name:  "without a hint it is default_wait",
			route: "throttle: {default_wait: 25s}",
			run: func(t *testing.T, s *stage) {
				since := time.Now()
				s.up.Script(wire.Reply(429, "slow down"))
				expect(t, s.get(t), expectation{status: 429, body: "slow down", outcome: "upstream", attempts: 1})
				s.expectRemaining(t, 25*time.Second, since)
				expectHeldBack(t, s.get(t))
				s.expectCount(t, 1)
			},
		},
		{
			name:  "with default_wait: 0s an answer without a hint shuts nothing",
			route: "throttle: {default_wait: 0s}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(429, "slow down"))
				s.expectOpenFor429(t, 3, "-")
				s.sum(t, 0, "fender_throttle_gate_shut_total")
			},
		},
		{
			name:  "default_wait doubles while such answers follow each other, and a success resets it",
			route: "throttle: {default_wait: 100ms, max_wait: 25s}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(429, "slow down"))
				for range 4 {
					expect(t, s.get(t), expectation{status: 429, attempts: 1})
				}
				requests := s.up.Requests()
				for i, want := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond} {
					atLeast(t, "the next call", requests[i+1].Arrived.Sub(requests[i].Answered), want)
				}
				s.up.Script(wire.Reply(200, "fine"), wire.Reply(429, "slow down"))
				expect(t, s.get(t), expectation{status: 200, attempts: 1})
				expect(t, s.get(t), expectation{status: 429, attempts: 1})
				if got := s.remaining(t); got > 120*time.Millisecond {
					t.Errorf("got a gate that opens in %v after a success, want default_wait and a fifth at most", got)
				}
			},
		},
		{
			name:  "without a gate everybody goes through, and a 429 is still no failure",
			route: "throttle: null\nbreaker: {consecutive_failures: 1}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(one429("300"))
				s.expectOpenFor429(t, 5, "closed")
				s.sum(t, 0, "fender_breaker_transitions_total")
			},
		},
		{
			name:  "without a gate a caller still waits out its own hint before it retries",
			route: "throttle: null\n" + quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(one429("0.4"), wire.Reply(200, "fine"))
				expect(t, s.get(t), expectation{status: 200, body: "fine", outcome: "retried", attempts: 2})
				atLeast(t, "the retry", waited(t, s), 400*time.Millisecond)
			},
		},
	})
}
