package policy

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// longestHint caps what a header can ask for, far above every wait that is
// believed, so that no sum of times overflows.
const longestHint = 10 * 365 * 24 * time.Hour

// longestHintText is the longest header value that is looked at. The longest
// HTTP-date has 33 bytes.
const longestHintText = 64

// ParseHints returns how long an answer's headers ask to wait, counted from
// now. The hints are tried in order and the first usable one wins; of several
// lines of one header the latest time is taken. Zero, negative, past, empty and
// malformed values are not usable.
//
// Retry-After is read as delta-seconds, also fractional as some APIs send it,
// or as any HTTP-date (RFC 9110, 5.6.7 and 10.2.3). Points in time are compared
// with the answer's own Date, so that clocks that differ do no harm.
func ParseHints(h http.Header, hints []Hint, now time.Time) (time.Duration, bool) {
	for _, hint := range hints {
		var longest time.Duration
		for _, value := range h.Values(hint.Header) {
			longest = max(longest, parseHint(value, hint.Format, h, now))
		}
		if longest > 0 {
			return longest, true
		}
	}
	return 0, false
}

// parseHint returns the wait that one header line asks for, or a value that is
// not positive if it is not usable.
func parseHint(value string, format HintFormat, h http.Header, now time.Time) time.Duration {
	value = strings.Trim(value, " \t")
	if value == "" || len(value) > longestHintText {
		return 0
	}
	number, isNumber := parseDecimal(value)
	if format == FormatHTTPDate || format == FormatAuto && !isNumber {
		at, err := http.ParseTime(value)
		if err != nil {
			return 0
		}
		return min(at.Sub(serverTime(h, now)), longestHint)
	}
	if !isNumber {
		return 0
	}
	if format == FormatAuto {
		format = guessFormat(number)
	}
	switch format {
	case FormatEpochSeconds:
		return seconds(number - float64(serverTime(h, now).UnixMilli())/1e3)
	case FormatEpochMillis:
		return seconds((number - float64(serverTime(h, now).UnixMilli())) / 1e3)
	default:
		return seconds(number)
	}
}

// guessFormat tells the numbers in use apart by their size: seconds from now,
// or a point in time in seconds or milliseconds.
func guessFormat(number float64) HintFormat {
	switch {
	case number < 1e9:
		return FormatSeconds
	case number < 1e11:
		return FormatEpochSeconds
	}
	return FormatEpochMillis
}

// serverTime is the answer's Date, or now if it has none.
func serverTime(h http.Header, now time.Time) time.Time {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		return date
	}
	return now
}

// parseDecimal reads digits with an optional fraction. It is stricter than
// strconv: no sign, exponent, hexadecimal, infinity or underscore.
func parseDecimal(s string) (float64, bool) {
	whole, fraction, hasPoint := strings.Cut(s, ".")
	if !isDigits(whole) || hasPoint && !isDigits(fraction) {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func seconds(n float64) time.Duration {
	if n >= longestHint.Seconds() {
		return longestHint
	}
	return time.Duration(n * float64(time.Second))
}
