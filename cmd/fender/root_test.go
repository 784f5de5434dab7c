package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// minimal is the least that is a configuration.
const minimal = `
upstreams:
  crm: {url: http://127.0.0.1:9}
routes:
  - name: customer
    match: {methods: [GET], path: "/v1/customers/{id}"}
    upstream: crm
    timeout: {request: 2s}
`

// write writes a configuration and returns its path.
func write(t *testing.T, document string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// fender runs a command line.
func fender(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), args, &out, &err)
	return code, out.String(), err.String()
}

func TestAWrongCommandLineExitsWith2AndSaysWhy(t *testing.T) {
	file := write(t, minimal)
	for _, test := range []struct {
		args string
		want string
	}{
		{"", "no configuration: --config FILE is needed"},
		{"run", "no configuration: --config FILE is needed"},
		{"check", "no configuration: --config FILE is needed"},
		{"explain GET /", "no configuration: --config FILE is needed"},
		{"run --config=", "--config must not be empty"},
		{"check --config FILE --listen=", "--listen must not be empty"},
		{"chekc", `unknown command "chekc" (did you mean "check"?)`},
		{"frobnicate", `unknown command "frobnicate"`},
		{"help frobnicate", `unknown command "frobnicate"`},
		{"help check frobnicate", `unknown command "frobnicate"`},
		{"--frobnicate", "unknown flag: --frobnicate"},
		{"check --frobnicate", "unknown flag: --frobnicate"},
		{"check --config", "flag needs an argument: --config"},
		{"version --config FILE", "unknown flag: --config"},
		{"run x", `fender run takes no argument, got "x" (a configuration is named by --config FILE)`},
		{"check --config FILE more", `fender check takes no argument, got "more" (a configuration is named by --config FILE)`},
		{"version more", `fender version takes no argument, got "more" (a configuration is named by --config FILE)`},
		{"explain --config FILE GET", "a METHOD and a URL are needed, got 1 arguments (such as GET /v1/customers/42)"},
		{"explain --config FILE GET customers", `"customers" is no request target (write a path, or a URL with its host)`},
		{"explain --config FILE GET /%zz", `"/%zz" is no request target (write a path, or a URL with its host)`},
		{"check --config FILE --log-level loud", `invalid argument "loud" for "--log-level" flag: must be one of debug, info, warn, error`},
		{"check --config FILE --log-format xml", `invalid argument "xml" for "--log-format" flag: must be one of json, text`},
	} {
		args := strings.Fields(strings.ReplaceAll(test.args, "FILE", file))
		code, stdout, stderr := fender(t, args...)
		if code != exitUsage || !strings.HasPrefix(stderr, "fender: "+test.want+"\n") || stdout != "" {
			t.Errorf("fender %s: got exit code %d, stdout %q, stderr %q, want %d and %q", test.args, code, stdout, stderr, exitUsage, test.want)
		}
		if got, want := stderr, `--help" for usage.`; !strings.Contains(got, want) {
			t.Errorf("fender %s: got %q, want %q in it", test.args, got, want)
		}
	}
}

func TestHelpIsFine(t *testing.T) {
	for _, args := range []string{"--help", "-h", "help", "help run", "run --help", "help explain"} {
		code, stdout, stderr := fender(t, strings.Fields(args)...)
		if code != exitOK || stdout == "" || stderr != "" {
			t.Errorf("fender %s: got exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
}

// Without a command fender runs: it gets as far as the file.
func TestWithoutACommandFenderRuns(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	for _, args := range [][]string{{"--config", missing}, {"run", "--config", missing}, {"-c", missing, "run"}} {
		code, _, stderr := fender(t, args...)
		if code != exitFailed || !strings.Contains(stderr, "no such file") {
			t.Errorf("fender %q: got exit code %d, stderr %q, want %d and the missing file", args, code, stderr, exitFailed)
		}
	}
}
