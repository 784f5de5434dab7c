package policy

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// under returns a rig whose route has a limit.
func under(t *testing.T, limit *Limit, set func(*Policy), steps ...step) *rig {
	t.Helper()
	r := newRig(t, set, steps...)
	r.Limit = limit
	return r
}

// busy counts how many requests an upstream has at a time.
type busy struct {
	mu        sync.Mutex
	now, most int
}

// during plays a step and counts the request as long as it takes.
func (b *busy) during(next step) step {
	return func(req *http.Request) (*http.Response, error) {
		b.mu.Lock()
		b.now++
		b.most = max(b.most, b.now)
		b.mu.Unlock()
		defer func() { b.mu.Lock(); b.now--; b.mu.Unlock() }()
		return next(req)
	}
}

func noRetries(p *Policy) { p.Retry = nil }

func TestALimitBoundsTheCallsInFlight(t *testing.T) {
	bubble(t, "those beyond it wait in the order they came, as many as may", func(t *testing.T) {
		var b busy
		r := under(t, NewLimit(2, 3), noRetries, b.during(after(100*time.Millisecond, answers(200, "ok"))))
		type result struct {
			call *Call
			took time.Duration
		}
		results := make([]result, 8)
		var all sync.WaitGroup
		for i := range results {
			all.Go(func() {
				<-time.After(time.Duration(i) * time.Millisecond)
				came := time.Now()
				_, call, _ := r.get(t)
				results[i] = result{call, time.Since(came)}
			})
		}
		all.Wait()
		for i, ms := range []int{100, 100, 198, 198, 296, 0, 0, 0} {
			got, want := results[i], time.Duration(ms)*time.Millisecond
			if got.took != want {
				t.Errorf("call %d: took %v, want %v", i, got.took, want)
			}
			refused := want == 0
			if refused != (got.call.Reason == ReasonOverloaded) || got.call.Attempts == 0 != refused || got.call.Class == Success == refused {
				t.Errorf("call %d: got reason %q, %d attempts, class %v", i, got.call.Reason, got.call.Attempts, got.call.Class)
			}
			if waited := got.took - 100*time.Millisecond; !refused && got.call.Wait != waited {
				t.Errorf("call %d: got %v waited, want %v", i, got.call.Wait, waited)
			}
		}
		if b.most != 2 {
			t.Errorf("got %d in flight, want 2", b.most)
		}
		r.wantIdle(t, 2)
	})
	bubble(t, "of an upstream, over all its routes", func(t *testing.T) {
		var b busy
		upstream := b.during(after(100*time.Millisecond, answers(200, "ok")))
		shared := NewLimit(3, 100)
		var all sync.WaitGroup
		var routes []*rig
		for range 4 {
			r := under(t, NewLimit(2, 100), noRetries, upstream)
			r.Shared.Limit = shared
			routes = append(routes, r)
			for range 5 {
				all.Go(func() {
					if _, call, err := r.get(t); err != nil {
						t.Errorf("got %v, %q", err, call.Reason)
					}
				})
			}
		}
		all.Wait()
		if b.most != 3 {
			t.Errorf("got %d in flight, want 3", b.most)
		}
		for _, r := range routes {
			r.wantIdle(t, 2, 3)
		}
	})
	t.Run("nil is no limit, nor is one of zero", func(t *testing.T) {
		if l := NewLimit(0, 5); l != nil || l.enter(nil, time.Time{}, nil) != nil {
			t.Errorf("got %v, want none", l)
		}
	})
}

// What a queue can do within the deadline is all it is good for.
func TestAPlaceIsWaitedForAsLongAsItIsOfUse(t *testing.T) {
	bubble(t, "until an attempt would not fit any more", func(t *testing.T) {
		r := under(t, NewLimit(1, 5), nil, hangs)
		go func() { _, _, _ = r.get(t) }()
		pass(time.Second)
		came := time.Now()
		_, call, err := r.get(t)
		// The one before it has its place for 3 s, until 50 ms after that.
		if err != nil && call.Reason == ReasonTimeout {
			err = nil // it got the place then, and the time that was left
		}
		if err != nil || time.Since(came) != 3*time.Second {
			t.Errorf("got %v, %q after %v", err, call.Reason, time.Since(came))
		}
	})
	bubble(t, "and not a moment longer", func(t *testing.T) {
		r := under(t, NewLimit(1, 5), nil, hangs)
		go func() { _, _, _ = r.get(t) }()
		pass(time.Millisecond)
		r.Policy.Retry.MinAttempt = 50 * time.Millisecond
		came := time.Now()
		_, call, err := r.get(t)
		if err == nil || call.Reason != ReasonOverloaded || time.Since(came) != 2950*time.Millisecond || call.Attempts != 0 || call.Class != Neutral {
			t.Errorf("got %v, %q after %v, want overloaded after 2.95s", err, call.Reason, time.Since(came))
		}
		if call.Wait != 2950*time.Millisecond {
			t.Errorf("got %v waited, want 2.95s", call.Wait)
		}
		pass(time.Second)
		r.wantIdle(t, 1)
	})
	bubble(t, "by a client that leaves no longer than it is there", func(t *testing.T) {
		r := under(t, NewLimit(1, 5), nil, hangs, answers(200, "ok"))
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		var all sync.WaitGroup
		all.Go(func() { _, _, _ = r.get(t) })
		synctest.Wait()
		calls := make([]*Call, 2)
		all.Go(func() { _, calls[0], _ = r.do(ctx, http.MethodGet, nil, 0) })
		synctest.Wait()
		all.Go(func() { _, calls[1], _ = r.do(context.WithoutCancel(ctx), http.MethodGet, nil, 0) })
		pass(time.Second)
		if r.tally.pending != 2 {
			t.Errorf("got %d counted as pending, want 2", r.tally.pending)
		}
		leave()
		synctest.Wait()
		if calls[0] == nil || calls[0].ClientErr == nil || calls[0].Class != Neutral || calls[0].Wait != time.Second {
			t.Errorf("got %+v, want a client that left after 1s", calls[0])
		}
		all.Wait()
		r.wantIdle(t, 1)
	})
}

// Nothing of all this is the upstream's fault.
func TestAFullQueueDoesNotReachTheBreaker(t *testing.T) {
	bubble(t, "nor does it spend a probe", func(t *testing.T) {
		r := under(t, NewLimit(1, 0), withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures = 1 }), hangs)
		go func() { _, _, _ = r.get(t) }()
		pass(time.Millisecond)
		for range 50 {
			if _, call, _ := r.get(t); call.Reason != ReasonOverloaded || call.Circuit != Closed || call.Class != Neutral {
				t.Fatalf("got %q, %s, class %v", call.Reason, call.Circuit, call.Class)
			}
		}
	})
}

// A body that its client is still sending holds up its client alone.
func TestNoPlaceIsTakenByASlowClient(t *testing.T) {
	bubble(t, "while its body is held", func(t *testing.T) {
		r := under(t, NewLimit(1, 0), nil, answers(200, "ok"))
		slow := readerFunc(func([]byte) (int, error) {
			<-time.After(time.Second)
			return 0, fmt.Errorf("gone: %w", context.Canceled)
		})
		var all sync.WaitGroup
		all.Go(func() { _, _, _ = r.do(t.Context(), http.MethodPut, slow, 10) })
		pass(100 * time.Millisecond)
		if _, call, err := r.do(t.Context(), http.MethodPut, strings.NewReader("quick"), 5); err != nil {
			t.Errorf("got %v, %q", err, call.Reason)
		}
		all.Wait()
		r.wantIdle(t, 1)
	})
}
