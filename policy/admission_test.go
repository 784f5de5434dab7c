package policy

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"
)

// A place that is lost at a gate that lets in one at a time is lost for good:
// nobody would ever get in again.
func TestAPanicLosesNoPlaceAtTheGate(t *testing.T) {
	bubble(t, "while calls re-enter", func(t *testing.T) {
		r := newRig(t, func(p *Policy) { p.Retry = nil },
			answers(429, "", "Retry-After", "1"), func(*http.Request) (*http.Response, error) { panic("boom") }, answers(200, "ok"))
		_, _, _ = r.get(t)
		pass(1300 * time.Millisecond)
		func() {
			defer func() { _ = recover() }()
			_, _, _ = r.get(t)
			t.Error("got an answer, want a panic")
		}()
		if body, call, err := r.get(t); err != nil || body != "ok" {
			t.Errorf("got %q, %q, %v after the panic, want the upstream's answer", body, call.Reason, err)
		}
	})
}

func TestWhatARuleCallsASuccessIsNotRepeated(t *testing.T) {
	bubble(t, "although its status is a condition", func(t *testing.T) {
		r := newRig(t, func(p *Policy) {
			p.Classify = []Rule{{Status: StatusRange{503, 503}, Contains: "closed on Sundays", As: AsSuccess}}
		}, answers(503, "closed on Sundays"))
		if _, call, _ := r.get(t); call.Attempts != 1 || call.Class != Success || call.Reason != "" {
			t.Errorf("got %d attempts, class %d, reason %q, want one success", call.Attempts, call.Class, call.Reason)
		}
	})
}

func TestAnObservedGateDelaysNoRetry(t *testing.T) {
	bubble(t, "that another caller's answer has shut for long", func(t *testing.T) {
		r := newRig(t, func(p *Policy) {
			p.Mode = Observe
			p.Retry.Backoff = BackoffPolicy{}
		}, answers(429, "", "Retry-After", "60"), answers(503, ""), answers(200, "ok"))
		_, _, _ = r.get(t)
		start := time.Now()
		body, call, err := r.get(t)
		if took := time.Since(start); err != nil || body != "ok" || call.Attempts != 2 || took > 0 {
			t.Errorf("got %q after %d attempts and %v, %v, want ok after two at once", body, call.Attempts, took, err)
		}
		if r.tally.observed[RefusedByThrottle] != 1 {
			t.Errorf("got %v observed, want the second call once", r.tally.observed)
		}
	})
}

// What the gate knows is better than what the header says: a year is believed
// for five minutes only, and then somebody asks again.
func TestAHintBeyondTheGatesLongestTimeIsNotPassedOn(t *testing.T) {
	bubble(t, "to whom it was told", func(t *testing.T) {
		r := newRig(t, nil, answers(429, "", "Retry-After", "31536000"))
		_, call, _ := r.get(t)
		if got := time.Until(call.RetryAt); got < 5*time.Minute || got > 5*time.Minute+time.Second {
			t.Errorf("got %v until it is worth asking again, want the gate's 5m", got)
		}
	})
}

// A retried answer that streams used to keep its place, and the repeat took one
// more: after some of them nobody got in.
func TestARepeatAfterAStreamedAnswerTakesItsPlace(t *testing.T) {
	bubble(t, "and gives it back", func(t *testing.T) {
		r := newRig(t, func(p *Policy) { p.Buffer, p.Throttle = 0, nil }, answers(503, "down"), answers(200, "ok"))
		r.Limit = NewLimit(2, 0)
		if _, call, _ := r.get(t); call.Attempts != 2 {
			t.Errorf("got %d attempts, want 2", call.Attempts)
		}
		if got := r.Limit.free(); got != 2 {
			t.Errorf("got %d places free, want both", got)
		}
	})
}

// A gate that is passed says nothing once the caller has waited for other things.
func TestNobodyWhoWaitedPassesAGateThatWasShutMeanwhile(t *testing.T) {
	tests := map[string]struct {
		set  func(*rig)
		most int // requests at the upstream: those that were let out before the first 429 came
	}{
		"in the queue for a place":            {func(r *rig) { r.Limit = NewLimit(1, 50) }, 1},
		"for its turn under the rate limit":   {func(r *rig) { r.Shared.Rate = NewRate(10, time.Second, 1) }, 3},
		"in the queue, and repeated after it": {func(r *rig) { r.Limit, r.Policy.Retry = NewLimit(1, 50), new(RetryPolicy) }, 1},
	}
	for name, tt := range tests {
		bubble(t, name, func(t *testing.T) {
			r := newRig(t, func(p *Policy) { p.Retry = nil }, after(200*time.Millisecond, answers(429, "", "Retry-After", "60")))
			if tt.set(r); r.Policy.Retry != nil {
				r.Policy.Retry.SetDefaults()
			}
			var calls sync.WaitGroup
			for range 10 {
				calls.Go(func() { _, _, _ = r.get(t) })
			}
			calls.Wait()
			if r.script.calls > tt.most {
				t.Errorf("got %d requests at the upstream, want no more than %d", r.script.calls, tt.most)
			}
		})
	}
}

// Clients who hung up while they waited for their turn used to open the breaker
// of an upstream that had not seen them.
func TestAClientThatLeavesBeforeAnythingIsSentSaysNothing(t *testing.T) {
	bubble(t, "of the upstream", func(t *testing.T) {
		r := newRig(t, withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures = 1 }), answers(200, "ok"))
		r.Shared.Rate = NewRate(1, time.Second, 1)
		_, _, _ = r.get(t)
		ctx, leave := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer leave()
		_, call, _ := r.do(ctx, http.MethodGet, nil, 0)
		if call.Attempts != 0 || call.Class != Neutral || call.Circuit != Closed {
			t.Errorf("got class %d after %d attempts, circuit %s, want nothing", call.Class, call.Attempts, call.Circuit)
		}
	})
}

func TestAThrottledProbeWaitsNoLongerThanTheGate(t *testing.T) {
	bubble(t, "whose longest time is configured", func(t *testing.T) {
		r := newRig(t, withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures = 1 }), answers(500, ""), answers(503, "", "Retry-After", "3600"))
		r.Policy.Throttle.Max = 30 * time.Second
		_, _, _ = r.get(t)
		pass(time.Until(r.Breaker.Until()))
		_, _, _ = r.get(t)
		if got := time.Until(r.Breaker.Until()); got > 30*time.Second {
			t.Errorf("got a breaker that is open for %v, want no more than 30s", got)
		}
	})
}

// Those who only observe must not keep out those who obey.
func TestObservedCallsTakeNobodysPlaceAtASharedGate(t *testing.T) {
	bubble(t, "while calls re-enter", func(t *testing.T) {
		r := newRig(t, func(p *Policy) { p.Retry, p.Throttle.Scope = nil, ScopeUpstream }, answers(429, "", "Retry-After", "1"), answers(200, "ok"))
		observing := newRig(t, func(p *Policy) { p.Retry, p.Mode = nil, Observe }, after(time.Second, answers(200, "")))
		observing.Shared.Gate = r.Shared.Gate
		_, _, _ = r.get(t)
		pass(1300 * time.Millisecond)
		var calls sync.WaitGroup
		for range 10 {
			calls.Go(func() { _, _, _ = observing.get(t) })
		}
		pass(time.Millisecond)
		if body, call, _ := r.get(t); body != "ok" || call.Wait > 0 {
			t.Errorf("got %q after %v, reason %q, want ok at once", body, call.Wait, call.Reason)
		}
		calls.Wait()
	})
}

func TestAnAnswerWithoutContentIsOfNoWrongType(t *testing.T) {
	bubble(t, "such as a 202", func(t *testing.T) {
		r := newRig(t, func(p *Policy) {
			p.Retry = nil
			p.Classify = []Rule{{Status: StatusRange{200, 299}, ContentTypeNot: "application/json", As: AsFailure}}
		}, answers(202, ""))
		if _, call, _ := r.do(t.Context(), http.MethodDelete, nil, 0); call.Class != Success {
			t.Errorf("got class %d, reason %q, want a success", call.Class, call.Reason)
		}
	})
}
