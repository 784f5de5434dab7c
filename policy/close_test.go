package policy

import (
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mercari/go-circuitbreaker"
)

func TestCloseDropsWhatComesLater(t *testing.T) {
	for _, state := range []State{Closed, Open, HalfOpen} {
		inBubble(t, testPolicy(), func(t *testing.T, b *testBreaker) {
			early := b.admit()
			if state == Open {
				b.open()
			}
			if state == HalfOpen {
				b.halfOpen()
				early = b.admit()
			}
			told := len(b.path())
			b.Close()
			b.Close()
			b.want(state)
			early.Done(Outcome{Class: Failure})
			pass(time.Hour)
			for range 100 {
				p, _ := b.Admit()
				p.Done(Outcome{Class: Failure})
			}
			b.want(state)
			if got := len(b.path()); got != told {
				t.Errorf("%s: got %d transitions after Close, want none", state, got-told)
			}
			if c := b.Snapshot(); c.Calls != 0 {
				t.Errorf("%s: got %d calls after Close, want 0", state, c.Calls)
			}
			if got := b.automaton.State(); got != circuitbreaker.StateHalfOpen {
				t.Errorf("%s: got an automaton that is %s after Close, want the state without a timer", state, got)
			}
		})
	}
}

// Otherwise a series that was removed after Close would come back.
func TestCloseDropsWhatIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var seen []State
		b := NewBreaker(testPolicy(), func(tr Transition) {
			seen = append(seen, tr.To)
			<-release
		})
		for range 3 {
			p, _ := b.Admit()
			go p.Done(Outcome{Class: Failure})
		}
		pass(2 * time.Second) // half-open is queued
		b.Close()
		close(release)
		synctest.Wait()
		if want := []State{Open}; !slices.Equal(seen, want) {
			t.Errorf("got %q, want %q", seen, want)
		}
	})
}

// A closed breaker of the library holds a goroutine and a ticker for
// ever. That each bubble in these files ends shows the same.
func TestAThousandBreakersLeaveNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	breakers := make([]*Breaker, 1000)
	for i := range breakers {
		breakers[i] = NewBreaker(testPolicy(), nil)
		if i%2 == 0 {
			for range 3 {
				p, _ := breakers[i].Admit()
				p.Done(Outcome{Class: Failure})
			}
		}
	}
	if got := runtime.NumGoroutine(); got > before {
		t.Errorf("got %d more goroutines while they live, want none", got-before)
	}
	for _, b := range breakers {
		b.Close()
	}
	if got := runtime.NumGoroutine(); got > before {
		t.Errorf("got %d more goroutines after Close, want none", got-before)
	}
}

// The library's zero values are no defaults, and some of them panic.
func TestAPolicyOfZeroValuesIsNoPanic(t *testing.T) {
	inBubble(t, BreakerPolicy{ConsecutiveFailures: 1}, func(_ *testing.T, b *testBreaker) {
		b.call(1, Failure)
		pass(time.Second) // the open time is zero
		b.want(HalfOpen)
		b.call(1, Success)
		b.want(Closed)
	})
}
