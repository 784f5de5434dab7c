package policy

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func observed(set func(*Policy)) func(*Policy) {
	return func(p *Policy) {
		p.Mode = Observe
		if set != nil {
			set(p)
		}
	}
}

// An operator who judges a policy before it acts sees what it would have done,
// and the upstream sees what it always did.
func TestObserveCountsAndLetsThrough(t *testing.T) {
	wantObserved := func(t *testing.T, r *rig, by Refuser, n int) {
		t.Helper()
		if r.tally.observed[by] != n || len(r.tally.observed) > 1 || n == 0 && len(r.tally.observed) > 0 {
			t.Errorf("got %v observed, want %d by the %s", r.tally.observed, n, by)
		}
	}
	bubble(t, "what an open breaker would refuse", func(t *testing.T) {
		r := newRig(t, observed(withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures = 2 })), answers(500, "down"))
		for i := range 10 {
			body, call, err := r.get(t)
			if body != "down" || err != nil || call.Attempts != 1 || call.Reason != ReasonError || call.Wait != 0 {
				t.Errorf("call %d: got %q, %v, %d attempts, %q", i, body, err, call.Attempts, call.Reason)
			}
			if refused := i >= 2; (len(call.Observed) == 1 && call.Observed[0] == RefusedByBreaker) != refused {
				t.Errorf("call %d: got observed %v, want %t", i, call.Observed, refused)
			}
			if want := map[bool]State{true: Open, false: Closed}[i >= 1]; call.Circuit != want {
				t.Errorf("call %d: got circuit %s, want %s", i, call.Circuit, want)
			}
		}
		wantObserved(t, r, RefusedByBreaker, 8)
		if r.script.calls != 10 {
			t.Errorf("got %d requests upstream, want 10", r.script.calls)
		}
	})
	bubble(t, "those beyond the probes, while others are on their way", func(t *testing.T) {
		r := newRig(t, observed(withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures = 1 })),
			answers(500, ""), after(100*time.Millisecond, answers(200, "ok")))
		_, _, _ = r.get(t)
		pass(time.Until(r.Breaker.Until()))
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if body, _, err := r.get(t); body != "ok" || err != nil {
					t.Errorf("got %q, %v", body, err)
				}
			})
		}
		all.Wait()
		wantObserved(t, r, RefusedByBreaker, 4)
	})
	bubble(t, "retries too, while the breaker is open", func(t *testing.T) {
		r := newRig(t, observed(func(p *Policy) {
			retry := p.Retry
			withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures = 1 })(p)
			p.Retry = retry
		}), answers(503, "down"))
		for range 2 {
			if _, call, _ := r.get(t); call.Attempts != 3 {
				t.Errorf("got %d attempts, want 3", call.Attempts)
			}
		}
		wantObserved(t, r, RefusedByBreaker, 1) // a call, however many attempts it makes
	})
	bubble(t, "what a shut gate would refuse, but not what would wait", func(t *testing.T) {
		r := newRig(t, observed(noRetries), answers(429, "", "Retry-After", "10"), answers(200, "ok"))
		_, _, _ = r.get(t)
		opens := r.Gate.Until()
		for range 3 {
			if body, call, err := r.get(t); body != "ok" || err != nil || call.Wait != 0 || call.Attempts != 1 {
				t.Errorf("got %q, %v, %d attempts after %v", body, err, call.Attempts, call.Wait)
			}
		}
		wantObserved(t, r, RefusedByThrottle, 3)
		pass(time.Until(opens) - time.Second)
		_, _, _ = r.get(t) // it would wait for 1 s and no more
		wantObserved(t, r, RefusedByThrottle, 3)
		if s := r.Gate.Snapshot(); s.Shuts != 1 || s.State != GateShut {
			t.Errorf("got %+v, want a gate that has been shut once", s)
		}
	})
	// They would not have been sent: their answers tell nothing new.
	bubble(t, "and a gate that is shut is not shut longer for each of them", func(t *testing.T) {
		r := newRig(t, observed(noRetries), answers(429, ""))
		for range 5 {
			_, _, _ = r.get(t)
		}
		if got := shutFor(r.Gate); got != time.Second {
			t.Errorf("got a gate asked to stay shut for %v, want default_wait, 1s", got)
		}
	})
	bubble(t, "and the gate opens to all as if it acted", func(t *testing.T) {
		r := newRig(t, observed(noRetries), answers(429, "", "Retry-After", "1"), answers(200, "ok"))
		_, _, _ = r.get(t)
		pass(time.Until(r.Gate.Until()))
		for range freeAt {
			_, _, _ = r.get(t)
		}
		if s := r.Gate.Snapshot(); s.State != GateOpen {
			t.Errorf("got gate %s after %d good answers, want open", s.State, freeAt)
		}
		r.wantIdle(t)
	})
	bubble(t, "a repeat that would not be made at a shut gate is made", func(t *testing.T) {
		r := newRig(t, observed(nil), answers(429, "", "Retry-After", "1"), answers(200, "ok"))
		r.Shared.Gate.shut(entry{}, time.Hour, r.Policy.Throttle, "another route")
		if body, call, err := r.get(t); body != "ok" || err != nil || call.Attempts != 2 {
			t.Errorf("got %q, %v, %d attempts", body, err, call.Attempts)
		}
		wantObserved(t, r, RefusedByThrottle, 1)
	})
	bubble(t, "what a limit would refuse", func(t *testing.T) {
		r := newRig(t, observed(noRetries), after(100*time.Millisecond, answers(200, "ok")))
		r.Limit = NewLimit(3, 0) // 2 in flight and 1 that would wait
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if body, call, err := r.get(t); body != "ok" || err != nil || call.Upstream != 100*time.Millisecond || call.Wait != 0 {
					t.Errorf("got %q, %v after %v", body, err, call.Wait)
				}
			})
		}
		all.Wait()
		wantObserved(t, r, RefusedByConcurrency, 7)
		r.wantIdle(t, 3)
	})
	bubble(t, "what a rate would refuse, but not what would wait", func(t *testing.T) {
		r := newRig(t, observed(noRetries), answers(200, "ok"))
		r.Shared.Rate = NewRate(2, time.Second, 1)
		for range 10 {
			if body, call, err := r.get(t); body != "ok" || err != nil || call.Wait != 0 {
				t.Errorf("got %q, %v after %v", body, err, call.Wait)
			}
		}
		wantObserved(t, r, RefusedByThrottle, 7) // one goes, two would wait for half a second and a whole one
	})
	bubble(t, "deadline and retries as they act", func(t *testing.T) {
		r := newRig(t, observed(nil), answers(503, ""), hangs)
		start := time.Now()
		_, call, err := r.get(t)
		if err == nil || call.Attempts != 2 || call.Reason != ReasonTimeout || time.Since(start) != r.Policy.Timeout.Request {
			t.Errorf("got %v, %d attempts, %q after %v", err, call.Attempts, call.Reason, time.Since(start))
		}
		wantObserved(t, r, RefusedByBreaker, 0)
	})
}

func TestWhatIsInForce(t *testing.T) {
	full := func(mode Mode) *Policy {
		p := new(Policy)
		p.SetDefaults()
		p.Mode, p.MaxRequestBody = mode, 7
		p.Classify = []Rule{{As: AsFailure}}
		p.Retry, p.Breaker, p.Concurrency = new(RetryPolicy), new(BreakerPolicy), new(ConcurrencyPolicy)
		p.Retry.SetDefaults()
		p.Breaker.SetDefaults()
		p.Concurrency.SetDefaults()
		p.Complete()
		return p
	}
	for _, mode := range []Mode{Enforce, Observe} {
		if p := full(mode); p.InForce() != p {
			t.Errorf("%s: got another policy, want all of it", mode)
		}
	}
	p := full(Passthrough)
	rest := p.InForce()
	if rest.Retry != nil || rest.Breaker != nil || rest.Throttle != nil || rest.Concurrency != nil || rest.Classify != nil {
		t.Errorf("passthrough: got %+v, want none of these", rest)
	}
	if rest.Mode != Passthrough || rest.Timeout != p.Timeout || rest.Buffer != p.Buffer || rest.RequestBuffer != p.RequestBuffer || rest.MaxRequestBody != 7 {
		t.Errorf("passthrough: got %+v, want deadline and buffering as they are", rest)
	}
	if p.Retry == nil || p.Throttle == nil {
		t.Error("passthrough: got the policy itself changed")
	}
	bubble(t, "passed through, a call has its deadline and no more", func(t *testing.T) {
		r := newRig(t, nil, answers(429, "slow down", "Retry-After", "1"), answers(503, "down"), answers(200, "oops"), hangs)
		p := full(Passthrough)
		p.Classify = []Rule{{Contains: "oops", As: AsFailure}}
		r.Transport = &Transport{Policy: p.InForce(), Upstream: r.script, Fresh: r.fresh, Observer: r.tally}
		for _, want := range []string{"slow down", "down", "oops"} {
			body, call, err := r.do(t.Context(), http.MethodPut, strings.NewReader("x"), 1)
			if body != want || err != nil || call.Attempts != 1 || call.Circuit != "" || call.Wait != 0 {
				t.Errorf("got %q, %v, %d attempts, circuit %q, want %q", body, err, call.Attempts, call.Circuit, want)
			}
		}
		start := time.Now()
		if _, call, _ := r.get(t); call.Reason != ReasonTimeout || time.Since(start) != p.Timeout.Request {
			t.Errorf("got %q after %v, want a timeout", call.Reason, time.Since(start))
		}
	})
}
