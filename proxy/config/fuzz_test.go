package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/proxy/config"
)

// FuzzParse holds that no document makes Parse panic or keeps it busy, that what
// is wrong has a place, and that a variable's value is never shown.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for c := range strings.SplitSeq(shorthands.Replace(string(data)), "\n=== ") {
			_, document, _ := strings.Cut(c, "\n")
			document, _, _ = strings.Cut(document, "\n! ")
			f.Add([]byte(document))
		}
	}
	exampleDocument, err := os.ReadFile(example)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(exampleDocument)
	lookup := func(name string) (string, bool) { return envSecret, strings.Contains(name, "S") }
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, noSecrets := range []bool{false, true} {
			start := time.Now()
			c, err := config.Parse("config.yaml", data, config.Options{LookupEnv: lookup, NoSecrets: noSecrets})
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			if err == nil {
				checkConfig(t, c)
				continue
			}
			var problems config.Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("got %T %v, want problems", err, err)
			}
			if strings.Contains(err.Error(), envSecret) {
				t.Errorf("a variable's value is in\n%v", err)
			}
			for _, p := range problems {
				if (p.Line < 1 || p.Col < 1) && !strings.HasPrefix(p.Text, "more problems") && !strings.HasPrefix(p.Text, "the file is larger") {
					t.Errorf("no place: %v", p)
				}
			}
		}
	})
}

// checkConfig checks what holds for every configuration that loads.
func checkConfig(t *testing.T, c *config.Config) {
	t.Helper()
	if len(c.Routes) == 0 {
		t.Error("got no routes")
	}
	for i := range c.Routes {
		r := &c.Routes[i]
		if _, ok := c.Upstreams[r.Upstream]; !ok && !strings.Contains(r.Upstream, "unset") {
			t.Errorf("route %q has no upstream", r.Name)
		}
		if r.Timeout.Attempt > r.Timeout.Request || r.Timeout.Attempt <= 0 {
			t.Errorf("route %q has timeouts %+v", r.Name, r.Timeout)
		}
		for _, s := range r.Explain() {
			if strings.Contains(s.Value, envSecret) {
				t.Errorf("a variable's value is in %s: %s", s.Path, s.Value)
			}
		}
	}
	if strings.Contains(config.Problems(c.Warnings).Error(), envSecret) {
		t.Errorf("a variable's value is in\n%v", c.Warnings)
	}
}
