package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTheProcessEndsBySIGTERM is the only test of the signals themselves.
func TestTheProcessEndsBySIGTERM(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := newJournal()
	cmd := exec.CommandContext(t.Context(), executable)
	cmd.Env = []string{asCommand + "=1", "LISTEN=127.0.0.1:0",
		"CRM_BASE_URL=" + sidecars["CRM_BASE_URL"], "GENESYS_BASE_URL=" + sidecars["GENESYS_BASE_URL"]}
	cmd.Stderr = log
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	await(t, log.listening, "it does not listen")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := await(t, ended, "it does not end"); err != nil {
		t.Errorf("got %v, want status 0", err)
	}
	if got := log.String(); !strings.Contains(got, `"msg":"stopping","signal":"terminated"`) || !strings.Contains(got, `"msg":"stopped"`) {
		t.Errorf("got %s, want the stop told", got)
	}
}

func TestTheProcessDoesNotStartWithoutItsEnvironment(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), executable)
	cmd.Env = []string{asCommand + "=1", "CRM_BASE_URL=", "GENESYS_BASE_URL=http://127.0.0.1:1"}
	told, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(string(told), "CRM_BASE_URL: is not set") {
		t.Errorf("got %d %s, want 1 and the variable", code, told)
	}
}
