package credential

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fender-proxy/fender/proxy/config"
)

// endpoint is a token endpoint in memory: it gives its answer to each request,
// and keeps what it was asked.
type endpoint struct {
	answer answer

	mu    sync.Mutex
	asked []asked
}

type asked struct {
	at     time.Time
	header http.Header
	form   url.Values
}

// answer answers the request with the number n, from 1 on.
type answer func(n int, req *http.Request) (*http.Response, error)

func (e *endpoint) RoundTrip(req *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(req.Body)
	form, _ := url.ParseQuery(string(body))
	e.mu.Lock()
	e.asked = append(e.asked, asked{time.Now(), req.Header.Clone(), form})
	n := len(e.asked)
	e.mu.Unlock()
	return e.answer(n, req)
}

func (e *endpoint) fetches() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.asked)
}

// wantFetches checks how often the endpoint was asked.
func (e *endpoint) wantFetches(t *testing.T, want int) {
	t.Helper()
	if got := e.fetches(); got != want {
		t.Fatalf("got %d fetches, want %d", got, want)
	}
}

func reply(req *http.Request, status int, body string, header ...string) (*http.Response, error) {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: h, Request: req,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

// says answers each request the same.
func says(status int, body string, header ...string) answer {
	return func(_ int, req *http.Request) (*http.Response, error) { return reply(req, status, body, header...) }
}

// issues gives out token-1, token-2 and so on, which live so many seconds.
func issues(seconds int) answer {
	return func(n int, req *http.Request) (*http.Response, error) {
		return reply(req, http.StatusOK, fmt.Sprintf(`{"access_token":"token-%d","token_type":"bearer","expires_in":%d}`, n, seconds))
	}
}

// later answers after d, unless the request ends first.
func later(d time.Duration, next answer) answer {
	return func(n int, req *http.Request) (*http.Response, error) {
		select {
		case <-time.After(d):
			return next(n, req)
		case <-req.Context().Done():
			return nil, context.Cause(req.Context())
		}
	}
}

// down has nobody listen.
func down(int, *http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("connect: %w", syscall.ECONNREFUSED)}
}

// until plays one answer for d, and then another.
func until(d time.Duration, first, then answer) answer {
	turn := time.Now().Add(d)
	return func(n int, req *http.Request) (*http.Response, error) {
		if time.Now().Before(turn) {
			return first(n, req)
		}
		return then(n, req)
	}
}

// nth plays the answer of the n-th request, and the last one from then on.
func nth(answers ...answer) answer {
	return func(n int, req *http.Request) (*http.Response, error) {
		return answers[min(n, len(answers))-1](n, req)
	}
}

// rig is a token source over an endpoint.
type rig struct {
	*tokenSource
	endpoint *endpoint
	log      *logged

	mu      sync.Mutex
	results map[FetchResult]int
}

// logged is what has been logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// newRig returns a source whose tokens are renewed 10 s ahead. A fetch under way
// ends by itself, with or without anybody who waits for it.
func newRig(t *testing.T, a answer, set ...func(*config.OAuth2)) *rig {
	t.Cleanup(func() { pass(fetchTimeout) })
	r := &rig{endpoint: &endpoint{answer: a}, log: new(logged), results: map[FetchResult]int{}}
	o := &config.OAuth2{
		TokenURL: "https://login.test/oauth/token", ClientID: "id", ClientSecret: config.NewSecret("s3cr3t"),
		AuthStyle: config.AuthHeader, RefreshBefore: 10 * time.Second,
	}
	for _, f := range set {
		f(o)
	}
	client := &http.Client{
		Transport:     r.endpoint,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	r.tokenSource = New(&config.Auth{OAuth2: o}, Options{Client: client, Logger: r.log.logger(), Fetched: r.fetched}).(*tokenSource)
	return r
}

func (r *rig) fetched(result FetchResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results[result]++
}

// wantResults checks what the fetches were counted as.
func (r *rig) wantResults(t *testing.T, result FetchResult, n int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.results[result] != n || len(r.results) != 1 {
		t.Errorf("got %v counted, want %d %s", r.results, n, result)
	}
}

// token asks for the credentials of one attempt, with a second for it.
func (r *rig) token(ctx context.Context) (string, error) {
	h := http.Header{}
	_, err := r.Authorize(ctx, time.Now().Add(time.Second), h)
	return h.Get("Authorization"), err
}

// want checks that a call gets a token, at once.
func (r *rig) want(t *testing.T, want string) {
	t.Helper()
	began := time.Now()
	if got, err := r.token(t.Context()); err != nil || got != "Bearer "+want {
		t.Fatalf("got %q, %v, want %q", got, err, want)
	}
	if took := time.Since(began); took > 0 {
		t.Fatalf("got %q after %v, want it at once", want, took)
	}
}

// wantNone checks that a call gets no token, and why, at once.
func (r *rig) wantNone(t *testing.T, why string) {
	t.Helper()
	began := time.Now()
	if got, err := r.token(t.Context()); err == nil || !strings.Contains(err.Error(), why) {
		t.Fatalf("got %q, %v, want the error %q", got, err, why)
	}
	if took := time.Since(began); took > 0 {
		t.Fatalf("got the error after %v, want it at once", took)
	}
}

// first has the source fetch its first token.
func (r *rig) first(t *testing.T) {
	t.Helper()
	if _, err := r.token(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.endpoint.wantFetches(t, 1)
}

// bubble runs a test on a clock of its own.
func bubble(t *testing.T, name string, f func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// pass lets d go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

var errLeft = errors.New("the client left")
