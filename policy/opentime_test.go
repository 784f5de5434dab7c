package policy

import (
	"testing"
	"time"
)

// doubling are the open times of testPolicy.
var doubling = []time.Duration{
	time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second,
	16 * time.Second, 30 * time.Second, 30 * time.Second,
}

// The library forgets its backoff whenever it closes, so a flapping
// upstream was always asked again after the first period.
func TestFlappingDoublesTheOpenTimeUntilAWindowWasQuiet(t *testing.T) {
	inBubble(t, testPolicy(), func(_ *testing.T, b *testBreaker) {
		for _, want := range doubling {
			b.open()
			b.wantRefused(Open, want)
			pass(want)
			b.call(2, Success)
			b.want(Closed)
			pass(10*time.Second - 1) // almost a window
		}
		pass(1)
		b.open()
		b.wantRefused(Open, time.Second)
	})
}

func TestFailedProbesDoubleTheOpenTime(t *testing.T) {
	inBubble(t, testPolicy(), func(_ *testing.T, b *testBreaker) {
		b.open()
		for _, want := range doubling {
			b.wantRefused(Open, want)
			pass(want)
			b.call(1, Failure)
		}
	})
}

func TestAThrottledProbeWaitsItsHintWithoutDoubling(t *testing.T) {
	inBubble(t, testPolicy(), func(_ *testing.T, b *testBreaker) {
		b.halfOpen()
		for _, step := range []struct{ wait, want time.Duration }{
			{0, time.Second}, // no hint: the same time again
			{7 * time.Second, 7 * time.Second},
			{2 * time.Minute, 2 * time.Minute}, // beyond open.max
			{time.Hour, 5 * time.Minute},
			{0, time.Second},
		} {
			probe := b.admit()
			probe.Done(Outcome{Class: Throttled, Wait: step.wait})
			b.wantRefused(Open, step.want)
			pass(step.want)
		}
		b.call(1, Failure)
		b.wantRefused(Open, 2*time.Second)
	})
}

func TestOpenTimesVaryByATenth(t *testing.T) {
	tests := []struct {
		random float64
		want   time.Duration
	}{{0, 900 * time.Millisecond}, {0.5, time.Second}, {1, 1100 * time.Millisecond}}
	for _, test := range tests {
		inBubble(t, testPolicy(), func(_ *testing.T, b *testBreaker) {
			b.openTime.random = func() float64 { return test.random }
			b.open()
			b.wantRefused(Open, test.want)
		})
	}
}

// With the BackOff of the library's own example, the first trip after 15
// healthy minutes was for ever.
func TestATripAfterALongHealthyTimeIsNotForEver(t *testing.T) {
	inBubble(t, testPolicy(), func(_ *testing.T, b *testBreaker) {
		pass(30 * 24 * time.Hour)
		b.halfOpen()
	})
}

// Open times are each breaker's own.
func TestBreakersShareNoOpenTime(t *testing.T) {
	inBubble(t, testPolicy(), func(t *testing.T, b *testBreaker) {
		other := NewBreaker(testPolicy(), nil)
		defer other.Close()
		b.halfOpen()
		b.call(1, Failure)
		if got := other.openTime.current; got != 0 {
			t.Errorf("got %v, want 0", got)
		}
	})
}
