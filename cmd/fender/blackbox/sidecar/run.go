package sidecar

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A Result is what one command of the binary came to.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Run runs a command of the binary that ends by itself. Env is added to the test's own.
func Run(t testing.TB, binary string, env []string, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	exit := &exec.ExitError{}
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("sidecar: %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return Result{Code: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
}
