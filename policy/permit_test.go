package policy

import (
	"errors"
	"testing"
	"time"
)

// A panic in the library's Do left no result at all. A deferred Done and
// a second one after it are the way to hold a permit.
func TestDoneCountsOnce(t *testing.T) {
	inBubble(t, testPolicy(), func(t *testing.T, b *testBreaker) {
		func() {
			defer func() { _ = recover() }()
			p := b.admit()
			defer p.Done(Outcome{Class: Neutral})
			p.Done(Outcome{Class: Failure})
			p.Done(Outcome{Class: Failure})
			panic("in the middle of a call")
		}()
		if c := b.Snapshot(); c.Calls != 1 || c.Failures != 1 {
			t.Errorf("got %d calls, %d failures, want 1 and 1", c.Calls, c.Failures)
		}
		b.call(1, Success)
		b.halfOpen()
		probe := b.admit()
		probe.Done(Outcome{Class: Neutral})
		probe.Done(Outcome{Class: Neutral}) // frees no second place
		b.admit()
		b.wantRefused(HalfOpen, probeRetry)
	})
}

// A call that was let through before a trip runs on; its retry need not.
func TestAPermitIsCurrentWhileItsStateLasts(t *testing.T) {
	inBubble(t, testPolicy(), func(t *testing.T, b *testBreaker) {
		call := b.admit()
		if !call.Current() {
			t.Error("got an outdated permit while closed")
		}
		b.open()
		if call.Current() {
			t.Error("got a current permit after a trip")
		}
		pass(time.Second)
		b.call(2, Success)
		b.want(Closed)
		if call.Current() {
			t.Error("got a current permit in a later closed state")
		}
	})
}

func TestAStreamThatBreaksLaterIsOneMoreFailure(t *testing.T) {
	inBubble(t, testPolicy(), func(t *testing.T, b *testBreaker) {
		stream := b.admit()
		stream.FailLate("not recorded yet")
		if got := b.Snapshot().Failures; got != 0 {
			t.Errorf("got %d failures before the outcome, want 0", got)
		}
		stream.Done(Outcome{Class: Success})
		stream.FailLate("broken body")
		stream.FailLate("again")
		if c := b.Snapshot(); c.Failures != 1 || c.Consecutive != 1 || c.LastError != "broken body" {
			t.Errorf("got %+v, want one failure by a broken body", c)
		}
		b.call(1, Failure)
		last := b.admit()
		last.Done(Outcome{Class: Neutral})
		last.FailLate("third in a row")
		b.want(Open)
	})
}

func TestAStreamThatBreaksInAnotherStateIsNothing(t *testing.T) {
	inBubble(t, testPolicy(), func(t *testing.T, b *testBreaker) {
		old := b.admit()
		old.Done(Outcome{Class: Success})
		b.halfOpen()
		probe := b.admit()
		probe.Done(Outcome{Class: Success})
		old.FailLate("of the closed state before")
		probe.FailLate("of this half-open state")
		b.want(HalfOpen)
		b.call(1, Success)
		b.want(Closed)
		old.FailLate("of the closed state before last")
		probe.FailLate("of the half-open state before")
		if c := b.Snapshot(); c.Failures != 0 {
			t.Errorf("got %d failures, want 0", c.Failures)
		}
	})
}

func TestTheZeroPermitBelongsToNoBreaker(t *testing.T) {
	var p Permit
	p.Done(Outcome{Class: Failure})
	p.FailLate("nothing")
	if p.Probe() || !p.Current() {
		t.Errorf("got probe %t, current %t, want false, true", p.Probe(), p.Current())
	}
}

// The library's refusal does not say for how long.
func TestARefusalSaysForHowLong(t *testing.T) {
	until := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var err error = &OpenError{State: Open, Until: until}
	if got, want := err.Error(), "circuit breaker is open until 2026-01-02T03:04:05Z"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	refused, _ := errors.AsType[*OpenError](err)
	for _, test := range []struct {
		name string
		now  time.Time
		want time.Duration
	}{
		{"before", until.Add(-1500 * time.Millisecond), 1500 * time.Millisecond},
		{"at the moment", until, 0},
		{"after", until.Add(time.Hour), 0},
	} {
		if got := refused.RetryAfter(test.now); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestADecisionAllocatesNothing(t *testing.T) {
	p := testPolicy()
	p.Open.Initial = time.Hour
	b := NewBreaker(p, nil)
	defer b.Close()
	if got := testing.AllocsPerRun(1000, func() {
		call, _ := b.Admit()
		defer call.Done(Outcome{Class: Neutral})
		call.Done(Outcome{Class: Success, Took: time.Millisecond})
	}); got != 0 {
		t.Errorf("a call: got %v allocations, want 0", got)
	}
	for range p.ConsecutiveFailures {
		call, _ := b.Admit()
		call.Done(Outcome{Class: Failure})
	}
	if got := testing.AllocsPerRun(1000, func() {
		if _, err := b.Admit(); err == nil {
			t.Fatal("got a call let through, want a refusal")
		}
	}); got != 0 {
		t.Errorf("a refusal: got %v allocations, want 0", got)
	}
}

func BenchmarkBreaker(b *testing.B) {
	call := func(breaker *Breaker) {
		permit, _ := breaker.Admit()
		permit.Done(Outcome{Class: Success, Took: time.Millisecond})
	}
	b.Run("closed", func(b *testing.B) {
		breaker := NewBreaker(testPolicy(), nil)
		defer breaker.Close()
		b.ReportAllocs()
		for b.Loop() {
			call(breaker)
		}
	})
	b.Run("closed parallel", func(b *testing.B) {
		breaker := NewBreaker(testPolicy(), nil)
		defer breaker.Close()
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				call(breaker)
			}
		})
	})
	b.Run("open", func(b *testing.B) {
		p := testPolicy()
		p.ConsecutiveFailures, p.Open.Initial = 1, time.Hour
		breaker := NewBreaker(p, nil)
		defer breaker.Close()
		permit, _ := breaker.Admit()
		permit.Done(Outcome{Class: Failure})
		b.ReportAllocs()
		for b.Loop() {
			_, _ = breaker.Admit()
		}
	})
}
