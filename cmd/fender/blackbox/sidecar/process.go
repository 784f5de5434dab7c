package sidecar

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Command says how to start one sidecar.
type Command struct {
	Binary string   // what Build returned
	Config string   // the YAML document
	Args   []string // further arguments of run
	Env    []string // further variables, NAME=value
}

// A Process is a running sidecar.
type Process struct {
	Proxy, Metrics string // the bound addresses
	Config         string // the configuration's file

	cmd      *exec.Cmd
	log      journal
	exited   chan struct{} // closed when the process has ended and its log is read
	scraping sync.Mutex    // the metrics listener has few places, and a scrape is not cheap
}

// Start runs the sidecar and returns when it listens. When the test ends it is told to stop, and the test fails if it
// does not do so with code 0, or if its log holds a fault.
func (c Command) Start(t testing.TB) *Process {
	t.Helper()
	p := &Process{Config: WriteConfig(t, c.Config), exited: make(chan struct{})}
	p.cmd = exec.Command(c.Binary, append([]string{"run", "--config", p.Config}, c.Args...)...)
	p.cmd.Env = append(os.Environ(), c.Env...)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatalf("sidecar: %v", err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("sidecar: %v", err)
	}
	go func() {
		defer close(p.exited)
		p.log.read(stderr)
		p.cmd.Wait()
	}()
	t.Cleanup(func() { p.end(t) })
	p.Proxy = p.listening(t, "proxy")
	p.Metrics = p.listening(t, "metrics")
	return p
}

// WriteConfig writes a configuration into a directory of the test's own and returns its path.
func WriteConfig(t testing.TB, document string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
		t.Fatalf("sidecar: %v", err)
	}
	return file
}

func (p *Process) listening(t testing.TB, server string) string {
	t.Helper()
	Eventually(func() bool { return p.Exited() || len(p.Lines("msg", "listening", "server", server)) > 0 })
	found := p.Lines("msg", "listening", "server", server)
	if len(found) == 0 {
		t.Fatalf("sidecar: no line says where %s listens; its log:\n%s", server, p.log.text())
	}
	return found[0].Text("addr")
}

// end stops a process that still runs and judges it.
func (p *Process) end(t testing.TB) {
	t.Helper()
	if !p.Exited() {
		p.Stop(t)
	}
	if faults := p.log.faults(); len(faults) > 0 {
		t.Errorf("sidecar: its log has %d faults, the first: %s", len(faults), faults[0])
	}
	if t.Failed() {
		t.Logf("sidecar: the end of its log:\n%s", tail(p.log.text(), 16<<10))
	}
}

func tail(text string, n int) string { return text[max(0, len(text)-n):] }

// Signal sends the process a signal.
func (p *Process) Signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Errorf("sidecar: %v", err)
	}
}

// Stop tells the process to stop and fails the test unless it ends well.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	p.Signal(t, syscall.SIGTERM)
	if code := p.Wait(t); code != 0 {
		t.Errorf("sidecar: got exit code %d after SIGTERM, want 0", code)
	}
}

// Exited reports whether the process has ended.
func (p *Process) Exited() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// Wait returns the exit code of a process that is ending. One that does not end is killed, and the test fails.
func (p *Process) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience + 20*time.Second):
		t.Errorf("sidecar: it did not end")
		p.cmd.Process.Kill()
		<-p.exited
	}
	return p.cmd.ProcessState.ExitCode()
}

// Lines returns the lines of the log so far whose keys have these values: a key and its text in turn.
func (p *Process) Lines(pairs ...string) []Line { return p.log.find(pairs...) }

// AwaitLine waits for a line whose keys have these values and returns the first.
func (p *Process) AwaitLine(t testing.TB, pairs ...string) Line {
	t.Helper()
	Await(t, "the log has a line with "+strings.Join(pairs, " "), func() bool { return len(p.Lines(pairs...)) > 0 })
	return p.Lines(pairs...)[0]
}

// Log is the whole log so far.
func (p *Process) Log() string { return p.log.text() }
