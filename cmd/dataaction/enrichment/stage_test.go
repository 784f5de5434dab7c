package enrichment

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// patience is how long a test waits for what should happen at once.
const patience = 10 * time.Second

// What the two APIs say when all is well.
const (
	ada   = `{"id":"1001","name":"Ada Lovelace","tier":"gold","notes":"x"}`
	aCall = `{"participants":[{"sessions":[{"segments":[{"segmentType":"interact","segmentStart":"2026-11-23T10:00:00.000Z"}]}]}]}`
)

// An api is a scripted API that counts what it saw.
type api struct {
	*httptest.Server
	handle http.HandlerFunc
	closed chan struct{} // one for each connection

	mu   sync.Mutex
	seen []*http.Request
}

func newAPI(t *testing.T, handle http.HandlerFunc) *api {
	t.Helper()
	a := &api{handle: handle, closed: make(chan struct{}, 100)}
	a.Server = httptest.NewUnstartedServer(a)
	a.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			a.closed <- struct{}{}
		}
	}
	a.Start()
	t.Cleanup(a.Close)
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.seen = append(a.seen, r)
	a.mu.Unlock()
	a.handle(w, r)
}

// requests returns what was asked so far.
func (a *api) requests() []*http.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]*http.Request(nil), a.seen...)
}

// says answers with a status, a JSON body and headers, as name, value, ….
func says(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// A stage is a handler behind a listener, with both APIs.
type stage struct {
	*httptest.Server
	crm, genesys *api
	handler      *Handler
	registry     *prometheus.Registry
	log          *journal
}

// newStage serves a handler with cfg, whose APIs do as they are told.
func newStage(t *testing.T, cfg Config, crm, genesys http.HandlerFunc) *stage {
	t.Helper()
	s := &stage{
		crm:      newAPI(t, crm),
		genesys:  newAPI(t, genesys),
		registry: prometheus.NewRegistry(),
		log:      new(journal),
	}
	cfg.CRM, cfg.Genesys = mustParse(t, s.crm.URL), mustParse(t, s.genesys.URL)
	cfg.Logger, cfg.Registerer = slog.New(slog.NewJSONHandler(s.log, nil)), s.registry
	s.handler = New(cfg)
	t.Cleanup(s.handler.Close)
	s.Server = httptest.NewServer(s.handler)
	t.Cleanup(s.Close)
	return s
}

func mustParse(t *testing.T, text string) *url.URL {
	t.Helper()
	base, err := ParseBaseURL(text)
	if err != nil {
		t.Fatal(err)
	}
	return base
}

// newAction returns a request of the action, to be changed by a test.
func newAction(t *testing.T, url, body string) *http.Request {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+Path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return r
}

// A received is an answer as its caller reads it.
type received struct {
	status int
	header http.Header
	text   string

	ID       string
	Status   string
	Outputs  map[string]any
	Error    struct{ Code, Message string }
	Metadata map[string]string
}

// ask sends the action's body.
func (s *stage) ask(t *testing.T, body string) received {
	t.Helper()
	return s.send(t, newAction(t, s.URL, body))
}

// send sends a request. Every answer there is must be whole and JSON.
func (s *stage) send(t *testing.T, r *http.Request) received {
	t.Helper()
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, resp.StatusCode, resp.Header, body)
}

func parse(t *testing.T, status int, header http.Header, body []byte) received {
	t.Helper()
	got := received{status: status, header: header, text: string(body)}
	if len(body) == 0 {
		return got
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("got %d %q, want JSON: %v", status, body, err)
	}
	return got
}

// A journal is a log that is read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// lookups returns how many lookups of a target ended with a result.
func (s *stage) lookups(target string, r result) float64 {
	return testutil.ToFloat64(s.handler.metrics.lookups[target][r])
}

// trip answers as an API would, without a socket.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// hang never answers.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// after answers 200 with a body after a while.
func after(d time.Duration, body string) trip {
	return func(r *http.Request) (*http.Response, error) {
		select {
		case <-time.After(d):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

// inBubble runs a test in a bubble in which the APIs are functions.
func inBubble(t *testing.T, crm, genesys trip, test func(*testing.T, *Handler)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		base := mustParse(t, "http://sidecar.test")
		h := New(Config{CRM: base, Genesys: base})
		h.crm.client.Transport, h.genesys.client.Transport = crm, genesys
		test(t, h)
	})
}

// both is a request for both lookups.
const both = `{"contactId":"1001","conversationId":"c-1"}`

// serve asks h without a socket and returns the answer and how long it took.
func serve(t *testing.T, h *Handler, body string) (received, time.Duration) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	began := time.Now()
	h.ServeHTTP(w, r)
	return parse(t, w.Code, w.Header(), w.Body.Bytes()), time.Since(began)
}
