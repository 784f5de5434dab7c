package policy

import (
	"testing"
	"time"
)

// The library counts on while it is open.
func TestASnapshotCountsOnlyWhatIsClosed(t *testing.T) {
	inBubble(t, testPolicy(), func(t *testing.T, b *testBreaker) {
		b.call(3, Success)
		b.call(1, Failure)
		want := Snapshot{State: Closed, Since: b.Since(), Calls: 4, Failures: 1, Consecutive: 1, Rate: 0.25, LastError: "boom"}
		if got := b.Snapshot(); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		pass(10 * time.Second)
		if got := b.Snapshot(); got.Calls != 0 || got.Rate != 0 || got.Consecutive != 1 {
			t.Errorf("got %+v after a window, want no calls and one failure in a row", got)
		}
		b.call(2, Failure)
		got := b.Snapshot()
		want = Snapshot{State: Open, Since: time.Now(), Until: time.Now().Add(time.Second), LastError: "boom", LastTrip: got.LastTrip}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

// The library takes its write lock to tell its state.
func TestTheStateIsToldWithoutALock(t *testing.T) {
	inBubble(t, testPolicy(), func(t *testing.T, b *testBreaker) {
		b.open()
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.State() != Open || b.Until().IsZero() || b.Since().IsZero() {
			t.Errorf("got %s since %v until %v, want open and both times", b.State(), b.Since(), b.Until())
		}
	})
}
