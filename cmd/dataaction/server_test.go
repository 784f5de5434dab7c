package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/dataaction/enrichment"
)

// patience is how long a test waits for what should happen at once.
const patience = 10 * time.Second

// A journal is a log that is read while it is written. It says on listening
// where the server is.
type journal struct {
	mu        sync.Mutex
	text      bytes.Buffer
	listening chan string
}

func newJournal() *journal { return &journal{listening: make(chan string, 1)} }

// Write takes any number of lines: a pipe joins and splits them.
func (j *journal) Write(text []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text.Write(text)
	for line := range bytes.Lines(j.text.Bytes()) {
		var entry struct{ Msg, Addr string }
		if json.Unmarshal(line, &entry) != nil || entry.Msg != "listening" {
			continue
		}
		select {
		case j.listening <- entry.Addr:
		default: // known
		}
	}
	return len(text), nil
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// await returns what comes, or fails.
func await[T any](t *testing.T, c <-chan T, complaint string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal(complaint)
		panic("unreachable")
	}
}

// A process is the command without its own process.
type process struct {
	url     string
	signals chan os.Signal
	done    chan error
	log     *journal
}

// start serves with an environment overlaid as lookupIn does, at a free port.
func start(t *testing.T, overlay ...string) *process {
	t.Helper()
	e, err := readEnvironment(lookupIn(append(overlay, "LISTEN", "127.0.0.1:0")...))
	if err != nil {
		t.Fatal(err)
	}
	p := &process{signals: make(chan os.Signal, 2), done: make(chan error, 1), log: newJournal()}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() { p.done <- serve(ctx, e, slog.New(slog.NewJSONHandler(p.log, nil)), p.signals) }()
	p.url = "http://" + await(t, p.log.listening, "it does not listen")
	return p
}

// ask sends the action's body and returns the status, 0 without an answer.
func (p *process) ask(t *testing.T) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+enrichment.Path, strings.NewReader(`{"contactId":"1"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return status(r)
}

func status(r *http.Request) int {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func TestTheActionIsServedBesideItsProbeAndItsMetrics(t *testing.T) {
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"name":"Ada"}`) }))
	defer crm.Close()
	p := start(t, "CRM_BASE_URL", crm.URL)
	if got := p.ask(t); got != 200 {
		t.Errorf("got %d, want 200", got)
	}
	for _, test := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", "/healthz", 200, "ok\n"},
		{"HEAD", "/healthz", 200, ""},
		{"POST", "/healthz", 405, "method not allowed"},
		{"GET", "/metrics", 200, `dataaction_requests_total{status="200"} 1`},
		{"GET", "/metrics", 200, "go_goroutines"},
		{"GET", "/", 404, `"code":"not_found"`},
		{"GET", enrichment.Path, 405, `"code":"method_not_allowed"`},
	} {
		r, err := http.NewRequestWithContext(t.Context(), test.method, p.url+test.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != test.status || !strings.Contains(string(body), test.want) {
			t.Errorf("%s %s: got %d %s, want %d %s", test.method, test.path, resp.StatusCode, body, test.status, test.want)
		}
	}
	p.signals <- syscall.SIGTERM
	if err := await(t, p.done, "it does not stop"); err != nil {
		t.Errorf("got %v, want a clean stop", err)
	}
}

func TestAnOpenDoorIsWarnedOf(t *testing.T) {
	const warning = "DATA_ACTION_TOKEN is not set"
	if log := start(t).log.String(); !strings.Contains(log, warning) || !strings.Contains(log, "WARN") {
		t.Errorf("got %s, want a warning", log)
	}
	p := start(t, "DATA_ACTION_TOKEN", "s3cret")
	if log := p.log.String(); strings.Contains(log, warning) || strings.Contains(log, "s3cret") {
		t.Errorf("got %s, want neither a warning nor the token", log)
	}
	if got := p.ask(t); got != 401 {
		t.Errorf("got %d, want 401", got)
	}
}

// A slowCRM answers when it is told to.
func slowCRM(t *testing.T) (url string, asked chan struct{}, answer chan struct{}) {
	t.Helper()
	asked, answer = make(chan struct{}, 1), make(chan struct{})
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-answer:
		case <-r.Context().Done():
		}
		io.WriteString(w, `{"name":"Ada"}`)
	}))
	t.Cleanup(crm.Close)
	return crm.URL, asked, answer
}

func TestAStopLetsRequestsFinish(t *testing.T) {
	crm, asked, answer := slowCRM(t)
	p := start(t, "CRM_BASE_URL", crm)
	got := make(chan int, 1)
	go func() { got <- p.ask(t) }()
	await(t, asked, "the CRM is not asked")
	p.signals <- syscall.SIGTERM
	refused := make(chan struct{})
	go func() {
		defer close(refused)
		for {
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(p.url, "http://"))
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	await(t, refused, "it goes on accepting")
	select {
	case err := <-p.done:
		t.Fatalf("got an end (%v) with a request in progress", err)
	default:
	}
	close(answer)
	if status := await(t, got, "there is no answer"); status != 200 {
		t.Errorf("got %d, want 200", status)
	}
	if err := await(t, p.done, "it does not stop"); err != nil {
		t.Errorf("got %v, want a clean stop", err)
	}
}

func TestASecondSignalEndsItNow(t *testing.T) {
	crm, asked, _ := slowCRM(t)
	p := start(t, "CRM_BASE_URL", crm, "TIMEOUT", "1m")
	got := make(chan int, 1)
	go func() { got <- p.ask(t) }()
	await(t, asked, "the CRM is not asked")
	p.signals <- syscall.SIGTERM
	p.signals <- syscall.SIGTERM
	if err := await(t, p.done, "it does not stop"); !errors.Is(err, errInterrupted) {
		t.Errorf("got %v, want %v", err, errInterrupted)
	}
	if status := await(t, got, "the request is not cut off"); status != 0 {
		t.Errorf("got %d, want no answer", status)
	}
}

// TestAStopWaitsForNobodyWhoHasNothingToSay: a connection without a request is cut
// off in the end.
func TestAStopWaitsForNobodyWhoHasNothingToSay(t *testing.T) {
	p := start(t, "TIMEOUT", "10ms")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST ")
	p.ask(t) // what came before is accepted now
	p.signals <- syscall.SIGTERM
	if err := await(t, p.done, "it does not stop"); err != nil {
		t.Errorf("got %v, want a clean stop", err)
	}
}
