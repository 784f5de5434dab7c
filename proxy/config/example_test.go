package config_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/proxy/config"
)

const example = "../../config.example.yaml"

func loadExample(t *testing.T, o config.Options) *config.Config {
	t.Helper()
	c, err := config.Load(example, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestExampleLoads(t *testing.T) {
	onlyKey := func(name string) (string, bool) { return "x", name == "EXTERNAL_API_KEY" }
	for name, o := range map[string]config.Options{
		"with the one variable that it needs": {LookupEnv: onlyKey},
		"without secrets":                     {NoSecrets: true, LookupEnv: func(string) (string, bool) { return "", false }},
	} {
		t.Run(name, func(t *testing.T) {
			if c := loadExample(t, o); len(c.Warnings) > 0 {
				t.Errorf("got warnings\n%v", config.Problems(c.Warnings))
			}
		})
	}
}

// TestExampleHasTheTutorialsNumbers: 3 s; 3 retries; 3 consecutive failures or
// 50 % of at least 3 calls in 10 s; open 15 s.
func TestExampleHasTheTutorialsNumbers(t *testing.T) {
	r := loadExample(t, config.Options{NoSecrets: true}).Routes[0]
	rate := r.Breaker.FailureRate
	if r.Name != "customer-lookup" || r.Timeout.Request != 3*time.Second || r.Retry.MaxRetries != 3 ||
		r.Breaker.ConsecutiveFailures != 3 || rate.Threshold != 0.5 || rate.MinCalls != 3 ||
		rate.Window != 10*time.Second || r.Breaker.Open.Initial != 15*time.Second {
		t.Errorf("got %+v", r.Policy)
	}
}

// TestExampleShowsWhatIsBuiltIn holds that the example's policy has the built-in
// values, but where a comment says otherwise.
func TestExampleShowsWhatIsBuiltIn(t *testing.T) {
	builtIn := map[string]string{}
	for _, s := range parse(t, "@crm\n@route\ndefaults: {retry: {conditions: [connect, reset, timeout, 429, 502, 503, 504]}, breaker: {}, fallback: {body: x}}\n").Routes[0].Explain() {
		builtIn[s.Path] = s.Value
	}
	differ := map[string]bool{}
	for _, s := range loadExample(t, config.Options{NoSecrets: true}).Routes[0].Explain() {
		if s.Origin == "route" && s.Value != builtIn[s.Path] {
			differ[s.Path] = true
		}
	}
	want := []string{
		"breaker.consecutive_failures", "breaker.failure_rate.min_calls", "fallback.body",
		"fallback.headers.Content-Type", "retry.max_retries", "timeout.attempt",
	}
	if got := slices.Sorted(maps.Keys(differ)); !slices.Equal(got, want) {
		t.Errorf("got differences %q, want %q", got, want)
	}
}

func TestExampleIsPlain(t *testing.T) {
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(data), "\n") {
		if n := len([]rune(line)); n > 110 || strings.TrimRight(line, " \t") != line {
			t.Errorf("line %d is %d characters long, or ends in blanks", i+1, n)
		}
	}
}
