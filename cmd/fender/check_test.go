package main

import (
	"strings"
	"testing"
)

func TestCheckCountsWhatIsThere(t *testing.T) {
	file := write(t, minimal+"  - {name: rest, upstream: crm}\n")
	code, stdout, stderr := fender(t, "check", "--config", file)
	if want := file + ": ok (2 routes, 1 upstreams)\n"; code != exitOK || stdout != want || stderr != "" {
		t.Errorf("got exit code %d, stdout %q, stderr %q, want %d and %q", code, stdout, stderr, exitOK, want)
	}
}

func TestCheckPrintsEveryProblemInItsLine(t *testing.T) {
	file := write(t, minimal+"timout: 3s\ndrain: soon\n")
	code, stdout, stderr := fender(t, "check", "--config", file)
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if code != exitFailed || stdout != "" || len(lines) != 2 {
		t.Fatalf("got exit code %d, stdout %q, stderr %q, want %d and two lines", code, stdout, stderr, exitFailed)
	}
	for i, prefix := range []string{file + ":9:1: ", file + ":10:8: "} {
		if !strings.HasPrefix(lines[i], prefix) {
			t.Errorf("got %q, want it to begin with %q", lines[i], prefix)
		}
	}
}

// withWarning is a configuration whose retry on a timeout never comes.
var withWarning = strings.Replace(minimal, "{request: 2s}", "{request: 2s, attempt: 2s}\n    retry: {}", 1)

func TestAWarningFailsOnlyAStrictCheck(t *testing.T) {
	file := write(t, withWarning)
	code, stdout, stderr := fender(t, "check", "--config", file)
	if code != exitOK || !strings.Contains(stdout, ": ok (1 routes, 1 upstreams)") || !strings.HasPrefix(stderr, "warning: "+file+":") {
		t.Errorf("got exit code %d, stdout %q, stderr %q, want %d and a warning", code, stdout, stderr, exitOK)
	}
	code, stdout, stderr = fender(t, "check", "--strict", "--config", file)
	if code != exitFailed || stdout != "" || !strings.Contains(stderr, "\nfender: --strict: there are warnings: 1\n") {
		t.Errorf("--strict: got exit code %d, stdout %q, stderr %q, want %d", code, stdout, stderr, exitFailed)
	}
}

func TestCheckDoesWithoutSecretsIfAsked(t *testing.T) {
	file := write(t, strings.Replace(minimal, "http://127.0.0.1:9", `http://127.0.0.1:9, headers: {X-API-Key: "${FENDER_TEST_UNSET}"}`, 1))
	if code, _, stderr := fender(t, "check", "--config", file); code != exitFailed || !strings.Contains(stderr, "FENDER_TEST_UNSET") {
		t.Errorf("got exit code %d, stderr %q, want %d and the variable's name", code, stderr, exitFailed)
	}
	if code, _, stderr := fender(t, "check", "--no-secrets", "--config", file); code != exitOK {
		t.Errorf("--no-secrets: got exit code %d, stderr %q, want %d", code, stderr, exitOK)
	}
}
