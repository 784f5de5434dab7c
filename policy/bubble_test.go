package policy

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// testBreaker is a breaker in a bubble, without variation of its open times,
// that remembers its transitions.
type testBreaker struct {
	*Breaker
	t       *testing.T
	changes []Transition // read after settle
}

// testPolicy opens after 3 failures in a row, or when half of at least 10 calls
// in 10 s failed.
func testPolicy() BreakerPolicy {
	var p BreakerPolicy
	p.SetDefaults()
	p.ConsecutiveFailures = 3
	p.FailureRate.MinCalls = 10
	p.Open = OpenPolicy{Initial: time.Second, Max: 30 * time.Second}
	p.HalfOpen = HalfOpenPolicy{Probes: 1, Successes: 2, Timeout: time.Second}
	return p
}

// inBubble runs test with a breaker under p.
func inBubble(t *testing.T, p BreakerPolicy, test func(t *testing.T, b *testBreaker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &testBreaker{t: t}
		b.Breaker = NewBreaker(p, func(tr Transition) { b.changes = append(b.changes, tr) })
		b.openTime.random = func() float64 { return 0.5 }
		t.Cleanup(b.Close)
		test(t, b)
	})
}

// pass lets d go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (b *testBreaker) admit() Permit {
	b.t.Helper()
	p, err := b.Admit()
	if err != nil {
		b.t.Fatalf("a call was refused: %v", err)
	}
	return p
}

// call makes n calls that end as class.
func (b *testBreaker) call(n int, class Class) {
	b.t.Helper()
	for range n {
		p := b.admit()
		p.Done(Outcome{Class: class, Err: "boom"})
	}
}

// open makes the breaker open by failures in a row.
func (b *testBreaker) open() {
	b.t.Helper()
	b.call(b.policy.ConsecutiveFailures, Failure)
	b.want(Open)
}

// halfOpen opens the breaker and waits until it tries the upstream.
func (b *testBreaker) halfOpen() {
	b.t.Helper()
	b.open()
	pass(time.Until(b.Until()))
	b.want(HalfOpen)
}

func (b *testBreaker) want(want State) {
	b.t.Helper()
	if got := b.State(); got != want {
		b.t.Fatalf("got state %s, want %s", got, want)
	}
}

// wantRefused checks that a call is refused, and until when.
func (b *testBreaker) wantRefused(state State, after time.Duration) {
	b.t.Helper()
	_, err := b.Admit()
	var refused *OpenError
	if !errors.As(err, &refused) {
		b.t.Fatalf("got error %v, want a refusal", err)
	}
	if got := refused.RetryAfter(time.Now()); refused.State != state || got != after {
		b.t.Errorf("got %s for %v, want %s for %v", refused.State, got, state, after)
	}
}

// path returns the states the breaker went through, with the causes.
func (b *testBreaker) path() []string {
	synctest.Wait()
	var path []string
	for _, tr := range b.changes {
		path = append(path, string(tr.From)+" > "+string(tr.To)+": "+tr.Cause)
	}
	return path
}
