package policy

import (
	"math/rand/v2"
	"testing"
	"time"
)

// naiveWindow keeps every event and looks at all of them.
type naiveWindow struct {
	width  time.Duration
	events []naiveEvent
}

type naiveEvent struct {
	at time.Duration
	c  counts
}

func (n *naiveWindow) sum(now time.Duration) counts {
	tick := func(at time.Duration) int64 { return int64(at / n.width) }
	var total counts
	for _, e := range n.events {
		if tick(now)-tick(e.at) < windowBuckets {
			total.add(e.c)
		}
	}
	return total
}

func TestWindowAgreesWithAListOfAllEvents(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		length := time.Duration(1+random.IntN(30)) * time.Second
		now := time.Duration(random.Int64N(int64(time.Hour)))
		w := newWindow(length)
		naive := naiveWindow{width: length / windowBuckets}
		for step := range 500 {
			switch random.IntN(20) {
			case 0: // a long pause
				now += time.Duration(random.Int64N(int64(3 * length)))
			case 1: // to the very edge of a bucket
				now += naive.width - now%naive.width
			default:
				now += time.Duration(random.Int64N(int64(length / 20)))
			}
			c := counts{calls: 1, failures: random.IntN(2), slow: random.IntN(2)}
			w.add(now, c)
			naive.events = append(naive.events, naiveEvent{now, c})
			if got, want := w.sum(now), naive.sum(now); got != want {
				t.Fatalf("seed %d, step %d: got %+v, want %+v", seed, step, got, want)
			}
		}
	}
}

func TestWindowRemembersForNineTenthsAndForgetsWhenOver(t *testing.T) {
	tests := []struct {
		name  string
		at    time.Duration
		asked time.Duration
		want  int
	}{
		{"an event is there at once", 0, 0, 1},
		{"the start of a bucket lives for the whole window", 0, 10*time.Second - 1, 1},
		{"the start of a bucket is gone when the window is over", 0, 10 * time.Second, 0},
		{"the end of a bucket lives for nine tenths", time.Second - 1, 10*time.Second - 1, 1},
		{"the end of a bucket is gone with its bucket", time.Second - 1, 10 * time.Second, 0},
		{"a pause of years forgets all", 0, 3 * 365 * 24 * time.Hour, 0},
		{"a clock that steps back moves nothing", 5 * time.Second, 4 * time.Second, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWindow(10 * time.Second)
			w.add(test.at, counts{calls: 1})
			if got := w.sum(test.asked).calls; got != test.want {
				t.Errorf("got %d calls, want %d", got, test.want)
			}
		})
	}
}

func TestWindowOfNoLengthDoesNotDivideByZero(t *testing.T) {
	w := newWindow(0)
	w.add(time.Second, counts{calls: 1})
	if got := w.sum(time.Second).calls; got != 1 {
		t.Errorf("got %d calls, want 1", got)
	}
}

func TestRateIsAQuotient(t *testing.T) {
	tests := []struct {
		name string
		c    counts
		want float64
	}{
		{"no calls have no rate", counts{}, 0},
		{"half", counts{calls: 10, failures: 5}, 0.5},
		// 0.1*30 is 3.0000000000000004, which 3 does not reach.
		{"a tenth of thirty is exactly a tenth", counts{calls: 30, failures: 3}, 0.1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.c.rate(test.c.failures); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func BenchmarkWindow(b *testing.B) {
	w := newWindow(10 * time.Second)
	var now time.Duration
	b.ReportAllocs()
	for b.Loop() {
		now += time.Millisecond
		w.add(now, counts{calls: 1})
	}
}
