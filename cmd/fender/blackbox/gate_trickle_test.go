package blackbox_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// expectTrickle lets ten waiting calls through one by one and looks that the first is alone at the upstream and that each
// success makes room for one more.
func (s *stage) expectTrickle(t *testing.T) {
	t.Helper()
	turn := make(chan struct{})
	s.up.Script(wire.Held(turn, wire.Reply(200, "fine")))
	answers := s.ask(10)
	s.sum(t, 10, "fender_requests_in_flight")
	for limit := 1; limit <= 4; limit++ {
		s.expectInFlight(t, limit)
		next(t, turn)
		expect(t, one(t, answers), expectation{status: 200, body: "fine", outcome: "upstream", attempts: 1})
	}
	close(turn)
	for range 6 {
		expect(t, one(t, answers), expectation{status: 200, body: "fine", outcome: "upstream", attempts: 1})
	}
}

// expectInFlight waits until this many requests are at the upstream, and fails the test if there ever were more.
func (s *stage) expectInFlight(t *testing.T, want int) {
	t.Helper()
	sidecar.Await(t, fmt.Sprintf("%d are in flight", want), func() bool {
		now, _ := s.up.InFlight()
		return now >= want
	})
	if _, most := s.up.InFlight(); most > want {
		t.Errorf("got %d requests in flight, want %d", most, want)
	}
}

// next lets one answer go that is held until its turn.
func next(t *testing.T, turn chan<- struct{}) {
	t.Helper()
	select {
	case turn <- struct{}{}:
	case <-time.After(20 * time.Second):
		t.Fatal("got no request at the upstream whose turn it is, want one")
	}
}

func TestRequestsReenterAtATrickle(t *testing.T) {
	play(t, []scene{
		{
			name:  "one is in flight when the gate opens, and one more for each success",
			route: "throttle: {max_wait: 25s}",
			run: func(t *testing.T, s *stage) {
				s.shut(t, "0.2")
				s.expectTrickle(t)
				s.expectCount(t, 11)
			},
		},
		{
			name:  "a 429 shuts it again, and those who waited are answered at once if that is too long",
			route: "throttle: {max_wait: 25s}",
			run: func(t *testing.T, s *stage) {
				s.shut(t, "0.2")
				turn := make(chan struct{})
				s.up.Script(wire.Held(turn, one429("300")))
				answers := s.ask(5)
				s.sum(t, 5, "fender_requests_in_flight")
				next(t, turn)
				throttled := 0
				for range 5 {
					answer := one(t, answers)
					atOnce(t, answer)
					if answer.StatusCode == 429 {
						throttled++
						continue
					}
					expectHeldBack(t, answer)
				}
				if throttled != 1 {
					t.Errorf("got %d callers with the 429, want 1", throttled)
				}
				s.expectCount(t, 2)
				s.sum(t, 2, "fender_throttle_gate_shut_total")
			},
		},
		{
			name:  "it begins at one again after each 429",
			route: "throttle: {max_wait: 25s}",
			run: func(t *testing.T, s *stage) {
				for range 2 {
					s.shut(t, "0.1")
					for range 5 {
						expect(t, s.get(t), expectation{status: 200, body: "fine", attempts: 1})
					}
				}
				s.shut(t, "0.1")
				s.expectTrickle(t)
			},
		},
		{
			name:  "a success of a call from before it was shut makes no room",
			route: "throttle: {max_wait: 25s}",
			run: func(t *testing.T, s *stage) {
				turn := make(chan struct{})
				s.up.Script(wire.Held(turn, wire.Reply(200, "late")))
				var late []<-chan *wire.Response
				for range 3 {
					late = append(late, s.underWay(t))
				}
				s.shut(t, "1")
				close(turn)
				for _, answers := range late {
					expect(t, one(t, answers), expectation{status: 200, body: "late", attempts: 1})
				}
				released := make(chan struct{})
				s.up.Script(wire.Held(released, wire.Reply(200, "fine")))
				answers := s.ask(4)
				s.sum(t, 4, "fender_requests_in_flight")
				sidecar.Await(t, "upstream has the first call", func() bool { return s.up.Count() > 4 })
				if now, _ := s.up.InFlight(); now != 1 {
					t.Errorf("got %d requests in flight, want 1", now)
				}
				close(released)
				for range 4 {
					expect(t, one(t, answers), expectation{status: 200, body: "fine", attempts: 1})
				}
			},
		},
		{
			name:  "a caller waits for its turn no longer than max_wait",
			route: "throttle: {max_wait: 400ms}",
			run: func(t *testing.T, s *stage) {
				s.shut(t, "0.1")
				turn := make(chan struct{})
				s.up.Script(wire.Held(turn, wire.Reply(200, "fine")))
				first := s.underWay(t)
				answer := s.get(t, "X-Request-Id: turn-1")
				expectHeldBack(t, answer)
				atLeast(t, "the answer", answer.Elapsed, 400*time.Millisecond)
				atOnce(t, answer)
				if got, _ := s.AwaitLine(t, "msg", "request", "request_id", "turn-1")["wait_ms"].(float64); got < 400 {
					t.Errorf("got wait_ms %v in the log, want at least 400", got)
				}
				close(turn)
				expect(t, one(t, first), expectation{status: 200, attempts: 1})
				s.expectCount(t, 2)
			},
		},
		{
			name:  "a caller that leaves while it waits for its turn takes none",
			route: "throttle: {max_wait: 25s}",
			run: func(t *testing.T, s *stage) {
				s.shut(t, "0.1")
				turn := make(chan struct{})
				s.up.Script(wire.Held(turn, wire.Reply(200, "fine")))
				first := s.underWay(t)
				clients, _ := s.send(t, 3)
				s.sum(t, 4, "fender_requests_in_flight")
				leave(clients)
				s.sum(t, 3, "fender_requests_total", "code", "499")
				close(turn)
				expect(t, one(t, first), expectation{status: 200, attempts: 1})
				expect(t, s.get(t), expectation{status: 200, attempts: 1})
				s.expectCount(t, 3)
			},
		},
		{
			name:  "a caller that leaves while upstream has its request gives its turn back",
			route: "throttle: {max_wait: 25s}",
			run: func(t *testing.T, s *stage) {
				s.shut(t, "0.1")
				s.up.Script(wire.Silent(), wire.Reply(200, "fine"))
				clients, _ := s.send(t, 1)
				sidecar.Await(t, "upstream has the call", func() bool { return s.up.Count() == 2 })
				leave(clients)
				expect(t, s.get(t), expectation{status: 200, body: "fine", attempts: 1})
				s.sum(t, 1, "fender_requests_total", "code", "499")
			},
		},
		{
			name:  "after 64 successes nobody waits any more, and the log tells each change",
			route: "throttle: {max_wait: 25s}",
			run: func(t *testing.T, s *stage) {
				s.shut(t, "0.1")
				for range 64 {
					expect(t, s.get(t), expectation{status: 200, attempts: 1})
				}
				s.AwaitLine(t, "msg", "gate", "route", s.route, "state", "open")
				var states []string
				for _, line := range s.Lines("msg", "gate", "route", s.route) {
					states = append(states, line.Text("state"))
				}
				if got, want := fmt.Sprint(states), "[shut reentry open]"; got != want {
					t.Errorf("got states %s in the log, want %s", got, want)
				}
				turn := make(chan struct{})
				s.up.Script(wire.Held(turn, wire.Reply(200, "fine")))
				answers := s.ask(80)
				s.expectInFlight(t, 80)
				close(turn)
				for range 80 {
					expect(t, one(t, answers), expectation{status: 200, attempts: 1})
				}
			},
		},
		{
			name:  "the same goes for a breaker that closes",
			route: "throttle: {max_wait: 25s}\nbreaker: {consecutive_failures: 1, open: {initial: 200ms, max: 200ms}, half_open: {successes: 1}}",
			run: func(t *testing.T, s *stage) {
				s.recover(t)
				s.expectTrickle(t)
			},
		},
		{
			name:  "without a gate nobody waits behind a breaker that closes",
			route: "throttle: null\nbreaker: {consecutive_failures: 1, open: {initial: 200ms, max: 200ms}, half_open: {successes: 1}}",
			run: func(t *testing.T, s *stage) {
				s.recover(t)
				turn := make(chan struct{})
				s.up.Script(wire.Held(turn, wire.Reply(200, "fine")))
				answers := s.ask(10)
				s.expectInFlight(t, 10)
				close(turn)
				for range 10 {
					expect(t, one(t, answers), expectation{status: 200, attempts: 1})
				}
			},
		},
	})
}

// recover opens the scene's breaker and lets one probe close it.
func (s *stage) recover(t *testing.T) {
	t.Helper()
	s.fail(t, 1)
	s.await(t, "half-open")
	s.up.Script(wire.Reply(200, "fine"))
	expect(t, s.get(t), expectation{status: 200, circuit: "closed", attempts: 1})
}
