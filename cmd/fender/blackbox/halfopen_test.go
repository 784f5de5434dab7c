package blackbox_test

import (
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// ask makes calls to the scene's path at the same time and gives their answers as they come. A call that gets none
// gives nil.
func (s *stage) ask(calls int) <-chan *wire.Response {
	answers := make(chan *wire.Response, calls)
	for range calls {
		go func() {
			answer, _ := wire.Try(s.Proxy, "GET", s.path, "")
			answers <- answer
		}()
	}
	return answers
}

// one is the next answer of ask.
func one(t *testing.T, answers <-chan *wire.Response) *wire.Response {
	t.Helper()
	answer := <-answers
	if answer == nil {
		t.Fatal("got no answer")
	}
	return answer
}

func TestHalfOpen(t *testing.T) {
	play(t, []scene{
		{
			name:  "of five hundred callers at once no more than the probes reach upstream",
			route: "breaker: {consecutive_failures: 1, open: {initial: 300ms, max: 300ms}, half_open: {probes: 2, successes: 2}}",
			run: func(t *testing.T, s *stage) {
				s.fail(t, 1)
				s.await(t, "half-open")
				released := make(chan struct{})
				s.up.Script(wire.Held(released, wire.Reply(200, "fine")))
				answers := s.ask(500)
				for range 498 {
					answer := one(t, answers)
					expect(t, answer, expectation{status: 503, outcome: "refused", reason: "open", circuit: "half-open", attempts: 0})
					retryAfter(t, answer)
				}
				if now, _ := s.up.InFlight(); now != 2 {
					t.Errorf("got %d probes in flight, want 2", now)
				}
				close(released)
				for range 2 {
					expect(t, one(t, answers), expectation{status: 200, body: "fine", outcome: "upstream", attempts: 1})
				}
				s.expectCount(t, 3)
				if _, most := s.up.InFlight(); most > 2 {
					t.Errorf("got %d requests at a time, want at most 2", most)
				}
				s.await(t, "closed")
				s.sum(t, 1, "fender_breaker_transitions_total", "from", "half-open", "to", "closed")
			},
		},
		{
			name:  "it becomes half-open by itself, and enough successes close it",
			route: "breaker: {consecutive_failures: 1, open: {initial: 200ms, max: 200ms}, half_open: {successes: 3}}",
			run: func(t *testing.T, s *stage) {
				s.fail(t, 1)
				s.await(t, "half-open")
				s.sum(t, 1, "fender_breaker_transitions_total", "from", "open", "to", "half-open")
				s.up.Script(wire.Reply(200, "fine"))
				for _, circuit := range []string{"half-open", "half-open", "closed"} {
					expect(t, s.get(t), expectation{status: 200, body: "fine", outcome: "upstream", circuit: circuit, attempts: 1})
				}
				s.expectCount(t, 4)
			},
		},
		{
			name:  "a failed probe opens it again for twice as long",
			route: "breaker: {consecutive_failures: 1, open: {initial: 300ms, max: 10s}}",
			run: func(t *testing.T, s *stage) {
				s.fail(t, 1)
				for _, want := range []time.Duration{540 * time.Millisecond, 1080 * time.Millisecond} {
					s.await(t, "half-open")
					expect(t, s.get(t), expectation{status: 500, outcome: "upstream", circuit: "open", attempts: 1})
					requests := s.up.Requests()
					s.await(t, "half-open")
					atLeast(t, "half-open again", time.Since(requests[len(requests)-1].Answered), want)
				}
				s.expectCount(t, 3)
			},
		},
		{
			name:  "its open time grows no further than open.max",
			route: "breaker: {consecutive_failures: 1, open: {initial: 1s, max: 2s}}",
			run: func(t *testing.T, s *stage) {
				s.fail(t, 1)
				for range 3 {
					s.await(t, "half-open")
					field(t, s.get(t), "Fender-Circuit", "open")
					if got := retryAfter(t, s.get(t)); got > 3 {
						t.Errorf("got Retry-After %d, want at most 3 for 2s and a tenth", got)
					}
				}
			},
		},
		{
			name:  "a probe is a single attempt",
			route: "breaker: {consecutive_failures: 1, open: {initial: 200ms, max: 200ms}}\n" + quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(503, "down"))
				expect(t, s.get(t), expectation{status: 503, outcome: "retried", circuit: "open", attempts: 4})
				s.await(t, "half-open")
				expect(t, s.get(t), expectation{status: 503, body: "down", outcome: "upstream", circuit: "open", attempts: 1})
				s.expectCount(t, 5)
				s.sum(t, 1, "fender_retries_skipped_total", "reason", "breaker")
			},
		},
		{
			name:  "results of calls that began in an earlier state change nothing",
			route: "breaker: {consecutive_failures: 1, open: {initial: 200ms, max: 200ms}, half_open: {successes: 1}}",
			run: func(t *testing.T, s *stage) {
				good, bad := make(chan struct{}), make(chan struct{})
				s.up.Script(wire.Held(good, wire.Reply(200, "late")))
				late := s.ask(1)
				sidecar.Await(t, "upstream has the first call", func() bool { return s.up.Count() == 1 })
				s.up.Script(wire.Held(bad, wire.Reply(500, "late")))
				later := s.ask(1)
				sidecar.Await(t, "upstream has the second call", func() bool { return s.up.Count() == 2 })
				s.fail(t, 1)
				s.await(t, "half-open")
				before := s.Scrape(t).Sum("fender_breaker_transitions_total", "route", s.route)

				close(good)
				expect(t, one(t, late), expectation{status: 200, body: "late", outcome: "upstream", circuit: "half-open", attempts: 1})
				close(bad)
				expect(t, one(t, later), expectation{status: 500, body: "late", outcome: "upstream", circuit: "half-open", attempts: 1})
				s.sum(t, 2, "fender_requests_total", "code", "500")
				if got := s.state(t); got != "half-open" {
					t.Errorf("got state %s, want half-open", got)
				}
				s.sum(t, before, "fender_breaker_transitions_total")
			},
		},
		{
			name:  "a failure of a call that began while it was closed does not prolong its open time",
			route: "breaker: {consecutive_failures: 1, open: {initial: 1h, max: 4h}}",
			run: func(t *testing.T, s *stage) {
				released := make(chan struct{})
				s.up.Script(wire.Held(released, wire.Reply(500, "late")))
				late := s.ask(3)
				sidecar.Await(t, "upstream has the calls", func() bool { return s.up.Count() == 3 })
				s.fail(t, 1)
				close(released)
				for range 3 {
					expect(t, one(t, late), expectation{status: 500, circuit: "open", attempts: 1})
				}
				if got := retryAfter(t, s.get(t)); got > 3960 {
					t.Errorf("got Retry-After %d, want at most 3960 for 1h and a tenth", got)
				}
				s.sum(t, 1, "fender_breaker_transitions_total")
			},
		},
		{
			name:  "a stuck probe frees its slot after half_open.timeout",
			route: "breaker: {consecutive_failures: 1, open: {initial: 200ms, max: 200ms}, half_open: {timeout: 300ms, successes: 1}}",
			run: func(t *testing.T, s *stage) {
				s.fail(t, 1)
				s.await(t, "half-open")
				s.up.Script(wire.Silent(), wire.Reply(200, "fine"))
				begun := time.Now()
				stuck := s.ask(1)
				sidecar.Await(t, "upstream has the probe", func() bool { return s.up.Count() == 2 })
				sidecar.Await(t, "another probe is let through", func() bool { return s.get(t).StatusCode == 200 })
				atLeast(t, "the other probe", s.request(t, 2).Arrived.Sub(begun), 300*time.Millisecond)
				s.await(t, "closed")
				s.up.Close()
				<-stuck
			},
		},
		{
			name:  "a probe whose client leaves gives its slot back",
			route: "breaker: {consecutive_failures: 1, open: {initial: 200ms, max: 200ms}}",
			run: func(t *testing.T, s *stage) {
				s.fail(t, 1)
				s.await(t, "half-open")
				s.up.Script(wire.Silent(), wire.Reply(200, "fine"))
				client := wire.Dial(t, s.Proxy)
				client.Send(wire.Compose("GET", s.path, ""))
				sidecar.Await(t, "upstream has the probe", func() bool { return s.up.Count() == 2 })
				client.Close()
				s.sum(t, 1, "fender_requests_total", "code", "499")
				if got := s.state(t); got != "half-open" {
					t.Errorf("got state %s, want half-open", got)
				}
				expect(t, s.get(t), expectation{status: 200, body: "fine", attempts: 1})
			},
		},
		{
			name:  "upload that stalls gives its probe's slot back",
			route: "timeout: {request: 2s}\nbreaker: {consecutive_failures: 1, open: {initial: 200ms, max: 200ms}}",
			run: func(t *testing.T, s *stage) {
				s.fail(t, 1)
				s.await(t, "half-open")
				client := wire.Dial(t, s.Proxy)
				client.Send(wire.Compose("POST", s.path, "part", "Content-Length: 100"))
				expect(t, client.Read(t, "POST"), expectation{status: 408, attempts: -1})
				s.up.Script(wire.Reply(200, "fine"))
				expect(t, s.get(t), expectation{status: 200, body: "fine", attempts: 1})
			},
		},
	})
}
