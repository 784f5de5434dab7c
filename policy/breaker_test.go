package policy

import (
	"slices"
	"testing"
	"time"
)

func TestBreakerGoesRoundByItself(t *testing.T) {
	inBubble(t, testPolicy(), func(t *testing.T, b *testBreaker) {
		b.want(Closed)
		b.open()
		b.wantRefused(Open, time.Second)
		pass(300 * time.Millisecond)
		b.wantRefused(Open, 700*time.Millisecond)
		pass(700 * time.Millisecond)
		b.want(HalfOpen) // nobody asked
		b.call(1, Success)
		b.want(HalfOpen)
		b.call(1, Success)
		b.want(Closed)
		want := []string{
			"closed > open: consecutive_failures",
			"open > half-open: timer",
			"half-open > closed: probe_succeeded",
		}
		if got := b.path(); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// The rules, each alone and beside the others.
func TestBreakerOpens(t *testing.T) {
	const s, f, n, h = Success, Failure, Neutral, Throttled
	rateOnly := func(p *BreakerPolicy) { p.ConsecutiveFailures = 0 }
	tests := []struct {
		name   string
		policy func(*BreakerPolicy)
		calls  []Class
		want   string // the cause; empty if it stays closed
	}{
		{"at the third failure in a row", nil, []Class{f, f, f}, CauseConsecutiveFailures},
		{"not if a success comes between", nil, []Class{f, f, s, f, f}, ""},
		{"although a neutral call comes between", nil, []Class{f, f, n, f}, CauseConsecutiveFailures},
		{"although a throttled call comes between", nil, []Class{f, f, h, f}, CauseConsecutiveFailures},
		{"never on throttled calls", nil, slices.Repeat([]Class{h}, 50), ""},
		{"never on neutral calls", nil, slices.Repeat([]Class{n}, 50), ""},
		{"at half of ten", nil, []Class{f, s, f, s, f, s, f, s, s, f}, CauseFailureRate},
		{"not below half", nil, []Class{f, s, s, f, s, f, s, s, s, f, s, s}, ""},
		{"not below min_calls", rateOnly, slices.Repeat([]Class{f}, 9), ""},
		{"neutral and throttled calls do not fill min_calls", rateOnly, []Class{f, f, f, f, f, n, n, n, h, h, h}, ""},
		{"at min_calls", rateOnly, slices.Repeat([]Class{f}, 10), CauseFailureRate},
		// The automaton alone judges only failures and stays closed here.
		{"when a success completes min_calls", rateOnly, append(slices.Repeat([]Class{f}, 9), s), CauseFailureRate},
		{"not at all without rules", func(p *BreakerPolicy) { p.ConsecutiveFailures, p.FailureRate = 0, nil },
			slices.Repeat([]Class{f}, 1000), ""},
		{"not on successes, whatever the threshold", func(p *BreakerPolicy) { p.FailureRate.Threshold = 0 },
			slices.Repeat([]Class{s}, 20), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := testPolicy()
			if test.policy != nil {
				test.policy(&p)
			}
			inBubble(t, p, func(t *testing.T, b *testBreaker) {
				for i, class := range test.calls {
					if b.State() != Closed {
						t.Fatalf("got open before call %d of %d", i+1, len(test.calls))
					}
					b.call(1, class)
				}
				if got := b.Snapshot().LastTrip.Cause; got != test.want {
					t.Errorf("got cause %q, want %q", got, test.want)
				}
			})
		})
	}
}

func TestBreakerOpensOnSlowCalls(t *testing.T) {
	p := testPolicy()
	p.FailureRate = nil // then 5 calls in 10 s
	p.SlowCalls = &SlowCallsPolicy{Duration: 2 * time.Second, Threshold: 0.8}
	tests := []struct {
		name string
		slow int
		want State
	}{
		{"four slow of five open it", 4, Open},
		{"three slow of five do not", 3, Closed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, p, func(t *testing.T, b *testBreaker) {
				for i := range 5 {
					o := Outcome{Class: Success, Took: 2*time.Second - 1}
					if i < test.slow {
						o.Took = 2 * time.Second
					}
					call := b.admit()
					call.Done(o)
				}
				b.want(test.want)
				if trip := b.Snapshot().LastTrip; test.want == Open &&
					(trip.Cause != CauseSlowCalls || trip.Slow != 4 || trip.Failures != 0) {
					t.Errorf("got trip %+v, want 4 slow calls and no failures", trip)
				}
			})
		})
	}
}

// The library zeroes its consecutive failures with each interval, so 40
// failures in a row, 4 an interval, never reached a threshold of 5.
func TestFailuresFarApartAreStillInARow(t *testing.T) {
	inBubble(t, testPolicy(), func(t *testing.T, b *testBreaker) {
		for range 2 {
			b.call(1, Failure)
			pass(11 * time.Second)
		}
		if c := b.Snapshot(); c.Calls != 0 || c.Consecutive != 2 {
			t.Errorf("got %d calls and %d in a row, want 0 and 2", c.Calls, c.Consecutive)
		}
		b.call(1, Failure)
		b.want(Open)
	})
}

// The library's window starts anew on a tick, so 18 failures within
// 20 ms around it were two times 9 to a threshold of 10.
func TestABurstAcrossABoundaryIsOneBurst(t *testing.T) {
	p := testPolicy()
	p.ConsecutiveFailures = 0
	for _, boundary := range []time.Duration{time.Second, 10 * time.Second, 100 * time.Second} {
		inBubble(t, p, func(_ *testing.T, b *testBreaker) {
			pass(boundary - 10*time.Millisecond)
			b.call(9, Failure)
			b.want(Closed)
			pass(20 * time.Millisecond)
			b.call(1, Failure)
			b.want(Open)
		})
	}
}

// The library keeps the successes of half-open in the closed state's
// counters, where a hundred of them hid a hundred failures.
func TestAClosedBreakerCountsFromZero(t *testing.T) {
	p := testPolicy()
	p.ConsecutiveFailures = 0
	p.HalfOpen.Successes = 100
	inBubble(t, p, func(t *testing.T, b *testBreaker) {
		b.call(10, Failure)
		pass(time.Second)
		b.call(100, Success)
		b.want(Closed)
		if c := b.Snapshot(); c.Calls != 0 || c.Failures != 0 || c.Consecutive != 0 {
			t.Errorf("got %+v, want no counts", c)
		}
		b.call(9, Failure)
		b.want(Closed)
		b.call(1, Failure)
		b.want(Open)
	})
}
