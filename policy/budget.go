package policy

import (
	"math"
	"sync"
	"time"
)

// budgetWindow is what a retry budget looks back on.
const budgetWindow = 10 * time.Second

// Budget bounds the repeats that are sent to an upstream, so that a failing one
// does not get a multiple of its load: of the last 10 s, to a share of the calls
// plus a number. It counts what goes out on the wire.
//
// A Budget is safe for concurrent use. A nil Budget has no bound.
type Budget struct {
	ratio, floor float64
	born         time.Time

	mu             sync.Mutex
	calls, repeats window
}

// NewBudget returns a budget of ratio (0..1) of the calls and minPerSecond
// repeats a second.
func NewBudget(ratio, minPerSecond float64) *Budget {
	return &Budget{
		ratio: ratio, floor: minPerSecond * budgetWindow.Seconds(), born: time.Now(),
		calls: newWindow(budgetWindow),
		// No repeat is forgotten too early: a window remembers nine tenths of its
		// length for sure.
		repeats: newWindow(budgetWindow * 10 / 9),
	}
}

// call counts a call's first try.
func (b *Budget) call() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls.add(time.Since(b.born), counts{calls: 1})
}

// take counts a repeat that is about to be sent, and reports whether there was
// one left.
func (b *Budget) take() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left() < 1 {
		return false
	}
	b.repeats.add(time.Since(b.born), counts{calls: 1})
	return true
}

// spend counts repeats that nobody asked for.
func (b *Budget) spend(n int) {
	if b == nil || n == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.repeats.add(time.Since(b.born), counts{calls: n})
}

// Remaining returns how many repeats may be sent now. Without a bound that is
// the largest int.
func (b *Budget) Remaining() int {
	if b == nil {
		return math.MaxInt
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(b.left(), 0)
}

func (b *Budget) left() int {
	now := time.Since(b.born)
	allowed := b.ratio*float64(b.calls.sum(now).calls) + b.floor
	// A sum of decimal fractions is a hair too small at times.
	return int(math.Floor(allowed+1e-9)) - b.repeats.sum(now).calls
}
