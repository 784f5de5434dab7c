package blackbox_test

import (
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// shut has the upstream answer one call of a route without retries with a 429 and this Retry-After, which shuts the gate,
// and from then on with 200.
func (s *stage) shut(t *testing.T, hint string) {
	t.Helper()
	s.up.Script(wire.Reply(429, "slow down", "Retry-After: "+hint), wire.Reply(200, "fine"))
	answer := s.get(t)
	expect(t, answer, expectation{status: 429, body: "slow down", outcome: "upstream", reason: "-", attempts: 1, error: "-"})
	field(t, answer, "Retry-After", hint)
}

// expectHeldBack looks at the answer to a call that the gate kept from the upstream.
func expectHeldBack(t *testing.T, answer *wire.Response) {
	t.Helper()
	expect(t, answer, expectation{status: 503, outcome: "refused", reason: "throttled", attempts: 0, error: "error=destination_unavailable"})
	expectProblem(t, answer)
	retryAfter(t, answer)
}

// send makes calls to the scene's path on connections that the test holds, and gives the answers as they come.
func (s *stage) send(t *testing.T, calls int) ([]*wire.Client, <-chan *wire.Response) {
	t.Helper()
	answers := make(chan *wire.Response, calls)
	clients := make([]*wire.Client, calls)
	for i := range clients {
		clients[i] = wire.Dial(t, s.Proxy)
		clients[i].Send(wire.Compose("GET", s.path, ""))
		go func() {
			answer, _ := clients[i].Next("GET")
			answers <- answer
		}()
	}
	return clients, answers
}

// leave ends the clients' connections.
func leave(clients []*wire.Client) {
	for _, client := range clients {
		client.Close()
	}
}

func TestTheGateHoldsBackTheOthers(t *testing.T) {
	play(t, []scene{
		{
			name: "one 429 with a Retry-After holds back every other caller of the route",
			run: func(t *testing.T, s *stage) {
				s.shut(t, "300")
				answers := s.ask(20)
				for range 20 {
					answer := one(t, answers)
					expectHeldBack(t, answer)
					if got := retryAfter(t, answer); got > 301 {
						t.Errorf("got Retry-After %d, want at most 301 for 300 and a second", got)
					}
				}
				for _, method := range []string{"HEAD", "OPTIONS", "PUT", "DELETE", "POST"} {
					expect(t, s.do(t, method, ""), expectation{status: 503, outcome: "refused", reason: "throttled", attempts: 0})
				}
				s.expectCount(t, 1)
				s.sum(t, 20, "fender_requests_total", "method", "GET", "code", "503", "outcome", "refused")
				s.sum(t, 1, "fender_upstream_attempts_total")
			},
		},
		{
			name:  "a held-back caller gets the fallback that there is for throttled",
			route: standIn,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(429, "slow down", "Retry-After: 300"))
				answer := s.get(t)
				expect(t, answer, expectation{status: 200, body: substitute, outcome: "fallback", reason: "throttled", attempts: 1, error: "received-status=429"})
				answer = s.get(t)
				expect(t, answer, expectation{status: 200, body: substitute, outcome: "fallback", reason: "throttled", attempts: 0, error: "error=destination_unavailable"})
				retryAfter(t, answer)
				expectHeldBack(t, s.do(t, "POST", "order"))
				s.expectCount(t, 1)
				s.sum(t, 2, "fender_fallbacks_total", "reason", "throttled", "source", "static")
			},
		},
		{
			name:  "held-back callers wait for a gate that opens within max_wait",
			route: "throttle: {max_wait: 25s}",
			run: func(t *testing.T, s *stage) {
				s.shut(t, "0.5")
				answers := s.ask(5)
				for range 5 {
					expect(t, one(t, answers), expectation{status: 200, body: "fine", outcome: "upstream", reason: "-", attempts: 1})
				}
				s.expectCount(t, 6)
				shut := s.request(t, 0).Answered
				for _, request := range s.up.Requests()[1:] {
					atLeast(t, "a held-back call", request.Arrived.Sub(shut), 500*time.Millisecond)
				}
			},
		},
		{
			name:  "the caller whose own answer was the 429 retries when its hint is over, as the others who waited",
			route: "throttle: {max_wait: 25s}\nretry: {max_retries: 1, backoff: {initial: 1ms, max: 2ms}}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(429, "slow down", "Retry-After: 0.5"), wire.Reply(200, "fine"))
				first := s.ask(1)
				s.sum(t, 1, "fender_throttle_gate_shut_total")
				expect(t, s.get(t), expectation{status: 200, body: "fine", outcome: "upstream", attempts: 1})
				expect(t, one(t, first), expectation{status: 200, body: "fine", outcome: "retried", attempts: 2})
				s.expectCount(t, 3)
				for _, request := range s.up.Requests()[1:] {
					atLeast(t, "another request", request.Arrived.Sub(s.request(t, 0).Answered), 500*time.Millisecond)
				}
			},
		},
		{
			name:  "beyond max_pending callers are answered at once, and one who leaves gives its place back",
			route: "timeout: {request: 1h}\nthrottle: {max_wait: 1h, max_pending: 2}",
			run: func(t *testing.T, s *stage) {
				s.shut(t, "300")
				clients, answers := s.send(t, 5)
				for range 3 {
					expectHeldBack(t, one(t, answers))
				}
				s.sum(t, 2, "fender_requests_in_flight")
				leave(clients)
				s.sum(t, 0, "fender_requests_in_flight")
				s.sum(t, 2, "fender_requests_total", "code", "499")

				clients, _ = s.send(t, 2)
				s.sum(t, 2, "fender_requests_in_flight")
				leave(clients)
				s.sum(t, 4, "fender_requests_total", "code", "499")
				s.sum(t, 3, "fender_requests_total", "code", "503", "outcome", "refused")
				s.sum(t, 0, "fender_requests_in_flight")
				s.expectCount(t, 1)
			},
		},
		{
			name:  "max_pending: 0 lets nobody wait",
			route: "throttle: {max_wait: 25s, max_pending: 0}",
			run: func(t *testing.T, s *stage) {
				s.shut(t, "20")
				answer := s.get(t)
				expectHeldBack(t, answer)
				atOnce(t, answer)
			},
		},
	})
}

func TestNoWaitAtTheGateIsBegunThatCannotFit(t *testing.T) {
	play(t, []scene{
		{
			name:  "a caller whose Fender-Timeout-Ms is over before the gate opens is answered at once",
			route: "timeout: {request: 1h}\nthrottle: {max_wait: 1h}",
			run: func(t *testing.T, s *stage) {
				s.shut(t, "300")
				answer := s.get(t, "Fender-Timeout-Ms: 60000")
				expectHeldBack(t, answer)
				atOnce(t, answer)
				s.expectCount(t, 1)
			},
		},
		{
			name:  "a caller with less than min_attempt left when the gate opens is answered at once",
			route: "timeout: {request: 1h}\nthrottle: {max_wait: 1h}\nretry: {conditions: [502], min_attempt: 59m}",
			run: func(t *testing.T, s *stage) {
				s.shut(t, "300")
				answer := s.get(t)
				expectHeldBack(t, answer)
				atOnce(t, answer)
				s.expectCount(t, 1)
			},
		},
		{
			name:  "a caller whose own hint outlasts its Fender-Timeout-Ms gets the 429 untouched, at once",
			route: "timeout: {request: 1h}\nretry: {max_hint: 1h}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(429, "slow down", "Retry-After: 120", "X-Left: 0"))
				answer := s.get(t, "Fender-Timeout-Ms: 100000")
				expect(t, answer, expectation{status: 429, body: "slow down", outcome: "upstream", reason: "-", attempts: 1})
				field(t, answer, "Retry-After", "120")
				field(t, answer, "X-Left", "0")
				atOnce(t, answer)
				s.expectCount(t, 1)
				s.sum(t, 1, "fender_retries_skipped_total", "reason", "deadline")
			},
		},
		{
			name:  "a retry that the gate would hold back for longer than max_wait is not made",
			route: quick,
			run: func(t *testing.T, s *stage) {
				down, throttled := make(chan struct{}), make(chan struct{})
				s.up.Script(wire.Held(down, wire.Reply(503, "down")), wire.Held(throttled, one429("25")))
				failing := s.ask(1)
				sidecar.Await(t, "upstream has the first call", func() bool { return s.up.Count() == 1 })
				shutting := s.ask(1)
				sidecar.Await(t, "upstream has the second call", func() bool { return s.up.Count() == 2 })
				close(throttled)
				expect(t, one(t, shutting), expectation{status: 429, body: "slow down", attempts: 1})
				close(down)
				answer := one(t, failing)
				expect(t, answer, expectation{status: 503, attempts: 1})
				atOnce(t, answer)
				s.expectCount(t, 2)
				s.sum(t, 1, "fender_retries_skipped_total", "reason", "throttled")
				s.sum(t, 0, "fender_retries_total")
			},
		},
	})
}
