// Package sidecar runs the built fender binary as the subject of the black-box suites: it starts a process with a
// configuration, reads its log and its metrics, and fails the test for what a sidecar must never do: panic, race, log
// an error that nobody expected, or not stop when it is told to.
package sidecar

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
)

// module is the module that the binary is built from, also where the suite is of a module of its own.
const module = "github.com/fender-proxy/fender"

// Build compiles the binary into dir and returns its path. It has the race detector if the calling test has it.
func Build(dir string) (string, error) {
	root, err := output("go", "list", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "fender")
	args := []string{"-C", strings.TrimSpace(root), "build", "-cover=false", "-o", binary}
	if raced() {
		args = append(args, "-race")
	}
	_, err = output("go", append(args, "./cmd/fender")...)
	return binary, err
}

func output(name string, args ...string) (string, error) {
	var stderr strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, stderr.String())
	}
	return string(out), nil
}

// raced reports whether the running test was built with the race detector.
func raced() bool {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return false
	}
	for _, setting := range info.Settings {
		if setting.Key == "-race" {
			return setting.Value == "true"
		}
	}
	return false
}
