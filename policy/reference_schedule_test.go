package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// schedule drives a breaker and its reference.
type schedule struct {
	t       *testing.T
	title   string
	random  *rand.Rand
	breaker *Breaker
	model   *reference

	admitted        int // calls so far
	underWay, ended []*scheduledCall
	// For a while: percent of the outcomes, and of the steps of a state that
	// time does not end.
	failing, slow, passing int
	steps                  []scheduledStep

	mu       sync.Mutex // the breaker's timer tells of its transitions too
	told     []Transition
	compared int // of them
}

type scheduledCall struct {
	number int
	permit Permit
	model  *referenceCall
}

// scheduledStep is kept unformatted, for only the last few are ever printed.
type scheduledStep struct {
	at     time.Duration
	state  State // before it
	format string
	args   []any
}

// newSchedule must be called in a bubble.
func newSchedule(t *testing.T, random *rand.Rand, policy BreakerPolicy) *schedule {
	s := &schedule{t: t, random: random, model: newReference(policy, time.Now())}
	s.breaker = NewBreaker(policy, func(change Transition) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.told = append(s.told, change)
	})
	s.breaker.openTime.random = func() float64 { return 0.5 } // which varies nothing
	t.Cleanup(s.breaker.Close)
	return s
}

// next does one random step.
func (s *schedule) next() {
	if s.random.IntN(40) == 0 {
		s.failing, s.slow = oneOf(s.random, 0, 10, 50, 90), oneOf(s.random, 0, 10, 50, 90)
		s.passing = oneOf(s.random, 1, 15)
	}
	passing := s.passing
	if s.model.state == Open {
		passing = 15
	}
	switch n := s.random.IntN(100); {
	case n < passing:
		s.passTime()
	case n < 18:
		s.look()
	case n < 23 && len(s.ended) > 0:
		s.done(oneOf(s.random, s.ended...)) // once more
	case n < 28 && len(s.ended) > 0:
		s.failLate(oneOf(s.random, s.ended...))
	case n < 30 && len(s.underWay) > 0:
		s.failLate(oneOf(s.random, s.underWay...)) // too early
	case n < 35:
		s.admit(2 + s.random.IntN(5))
	case n < 65 && len(s.underWay) < 12:
		s.admit(1)
	case len(s.underWay) > 0:
		s.end(s.random.IntN(len(s.underWay)))
	default:
		s.passTime()
	}
}

// passTime lets a time pass that is likely to be an edge, or just short of one.
func (s *schedule) passTime() {
	window, _ := s.model.window()
	tenth, now := window/10, time.Now()
	d := oneOf(s.random,
		randomTime(s.random, time.Millisecond),
		randomTime(s.random, tenth),
		tenth-now.Sub(s.model.born)%tenth,
		s.model.since.Add(window).Sub(now),
		window*time.Duration(1+s.random.IntN(3)),
	)
	if s.model.state == Open && s.random.IntN(2) == 0 {
		d = s.model.until.Sub(now)
	}
	d = max(d-time.Duration(s.random.IntN(2)), 1) // no timer of the bubble may be due at once
	s.step("%v pass", d)
	pass(d)
	s.model.pass(time.Now())
}

// look compares the counts, which are not looked at in every step because that
// moves the breaker's window.
func (s *schedule) look() {
	s.step("a look at the counts")
	check(s, "snapshot", s.breaker.Snapshot(), s.model.snapshot(time.Now()))
}

// admit lets callers ask at the same time.
func (s *schedule) admit(callers int) {
	s.step("%d ask; calls so far: %d", callers, s.admitted)
	permits, errs := make([]Permit, callers), make([]error, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() { permits[i], errs[i] = s.breaker.Admit() })
	}
	all.Wait()
	var calls []*referenceCall
	var refusal OpenError
	for range callers {
		call, refused := s.model.admit(time.Now())
		if refused != nil {
			refusal = *refused
			continue
		}
		calls = append(calls, call)
	}
	for i, permit := range permits {
		if refused, ok := errors.AsType[*OpenError](errs[i]); ok {
			check(s, "refusal", *refused, refusal)
			continue
		}
		if len(calls) == 0 {
			s.fatalf("got a call let through, want %v", &refusal)
		}
		s.admitted++
		s.underWay = append(s.underWay, &scheduledCall{number: s.admitted, permit: permit, model: calls[0]})
		calls = calls[1:]
	}
	check(s, "calls refused in error", len(calls), 0)
}

// end ends the call under way at index, and forgets one that ended long ago.
func (s *schedule) end(index int) {
	call := s.underWay[index]
	s.underWay = append(s.underWay[:index], s.underWay[index+1:]...)
	s.done(call)
	s.ended = append(s.ended, call)
	if len(s.ended) > 12 {
		s.ended = s.ended[1:]
	}
}

func (s *schedule) done(call *scheduledCall) {
	o := Outcome{Class: Success, Err: fmt.Sprint("error ", len(s.steps))}
	if n := s.random.IntN(100); n < s.failing {
		o.Class = Failure
	} else if n%5 == 0 {
		o.Class = oneOf(s.random, Neutral, Throttled)
	}
	if s.random.IntN(2) == 0 { // a hint means something to Throttled only
		o.Wait = oneOf(s.random, 5*time.Minute, 5*time.Minute+1, time.Hour, randomTime(s.random, time.Minute))
	}
	if slow := s.model.policy.SlowCalls; slow != nil {
		o.Took = slow.Duration - 1
		if s.random.IntN(100) < s.slow {
			o.Took += oneOf[time.Duration](s.random, 1, 2)
		}
	}
	class := []string{Neutral: "neutral", Success: "success", Failure: "failure", Throttled: "throttled"}[o.Class]
	s.step("call %d ends after %v: %s, hint %v, %q", call.number, o.Took, class, o.Wait, o.Err)
	s.compareCall(call)
	call.permit.Done(o)
	s.model.done(call.model, o, time.Now())
}

func (s *schedule) failLate(call *scheduledCall) {
	s.step("call %d fails late", call.number)
	s.compareCall(call)
	err := fmt.Sprint("late error ", len(s.steps))
	call.permit.FailLate(err)
	s.model.failLate(call.model, err, time.Now())
}

func (s *schedule) compareCall(call *scheduledCall) {
	check(s, "probe", call.permit.Probe(), call.model.probe)
	check(s, "current permit", call.permit.Current(), s.model.current(call.model))
}

// compare looks at what is there at any time without a lock.
func (s *schedule) compare() {
	check(s, "state", s.breaker.State(), s.model.state)
	check(s, "since", s.breaker.Since(), s.model.since)
	check(s, "until", s.breaker.Until(), s.model.until)
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; s.compared < min(len(s.told), len(s.model.told)); s.compared++ {
		check(s, "transition", s.told[s.compared], s.model.told[s.compared])
	}
	check(s, "number of transitions", len(s.told), len(s.model.told))
}

func check[T comparable](s *schedule, what string, got, want T) {
	if got != want {
		s.t.Helper()
		s.fatalf("%s: got %+v, want %+v", what, got, want)
	}
}

func (s *schedule) step(format string, args ...any) {
	s.steps = append(s.steps, scheduledStep{time.Since(s.model.born), s.breaker.State(), format, args})
}

func (s *schedule) fatalf(format string, args ...any) {
	s.t.Helper()
	policy, _ := json.Marshal(s.model.policy)
	var last strings.Builder
	for i := max(len(s.steps)-20, 0); i < len(s.steps); i++ {
		step := s.steps[i]
		fmt.Fprintf(&last, "\n%4d %14v %-9s "+step.format, append([]any{i, step.at, step.state}, step.args...)...)
	}
	s.t.Fatalf("%s: %s\npolicy %s\nlast steps:%s", s.title, fmt.Sprintf(format, args...), policy, &last)
}
