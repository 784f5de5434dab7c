package policy

import (
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestBudget(t *testing.T) {
	bubble(t, "is a share of the calls and a number", func(t *testing.T) {
		b := NewBudget(0.2, 0.3)
		want := func(n int) {
			t.Helper()
			if got := b.Remaining(); got != n {
				t.Fatalf("got %d left, want %d", got, n)
			}
		}
		want(3)
		for range 100 {
			b.call()
		}
		want(23)
		for range 23 {
			if !b.take() {
				t.Fatal("got none of those that are left")
			}
		}
		want(0)
		if b.take() {
			t.Error("got one more than is left")
		}
		for range 4 {
			b.call()
		}
		want(0)
		b.call()
		want(1) // 105 calls: 21 and 3
	})
	bubble(t, "is what it was when all is forgotten", func(t *testing.T) {
		b := NewBudget(0.2, 0.3)
		for range 100 {
			b.call()
		}
		for b.take() {
		}
		pass(12 * time.Second)
		if got := b.Remaining(); got != 3 {
			t.Errorf("got %d left, want 3", got)
		}
	})
	bubble(t, "counts what nobody asked for, and owes it", func(t *testing.T) {
		b := NewBudget(0.2, 0.3)
		b.spend(5)
		if got := b.Remaining(); got != 0 || b.take() {
			t.Errorf("got %d left, want none", got)
		}
		for range 15 {
			b.call()
		}
		if got := b.Remaining(); got != 1 {
			t.Errorf("got %d left, want 1", got)
		}
		b.spend(0)
		if got := b.Remaining(); got != 1 {
			t.Errorf("got %d left, want 1", got)
		}
	})
	// 0.29 × 100 is a hair less than 29 to a computer.
	bubble(t, "loses nothing to fractions", func(t *testing.T) {
		for _, tt := range []struct {
			ratio, perSecond float64
			calls, want      int
		}{{0.29, 0, 100, 29}, {0.57, 0, 100, 57}, {0.1, 0, 30, 3}, {0.7, 0, 10, 7}, {0.2, 0.3, 0, 3}, {0.1, 0.7, 10, 8}, {0, 0, 1000, 0}, {1, 0, 7, 7}, {0.2, 0, 4, 0}} {
			b := NewBudget(tt.ratio, tt.perSecond)
			for range tt.calls {
				b.call()
			}
			if got := b.Remaining(); got != tt.want {
				t.Errorf("ratio %v, %v a second, %d calls: got %d, want %d", tt.ratio, tt.perSecond, tt.calls, got, tt.want)
			}
		}
	})
	t.Run("nil has no bound", func(t *testing.T) {
		var b *Budget
		b.call()
		b.spend(1)
		if !b.take() || b.Remaining() != math.MaxInt {
			t.Error("got a bound, want none")
		}
	})
}

// At any moment: the repeats of the last 10 s are no more than the ratio of the
// calls of the last 10 s, and the number. A window that looks back a little less
// far at times would let a multiple through at its edges.
func TestABudgetIsKeptInEveryTenSeconds(t *testing.T) {
	const ratio, floor = 0.2, 3
	for seed := range uint64(20) {
		bubble(t, "under any traffic", func(t *testing.T) {
			b := NewBudget(0.2, 0.3)
			random := rand.New(rand.NewPCG(seed, 3))
			var calls, repeats []time.Time
			busy := 1 + int(seed)*3
			for range 2500 {
				<-time.After(time.Duration(random.Int64N(int64(200 * time.Millisecond))))
				if random.IntN(50) == 0 {
					<-time.After(time.Duration(random.Int64N(int64(12 * time.Second))))
				}
				now := time.Now()
				for range random.IntN(busy) {
					b.call()
					calls = append(calls, now)
				}
				for range random.IntN(4) {
					if !b.take() {
						continue
					}
					repeats = append(repeats, now)
					from := now.Add(-budgetWindow)
					c, r := since(calls, from), since(repeats, from)
					if most := ratio*float64(c) + floor; float64(r) > most+1e-6 {
						t.Fatalf("got %d repeats and %d calls in 10s, want at most %.1f repeats", r, c, most)
					}
				}
			}
			if len(repeats) < 50 {
				t.Errorf("got %d repeats: the test is too tame", len(repeats))
			}
		})
	}
	bubble(t, "also by the number alone", func(t *testing.T) {
		b := NewBudget(0.2, 0.3)
		var repeats []time.Time
		for range 10_000 {
			<-time.After(37 * time.Millisecond)
			if b.take() {
				repeats = append(repeats, time.Now())
			}
		}
		for i := range repeats[3:] {
			if span := repeats[i+3].Sub(repeats[i]); span < budgetWindow {
				t.Fatalf("got 4 repeats within %v", span)
			}
		}
		if least := 90; len(repeats) < least {
			t.Errorf("got %d repeats in 370s, want at least %d", len(repeats), least)
		}
	})
}

// since counts the moments after from, of a sorted list.
func since(moments []time.Time, from time.Time) int {
	i, _ := slices.BinarySearchFunc(moments, from, time.Time.Compare)
	return len(moments) - i
}

// The budget is the upstream's: what one route spends is gone for the others.
func TestABudgetIsSharedByRoutes(t *testing.T) {
	bubble(t, "of an upstream that fails", func(t *testing.T) {
		budget := NewBudget(0, 0.5)
		var skipped, sent int
		for range 10 {
			r := newRig(t, nil, answers(503, "down"))
			r.Shared.Budget = budget
			body, call, err := r.get(t)
			if body != "down" || err != nil || call.Reason != ReasonError {
				t.Errorf("got %q, %v, %q, want the last answer", body, err, call.Reason)
			}
			skipped += r.tally.skipped[SkipBudget]
			sent += r.script.calls
		}
		if sent != 15 || skipped != 8 {
			t.Errorf("got %d requests, %d calls without a repeat for the budget, want 15 and 8", sent, skipped)
		}
	})
	bubble(t, "and is not spent on repeats that are not made", func(t *testing.T) {
		r := newRig(t, func(p *Policy) { p.Retry.MaxHint = time.Millisecond }, answers(429, "", "Retry-After", "1"))
		r.Policy.Throttle, r.Gate, r.Shared.Gate = nil, nil, nil
		r.Shared.Budget = NewBudget(0, 0.3)
		r.Shared.Rate = NewRate(1, time.Hour, 1)
		for range 3 {
			_, _, _ = r.get(t)
			_, _, _ = r.do(t.Context(), http.MethodPost, strings.NewReader("x"), 1)
			r.Policy.Retry.MaxHint = time.Second // from now on the rate is what refuses
		}
		if got := r.Shared.Budget.Remaining(); got != 3 {
			t.Errorf("got %d left, want 3", got)
		}
	})
	// A dead connection's replacement is no repeat: servers close idle ones.
	bubble(t, "nor on the replacement of a dead connection", func(t *testing.T) {
		r := newRig(t, nil, dead)
		r.Shared.Budget = NewBudget(0, 0.3)
		if _, call, err := r.get(t); err != nil || call.Attempts != 2 || r.Shared.Budget.Remaining() != 3 {
			t.Errorf("got %v, %d attempts, %d left", err, call.Attempts, r.Shared.Budget.Remaining())
		}
	})
}
