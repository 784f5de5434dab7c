package policy

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"
)

// One answer holds for all who share the gate, not only for the caller that got
// it.
func TestOneAnswerHoldsEverybodyBack(t *testing.T) {
	alone := func(set func(*Policy)) func(*Policy) {
		return func(p *Policy) {
			p.Retry = nil
			if set != nil {
				set(p)
			}
		}
	}
	wantRefused := func(t *testing.T, r *rig) {
		t.Helper()
		came := time.Now()
		_, call, err := r.get(t)
		if _, ok := errors.AsType[*ShutError](err); !ok || call.Reason != ReasonThrottled || call.Attempts != 0 || call.Class != Neutral || time.Since(came) != 0 {
			t.Errorf("got %v, %q, %d attempts, class %v after %v", err, call.Reason, call.Attempts, call.Class, time.Since(came))
		}
	}
	bubble(t, "at once where it takes too long", func(t *testing.T) {
		r := newRig(t, alone(nil), answers(429, "", "Retry-After", "10"), answers(200, "ok"))
		_, first, _ := r.get(t)
		for range 3 {
			wantRefused(t, r)
		}
		if opens := r.Gate.Until(); !first.RetryAt.Equal(opens) {
			t.Errorf("got worth asking again at %v, want %v", first.RetryAt, opens)
		}
		pass(time.Until(r.Gate.Until()) - time.Second)
		came := time.Now()
		body, call, err := r.get(t)
		if body != "ok" || err != nil || call.Wait != time.Second || time.Since(came) != time.Second || call.Attempts != 1 {
			t.Errorf("got %q, %v after %v, want ok after 1s", body, err, call.Wait)
		}
		if r.script.calls != 2 {
			t.Errorf("got %d requests upstream, want 2", r.script.calls)
		}
		r.wantIdle(t)
	})
	bubble(t, "no longer than an attempt fits behind it", func(t *testing.T) {
		r := newRig(t, alone(func(p *Policy) { p.Timeout.Request = 840 * time.Millisecond }), answers(429, "", "Retry-After", "0.8"), answers(200, "ok"))
		_, _, _ = r.get(t)
		wantRefused(t, r)
	})
	bubble(t, "of other routes only where that is said", func(t *testing.T) {
		a := newRig(t, alone(nil), answers(429, "", "Retry-After", "10"))
		b := newRig(t, alone(nil), answers(200, "ok"))
		b.Shared.Gate = a.Shared.Gate
		_, _, _ = a.get(t)
		if body, _, err := b.get(t); body != "ok" || err != nil {
			t.Errorf("got %q, %v on the other route", body, err)
		}
		a.Gate.Open()
		a.Policy.Throttle.Scope = ScopeUpstream
		_, _, _ = a.get(t)
		wantRefused(t, a)
		wantRefused(t, b)
	})
	bubble(t, "but not on a route without a gate", func(t *testing.T) {
		r := newRig(t, alone(func(p *Policy) { p.Throttle = nil }), answers(429, "slow down", "Retry-After", "10"))
		other := newRig(t, alone(func(p *Policy) { p.Throttle.Scope = ScopeUpstream }), answers(429, "", "Retry-After", "10"))
		r.Gate, r.Shared.Gate = NewGate(nil), other.Shared.Gate
		_, _, _ = other.get(t)
		for range 5 {
			if body, call, err := r.get(t); body != "slow down" || err != nil || call.Reason != ReasonThrottled || call.Attempts != 1 {
				t.Errorf("got %q, %v, %q, %d attempts", body, err, call.Reason, call.Attempts)
			}
		}
		if s := r.Gate.Snapshot(); s.State != GateOpen || r.Shared.Gate.Snapshot().Shuts != 1 {
			t.Errorf("got gate %s, the upstream's shut %d times, want neither touched", s.State, r.Shared.Gate.Snapshot().Shuts)
		}
	})
}

// The caller whose own answer it was waits for what it was told and takes its
// place behind those who wait already.
func TestARepeatWaitsAtTheGate(t *testing.T) {
	throttledFor := func(seconds string) step { return answers(429, "slow down", "Retry-After", seconds) }
	bubble(t, "for its hint and the gate's lateness", func(t *testing.T) {
		r := newRig(t, nil, throttledFor("1"), answers(200, "ok"))
		start := time.Now()
		body, call, err := r.get(t)
		if took := time.Since(start); body != "ok" || err != nil || call.Attempts != 2 || took < time.Second || took > 1200*time.Millisecond || call.Wait != took {
			t.Errorf("got %q, %v, %d attempts after %v, %v waited", body, err, call.Attempts, took, call.Wait)
		}
	})
	bubble(t, "for default_wait where there is no hint", func(t *testing.T) {
		r := newRig(t, nil, answers(429, ""), answers(200, "ok"))
		start := time.Now()
		if body, call, err := r.get(t); body != "ok" || err != nil || call.Attempts != 2 || time.Since(start) < time.Second {
			t.Errorf("got %q, %v, %d attempts after %v", body, err, call.Attempts, time.Since(start))
		}
	})
	bubble(t, "not for one that another answer has shut for longer", func(t *testing.T) {
		r := newRig(t, func(p *Policy) { p.Timeout.Request = time.Minute }, answers(503, "down"), answers(200, "ok"))
		r.script.steps[0] = func(req *http.Request) (*http.Response, error) {
			r.Shared.Gate.shut(entry{}, 20*time.Second, r.Policy.Throttle, "another route")
			return answers(503, "down")(req)
		}
		start := time.Now()
		body, call, err := r.get(t)
		if body != "down" || err != nil || call.Attempts != 1 || r.tally.skipped[SkipThrottled] != 1 || time.Since(start) != 0 {
			t.Errorf("got %q, %v, %d attempts, skipped %v after %v", body, err, call.Attempts, r.tally.skipped, time.Since(start))
		}
	})
	bubble(t, "and gives up where that is shut for longer while it waits", func(t *testing.T) {
		r := newRig(t, func(p *Policy) { p.Timeout.Request = time.Minute }, throttledFor("1"))
		start := time.Now()
		time.AfterFunc(500*time.Millisecond, func() { r.Gate.shut(entry{}, 30*time.Second, r.Policy.Throttle, "another call") })
		body, call, err := r.get(t)
		if body != "slow down" || err != nil || call.Attempts != 1 || call.Reason != ReasonThrottled || r.tally.skipped[SkipThrottled] != 1 || time.Since(start) > 500*time.Millisecond {
			t.Errorf("got %q, %v, %d attempts, %q, skipped %v after %v", body, err, call.Attempts, call.Reason, r.tally.skipped, time.Since(start))
		}
	})
	bubble(t, "where its own hint, not another's, is what max_hint bounds", func(t *testing.T) {
		r := newRig(t, nil, throttledFor("2.1"))
		if _, call, _ := r.get(t); call.Attempts != 1 || r.tally.skipped[SkipMaxHint] != 1 {
			t.Errorf("got %d attempts, skipped %v", call.Attempts, r.tally.skipped)
		}
	})
	bubble(t, "and is never sent before its hint, although the gate opens earlier", func(t *testing.T) {
		for _, set := range []func(*Policy){
			func(p *Policy) { p.Throttle.Max = 100 * time.Millisecond },
			func(p *Policy) { p.Throttle = nil },
		} {
			r := newRig(t, set, throttledFor("1.5"), answers(200, "ok"))
			start := time.Now()
			if body, call, err := r.get(t); body != "ok" || err != nil || call.Attempts != 2 || time.Since(start) < 1500*time.Millisecond {
				t.Errorf("got %q, %v, %d attempts after %v", body, err, call.Attempts, time.Since(start))
			}
		}
	})
}

// An upstream that has just recovered is not run down by all who waited for it.
func TestATrickleFollowsAClosedBreaker(t *testing.T) {
	recovered := func(t *testing.T, set func(*Policy), upstream step) *rig {
		t.Helper()
		r := newRig(t, func(p *Policy) {
			withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures, b.HalfOpen.Successes = 1, 1 })(p)
			if set != nil {
				set(p)
			}
		}, answers(500, ""), answers(200, "probe"), upstream)
		if r.Policy.Throttle != nil {
			r.Breaker.Reentry = r.Gate
		}
		_, _, _ = r.get(t)
		pass(time.Until(r.Breaker.Until()))
		if body, _, err := r.get(t); body != "probe" || err != nil || r.Breaker.State() != Closed {
			t.Fatalf("got %q, %v, breaker %s, want one that has closed", body, err, r.Breaker.State())
		}
		return r
	}
	// flood has 100 callers ask at once and returns how many were at the upstream
	// together after each 100 ms that an answer takes.
	flood := func(t *testing.T, r *rig, b *busy) (together []int) {
		t.Helper()
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { _, _, _ = r.get(t) })
		}
		for range 4 {
			pass(time.Millisecond)
			b.mu.Lock()
			together = append(together, b.now)
			b.mu.Unlock()
			pass(99 * time.Millisecond)
		}
		all.Wait()
		return together
	}
	bubble(t, "of one, two, four and so on", func(t *testing.T) {
		var b busy
		r := recovered(t, nil, b.during(after(100*time.Millisecond, answers(200, "ok"))))
		got := flood(t, r, &b)
		for i, want := range []int{1, 2, 4, 8} {
			if got[i] != want {
				t.Fatalf("got %v together, want 1, 2, 4, 8", got)
			}
		}
		r.wantIdle(t)
	})
	bubble(t, "but not where there is no gate", func(t *testing.T) {
		var b busy
		r := recovered(t, func(p *Policy) { p.Throttle = nil }, b.during(after(100*time.Millisecond, answers(200, "ok"))))
		if got := flood(t, r, &b); got[0] != 100 {
			t.Errorf("got %v together, want all 100", got)
		}
	})
}
