package blackbox_test

import (
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// recovering is a breaker that opens on the first failure and closes soon, with the first good probe.
const recovering = "breaker: {consecutive_failures: 1, open: {initial: 200ms, max: 200ms}, half_open: {successes: 1}}\n"

func TestRecovery(t *testing.T) {
	play(t, []scene{
		{
			name:  "lets fifty waiting callers in one at a time at first, and one more for each success",
			route: recovering + "throttle: {max_wait: 25s}",
			run: func(t *testing.T, s *stage) {
				s.recovered(t)
				before := s.up.Count()
				turns := make(chan struct{})
				s.up.Script(wire.Held(turns, wire.Reply(200, "fine")))
				answers := s.ask(50)
				s.sum(t, 50, "fender_requests_in_flight")
				done := 0
				for range 4 {
					sidecar.Await(t, "all that may are in", func() bool { return s.up.Count() == before+2*done+1 })
					turns <- struct{}{}
					done++
					allFine(t, answers, 1)
				}
				close(turns)
				allFine(t, answers, 46)
				s.expectCount(t, before+50)
				if got := s.state(t); got != "closed" {
					t.Errorf("got state %s, want closed", got)
				}
			},
		},
		{
			name:  "never has more in flight than one and the successes so far",
			route: recovering + "throttle: {max_wait: 25s}",
			run: func(t *testing.T, s *stage) {
				s.recovered(t)
				before := s.up.Count()
				allFine(t, s.ask(60), 60)
				requests := s.up.Requests()[before:]
				for _, r := range requests {
					ended, inFlight := 0, 0
					for _, other := range requests {
						switch {
						case !other.Answered.After(r.Arrived):
							ended++
						case !other.Arrived.After(r.Arrived):
							inFlight++
						}
					}
					if inFlight > 1+ended {
						t.Errorf("got %d in flight after %d successes, want at most %d", inFlight, ended, 1+ended)
					}
				}
			},
		},
		{
			name:  "is free after sixty-four successes",
			route: recovering,
			run: func(t *testing.T, s *stage) {
				s.recovered(t)
				for range 64 {
					expect(t, s.get(t), expectation{status: 200, body: "fine", circuit: "closed", attempts: 1})
				}
				answers, release := s.occupy(t, 100)
				release()
				allFine(t, answers, 100)
			},
		},
		{
			name:  "refuses callers beyond max_pending at once",
			route: recovering + "throttle: {max_wait: 25s, max_pending: 5}",
			run: func(t *testing.T, s *stage) {
				s.recovered(t)
				before := s.up.Count()
				released := make(chan struct{})
				s.up.Script(wire.Held(released, wire.Reply(200, "fine")))
				answers := s.ask(20)
				want := limited
				want.circuit = "closed"
				for range 14 {
					answer := one(t, answers)
					expect(t, answer, want)
					expectProblem(t, answer, s.up.Addr)
					retryAfter(t, answer)
				}
				sidecar.Await(t, "the one that is in has arrived", func() bool { return s.up.Count() > before })
				s.expectCount(t, before+1)
				close(released)
				allFine(t, answers, 6)
			},
		},
		{
			name:  "answers callers that have waited for max_wait",
			route: recovering + "throttle: {max_wait: 300ms}",
			run: func(t *testing.T, s *stage) {
				s.recovered(t)
				before := s.up.Count()
				answers, release := s.occupy(t, 1)
				for range 2 {
					answer := s.get(t)
					expect(t, answer, limited)
					retryAfter(t, answer)
				}
				s.expectCount(t, before+1)
				release()
				allFine(t, answers, 1)
			},
		},
		{
			name:  "opens again when the first call that is let in fails, and nobody else goes upstream",
			route: recovering + "throttle: {max_wait: 25s}",
			run: func(t *testing.T, s *stage) {
				s.recovered(t)
				before := s.up.Count()
				released := make(chan struct{})
				s.up.Script(wire.Held(released, wire.Reply(500, "broken")), wire.Silent())
				first := s.begin("")
				sidecar.Await(t, "upstream has the first call", func() bool { return s.up.Count() == before+1 })
				answers := s.ask(9)
				s.sum(t, 10, "fender_requests_in_flight")
				s.expectCount(t, before+1)
				close(released)
				expect(t, one(t, first), expectation{status: 500, body: "broken", outcome: "upstream", attempts: 1})
				for range 8 { // the ninth may be a probe, which is held
					expect(t, one(t, answers), expectation{status: 503, outcome: "refused", reason: "open", attempts: 0})
				}
				if got := s.up.Count(); got > before+2 {
					t.Errorf("got %d calls upstream, want the first and at most one probe", got-before)
				}
			},
		},
		{
			name:  "lets all in at once where throttle is null",
			route: recovering + "throttle: null",
			run: func(t *testing.T, s *stage) {
				s.recovered(t)
				answers, release := s.occupy(t, 50)
				release()
				allFine(t, answers, 50)
			},
		},
	})
}

func TestTheRecoveryOfAnUpstream(t *testing.T) {
	playDuets(t, []duet{{
		name:     "lets the callers of all its routes in one at a time at first",
		upstream: "policy:\n  breaker: {scope: upstream, consecutive_failures: 1, open: {initial: 200ms, max: 200ms}, half_open: {successes: 1}}\n  throttle: {max_wait: 25s}",
		run: func(t *testing.T, a, b *stage) {
			a.recovered(t)
			turns := make(chan struct{})
			a.up.Script(wire.Held(turns, wire.Reply(200, "fine")))
			first, second := a.ask(5), b.ask(5)
			for _, s := range []*stage{a, b} {
				s.sum(t, 5, "fender_requests_in_flight")
			}
			a.expectCount(t, 3) // what failed, what closed the breaker, and one
			turns <- struct{}{}
			sidecar.Await(t, "two are in", func() bool { return a.up.Count() == 5 })
			close(turns)
			allFine(t, first, 5)
			allFine(t, second, 5)
		},
	}})
}
