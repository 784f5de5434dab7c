package proxy

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy/config"
)

// rig is a proxy over an upstream in memory.
type rig struct {
	*Proxy
	registry *prometheus.Registry
	log      *syncBuffer
	mu       sync.Mutex
	seen     []*http.Request
	answer   func(*http.Request) (*http.Response, error)
}

// syncBuffer is a buffer for a log.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newRig returns a proxy for a configuration, over an upstream called "a". Without
// an answer its transports are the real ones.
func newRig(t *testing.T, yaml string, answer func(*http.Request) (*http.Response, error)) *rig {
	t.Helper()
	if !strings.Contains(yaml, "upstreams:") {
		yaml = "upstreams: {a: {url: \"http://a.test/base\"}}\n" + yaml
	}
	cfg, err := config.Parse("test.yaml", []byte(yaml), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{registry: prometheus.NewPedanticRegistry(), log: new(syncBuffer), answer: answer}
	logger := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if r.Proxy, err = New(cfg, Options{Logger: logger, Metrics: NewMetrics(r.registry)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	for _, route := range r.routes {
		if answer == nil {
			break // over real sockets
		}
		transport := route.proxy.Transport.(*policy.Transport)
		transport.Upstream, transport.Fresh = r, r
	}
	return r
}

// RoundTrip is the upstream.
func (r *rig) RoundTrip(req *http.Request) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	r.mu.Lock()
	r.seen = append(r.seen, req)
	r.mu.Unlock()
	return r.answer(req)
}

// do sends a request through the proxy as a server would.
func (r *rig) do(ctx context.Context, method, target, body string, header ...string) *http.Response {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req := httptest.NewRequestWithContext(ctx, method, target, reader)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w.Result()
}

func (r *rig) get(t *testing.T, target string, header ...string) *http.Response {
	t.Helper()
	return r.do(t.Context(), http.MethodGet, target, "", header...)
}

// says is an upstream that always answers alike.
func says(status int, body string, header ...string) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i+1 < len(header); i += 2 {
			h.Add(header[i], header[i+1])
		}
		return &http.Response{
			StatusCode: status, Header: h, Request: req, ProtoMajor: 1, ProtoMinor: 1,
			ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
		}, nil
	}
}

func text(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// checkHeader compares header fields; an empty value says that there is none.
func checkHeader(t *testing.T, h http.Header, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got := strings.Join(h.Values(name), " | "); got != value {
			t.Errorf("%s: got %q, want %q", name, got, value)
		}
	}
}
