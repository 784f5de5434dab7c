package policy

import "slices"

// Class is what a call's result means for the breaker. Each call ends as
// exactly one.
type Class uint8

// The classes.
const (
	// Neutral says nothing about the upstream.
	Neutral Class = iota
	Success
	Failure
	// Throttled is an upstream that asks for patience, not one that is broken.
	Throttled
)

// Reason says why a call has no answer of the upstream that can be used.
type Reason string

// The reasons.
const (
	// ReasonOpen is a breaker that is open.
	ReasonOpen Reason = "open"
	// ReasonThrottled is an upstream, or its gate, that asks for patience.
	ReasonThrottled Reason = "throttled"
	// ReasonOverloaded is a limit of our own.
	ReasonOverloaded Reason = "overloaded"
	// ReasonTimeout is a passed deadline, or the last attempt's timeout.
	ReasonTimeout Reason = "timeout"
	// ReasonUnreachable is an upstream that gave no whole answer.
	ReasonUnreachable Reason = "unreachable"
	// ReasonUnauthorized is an upstream that refused credentials Fender gave.
	ReasonUnauthorized Reason = "unauthorized"
	// ReasonError is an answer that is a failure.
	ReasonError Reason = "error"
)

// Reasons returns all reasons, in the order of the documentation.
func Reasons() []Reason {
	return []Reason{
		ReasonOpen, ReasonThrottled, ReasonOverloaded, ReasonTimeout,
		ReasonUnreachable, ReasonUnauthorized, ReasonError,
	}
}

// UnmarshalText reads one of the reasons.
func (r *Reason) UnmarshalText(text []byte) error { return OneOf(r, text, Reasons()...) }

// State is a breaker's state as it is shown everywhere.
type State string

// The states.
const (
	Closed       State = "closed"
	Open         State = "open"
	HalfOpen     State = "half-open"
	ForcedOpen   State = "forced-open"
	ForcedClosed State = "forced-closed"
)

// States returns all states.
func States() []State { return slices.Clone(states) }

var states = []State{Closed, Open, HalfOpen, ForcedOpen, ForcedClosed}
