package blackbox_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

const good = preamble + `
upstreams:
  crm:
    url: http://127.0.0.1:9
    headers: {X-API-Key: "s3cret-of-${FENDER_TEST_NAME:-nobody}"}
    policy: {retry: {max_retries: 1}}
  pure: {url: "http://127.0.0.1:10"}
routes:
  - name: customer-lookup
    match: {methods: [GET], path: "/v1/customers/{id}"}
    upstream: crm
    timeout: {attempt: 1s}
  - name: rest
    match: {path: "/{rest...}"}
    upstream: pure
`

const bad = `
listen: ["127.0.0.1:0"]
upstreams:
  crm: {url: "ftp://s3cret@127.0.0.1"}
routes:
  - name: a
    upstream: crn
    timout: {request: 1s}
  - name: a
    upstream: crm
    match: {path: /b}
    timeout: {request: fast}
`

func command(t *testing.T, args ...string) sidecar.Result {
	t.Helper()
	return sidecar.Run(t, binary, nil, args...)
}

// expectCode compares the exit code and shows what was said.
func expectCode(t *testing.T, got sidecar.Result, want int) {
	t.Helper()
	if got.Code != want {
		t.Errorf("got exit code %d, want %d; stdout:\n%s\nstderr:\n%s", got.Code, want, got.Stdout, got.Stderr)
	}
}

// expectHas fails the test for each text that is missing.
func expectHas(t *testing.T, got string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	file := sidecar.WriteConfig(t, good)
	got := command(t, "check", "--config", file)
	expectCode(t, got, 0)
	expectHas(t, got.Stdout, file+": ok (2 routes, 2 upstreams)")

	file = sidecar.WriteConfig(t, bad)
	got = command(t, "check", "--config", file)
	expectCode(t, got, 1)
	said := got.Stdout + got.Stderr
	expectHas(t, said, file+":4:", file+":7:", file+":8:", `unknown key "timout" (did you mean "timeout"?)`, file+":9:", file+":12:", "crn")
	if strings.Contains(said, "s3cret") {
		t.Errorf("got %q, which tells a secret", said)
	}
	if lines := strings.Count(strings.TrimSpace(said), "\n") + 1; lines != 5 {
		t.Errorf("got %d lines, want one for each of the 5 problems:\n%s", lines, said)
	}
}

func TestRunWithABadConfigurationFails(t *testing.T) {
	t.Parallel()
	file := sidecar.WriteConfig(t, bad)
	for _, args := range [][]string{{"run", "--config", file}, {"--config", file}} {
		got := command(t, args...)
		expectCode(t, got, 1)
		expectHas(t, got.Stderr, file+":4:", file+":7:", file+":8:", file+":9:", file+":12:")
	}
	got := command(t, "run", "--config", filepath.Join(t.TempDir(), "none.yaml"))
	expectCode(t, got, 1)
	expectHas(t, got.Stderr, "none.yaml")
	for _, document := range []string{"", "# nothing\n", "a: [", "listen: []\n---\nlisten: []\n"} {
		expectCode(t, command(t, "run", "--config", sidecar.WriteConfig(t, document)), 1)
	}
}

func TestAPortThatIsTakenFails(t *testing.T) {
	t.Parallel()
	taken := wire.Listen(t)
	got := command(t, "run", "--config", sidecar.WriteConfig(t, good), "--listen", taken.Addr)
	expectCode(t, got, 1)
	expectHas(t, got.Stderr, taken.Addr)
}

func TestAWrongCommandLineIsCode2(t *testing.T) {
	t.Parallel()
	file := sidecar.WriteConfig(t, good)
	for _, args := range [][]string{
		{"run", "--config", file, "--no-such-flag"}, {"--no-such-flag"}, {"no-such-command"}, {"check"}, {"run"},
		{"explain", "--config", file}, {"explain", "--config", file, "GET"}, {"check", "--config", file, "more"}, {"version", "more"},
	} {
		t.Run(strings.Join(args[:1], " "), func(t *testing.T) {
			got := command(t, args...)
			expectCode(t, got, 2)
			if got.Stderr == "" || got.Stdout != "" {
				t.Errorf("got stdout %q and stderr %q for %q, want the trouble on stderr alone", got.Stdout, got.Stderr, args)
			}
		})
	}
	expectCode(t, command(t, "--help"), 0)
	expectCode(t, command(t, "run", "--help"), 0)
}

func TestVersion(t *testing.T) {
	t.Parallel()
	got := command(t, "version")
	expectCode(t, got, 0)
	expectHas(t, got.Stdout, "fender", "go1.")
}

func TestExplain(t *testing.T) {
	t.Parallel()
	file := sidecar.WriteConfig(t, good)
	got := command(t, "explain", "--config", file, "GET", "http://127.0.0.1:8080/v1/customers/42?x")
	expectCode(t, got, 0)
	expectHas(t, got.Stdout, "customer-lookup", "crm", "timeout", "attempt", "1s", "route", "30s", "defaults", "max_retries", "built in")
	got = command(t, "explain", "--config", file, "POST", "/v1/customers/42")
	expectCode(t, got, 0)
	expectHas(t, got.Stdout, "rest", "pure")
	if said := got.Stdout + got.Stderr; strings.Contains(said, "s3cret") {
		t.Errorf("got %q, which tells a secret", said)
	}
}

func TestSettingsComeFromFlagThenEnvironmentThenFile(t *testing.T) {
	t.Parallel()
	up := wire.Listen(t)
	config := fmt.Sprintf(`
listen: ["127.0.0.1:1"]
metrics: {listen: "127.0.0.1:1"}
admin: {listen: ""}
log: {format: text}
drain: 100ms
upstreams: {crm: {url: %q}}
routes: [{name: a, upstream: crm}]
`, up.URL())
	p := sidecar.Command{
		Binary: binary,
		Config: config,
		Args:   []string{"--listen", "127.0.0.1:0", "--log-format", "json"},
		Env:    []string{"FENDER_LISTEN=127.0.0.1:1", "FENDER_METRICS_LISTEN=127.0.0.1:0", "FENDER_LOG_FORMAT=text"},
	}.Start(t)
	expect(t, wire.Do(t, p.Proxy, "GET", "/", ""), expectation{status: 200, body: "ok", attempts: 1})
	if len(p.Lines("msg", "listening", "server", "admin")) > 0 {
		t.Error("got an admin listener, want none for an empty address")
	}
}
