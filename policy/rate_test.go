package policy

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// turns notes when requests reach an upstream.
type turns struct {
	mu sync.Mutex
	at []time.Time
}

func (u *turns) note(next step) step {
	return func(req *http.Request) (*http.Response, error) {
		u.mu.Lock()
		u.at = append(u.at, time.Now())
		u.mu.Unlock()
		return next(req)
	}
}

// wantWithin checks that no span of time saw more requests than a rate with a
// burst allows.
func (u *turns) wantWithin(t *testing.T, perSecond float64, burst int) {
	t.Helper()
	slices.SortFunc(u.at, time.Time.Compare)
	for i, from := range u.at {
		for j, to := range u.at[i:] {
			if most := float64(burst) + perSecond*to.Sub(from).Seconds(); float64(j+1) > most+1e-6 {
				t.Fatalf("got %d requests within %v, want at most %.2f", j+1, to.Sub(from), most)
			}
		}
	}
}

func TestARateKeepsAQuota(t *testing.T) {
	for _, tt := range []struct {
		name     string
		requests int
		interval time.Duration
		burst    int
	}{
		{"of 4 a second", 4, time.Second, 4},
		{"of 4 a second, one at a time", 4, time.Second, 1},
		{"of 100 in 10 s", 100, 10 * time.Second, 5},
		{"of 300 a minute", 300, time.Minute, 20},
	} {
		bubble(t, tt.name, func(t *testing.T) {
			var u turns
			r := newRig(t, nil, u.note(answers(200, "ok")), u.note(answers(503, "")))
			r.Shared.Rate = NewRate(tt.requests, tt.interval, tt.burst)
			random := rand.New(rand.NewPCG(1, 2))
			var all sync.WaitGroup
			refused := 0
			for range 1000 {
				came, leaves := time.Duration(random.Int64N(int64(20*time.Second))), time.Duration(random.Int64N(int64(3*time.Second)))
				all.Go(func() {
					<-time.After(came)
					ctx, cancel := context.WithTimeout(t.Context(), leaves)
					defer cancel()
					_, call, _ := r.do(ctx, http.MethodGet, nil, 0)
					if call.Wait > r.Policy.Timeout.Request {
						t.Errorf("got a call that waited for %v", call.Wait)
					}
					u.mu.Lock()
					defer u.mu.Unlock()
					if call.Reason == ReasonThrottled {
						refused++
						if call.Attempts != 0 || !call.RetryAt.After(time.Now()) {
							t.Errorf("got %d attempts, retry at %v", call.Attempts, call.RetryAt)
						}
					}
				})
			}
			all.Wait()
			perSecond := float64(tt.requests) / tt.interval.Seconds()
			u.wantWithin(t, perSecond, tt.burst)
			if least := perSecond * 20 * 0.6; float64(len(u.at)) < least || refused == 0 {
				t.Errorf("got %d requests, %d refused, want at least %.0f, and some", len(u.at), refused, least)
			}
			r.wantIdle(t)
		})
	}
}

func TestARateWaitsAndRefusesLikeTheGate(t *testing.T) {
	limited := func(t *testing.T, set func(*Policy), r *Rate) *rig {
		rig := newRig(t, set, answers(200, "ok"))
		rig.Shared.Rate = r
		return rig
	}
	bubble(t, "one whose turn comes within max_wait waits", func(t *testing.T) {
		r := limited(t, nil, NewRate(1, time.Second, 1))
		for _, want := range []time.Duration{0, time.Second, time.Second} {
			came := time.Now()
			if _, call, err := r.get(t); err != nil || time.Since(came) != want || call.Wait != want {
				t.Errorf("got %v after %v, %v waited, want %v", err, time.Since(came), call.Wait, want)
			}
		}
	})
	bubble(t, "another one is refused at once, and told when", func(t *testing.T) {
		r := limited(t, nil, NewRate(1, 2*time.Second, 1))
		_, _, _ = r.get(t)
		for range 3 { // who is refused moves nobody's turn
			came := time.Now()
			_, call, err := r.get(t)
			shut, ok := errors.AsType[*ShutError](err)
			if !ok || shut.What != rateLimit || call.Reason != ReasonThrottled || call.Class != Neutral || call.Attempts != 0 || time.Since(came) != 0 {
				t.Errorf("got %v, %q, class %v, %d attempts after %v", err, call.Reason, call.Class, call.Attempts, time.Since(came))
			}
			if got := call.RetryAt.Sub(came); got != 2*time.Second {
				t.Errorf("got asked again in %v, want 2s", got)
			}
		}
		pass(time.Second)
		if _, _, err := r.get(t); err != nil {
			t.Errorf("got %v after 1s, want one that waits for 1s more", err)
		}
	})
	bubble(t, "no more than max_pending wait", func(t *testing.T) {
		r := limited(t, func(p *Policy) { p.Throttle.MaxPending = 2 }, NewRate(10, time.Second, 1))
		var all sync.WaitGroup
		reasons := make([]Reason, 5)
		for i := range reasons {
			all.Go(func() {
				<-time.After(time.Duration(i) * time.Millisecond)
				_, call, _ := r.get(t)
				reasons[i] = call.Reason
			})
		}
		all.Wait()
		if want := []Reason{"", "", "", ReasonThrottled, ReasonThrottled}; !slices.Equal(reasons, want) {
			t.Errorf("got reasons %q, want %q", reasons, want)
		}
	})
	bubble(t, "nobody waits beyond the last moment for an attempt", func(t *testing.T) {
		r := limited(t, func(p *Policy) { p.Timeout.Request = 540 * time.Millisecond }, NewRate(2, time.Second, 1))
		_, _, _ = r.get(t)
		came := time.Now()
		if _, call, err := r.get(t); err == nil || call.Reason != ReasonThrottled || time.Since(came) != 0 {
			t.Errorf("got %v, %q after %v, want a refusal at once", err, call.Reason, time.Since(came))
		}
	})
	bubble(t, "by the built-in bounds where there is no throttle gate", func(t *testing.T) {
		r := limited(t, func(p *Policy) { p.Throttle = nil }, NewRate(1, time.Second, 1))
		_, _, _ = r.get(t)
		if _, call, err := r.get(t); err != nil || call.Wait != time.Second {
			t.Errorf("got %v after %v, want one that waits for 1s", err, call.Wait)
		}
	})
	bubble(t, "a retry that gets no turn is not made", func(t *testing.T) {
		r := newRig(t, nil, answers(503, "down"))
		r.Shared.Rate = NewRate(1, time.Minute, 1)
		body, call, err := r.get(t)
		if body != "down" || err != nil || call.Attempts != 1 || r.tally.skipped[SkipThrottled] != 1 {
			t.Errorf("got %q, %v, %d attempts, skipped %v", body, err, call.Attempts, r.tally.skipped)
		}
	})
}

// The turn of a client that leaves is somebody else's.
func TestATurnThatIsNotTakenIsGivenBack(t *testing.T) {
	bubble(t, "by a client that leaves", func(t *testing.T) {
		r := newRig(t, nil, answers(200, "ok"))
		r.Shared.Rate = NewRate(1, time.Second, 1)
		_, _, _ = r.get(t)
		ctx, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, call, _ := r.do(ctx, http.MethodGet, nil, 0); call.ClientErr == nil || call.Class != Neutral {
				t.Errorf("got %v, class %v, want a client that left", call.ClientErr, call.Class)
			}
		})
		pass(500 * time.Millisecond)
		leave()
		synctest.Wait()
		all.Wait()
		if _, call, err := r.get(t); err != nil || call.Wait != 500*time.Millisecond {
			t.Errorf("got %v after %v, want one that waits for the rest of 1s", err, call.Wait)
		}
	})
	// Reservations that are taken and given back by many at once must not push
	// everybody's turn away: then nobody would ever get one.
	t.Run("by many who are refused at the same time", func(t *testing.T) {
		r := NewRate(1, time.Hour, 1)
		call := NewCall(t.Context(), time.Now(), time.Hour, nil)
		defer call.End()
		if err := r.wait(call, time.Now(), 1); err != nil {
			t.Fatalf("got %v for the first", err)
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 25_000 {
					if err := r.wait(call, time.Now().Add(time.Second), 64); err == nil {
						t.Error("got a turn, want a refusal")
						return
					}
				}
			})
		}
		all.Wait()
		err := r.wait(call, time.Now(), 1)
		if shut, ok := errors.AsType[*ShutError](err); !ok || time.Until(shut.Until) > time.Hour+time.Minute {
			t.Errorf("got %v after 200,000 refusals, want the next turn within the hour", err)
		}
	})
}

// A client can only be late for its own turn.
func TestAClientThatLeavesItsTurnOpensNoBreaker(t *testing.T) {
	bubble(t, "of an upstream that it never asked", func(t *testing.T) {
		r := newRig(t, withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures = 1 }), answers(200, "ok"))
		r.Shared.Rate = NewRate(1, time.Second, 1)
		_, _, _ = r.get(t)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, call, err := r.do(ctx, http.MethodGet, nil, 0)
		if err == nil || call.Class != Neutral || call.Circuit != Closed {
			t.Errorf("got %v, class %v, circuit %s, want neutral, closed", err, call.Class, call.Circuit)
		}
	})
}
