package policy

import "time"

// phase is one stay of a breaker in a state; it does not change. Its address is
// its identity: a permit of another phase is void, even of the same state.
type phase struct {
	state   State
	since   time.Time
	refusal OpenError // of an open phase, made once for all calls
}

// refuse returns the error for a call that is not let through.
func (p *phase) refuse() *OpenError {
	if p.state == Open {
		return &p.refusal
	}
	return &OpenError{State: HalfOpen, Until: time.Now().Add(probeRetry)}
}

// State returns the state, without a lock.
func (b *Breaker) State() State { return b.phase.Load().state }

// Since returns when the state began, without a lock.
func (b *Breaker) Since() time.Time { return b.phase.Load().since }

// Until returns when an open breaker will try the upstream; it is zero in every
// other state. It takes no lock.
func (b *Breaker) Until() time.Time { return b.phase.Load().refusal.Until }

// Snapshot is a breaker as it is shown to people.
type Snapshot struct {
	State State
	Since time.Time
	// Until is when an open breaker will try the upstream; else zero.
	Until time.Time
	// Calls, Failures and Slow are those of the window, Rate is Failures of
	// Calls, and Consecutive the failures in a row. Only a closed breaker
	// counts; in every other state they are zero.
	Calls, Failures, Slow, Consecutive int
	Rate                               float64
	// LastError is the latest failure's.
	LastError string
	// LastTrip is the latest transition from closed to open, the zero value if
	// there was none.
	LastTrip Transition
}

// Snapshot returns what the breaker holds now, all of one moment.
func (b *Breaker) Snapshot() Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.phase.Load()
	c := b.window.sum(time.Since(b.born))
	return Snapshot{
		State:       now.state,
		Since:       now.since,
		Until:       now.refusal.Until,
		Calls:       c.calls,
		Failures:    c.failures,
		Slow:        c.slow,
		Consecutive: b.consecutive,
		Rate:        c.rate(c.failures),
		LastError:   b.lastError,
		LastTrip:    b.lastTrip,
	}
}
