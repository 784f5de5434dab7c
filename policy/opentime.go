package policy

import "time"

// openTime is how long a breaker stays open: initial at first, twice as long
// each time it opens again, at most max. Every time is varied by up to a tenth,
// so that not all who call an upstream ask it again together.
type openTime struct {
	initial, max time.Duration
	current      time.Duration  // without the variation; zero before the first
	random       func() float64 // [0, 1)
}

// next returns the next time, longer than the last.
func (t *openTime) next() time.Duration {
	t.current = min(max(t.initial, 2*t.current), t.max)
	return t.again()
}

// again returns the current time once more, varied anew.
func (t *openTime) again() time.Duration {
	return max(time.Duration(float64(t.current)*(0.9+0.2*t.random())), 1)
}

// reset makes initial the next time.
func (t *openTime) reset() { t.current = 0 }

// openBackOff lets the automaton ask its breaker for the open time. It never
// says Stop, with which the automaton would stay open for ever, and keeps no
// time of its own.
type openBackOff struct{ b *Breaker }

func (o openBackOff) NextBackOff() time.Duration { return o.b.openFor }

// Reset does nothing: that the breaker has closed is no reason yet to forget.
func (openBackOff) Reset() {}
