package policy

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// A breaker and its reference go through the same random steps under random
// policies, and look the same after each. The last seed is new each time; to
// replay a failure, put the seed it printed first.
func TestTheBreakerAgreesWithItsReference(t *testing.T) {
	const stepsOfOne = 2000
	steps := 1_000_000
	if testing.Short() {
		steps = 100_000
	}
	seeds := []uint64{1, 2, 3, 4, rand.Uint64()}
	causes := map[string]int{}
	for _, seed := range seeds {
		for number := range uint64(steps / stepsOfOne / len(seeds)) {
			random := rand.New(rand.NewPCG(seed, number))
			synctest.Test(t, func(t *testing.T) {
				s := newSchedule(t, random, randomPolicy(random))
				s.title = fmt.Sprintf("seed %d, schedule %d", seed, number)
				for range stepsOfOne {
					s.next()
					s.compare()
				}
				for _, change := range s.model.told {
					causes[change.Cause]++
				}
			})
		}
	}
	t.Logf("%d steps of seeds %d; transitions: %v", steps, seeds, causes)
	for _, cause := range []string{
		CauseConsecutiveFailures, CauseFailureRate, CauseSlowCalls, CauseProbeFailed, CauseProbeSucceeded, CauseTimer,
	} {
		if got, want := causes[cause], steps/2000; got < want {
			t.Errorf("got %d transitions by %s, want at least %d for the test to mean something", got, cause, want)
		}
	}
}

// randomPolicy is valid, has each rule on or off, and no part of a percent: the
// reference counts in whole ones.
func randomPolicy(random *rand.Rand) BreakerPolicy {
	percents := func() float64 {
		return float64(oneOf(random, 1, 10, 28, 33, 50, 55, 67, 100, 1+random.IntN(100))) / 100
	}
	open := OpenPolicy{Initial: oneOf(random, time.Millisecond, time.Second, 15*time.Second, randomTime(random, 20*time.Second))}
	open.Max = time.Duration(oneOf(random, 1, 2, 3, 4, 10, 100)) * open.Initial
	p := BreakerPolicy{
		ConsecutiveFailures: oneOf(random, 0, 0, 1, 2, 3, 5, 8),
		Open:                open,
		HalfOpen:            HalfOpenPolicy{Probes: 1 + random.IntN(4), Successes: 1 + random.IntN(4)},
	}
	if random.IntN(4) > 0 {
		p.FailureRate = &FailureRatePolicy{
			Threshold: percents(),
			MinCalls:  oneOf(random, 1, 2, 3, 5, 10, 20, 25, 30),
			Window:    10*time.Millisecond + oneOf(random, 0, time.Second, 10*time.Second, randomTime(random, time.Minute)),
		}
	}
	if random.IntN(2) > 0 {
		p.SlowCalls = &SlowCallsPolicy{Duration: oneOf(random, time.Millisecond, 2*time.Second), Threshold: percents()}
	}
	return p
}

func oneOf[T any](random *rand.Rand, values ...T) T { return values[random.IntN(len(values))] }

// randomTime is positive and at most limit.
func randomTime(random *rand.Rand, limit time.Duration) time.Duration {
	return 1 + time.Duration(random.Int64N(int64(limit)))
}
