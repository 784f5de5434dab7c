package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fender-proxy/fender/proxy/config"
)

// A lockedLog is a log that is read while it is written.
type lockedLog struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

// listening returns the bound addresses of a server, as the log has them.
func (l *lockedLog) listening(server string) (addresses []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buffer.String()) {
		var entry struct{ Msg, Server, Addr, Time string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" && entry.Server == server {
			addresses = append(addresses, entry.Addr)
		}
	}
	return addresses
}

func TestASidecarServesBetweenItsStartAndItsSignal(t *testing.T) {
	before := runtime.NumGoroutine()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
	}))
	document := strings.Replace(minimal, "http://127.0.0.1:9", upstream.URL, 1)
	cfg, err := loadWith(t, document, []string{"--listen", "127.0.0.1:0,127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	log := new(lockedLog)
	signals := make(chan os.Signal, 1)
	done := make(chan error, 1)
	go func() {
		done <- sidecar(t.Context(), cfg, newLogger(log, config.Log{Level: "info", Format: "json"}), signals)
	}()
	waitFor(t, "the sidecar does not listen", func() bool { return len(log.listening(metricsServer)) == 1 })

	proxies := log.listening(proxyServer)
	if got, want := len(proxies), 2; got != want {
		t.Fatalf("got %d proxy addresses, want %d", got, want)
	}
	client := &http.Client{Transport: &http.Transport{}, Timeout: patience}
	for _, test := range []struct{ address, path, want string }{
		{proxies[0], "/v1/customers/42", "hello"},
		{proxies[1], "/v1/customers/42", "hello"},
		{log.listening(metricsServer)[0], "/readyz", "ok\n"},
		{log.listening(metricsServer)[0], "/metrics", "fender_build_info{"},
	} {
		response, err := client.Get("http://" + test.address + test.path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != http.StatusOK || !strings.Contains(string(body), test.want) {
			t.Errorf("%s: got %d %q, want 200 with %q", test.path, response.StatusCode, body, test.want)
		}
	}
	client.CloseIdleConnections()

	signals <- syscall.SIGTERM
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("the sidecar does not stop")
	}
	upstream.Close()
	waitFor(t, "goroutines are left", func() bool { return runtime.NumGoroutine() <= before })
}

func TestAListenerThatCannotBeOpenedFailsTheRunAndClosesTheRest(t *testing.T) {
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	inUse := taken.Listener.Addr().String()
	file := write(t, minimal)
	// Package os/signal keeps a goroutine for good from its first use on.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR2)
	defer signal.Stop(signals)
	for name, args := range map[string][]string{
		"proxy":   {"--listen", "127.0.0.1:0," + inUse, "--metrics-listen="},
		"metrics": {"--listen", "127.0.0.1:0", "--metrics-listen", inUse},
	} {
		before := runtime.NumGoroutine()
		code, stdout, stderr := fender(t, append([]string{"run", "--config", file}, args...)...)
		var line struct{ Level, Msg, Error string }
		if err := json.Unmarshal([]byte(stderr), &line); err != nil {
			t.Fatalf("got stderr %q, want one line of JSON: %v", stderr, err)
		}
		want := name + `: listen on "` + inUse + `": bind: address already in use`
		if code != exitFailed || stdout != "" || line.Level != "ERROR" || line.Error != want {
			t.Errorf("got exit code %d, stdout %q, stderr %q, want %d and %q", code, stdout, stderr, exitFailed, want)
		}
		waitFor(t, "goroutines are left", func() bool { return runtime.NumGoroutine() <= before })
	}
}

// What is not yet in force, or of no use, is never silent.
func TestWarningsAreLoggedAtTheStart(t *testing.T) {
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	file := write(t, withWarning)
	_, _, stderr := fender(t, "run", "--config", file, "--log-format", "text", "--listen", taken.Listener.Addr().String(), "--metrics-listen=")
	if want := `level=WARN msg=configuration warning="` + file; !strings.Contains(stderr, want) {
		t.Errorf("got %q, want %q in it", stderr, want)
	}
}

func TestTheLongestRequestOfAllRoutesBoundsTheStop(t *testing.T) {
	cfg := &config.Config{Routes: make([]config.Route, 3)}
	for i, d := range []time.Duration{time.Second, 7 * time.Second, 3 * time.Second} {
		cfg.Routes[i].Timeout.Request = d
	}
	if got, want := longestRequest(cfg), 7*time.Second; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// waitFor returns when condition holds.
func waitFor(t *testing.T, complaint string, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(patience)
	for !condition() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatal(complaint)
		}
	}
}
