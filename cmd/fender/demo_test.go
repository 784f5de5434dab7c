package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestADemoThatIsStoppedIsNoFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{{"demo"}, {"demo", "--once"}} {
		var stdout, stderr bytes.Buffer
		code := run(ctx, args, &stdout, &stderr)
		if code != exitOK || stderr.Len() > 0 {
			t.Errorf("%q: got exit code %d, stderr %q, want %d", args, code, &stderr, exitOK)
		}
	}
}

func TestTheDemoTakesNoArguments(t *testing.T) {
	code, stdout, stderr := fender(t, "demo", "twice")
	if code != exitUsage || stdout != "" || !strings.Contains(stderr, `fender demo takes no argument, got "twice"`) {
		t.Errorf("got exit code %d, stdout %q, stderr %q, want %d", code, stdout, stderr, exitUsage)
	}
}
