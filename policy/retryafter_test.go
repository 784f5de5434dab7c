package policy

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

var hintTime = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestParseHints(t *testing.T) {
	auto := []Hint{{"Retry-After", FormatAuto}}
	reset := func(f HintFormat) []Hint { return []Hint{{"Retry-After", FormatAuto}, {"X-RateLimit-Reset", f}} }
	tests := []struct {
		name   string
		header http.Header
		hints  []Hint
		want   time.Duration // 0: not usable
	}{
		{"whole seconds", http.Header{"Retry-After": {"120"}}, auto, 2 * time.Minute},
		{"spaces around the number", http.Header{"Retry-After": {" 3\t"}}, auto, 3 * time.Second},
		{"a fraction, as Shopify sends it", http.Header{"Retry-After": {"2.0"}}, auto, 2 * time.Second},
		{"a fraction of a second", http.Header{"Retry-After": {"0.25"}}, auto, 250 * time.Millisecond},
		{"an IMF-fixdate", http.Header{"Retry-After": {"Mon, 23 Nov 2026 12:00:07 GMT"}}, auto, 7 * time.Second},
		{"an RFC 850 date", http.Header{"Retry-After": {"Monday, 23-Nov-26 12:00:07 GMT"}}, auto, 7 * time.Second},
		{"an asctime date", http.Header{"Retry-After": {"Mon Nov 23 12:00:07 2026"}}, auto, 7 * time.Second},
		{"a date by a clock that is an hour ahead", http.Header{
			"Retry-After": {"Mon, 23 Nov 2026 13:00:07 GMT"}, "Date": {"Mon, 23 Nov 2026 13:00:00 GMT"},
		}, auto, 7 * time.Second},
		{"a malformed Date counts as none", http.Header{
			"Retry-After": {"Mon, 23 Nov 2026 12:00:07 GMT"}, "Date": {"today"},
		}, auto, 7 * time.Second},
		{"epoch seconds", http.Header{"Retry-After": {"1795435230"}}, auto, 30 * time.Second},
		{"epoch milliseconds", http.Header{"Retry-After": {"1795435230500"}}, auto, 30*time.Second + 500*time.Millisecond},
		{"the largest number of seconds", http.Header{"Retry-After": {"999999999"}}, auto, longestHint},
		{"two lines: the later", http.Header{"Retry-After": {"3", "Mon, 23 Nov 2026 12:00:09 GMT", "5"}}, auto, 9 * time.Second},
		{"two lines, one of them garbage", http.Header{"Retry-After": {"soon", "5"}}, auto, 5 * time.Second},

		{"zero", http.Header{"Retry-After": {"0"}}, auto, 0},
		{"negative", http.Header{"Retry-After": {"-5"}}, auto, 0},
		{"signed", http.Header{"Retry-After": {"+5"}}, auto, 0},
		{"empty", http.Header{"Retry-After": {""}}, auto, 0},
		{"a past date", http.Header{"Retry-After": {"Mon, 23 Nov 2026 11:59:59 GMT"}}, auto, 0},
		{"past epoch seconds", http.Header{"Retry-After": {"1795435199"}}, auto, 0},
		{"words", http.Header{"Retry-After": {"soon"}}, auto, 0},
		{"two values in one line", http.Header{"Retry-After": {"3, 5"}}, auto, 0},
		{"an exponent", http.Header{"Retry-After": {"1e3"}}, auto, 0},
		{"hexadecimal", http.Header{"Retry-After": {"0x10"}}, auto, 0},
		{"infinity", http.Header{"Retry-After": {"Inf"}}, auto, 0},
		{"only a point", http.Header{"Retry-After": {"."}}, auto, 0},
		{"no fraction after the point", http.Header{"Retry-After": {"2."}}, auto, 0},
		{"10 KiB of digits", http.Header{"Retry-After": {strings.Repeat("9", 10<<10)}}, auto, 0},
		{"no header", http.Header{}, auto, 0},
		{"no hints asked for", http.Header{"Retry-After": {"3"}}, nil, 0},

		{"the next hint where the first is missing", http.Header{"X-Ratelimit-Reset": {"41"}}, reset(FormatSeconds), 41 * time.Second},
		{"the next hint where the first is not usable", http.Header{"Retry-After": {"0"}, "X-Ratelimit-Reset": {"41"}}, reset(FormatSeconds), 41 * time.Second},
		{"the first hint where both are usable", http.Header{"Retry-After": {"2"}, "X-Ratelimit-Reset": {"41"}}, reset(FormatSeconds), 2 * time.Second},
		{"seconds are never taken for a point in time", http.Header{"X-Ratelimit-Reset": {"1795435230"}}, reset(FormatSeconds), longestHint},
		{"epoch seconds by name", http.Header{"X-Ratelimit-Reset": {"1795435230"}}, reset(FormatEpochSeconds), 30 * time.Second},
		{"epoch milliseconds by name", http.Header{"X-Ratelimit-Reset": {"1795435230000"}}, reset(FormatEpochMillis), 30 * time.Second},
		{"a date by name", http.Header{"X-Ratelimit-Reset": {"Mon, 23 Nov 2026 12:00:07 GMT"}}, reset(FormatHTTPDate), 7 * time.Second},
		{"a number where a date is due", http.Header{"X-Ratelimit-Reset": {"7"}}, reset(FormatHTTPDate), 0},
		{"a date where a number is due", http.Header{"X-Ratelimit-Reset": {"Mon, 23 Nov 2026 12:00:07 GMT"}}, reset(FormatSeconds), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := ParseHints(tt.header, tt.hints, hintTime)
			if got != tt.want || ok != (tt.want > 0) {
				t.Errorf("got %v, %t, want %v", got, ok, tt.want)
			}
		})
	}
}

func FuzzParseHints(f *testing.F) {
	for _, seed := range []string{"", "0", "1", "2.0", "-1", "1e9", "1795435230", "1795435230500", "Mon, 23 Nov 2026 12:00:07 GMT", "soon", "NaN", "99999999999999999999999999"} {
		f.Add(seed, "Mon, 23 Nov 2026 12:00:00 GMT")
	}
	f.Fuzz(func(t *testing.T, value, date string) {
		h := http.Header{"Retry-After": {value}, "Date": {date}}
		for _, format := range []HintFormat{FormatAuto, FormatSeconds, FormatEpochSeconds, FormatEpochMillis, FormatHTTPDate} {
			got, ok := ParseHints(h, []Hint{{"Retry-After", format}}, hintTime)
			if ok != (got > 0) || got < 0 || got > longestHint {
				t.Errorf("%s %q: got %v, %t", format, value, got, ok)
			}
		}
	})
}

func BenchmarkParseHints(b *testing.B) {
	hints := []Hint{{"Retry-After", FormatAuto}}
	for name, value := range map[string]string{"seconds": "120", "date": "Mon, 23 Nov 2026 12:00:07 GMT"} {
		b.Run(name, func(b *testing.B) {
			h := http.Header{"Retry-After": {value}}
			b.ReportAllocs()
			for b.Loop() {
				ParseHints(h, hints, hintTime)
			}
		})
	}
}
