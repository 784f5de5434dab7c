package sidecar

import (
	"strings"
	"testing"
)

func TestMetricsAreReadAndAddedUp(t *testing.T) {
	page := `# HELP a_total something
# TYPE a_total counter
a_total{route="x",code="200"} 3
a_total{route="x",code="503"} 2
a_total{route="y, \"z\"}",code="200"} 1e+06
go_goroutines 7
`
	metrics, err := parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		pairs []string
		want  float64
	}{
		{"a_total", nil, 1000005},
		{"a_total", []string{"route", "x"}, 5},
		{"a_total", []string{"route", "x", "code", "503"}, 2},
		{"a_total", []string{"route", `y, "z"}`}, 1e6},
		{"a_total", []string{"route", "none"}, 0},
		{"go_goroutines", nil, 7},
	}
	for _, test := range tests {
		if got := metrics.Sum(test.name, test.pairs...); got != test.want {
			t.Errorf("got %s%q %v, want %v", test.name, test.pairs, got, test.want)
		}
	}
}

func TestWhatIsNoHealthyLogLineIsAFault(t *testing.T) {
	tests := []struct {
		line string
		want bool
	}{
		{`{"level":"INFO","msg":"listening"}`, false},
		{`{"level":"WARN","msg":"breaker","state":"open"}`, false},
		{`{"level":"ERROR","msg":"it broke"}`, true},
		{`{"level":"WARN","msg":"request","error":"panic: nil map"}`, true},
		{`2026/01/01 http: proxy error: EOF`, true},
		{`WARNING: DATA RACE`, true},
		{`goroutine 1 [running]:`, true},
	}
	for _, test := range tests {
		if got := faulty(test.line); got != test.want {
			t.Errorf("got %v for %q, want %v", got, test.line, test.want)
		}
	}
}
