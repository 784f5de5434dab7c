package policy

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestATripTellsWhatCausedIt(t *testing.T) {
	inBubble(t, testPolicy(), func(t *testing.T, b *testBreaker) {
		b.call(2, Success)
		b.open()
		want := Transition{
			From: Closed, To: Open, At: time.Now(), Until: time.Now().Add(time.Second),
			Cause: CauseConsecutiveFailures, Calls: 5, Failures: 3, Consecutive: 3, Rate: 0.6, LastError: "boom",
		}
		if got := b.Snapshot().LastTrip; got != want {
			t.Errorf("got last trip %+v, want %+v", got, want)
		}
		pass(time.Second)
		b.call(1, Failure)
		pass(2 * time.Second)
		b.call(2, Success)
		if got := b.Snapshot().LastTrip; got != want {
			t.Errorf("got last trip %+v after a failed probe, want %+v", got, want)
		}
		wantPath := []string{
			"closed > open: consecutive_failures",
			"open > half-open: timer",
			"half-open > open: probe_failed",
			"open > half-open: timer",
			"half-open > closed: probe_succeeded",
		}
		if got := b.path(); !slices.Equal(got, wantPath) {
			t.Fatalf("got %q, want %q", got, wantPath)
		}
		if got := b.changes[0]; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		for i, tr := range b.changes {
			if (tr.To == Open) == tr.Until.IsZero() {
				t.Errorf("transition %d to %s: got until %v", i, tr.To, tr.Until)
			}
			if (tr.Cause == CauseTimer) != (tr.LastError == "") {
				t.Errorf("transition %d, cause %s: got last error %q", i, tr.Cause, tr.LastError)
			}
		}
	})
}

// The library calls its hook under its lock, where a look at the state
// deadlocks, and with it the route.
func TestOnChangeMayUseTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *Breaker
		var seen []State
		b = NewBreaker(testPolicy(), func(Transition) {
			seen = append(seen, b.Snapshot().State)
			if p, err := b.Admit(); err == nil {
				p.Done(Outcome{Class: Failure}) // a transition within a transition
			}
			if len(seen) == 5 {
				b.Close()
			}
		})
		for range 3 {
			p, _ := b.Admit()
			p.Done(Outcome{Class: Failure})
		}
		pass(time.Minute)
		want := []State{Open, HalfOpen, Open, HalfOpen, Open}
		if !slices.Equal(seen, want) {
			t.Errorf("got %q, want %q", seen, want)
		}
	})
}

// A panic in the library's hook, on its timer, ends the process.
func TestAPanicInOnChangeEndsNothing(t *testing.T) {
	var logged strings.Builder
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	synctest.Test(t, func(t *testing.T) {
		b := NewBreaker(testPolicy(), func(tr Transition) { panic("no " + tr.Cause) })
		defer b.Close()
		for range 3 {
			p, _ := b.Admit()
			p.Done(Outcome{Class: Failure})
		}
		pass(2 * time.Second)
		if got := b.State(); got != HalfOpen {
			t.Errorf("got %s, want half-open", got)
		}
	})
	for _, cause := range []string{CauseConsecutiveFailures, CauseTimer} {
		if !strings.Contains(logged.String(), "no "+cause) {
			t.Errorf("got log %q, want the panic at %s", logged.String(), cause)
		}
	}
}

// A slow onChange holds up the one call that delivers, nobody else, and nothing
// is lost or overtakes.
func TestASlowOnChangeHoldsUpOneCallOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var seen []string
		b := NewBreaker(testPolicy(), func(tr Transition) {
			<-release
			seen = append(seen, string(tr.To))
		})
		defer b.Close()
		fail := func() {
			p, _ := b.Admit()
			p.Done(Outcome{Class: Failure})
		}
		fail()
		fail()
		go fail() // delivers
		synctest.Wait()
		pass(2 * time.Second)
		fail() // a probe
		pass(4 * time.Second)
		if got := b.State(); got != HalfOpen || len(seen) != 0 {
			t.Fatalf("got %s and %q delivered, want half-open and none", got, seen)
		}
		close(release)
		synctest.Wait()
		if got, want := fmt.Sprint(seen), "[open half-open open half-open]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// The library fires hooks for open > open and the like, and a timer
// that is late. Whatever the calls, each transition starts where the last ended.
func TestTransitionsFormAChain(t *testing.T) {
	p := testPolicy()
	p.HalfOpen.Probes = 3
	p.Open = OpenPolicy{Initial: 50 * time.Millisecond, Max: 50 * time.Millisecond}
	inBubble(t, p, func(t *testing.T, b *testBreaker) {
		var wg sync.WaitGroup
		for worker := range 20 {
			wg.Go(func() {
				for i := range 200 {
					p, _ := b.Admit()
					// Never no time at all: under the race detector, Go 1.26 crashes when
					// goroutines of a bubble receive from timers that are already due.
					<-time.After(time.Duration(1+worker*i%17) * 10 * time.Millisecond)
					p.Done(Outcome{Class: Class((worker + i/20) % 4)})
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		if len(b.changes) < 10 {
			t.Fatalf("got %d transitions, want some to look at", len(b.changes))
		}
		from := Closed
		for i, tr := range b.changes {
			if tr.From != from || tr.To == from {
				t.Fatalf("transition %d: got %s > %s, want one from %s", i, tr.From, tr.To, from)
			}
			from = tr.To
		}
		if got := b.State(); got != from {
			t.Errorf("got %s, want %s as told", got, from)
		}
	})
}
