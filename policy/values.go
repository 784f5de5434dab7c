package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Size is a number of bytes.
type Size int64

// Units of [Size].
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
)

var sizeUnits = []struct {
	suffix string
	size   Size
}{{"KiB", KiB}, {"MiB", MiB}, {"GiB", GiB}, {"B", 1}}

// UnmarshalText reads "64KiB", "1MiB", "2GiB", "512B" or "0".
func (s *Size) UnmarshalText(text []byte) error {
	str := string(text)
	if str == "0" {
		*s = 0
		return nil
	}
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(str, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 62)
		if err != nil || Size(n) > (1<<62)/u.size {
			break
		}
		*s = Size(n) * u.size
		return nil
	}
	return errors.New(`not a size (write 64KiB, 1MiB or 0)`)
}

// String writes s in the largest unit that divides it.
func (s Size) String() string {
	switch {
	case s == 0:
		return "0"
	case s%GiB == 0:
		return strconv.FormatInt(int64(s/GiB), 10) + "GiB"
	case s%MiB == 0:
		return strconv.FormatInt(int64(s/MiB), 10) + "MiB"
	case s%KiB == 0:
		return strconv.FormatInt(int64(s/KiB), 10) + "KiB"
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// StatusRange is an inclusive range of status codes; the zero value is none.
type StatusRange struct{ First, Last int }

// UnmarshalText reads "503" or "500-599".
func (r *StatusRange) UnmarshalText(text []byte) error {
	first, last, isRange := strings.Cut(string(text), "-")
	if !isRange {
		last = first
	}
	lo, errLo := strconv.Atoi(first)
	hi, errHi := strconv.Atoi(last)
	if errLo != nil || errHi != nil || lo < 100 || hi > 599 || lo > hi {
		return errors.New(`not a status (write 503 or "500-599", from 100 to 599)`)
	}
	*r = StatusRange{First: lo, Last: hi}
	return nil
}

// Contains reports whether status is in r.
func (r StatusRange) Contains(status int) bool { return r.First <= status && status <= r.Last }

// String writes r as it is configured.
func (r StatusRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

func containsStatus(ranges []StatusRange, status int) bool {
	return slices.ContainsFunc(ranges, func(r StatusRange) bool { return r.Contains(status) })
}

// Condition is a result that is worth a repeat: a status, or one of the named
// conditions.
type Condition struct {
	// Name is connect, reset, timeout or failure; empty if Statuses is set.
	Name     string
	Statuses StatusRange
}

// The named conditions.
var (
	// OnConnect is a dial, DNS or TLS error: nothing was sent.
	OnConnect = Condition{Name: "connect"}
	// OnReset is a connection lost before the head, a malformed or oversized
	// answer, or a broken body.
	OnReset = Condition{Name: "reset"}
	// OnTimeout is an attempt's own timeout.
	OnTimeout = Condition{Name: "timeout"}
	// OnFailure is an answer that a classify rule called a failure.
	OnFailure = Condition{Name: "failure"}
)

// OnStatus is the condition that an answer has the status.
func OnStatus(status int) Condition { return Condition{Statuses: StatusRange{status, status}} }

// UnmarshalText reads connect, reset, timeout, failure, a status or a range.
func (c *Condition) UnmarshalText(text []byte) error {
	for _, named := range []Condition{OnConnect, OnReset, OnTimeout, OnFailure} {
		if string(text) == named.Name {
			*c = named
			return nil
		}
	}
	var r StatusRange
	if err := r.UnmarshalText(text); err != nil {
		return errors.New(`not a condition (one of connect, reset, timeout, failure, or a status such as 503 or "500-599")`)
	}
	*c = Condition{Statuses: r}
	return nil
}

// String writes c as it is configured.
func (c Condition) String() string {
	if c.Name != "" {
		return c.Name
	}
	return c.Statuses.String()
}

// Mode says whether a route's policy acts.
type Mode string

// The modes.
const (
	// Enforce lets the whole policy act.
	Enforce Mode = "enforce"
	// Observe lets deadline, retries and fallback act; breaker, gate and
	// concurrency only count what they would have done.
	Observe Mode = "observe"
	// Passthrough leaves deadline and routing only.
	Passthrough Mode = "passthrough"
)

// UnmarshalText reads one of the modes.
func (m *Mode) UnmarshalText(text []byte) error { return OneOf(m, text, Enforce, Observe, Passthrough) }

// Scope says whose state a breaker or gate is.
type Scope string

// The scopes.
const (
	ScopeRoute    Scope = "route"
	ScopeUpstream Scope = "upstream"
)

// UnmarshalText reads one of the scopes.
func (s *Scope) UnmarshalText(text []byte) error { return OneOf(s, text, ScopeRoute, ScopeUpstream) }

// HintFormat says how a hint's value is read.
type HintFormat string

// The formats of hints.
const (
	FormatAuto         HintFormat = "auto"
	FormatSeconds      HintFormat = "seconds"
	FormatEpochSeconds HintFormat = "epoch-seconds"
	FormatEpochMillis  HintFormat = "epoch-ms"
	FormatHTTPDate     HintFormat = "http-date"
)

// UnmarshalText reads one of the formats.
func (f *HintFormat) UnmarshalText(text []byte) error {
	return OneOf(f, text, FormatAuto, FormatSeconds, FormatEpochSeconds, FormatEpochMillis, FormatHTTPDate)
}

// RuleClass is the class that a [Rule] gives.
type RuleClass string

// The classes a rule may give.
const (
	AsSuccess   RuleClass = "success"
	AsFailure   RuleClass = "failure"
	AsThrottled RuleClass = "throttled"
)

// UnmarshalText reads one of the classes.
func (c *RuleClass) UnmarshalText(text []byte) error {
	return OneOf(c, text, AsSuccess, AsFailure, AsThrottled)
}

// OverrideState is the state in which an override holds a breaker.
type OverrideState string

// The states of an override.
const (
	OverrideOpen   OverrideState = "open"
	OverrideClosed OverrideState = "closed"
)

// UnmarshalText reads one of the states.
func (s *OverrideState) UnmarshalText(text []byte) error {
	return OneOf(s, text, OverrideOpen, OverrideClosed)
}

// OneOf sets dst to the one of values that text names. It is how the texts of a
// fixed set are read.
func OneOf[T ~string](dst *T, text []byte, values ...T) error {
	if i := slices.Index(values, T(text)); i >= 0 {
		*dst = values[i]
		return nil
	}
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = string(v)
	}
	return fmt.Errorf("unknown value (one of %s)", strings.Join(names, ", "))
}
