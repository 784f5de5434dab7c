package policy

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"
)

// A call gets its key before it asks for anything else, so that nobody has a
// place while he waits for it; and only if it may be let in at all.
func TestACallWithoutAKeyIsAFailureWithoutAnAttempt(t *testing.T) {
	wantNone := func(t *testing.T, k *keyRig, reason Reason, class Class, asked int) *Call {
		t.Helper()
		status, call := k.get(t)
		if status != 0 || call.Attempts != 0 || call.Reason != reason || call.Class != class || k.keys.asked != asked {
			t.Errorf("got %d after %d attempts and %d keys, %q, class %v, want none after %d, %q, class %v", status, call.Attempts, k.keys.asked, call.Reason, call.Class, asked, reason, class)
		}
		if k.script.calls > 0 {
			t.Errorf("got %d requests upstream, want none", k.script.calls)
		}
		return call
	}
	bubble(t, "that says why", func(t *testing.T) {
		k := newKeyRig(t, nil, answers(200, ""))
		k.keys.get = missing(1)
		if call := wantNone(t, k, ReasonUnauthorized, Failure, 1); !errors.Is(call.Err, errNoKey) || call.ClientErr != nil {
			t.Errorf("got %v, %v, want %v", call.Err, call.ClientErr, errNoKey)
		}
	})
	bubble(t, "and opens the breaker", func(t *testing.T) {
		k := newKeyRig(t, withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures = 3 }), answers(200, ""))
		k.keys.get = missing(1)
		for i := range 3 {
			wantNone(t, k, ReasonUnauthorized, Failure, i+1)
		}
		wantNone(t, k, ReasonOpen, Neutral, 3) // nobody asks for a key for nothing
		pass(time.Until(k.Breaker.Until()))
		wantNone(t, k, ReasonUnauthorized, Failure, 4) // a probe
		if got := k.Breaker.State(); got != Open {
			t.Errorf("got state %s after a probe without a key, want %s", got, Open)
		}
	})
	bubble(t, "in its time", func(t *testing.T) {
		k := newKeyRig(t, nil, answers(200, ""))
		k.keys.get = takes(1, time.Hour)
		k.Limit = NewLimit(1, 0)
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				began := time.Now()
				_, call := k.get(t)
				want := k.Policy.Timeout.Request - k.Policy.Retry.MinAttempt
				if took := time.Since(began); took != want || call.Wait != want || call.Reason != ReasonUnauthorized {
					t.Errorf("got %q after %v, %v of them waiting, want %v", call.Reason, took, call.Wait, want)
				}
			})
		}
		pass(time.Second)
		if free := k.Limit.free(); free != 1 {
			t.Errorf("got %d places free while keys are waited for, want 1", free)
		}
		all.Wait()
	})
	bubble(t, "unless the client has left", func(t *testing.T) {
		k := newKeyRig(t, nil, answers(200, ""))
		k.keys.get = takes(1, time.Hour)
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, leave)
		_, call := k.call(ctx, http.MethodGet, "")
		if call.Class != Neutral || call.ClientErr == nil || call.ClientErr.Status != StatusClientClosedRequest {
			t.Errorf("got class %v, %v, want a client that left", call.Class, call.ClientErr)
		}
	})
	// Both may end at once; then the deadline is what counts.
	bubble(t, "and a passed deadline is a timeout, whatever the key's error", func(t *testing.T) {
		k := newKeyRig(t, nil, answers(200, ""))
		k.keys.get = func(_ int, ctx context.Context, _ time.Time) error {
			<-ctx.Done()
			return errNoKey
		}
		_, call := k.get(t)
		if call.Reason != ReasonTimeout || call.ClientErr != nil {
			t.Errorf("got %q, %v, want %q", call.Reason, call.ClientErr, ReasonTimeout)
		}
	})
	bubble(t, "also if the gate is shut", func(t *testing.T) {
		k := newKeyRig(t, nil, answers(429, "", "Retry-After", "60"))
		_, _ = k.get(t)
		k.script.calls = 0
		wantNone(t, k, ReasonThrottled, Neutral, 1) // nobody asks for a key for nothing
	})
	bubble(t, "and a retry without one is skipped", func(t *testing.T) {
		k := newKeyRig(t, nil, answers(503, ""))
		k.keys.get = missing(2)
		if status, call := k.get(t); status != 503 || call.Attempts != 1 || k.tally.skipped[SkipUnauthorized] != 1 || call.Reason != ReasonError {
			t.Errorf("got %d after %d attempts, %q, skipped %v, want the 503", status, call.Attempts, call.Reason, k.tally.skipped)
		}
	})
}

// What a breaker hears of a call is what its replay says.
func TestAReplayIsPartOfItsCall(t *testing.T) {
	bubble(t, "for a breaker that is closed", func(t *testing.T) {
		k := newKeyRig(t, withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures = 2 }),
			refusedKey, answers(200, ""), refusedKey, answers(200, ""), refusedKey, answers(200, ""), refusedKey)
		for range 3 {
			if status, _ := k.get(t); status != 200 || k.Breaker.State() != Closed {
				t.Fatalf("got %d, %s, want 200, closed", status, k.Breaker.State())
			}
		}
		for i, want := range []State{Closed, Open} {
			if status, _ := k.get(t); status != 401 || k.Breaker.State() != want {
				t.Errorf("got %d, %s after %d calls that were refused, want 401, %s", status, k.Breaker.State(), i+1, want)
			}
		}
	})
	bubble(t, "and for a probe", func(t *testing.T) {
		k := newKeyRig(t, withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures, b.HalfOpen.Successes = 1, 1 }),
			answers(500, ""), refusedKey, answers(200, ""))
		_, _ = k.get(t)
		pass(time.Until(k.Breaker.Until()))
		if status, call := k.get(t); status != 200 || call.Attempts != 2 || k.Breaker.State() != Closed {
			t.Errorf("got %d after %d attempts, %s, want 200 after 2, closed", status, call.Attempts, k.Breaker.State())
		}
	})
	bubble(t, "also one that fails", func(t *testing.T) {
		k := newKeyRig(t, withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures, b.HalfOpen.Successes = 1, 1 }),
			answers(500, ""), refusedKey)
		_, _ = k.get(t)
		pass(time.Until(k.Breaker.Until()))
		if status, call := k.get(t); status != 401 || call.Attempts != 2 || k.Breaker.State() != Open {
			t.Errorf("got %d after %d attempts, %s, want 401 after 2, open", status, call.Attempts, k.Breaker.State())
		}
	})
	bubble(t, "a policy that observes has it too", func(t *testing.T) {
		k := newKeyRig(t, observed(withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures = 1 })),
			answers(500, ""), refusedKey, answers(200, ""))
		_, _ = k.get(t)
		if status, call := k.get(t); status != 200 || call.Attempts != 2 {
			t.Errorf("got %d after %d attempts, want 200 after 2", status, call.Attempts)
		}
	})
}

// A replay is let in as every attempt is: what has happened since the first
// counts, up to the moment that it is sent.
func TestAReplayIsLetInLikeAnyAttempt(t *testing.T) {
	shut := func(k *keyRig, hint time.Duration) {
		e, _ := k.Gate.pass()
		k.Gate.shut(e, hint, k.Policy.Throttle, "status 429")
	}
	want401 := func(t *testing.T, k *keyRig) {
		t.Helper()
		if status, call := k.get(t); status != 401 || call.Attempts != 1 || call.Reason != ReasonUnauthorized {
			t.Errorf("got %d after %d attempts, %q, want the 401", status, call.Attempts, call.Reason)
		}
		if k.Breaker == nil {
			k.wantIdle(t)
		}
	}
	bubble(t, "not while the gate is shut", func(t *testing.T) {
		k := newKeyRig(t, nil, refusedKey, answers(200, ""))
		k.keys.get = takes(2, 200*time.Millisecond)
		time.AfterFunc(100*time.Millisecond, func() { shut(k, time.Minute) })
		want401(t, k)
	})
	bubble(t, "but when it opens in time", func(t *testing.T) {
		k := newKeyRig(t, nil, refusedKey, answers(200, ""))
		k.keys.get = takes(2, 200*time.Millisecond)
		time.AfterFunc(100*time.Millisecond, func() { shut(k, 500*time.Millisecond) })
		began := time.Now()
		if status, call := k.get(t); status != 200 || call.Attempts != 2 || time.Since(began) < 600*time.Millisecond {
			t.Errorf("got %d after %d attempts and %v, want 200 after 2, not before the gate opens", status, call.Attempts, time.Since(began))
		}
		k.wantIdle(t)
	})
	bubble(t, "not if the gate is shut while it waits for its turn", func(t *testing.T) {
		k := newKeyRig(t, nil, refusedKey, answers(200, ""))
		k.Shared.Rate = NewRate(1, 500*time.Millisecond, 1)
		time.AfterFunc(250*time.Millisecond, func() { shut(k, time.Minute) })
		want401(t, k)
	})
	bubble(t, "not if the breaker opens while it waits for its key", func(t *testing.T) {
		k := newKeyRig(t, withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures = 1 }), refusedKey, answers(200, ""))
		k.keys.get = takes(2, 200*time.Millisecond)
		time.AfterFunc(100*time.Millisecond, func() { p, _ := k.Breaker.Admit(); p.Done(Outcome{Class: Failure}) })
		want401(t, k)
	})
	bubble(t, "not if the breaker opens while it waits for its turn", func(t *testing.T) {
		k := newKeyRig(t, withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures = 1 }), refusedKey, answers(200, ""))
		k.Shared.Rate = NewRate(1, 500*time.Millisecond, 1)
		time.AfterFunc(100*time.Millisecond, func() { p, _ := k.Breaker.Admit(); p.Done(Outcome{Class: Failure}) })
		want401(t, k)
	})
	bubble(t, "on the place that it had, though others wait for one", func(t *testing.T) {
		k := newKeyRig(t, nil, refusedKey, answers(200, ""))
		k.Limit = NewLimit(1, 1)
		k.keys.get = takes(2, 200*time.Millisecond)
		var other sync.WaitGroup
		time.AfterFunc(100*time.Millisecond, func() { other.Go(func() { k.get(t) }) })
		if status, call := k.get(t); status != 200 || call.Attempts != 2 {
			t.Errorf("got %d after %d attempts, want 200 after 2", status, call.Attempts)
		}
		other.Wait()
		k.wantIdle(t, 1)
	})
	bubble(t, "and one that we refuse is no failure", func(t *testing.T) {
		k := newKeyRig(t, withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures = 1 }), refusedKey, answers(200, ""))
		k.Shared.Rate = NewRate(1, time.Minute, 1)
		if status, call := k.get(t); status != 401 || call.Attempts != 1 || call.Class != Neutral || call.Circuit != Closed {
			t.Errorf("got %d after %d attempts, class %d, circuit %s, want a neutral 401", status, call.Attempts, call.Class, call.Circuit)
		}
	})
	bubble(t, "not where a rule calls a 401 fine", func(t *testing.T) {
		k := newKeyRig(t, func(p *Policy) { p.Classify = []Rule{{Status: StatusRange{401, 401}, As: AsSuccess}} }, refusedKey, answers(200, ""))
		if status, call := k.get(t); status != 401 || call.Attempts != 1 || call.Class != Success {
			t.Errorf("got %d after %d attempts, class %d, want the 401 as a success", status, call.Attempts, call.Class)
		}
	})
	bubble(t, "with as much patience as a retry", func(t *testing.T) {
		k := newKeyRig(t, nil, after(100*time.Millisecond, refusedKey), answers(200, ""))
		k.Shared.Rate = NewRate(1, 900*time.Millisecond, 1)
		_ = k.Shared.Rate.force(time.Now()) // the first attempt waits for 900 ms
		if status, call := k.get(t); status != 200 || call.Attempts != 2 {
			t.Errorf("got %d after %d attempts, want 200 after 2", status, call.Attempts)
		}
	})
	bubble(t, "not after its deadline", func(t *testing.T) {
		k := newKeyRig(t, nil, after(2970*time.Millisecond, refusedKey), answers(200, ""))
		want401(t, k)
	})
	bubble(t, "not for a client that has left", func(t *testing.T) {
		k := newKeyRig(t, nil, refusedKey, answers(200, ""))
		k.keys.get = takes(2, time.Second)
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, leave)
		_, call := k.call(ctx, http.MethodGet, "")
		if call.ClientErr == nil || call.ClientErr.Status != StatusClientClosedRequest || call.Attempts != 1 {
			t.Errorf("got %v after %d attempts, want a client that left", call.ClientErr, call.Attempts)
		}
		k.wantIdle(t)
	})
}

// A client that gives a token no time to come must not open the breaker of an
// upstream that nobody has asked.
func TestAClientWithoutPatienceForATokenSaysNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		timeout time.Duration
		want    Class
	}{
		"by asking for a short timeout":             {300 * time.Millisecond, Neutral},
		"but an endpoint that is slow for all does": {3 * time.Second, Failure},
	} {
		bubble(t, name, func(t *testing.T) {
			k := newKeyRig(t, withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures = 1 }), answers(200, ""))
			k.keys.get = takes(1, 10*time.Second)
			call := NewCall(t.Context(), time.Now(), tt.timeout, nil)
			defer call.End()
			req, _ := http.NewRequestWithContext(call.Context(), http.MethodGet, "http://crm.test/v1", nil)
			_, err := k.RoundTrip(req)
			if err == nil || call.Reason != ReasonUnauthorized || call.Class != tt.want {
				t.Errorf("got %v, reason %q, class %d, want class %d", err, call.Reason, call.Class, tt.want)
			}
		})
	}
}
