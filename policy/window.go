package policy

import "time"

// windowBuckets is how finely a window forgets: a tenth of it at a time.
const windowBuckets = 10

// counts are the calls of a span of time; one that failed after a long time is
// among the failures and among the slow.
type counts struct{ calls, failures, slow int }

func (c *counts) add(d counts) {
	c.calls += d.calls
	c.failures += d.failures
	c.slow += d.slow
}

func (c *counts) sub(d counts) {
	c.calls -= d.calls
	c.failures -= d.failures
	c.slow -= d.slow
}

// rate is n's share of the calls; without calls it is 0. It is a quotient, and
// compared as one: 3 of 30 reach 0.1, which 0.1*30 does not.
func (c counts) rate(n int) float64 {
	if c.calls == 0 {
		return 0
	}
	return float64(n) / float64(c.calls)
}

// window counts the calls of the last length of time, give or take one bucket:
// a call is remembered for at least nine tenths of the length and forgotten
// when it is over. It never starts anew, so no burst can hide on a boundary.
//
// Moments are given as the time since a fixed one, which costs half of what
// telling the date does. The methods cost the same however many calls there are
// and allocate nothing. A window is not safe for concurrent use.
type window struct {
	width   time.Duration // of one bucket
	tick    int64         // of the newest bucket, in widths
	buckets [windowBuckets]counts
	total   counts
}

func newWindow(length time.Duration) window {
	return window{width: max(length/windowBuckets, 1)}
}

// add counts c at now.
func (w *window) add(now time.Duration, c counts) {
	w.advance(now)
	w.buckets[w.tick%windowBuckets].add(c)
	w.total.add(c)
}

// sum returns what the window holds at now.
func (w *window) sum(now time.Duration) counts {
	w.advance(now)
	return w.total
}

// reset forgets everything.
func (w *window) reset() { *w = window{width: w.width, tick: w.tick} }

// advance forgets the buckets that are older than the window. A now before the
// newest bucket moves nothing.
func (w *window) advance(now time.Duration) {
	tick := int64(now / w.width)
	if tick-w.tick >= windowBuckets {
		w.buckets, w.total, w.tick = [windowBuckets]counts{}, counts{}, tick
		return
	}
	for w.tick < tick {
		w.tick++
		oldest := &w.buckets[w.tick%windowBuckets]
		w.total.sub(*oldest)
		*oldest = counts{}
	}
}
