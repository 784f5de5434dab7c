package policy

import (
	"encoding"
	"fmt"
	"testing"
)

// Each type of value reads what it writes, and says what it wants otherwise.
func TestValuesReadWhatTheyWrite(t *testing.T) {
	tests := []struct {
		into encoding.TextUnmarshaler
		good []string
		bad  []string
		hint string
	}{
		{new(Size), []string{"0", "1B", "1023B", "64KiB", "512KiB", "1MiB", "3GiB"}, []string{"", "64", "64kb", "-1KiB", "1.5MiB", "KiB", "9999999999GiB"}, "not a size (write 64KiB, 1MiB or 0)"},
		{new(StatusRange), []string{"100", "503", "500-599"}, []string{"", "99", "600", "5xx", "599-500", "500-", "-500", "500-600"}, `not a status (write 503 or "500-599", from 100 to 599)`},
		{new(Condition), []string{"connect", "reset", "timeout", "failure", "429", "500-599"}, []string{"", "refused", "99", "Connect"}, `not a condition (one of connect, reset, timeout, failure, or a status such as 503 or "500-599")`},
		{new(Mode), []string{"enforce", "observe", "passthrough"}, []string{"", "off"}, "unknown value (one of enforce, observe, passthrough)"},
		{new(Scope), []string{"route", "upstream"}, []string{"", "global"}, "unknown value (one of route, upstream)"},
		{new(HintFormat), []string{"auto", "seconds", "epoch-seconds", "epoch-ms", "http-date"}, []string{"", "ms"}, "unknown value (one of auto, seconds, epoch-seconds, epoch-ms, http-date)"},
		{new(RuleClass), []string{"success", "failure", "throttled"}, []string{"", "neutral"}, "unknown value (one of success, failure, throttled)"},
		{new(OverrideState), []string{"open", "closed"}, []string{"", "half-open"}, "unknown value (one of open, closed)"},
		{new(Reason), []string{"open", "throttled", "overloaded", "timeout", "unreachable", "unauthorized", "error"}, []string{"", "canceled"}, "unknown value (one of open, throttled, overloaded, timeout, unreachable, unauthorized, error)"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%T", tt.into), func(t *testing.T) {
			for _, text := range tt.good {
				err := tt.into.UnmarshalText([]byte(text))
				if got := written(tt.into); err != nil || got != text {
					t.Errorf("%q: got %q, %v", text, got, err)
				}
			}
			for _, text := range tt.bad {
				before := written(tt.into)
				err := tt.into.UnmarshalText([]byte(text))
				if err == nil || err.Error() != tt.hint || written(tt.into) != before {
					t.Errorf("%q: got %v, want %s", text, err, tt.hint)
				}
			}
		})
	}
}

func written(v any) string {
	switch v := v.(type) {
	case *Size:
		return v.String()
	case *StatusRange:
		return v.String()
	case *Condition:
		return v.String()
	case *Mode:
		return string(*v)
	case *Scope:
		return string(*v)
	case *HintFormat:
		return string(*v)
	case *RuleClass:
		return string(*v)
	case *OverrideState:
		return string(*v)
	case *Reason:
		return string(*v)
	}
	return "?"
}

// Classification means the same where the breaker and the gate are off.
func TestClassificationWithoutBreakerAndGate(t *testing.T) {
	var p Policy
	p.SetDefaults()
	p.Throttle = nil
	if !containsStatus(p.FailureOn(), 503) || containsStatus(p.FailureOn(), 404) {
		t.Errorf("got failure_on %v", p.FailureOn())
	}
	if th := p.Throttling(); !containsStatus(th.Statuses, 429) || th.Hints[0].Header != "Retry-After" {
		t.Errorf("got %+v", th)
	}
}
