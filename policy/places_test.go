package policy

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Whatever clients and upstreams do, in the end nobody is in flight and nobody
// waits.
func TestNoPlaceIsLost(t *testing.T) {
	for seed := range uint64(4) {
		bubble(t, "under callers that come, leave and run out of time", func(t *testing.T) {
			var mu sync.Mutex
			random := rand.New(rand.NewPCG(seed, 1))
			below := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return random.IntN(n)
			}
			r := newRig(t, func(p *Policy) {
				p.Classify = []Rule{{Status: StatusRange{403, 403}, As: AsThrottled, Wait: 300 * time.Millisecond, Scope: ScopeUpstream}}
				p.Retry.Conditions = append(p.Retry.Conditions, OnStatus(403))
			}, func(req *http.Request) (*http.Response, error) {
				plays := []step{resets, answers(503, ""), answers(403, ""), answers(429, ""), answers(429, "", "Retry-After", "0.2")}
				play := answers(200, "ok")
				if n := below(40); n < len(plays) {
					play = plays[n]
				}
				return after(time.Duration(below(200))*time.Millisecond, play)(req)
			})
			r.Limit, r.Shared.Limit = NewLimit(40, 20), NewLimit(30, 20)
			r.Shared.Rate = NewRate(200, time.Second, 10)
			var all sync.WaitGroup
			for range 600 {
				came, leaves := time.Duration(below(6000))*time.Millisecond, time.Duration(below(2500))*time.Millisecond
				all.Go(func() {
					<-time.After(came)
					ctx, cancel := context.WithTimeout(t.Context(), leaves)
					defer cancel()
					_, _, _ = r.do(ctx, http.MethodGet, nil, 0)
				})
			}
			all.Wait()
			r.wantIdle(t, 40, 30)
			if shuts := r.Gate.Snapshot().Shuts + r.Shared.Gate.Snapshot().Shuts; shuts < 4 || r.script.calls < 50 {
				t.Errorf("got gates shut %d times, %d requests: the test is too tame", shuts, r.script.calls)
			}
		})
	}
}

// A panic is one request's end, and must not take more than that with it.
func TestAPanicGivesBackWhatItsCallWasGiven(t *testing.T) {
	bubble(t, "under the limits, and while calls re-enter", func(t *testing.T) {
		r := newRig(t, nil, answers(429, "", "Retry-After", "1"), func(req *http.Request) (*http.Response, error) {
			connected(req, false)
			panic("in the transport")
		})
		r.Limit, r.Shared.Limit = NewLimit(3, 0), NewLimit(2, 0)
		r.Policy.Retry = nil
		r.Policy.Throttle.Scope = ScopeUpstream
		_, _, _ = r.get(t)
		pass(time.Until(r.Shared.Gate.Until()))
		for i := range 5 {
			func() {
				defer func() { _ = recover() }()
				_, call, err := r.get(t)
				t.Errorf("call %d: got %v, %v without a panic", i, call.Reason, err)
			}()
		}
		r.wantIdle(t, 3, 2)
	})
}

// A client that leaves just as its turn comes has been given a place that it
// does not know of. If that were lost, the trickle would be stuck for ever.
func TestOneWhoLeavesAsItIsLetInGivesItsPlaceBack(t *testing.T) {
	gateBubble(t, "to the next in line", func(t *testing.T, g *testGate) {
		g.shutFor(time.Second)
		g.reopen()
		first := g.now()
		leaves, next := g.comes(time.Minute, 64), g.comes(time.Minute, 64)
		g.mu.Lock() // it cannot look before both have happened
		leaves.goes()
		g.limit++
		g.callIn()
		g.unlock()
		next.isIn(t)
		if !leaves.isGone() || !errors.Is(leaves.err, context.Canceled) {
			t.Errorf("got %v, want the client's end", leaves.err)
		}
		g.leave(first, Neutral)
		g.leave(next.entry, Neutral)
		g.wantIdle(t)
	})
	gateBubble(t, "and one whose time is up as it is let in goes on", func(t *testing.T, g *testGate) {
		g.shutFor(time.Second)
		c := g.comes(time.Until(g.Until()), 64) // to the very moment
		g.mu.Lock()
		g.change(GateReentry, time.Now())
		g.callIn()
		g.unlock()
		c.isIn(t)
		g.leave(c.entry, Success)
		g.wantIdle(t)
	})
}
