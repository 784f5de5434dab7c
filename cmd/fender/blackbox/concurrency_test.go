package blackbox_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// refused is what a caller gets for whom there is neither a place nor one in the queue.
var refused = expectation{status: 503, outcome: "refused", reason: "overloaded", attempts: 0, error: "error=connection_limit_reached"}

// occupy makes as many calls, which the upstream holds until they are released, and returns once it has them all.
func (s *stage) occupy(t *testing.T, calls int) (answers <-chan *wire.Response, release func()) {
	t.Helper()
	released := make(chan struct{})
	s.up.Script(wire.Held(released, wire.Reply(200, "fine")))
	before := s.up.Count()
	answers = s.ask(calls)
	sidecar.Await(t, fmt.Sprintf("upstream has %d calls more", calls), func() bool { return s.up.Count() == before+calls })
	return answers, sync.OnceFunc(func() { close(released) })
}

// begin makes one call below the scene's path and gives its answer when it comes, or nil if none does.
func (s *stage) begin(below string, fields ...string) <-chan *wire.Response {
	answers := make(chan *wire.Response, 1)
	go func() {
		answer, _ := wire.Try(s.Proxy, "GET", s.path+below, "", fields...)
		answers <- answer
	}()
	return answers
}

// pending waits until as many callers wait for a place.
func (s *stage) pending(t *testing.T, want float64) {
	t.Helper()
	s.sum(t, want, "fender_concurrency_pending")
}

// overlap is the most requests that the upstream had at a time and later answered.
func (s *stage) overlap() int {
	most := 0
	requests := s.up.Requests()
	for _, r := range requests {
		now := 0
		for _, other := range requests {
			if !other.Arrived.After(r.Arrived) && other.Answered.After(r.Arrived) {
				now++
			}
		}
		most = max(most, now)
	}
	return most
}

// allFine takes as many answers, all of which the upstream gave.
func allFine(t *testing.T, answers <-chan *wire.Response, calls int) {
	t.Helper()
	for range calls {
		expect(t, one(t, answers), expectation{status: 200, body: "fine", outcome: "upstream", reason: "-", attempts: 1})
	}
}

func TestConcurrency(t *testing.T) {
	play(t, []scene{
		{
			name:  "a call beyond max_requests is refused at once, and no breaker hears of it",
			route: "concurrency: {max_requests: 2}\nbreaker: {consecutive_failures: 1, failure_rate: {threshold: 0.01, min_calls: 1}}",
			run: func(t *testing.T, s *stage) {
				answers, release := s.occupy(t, 2)
				want := refused
				want.circuit = "closed"
				for range 5 {
					answer := s.get(t)
					expect(t, answer, want)
					expectProblem(t, answer, s.up.Addr)
					field(t, answer, "Retry-After", "-")
					atOnce(t, answer)
				}
				s.expectCount(t, 2)
				release()
				allFine(t, answers, 2)
				sidecar.Await(t, "a place is free again", func() bool { return s.get(t).StatusCode == 200 })
				s.sum(t, 0, "fender_breaker_transitions_total")
				s.sum(t, 0, "fender_upstream_attempts_total", "result", "5xx")
				line := s.AwaitLine(t, "msg", "request", "route", s.route, "outcome", "refused")
				if line.Text("reason") != "overloaded" || line.Text("attempts") != "0" {
					t.Errorf("got %v in the log, want reason overloaded and no attempts", line)
				}
			},
		},
		{
			name:  "the fallback stands in for a call beyond it",
			route: "concurrency: {max_requests: 1}\n" + standIn,
			run: func(t *testing.T, s *stage) {
				answers, release := s.occupy(t, 1)
				answer := s.get(t)
				expect(t, answer, expectation{status: 200, body: substitute, outcome: "fallback", reason: "overloaded", attempts: 0, error: "error=connection_limit_reached"})
				field(t, answer, "Retry-After", "-")
				s.expectCount(t, 1)
				s.sum(t, 1, "fender_fallbacks_total", "reason", "overloaded", "source", "static")
				release()
				allFine(t, answers, 1)
			},
		},
		{
			name:     "without numbers it is 256 and none waits",
			upstream: "dial_timeout: 20s", // so many at once take their time on a small machine
			route:    "concurrency: {}",
			run: func(t *testing.T, s *stage) {
				answers, release := s.occupy(t, 256)
				expect(t, s.get(t), refused)
				release()
				allFine(t, answers, 256)
			},
		},
		{
			name:     "max_requests 0 is no limit",
			upstream: "dial_timeout: 20s",
			route:    "concurrency: {max_requests: 0}",
			run: func(t *testing.T, s *stage) {
				answers, release := s.occupy(t, 300)
				release()
				allFine(t, answers, 300)
			},
		},
		{
			name:  "a streamed answer holds its place until its end",
			route: "concurrency: {max_requests: 1}",
			run: func(t *testing.T, s *stage) {
				released := make(chan struct{})
				s.up.Script(events(released), wire.Reply(200, "fine"))
				client := wire.Dial(t, s.Proxy)
				client.Send(wire.Compose("GET", s.path, ""))
				answer := client.Head(t, "GET")
				expect(t, s.get(t), refused)
				s.expectCount(t, 1)
				close(released)
				if _, err := answer.Body.Read(make([]byte, 1)); err != nil {
					t.Errorf("got %v of the stream, want its event", err)
				}
				sidecar.Await(t, "the stream's place is free", func() bool { return s.get(t).StatusCode == 200 })
			},
		},
		{
			name:  "a streamed answer whose client leaves gives its place back",
			route: "concurrency: {max_requests: 1}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(events(nil), wire.Reply(200, "fine"))
				client := wire.Dial(t, s.Proxy)
				client.Send(wire.Compose("GET", s.path, ""))
				client.Head(t, "GET")
				client.Close()
				sidecar.Await(t, "the stream's place is free", func() bool { return s.get(t).StatusCode == 200 })
			},
		},
		{
			name:  "a place is not held between two attempts",
			route: "concurrency: {max_requests: 1, max_pending: 1}\nthrottle: null\nretry: {max_retries: 1}",
			run: func(t *testing.T, s *stage) {
				first, second := make(chan struct{}), make(chan struct{})
				s.up.Script(wire.Held(first, wire.Reply(429, "slow down", "Retry-After: 0.1")), wire.Held(second, wire.Reply(200, "between")), wire.Reply(200, "fine"))
				retried := s.begin("/retried")
				sidecar.Await(t, "upstream has the first try", func() bool { return s.up.Count() == 1 })
				between := s.begin("/between")
				s.pending(t, 1)
				close(first)
				sidecar.Await(t, "another call has the place", func() bool { return s.up.Count() == 2 })
				if got := s.request(t, 1).Target; !strings.HasSuffix(got, "/between") {
					t.Errorf("got %s as the second request, want the one between", got)
				}
				s.pending(t, 1) // the retry
				close(second)
				expect(t, one(t, between), expectation{status: 200, body: "between", outcome: "upstream", attempts: 1})
				expect(t, one(t, retried), expectation{status: 200, body: "fine", outcome: "retried", attempts: 2})
				s.pending(t, 0)
			},
		},
		{
			name:  "a retry that finds no place is skipped, and the last answer stands",
			route: "concurrency: {max_requests: 1}\nthrottle: null\nretry: {max_retries: 1, max_hint: 5s}",
			run: func(t *testing.T, s *stage) {
				released := make(chan struct{})
				s.up.Script(wire.Reply(429, "slow down", "Retry-After: 2"), wire.Held(released, wire.Reply(200, "fine")))
				retried := s.begin("/retried")
				s.sum(t, 1, "fender_upstream_attempts_total")
				between := s.begin("/between")
				sidecar.Await(t, "another call has the place", func() bool { return s.up.Count() == 2 })
				if strings.HasSuffix(s.arrived(t).Target, "/retried") {
					close(released)
					t.Skip("this machine let two seconds pass before the other call")
				}
				expect(t, one(t, retried), expectation{status: 429, body: "slow down", outcome: "upstream", reason: "-", attempts: 1})
				s.sum(t, 1, "fender_retries_skipped_total", "reason", "overloaded")
				close(released)
				allFine(t, between, 1)
				s.expectCount(t, 2)
			},
		},
	})
}

// events answers with a stream whose first event comes at once and whose second, which ends it, when the channel is closed.
func events(released <-chan struct{}) wire.Answer {
	return func(x *wire.Exchange) {
		x.ReadBody()
		x.Write(wire.Head(200, "Content-Type: text/event-stream", "Connection: close") + "data: 1\n\n")
		if x.WaitFor(released) {
			x.Write("data: 2\n\n")
			x.Close()
		}
	}
}
