package policy

import (
	"testing"
	"testing/synctest"
	"time"
)

// The library's half-open state lets everything through.
func TestTenThousandCallsAtOnceMakeOneProbeAtATime(t *testing.T) {
	for _, probes := range []int{1, 3} {
		p := testPolicy()
		p.HalfOpen.Probes, p.HalfOpen.Successes = probes, 1000
		inBubble(t, p, func(t *testing.T, b *testBreaker) {
			b.halfOpen()
			type result struct {
				permit Permit
				err    error
			}
			results := make(chan result, 10_000)
			for range cap(results) {
				go func() {
					permit, err := b.Admit()
					results <- result{permit, err}
				}()
			}
			synctest.Wait()
			close(results)
			var admitted []Permit
			for r := range results {
				if r.err == nil {
					admitted = append(admitted, r.permit)
				}
			}
			if got := len(admitted); got != probes {
				t.Fatalf("got %d probes at a time, want %d", got, probes)
			}
			for i := range admitted {
				if !admitted[i].Probe() {
					t.Errorf("got a call, want a probe")
				}
				admitted[i].Done(Outcome{Class: Success})
			}
			b.admit() // their places are free again
		})
	}
}

// With probes: 1 and successes: 2 the second probe waits for the first.
func TestProbesGoOneAfterTheOther(t *testing.T) {
	inBubble(t, testPolicy(), func(t *testing.T, b *testBreaker) {
		b.halfOpen()
		first := b.admit()
		b.wantRefused(HalfOpen, probeRetry)
		first.Done(Outcome{Class: Success})
		second := b.admit()
		b.wantRefused(HalfOpen, probeRetry)
		second.Done(Outcome{Class: Success})
		b.want(Closed)
		if call := b.admit(); call.Probe() {
			t.Error("got a probe, want a call of the closed state")
		}
	})
}

// The library does not end a probe that is neither success nor failure;
// a counter of places would leak one each time.
func TestNeutralProbesLoseNoPlace(t *testing.T) {
	inBubble(t, testPolicy(), func(_ *testing.T, b *testBreaker) {
		b.halfOpen()
		b.call(1000, Neutral)
		b.want(HalfOpen)
		b.call(2, Success)
		b.want(Closed)
	})
}

// Between the look at the state and the count of places it may have closed, or
// opened again.
func TestTheLastProbeMayHaveDecidedMeanwhile(t *testing.T) {
	inBubble(t, testPolicy(), func(t *testing.T, b *testBreaker) {
		p, err := b.admitProbe()
		if err != nil || p.Probe() || !p.Current() {
			t.Errorf("closed: got error %v, probe %t, want a call let through", err, p.Probe())
		}
		b.open()
		if _, err = b.admitProbe(); err == nil {
			t.Error("open: got a call let through, want a refusal")
		}
	})
}

// A place is freed by its holder, who bounds the probe's time; until then the
// breaker keeps it. What the holder reports decides.
func TestAHungProbeHoldsItsPlaceUntilDone(t *testing.T) {
	inBubble(t, testPolicy(), func(_ *testing.T, b *testBreaker) {
		b.halfOpen()
		hung := b.admit()
		pass(time.Hour)
		b.wantRefused(HalfOpen, probeRetry)
		hung.Done(Outcome{Class: Failure})
		b.want(Open)
	})
}

// Without traffic the library, and so we, stay half-open: a state that
// refuses nobody who comes.
func TestHalfOpenWaitsForTraffic(t *testing.T) {
	inBubble(t, testPolicy(), func(t *testing.T, b *testBreaker) {
		b.halfOpen()
		since := b.Since()
		pass(24 * time.Hour)
		b.want(HalfOpen)
		if got := b.Since(); !got.Equal(since) {
			t.Errorf("got half-open since %v, want %v", got, since)
		}
		b.admit()
	})
}

// The library counts results of earlier states: calls begun while it was
// closed closed it again without a probe, and one late failure opened it.
func TestResultsOfAnEarlierStateChangeNothing(t *testing.T) {
	for _, class := range []Class{Success, Failure, Throttled, Neutral} {
		inBubble(t, testPolicy(), func(t *testing.T, b *testBreaker) {
			var old []Permit
			for range 20 {
				old = append(old, b.admit())
			}
			b.halfOpen()
			old = append(old, b.admit()) // a probe, outlived too
			late := b.endAll(t, old[:10], class)
			b.want(HalfOpen)
			if late {
				t.Error("got a current permit of an earlier state")
			}
			b.wantRefused(HalfOpen, probeRetry) // no place was freed
			old[20].Done(Outcome{Class: Failure})
			b.want(Open)
			pass(time.Until(b.Until()))
			b.call(2, Success)
			b.endAll(t, old[10:], class)
			b.want(Closed)
			if c := b.Snapshot(); c.Calls != 0 || c.Consecutive != 0 {
				t.Errorf("got %d calls, %d in a row, want none", c.Calls, c.Consecutive)
			}
		})
	}
}

// endAll ends the permits as class and reports whether one was current.
func (b *testBreaker) endAll(t *testing.T, permits []Permit, class Class) bool {
	t.Helper()
	current := false
	for i := range permits {
		current = current || permits[i].Current()
		permits[i].Done(Outcome{Class: class, Wait: time.Minute})
	}
	return current
}

// A failed probe opens the breaker while others are on their way; these must
// neither free places of the next half-open phase nor decide it.
func TestProbesOfAnEarlierHalfOpenPhaseAreVoid(t *testing.T) {
	p := testPolicy()
	p.HalfOpen.Probes, p.HalfOpen.Successes = 3, 1
	inBubble(t, p, func(_ *testing.T, b *testBreaker) {
		b.halfOpen()
		first, second, third := b.admit(), b.admit(), b.admit()
		first.Done(Outcome{Class: Failure})
		b.want(Open)
		second.Done(Outcome{Class: Success})
		b.want(Open)
		pass(time.Until(b.Until()))
		b.want(HalfOpen)
		third.Done(Outcome{Class: Success})
		b.want(HalfOpen)
		for range 3 {
			b.admit()
		}
		b.wantRefused(HalfOpen, probeRetry)
	})
}
