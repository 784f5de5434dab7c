package config_test

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/proxy/config"
)

var update = flag.Bool("update", false, "write the messages that the bad configurations give into testdata")

// A bad configuration in testdata begins with "=== " and what is wrong with it;
// the lines that begin with "! " are the messages it gives. @crm stands for an
// upstream of that name, @route for a route to it, @large for a file of more
// than 64 KiB.
type badConfig struct {
	name, document string
	want           []string
}

var shorthands = strings.NewReplacer(
	"@crm\n", `upstreams: {crm: {url: "https://crm.example.com"}}`+"\n",
	"@route\n", "routes: [{name: a, upstream: crm}]\n",
)

const (
	envSecret  = "env-s3cret-7f3a"
	fileSecret = "a-file-secret"
)

func lookupEnv(name string) (string, bool) {
	value, ok := map[string]string{"SECRET": envSecret, "LOWER": "lower-" + envSecret, "EMPTY": "", "N": "4", "D": "4s"}[name]
	return value, ok
}

func TestBadConfigs(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d files of bad configurations, error %v", len(files), err)
	}
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, make([]byte, 64<<10+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		cases := readBadConfigs(t, file)
		for i, c := range cases {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+c.name, func(t *testing.T) {
				got := messages(t, strings.ReplaceAll(c.document, "@large", large))
				cases[i].want = got
				if len(got) == 0 {
					t.Errorf("got no problem")
				}
				if g, w := strings.Join(got, "\n"), strings.Join(c.want, "\n"); g != w && !*update {
					t.Errorf("got\n%s\nwant\n%s", g, w)
				}
				for _, secret := range []string{envSecret, fileSecret, "s3cret", "12345"} {
					if strings.Contains(strings.Join(got, "\n"), secret) {
						t.Errorf("the secret %q is in\n%s", secret, strings.Join(got, "\n"))
					}
				}
			})
		}
		if *update {
			writeBadConfigs(t, file, cases)
		}
	}
}

// messages returns what is wrong with a document, a line each.
func messages(t *testing.T, document string) []string {
	t.Helper()
	c, err := config.Parse("config.yaml", []byte(shorthands.Replace(document)), config.Options{LookupEnv: lookupEnv})
	var problems config.Problems
	switch {
	case err == nil && c == nil:
		t.Fatal("got neither a configuration nor an error")
	case err == nil:
		return nil
	case c != nil:
		t.Error("got a configuration beside an error")
	case !errors.As(err, &problems):
		t.Fatalf("got %T, want config.Problems", err)
	}
	return strings.Split(err.Error(), "\n")
}

func readBadConfigs(t *testing.T, file string) []badConfig {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []badConfig
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		if name, ok := strings.CutPrefix(s.Text(), "=== "); ok {
			cases = append(cases, badConfig{name: name})
			continue
		}
		c := &cases[len(cases)-1]
		if message, ok := strings.CutPrefix(s.Text(), "! "); ok {
			c.want = append(c.want, message)
			continue
		}
		c.document += s.Text() + "\n"
	}
	return cases
}

func writeBadConfigs(t *testing.T, file string, cases []badConfig) {
	t.Helper()
	var b strings.Builder
	for _, c := range cases {
		b.WriteString("=== " + c.name + "\n" + c.document)
		for _, message := range c.want {
			b.WriteString("! " + message + "\n")
		}
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
