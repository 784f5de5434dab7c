package config

import (
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/fender-proxy/fender/policy"
)

// bound is the range of a number, a duration in nanoseconds or a size in bytes.
type bound struct {
	low, high float64
	// above leaves low itself out.
	above bool
}

const longest = float64(24 * time.Hour)

var (
	anyDuration  = bound{low: 0, high: longest}
	someDuration = bound{low: 0, high: longest, above: true}
	anyCount     = bound{low: 0, high: 1_000_000}
	someCount    = bound{low: 1, high: 1_000_000}
	ratio        = bound{low: 0, high: 1}
	someRatio    = bound{low: 0, high: 1, above: true}
)

// bounds are the ranges by the fields' names.
var bounds = map[string]bound{
	"Config.drain": {low: 0, high: float64(time.Hour)},
	"Log.sample":   ratio,

	"Upstream.dial_timeout":            someDuration,
	"Upstream.idle_timeout":            someDuration,
	"Upstream.max_connection_age":      anyDuration,
	"UpstreamConcurrency.max_requests": anyCount,
	"UpstreamConcurrency.max_pending":  anyCount,
	"OAuth2.refresh_before":            anyDuration,
	"RateLimit.requests":               someCount,
	"RateLimit.interval":               someDuration,
	"RateLimit.burst":                  someCount,
	"RetryBudget.ratio":                ratio,
	"RetryBudget.min_per_second":       {low: 0, high: 1000},

	"Policy.request_buffer":     {low: 0, high: float64(64 * policy.MiB)},
	"Policy.buffer":             {low: 0, high: float64(64 * policy.MiB)},
	"TimeoutPolicy.request":     someDuration,
	"TimeoutPolicy.attempt":     anyDuration,
	"TimeoutPolicy.stream_idle": someDuration,

	"RetryPolicy.max_retries": {low: 0, high: 10},
	"RetryPolicy.max_hint":    anyDuration,
	"RetryPolicy.min_attempt": anyDuration,
	"BackoffPolicy.initial":   anyDuration,
	"BackoffPolicy.max":       anyDuration,

	"BreakerPolicy.consecutive_failures": anyCount,
	"FailureRatePolicy.threshold":        someRatio,
	"FailureRatePolicy.min_calls":        someCount,
	"FailureRatePolicy.window":           {low: float64(10 * time.Millisecond), high: longest},
	"SlowCallsPolicy.duration":           someDuration,
	"SlowCallsPolicy.threshold":          someRatio,
	"OpenPolicy.initial":                 someDuration,
	"OpenPolicy.max":                     someDuration,
	"HalfOpenPolicy.probes":              {low: 1, high: 1000},
	"HalfOpenPolicy.successes":           {low: 1, high: 1000},
	"HalfOpenPolicy.timeout":             anyDuration,

	"ThrottlePolicy.default_wait":    anyDuration,
	"ThrottlePolicy.max_wait":        anyDuration,
	"ThrottlePolicy.max_pending":     anyCount,
	"ThrottlePolicy.max":             someDuration,
	"ConcurrencyPolicy.max_requests": anyCount,
	"ConcurrencyPolicy.max_pending":  anyCount,
	"Rule.wait":                      anyDuration,

	"Fallback.status": {low: 200, high: 599},
	"Stale.max_age":   anyDuration,
	"Stale.max_size":  {low: 1, high: float64(policy.GiB)},
}

// checkBound reports a value outside the range of its field.
func (d *decoder) checkBound(v reflect.Value, p place, f field) {
	b, ok := bounds[f.name()]
	if !ok {
		return
	}
	var n float64
	if v.Kind() == reflect.Float64 {
		n = v.Float()
	} else {
		n = float64(v.Int())
	}
	if n >= b.low && n <= b.high && (n != b.low || !b.above) {
		return
	}
	hint := ""
	if b.high == 1 && n > 1 && n <= 100 && !strings.Contains(p.raw, "${") {
		hint = "write " + strconv.FormatFloat(n/100, 'g', -1, 64) + " for " + strconv.FormatFloat(n, 'g', -1, 64) + " %"
	}
	text := "must be " + sayNumber(b.low, v.Type()) + " to " + sayNumber(b.high, v.Type())
	if b.above {
		text = "must be above " + sayNumber(b.low, v.Type()) + " and at most " + sayNumber(b.high, v.Type())
	}
	d.reject(p, text, hint)
}

func sayNumber(n float64, t reflect.Type) string {
	switch t {
	case durationType:
		return sayDuration(time.Duration(n))
	case reflect.TypeFor[policy.Size]():
		return policy.Size(n).String()
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}
