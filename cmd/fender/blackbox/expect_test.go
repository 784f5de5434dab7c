package blackbox_test

import (
	"encoding/json"
	"mime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// An expectation is what a client is to get. What is empty is not looked at, save the status.
type expectation struct {
	status   int
	body     string
	outcome  string
	reason   string // "-" is none
	circuit  string // "-" is none
	attempts int    // -1 is not looked at
	error    string // of Proxy-Status, "-" is no such field
}

// outcomes is all that Fender-Outcome may say.
var outcomes = []string{"upstream", "retried", "fallback", "stale", "refused", "failed"}

// expect compares a whole answer with what the client is to get.
func expect(t *testing.T, answer *wire.Response, want expectation) {
	t.Helper()
	if answer.StatusCode != want.status {
		t.Errorf("got status %d, want %d; the answer: %v %q", answer.StatusCode, want.status, answer.Header, clip(answer.Content))
	}
	if answer.Broken != nil {
		t.Errorf("got a body that breaks after %d bytes: %v", len(answer.Content), answer.Broken)
	}
	if want.body != "" && string(answer.Content) != want.body {
		t.Errorf("got body %q, want %q", clip(answer.Content), clip([]byte(want.body)))
	}
	if got := answer.Header.Get("Fender-Outcome"); got != "" && !slices.Contains(outcomes, got) {
		t.Errorf("got Fender-Outcome %q, want one of %q", got, outcomes)
	}
	field(t, answer, "Fender-Outcome", want.outcome)
	field(t, answer, "Fender-Reason", want.reason)
	field(t, answer, "Fender-Circuit", want.circuit)
	if want.attempts >= 0 {
		field(t, answer, "Fender-Attempts", strconv.Itoa(want.attempts))
	}
	if want.error == "-" {
		field(t, answer, "Proxy-Status", "-")
	} else if want.error != "" {
		field(t, answer, "Proxy-Status", "fender; "+want.error)
	}
	if own(answer) {
		field(t, answer, "Cache-Control", "no-store")
	}
}

// own reports whether Fender made the answer itself.
func own(answer *wire.Response) bool { return answer.Header.Get("Fender-Reason") != "" }

// field compares one header field: "" is not looked at, "-" is none.
func field(t *testing.T, answer *wire.Response, name, want string) {
	t.Helper()
	got := strings.Join(answer.Header.Values(name), " | ")
	if want == "-" && got != "" {
		t.Errorf("got %s %q, want none", name, got)
	}
	if want != "" && want != "-" && got != want {
		t.Errorf("got %s %q, want %q", name, got, want)
	}
}

// expectProblem looks at an answer as problem details: RFC 9457's members, and nothing that only an operator should see.
func expectProblem(t *testing.T, answer *wire.Response, secrets ...string) {
	t.Helper()
	media, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil || media != "application/problem+json" {
		t.Errorf("got Content-Type %q, want application/problem+json", answer.Header.Get("Content-Type"))
	}
	var problem struct {
		Title  string
		Status int
	}
	if err := json.Unmarshal(answer.Content, &problem); err != nil {
		t.Errorf("got %q, want a JSON object: %v", clip(answer.Content), err)
	}
	if problem.Status != answer.StatusCode || problem.Title == "" {
		t.Errorf("got problem %+v, want a title and the status %d", problem, answer.StatusCode)
	}
	for _, secret := range secrets {
		if strings.Contains(string(answer.Content), secret) {
			t.Errorf("got %q, which tells a client %q", answer.Content, secret)
		}
	}
}

// request is a request that the upstream saw, counted from 0.
func (s *stage) request(t *testing.T, n int) wire.Request {
	t.Helper()
	requests := s.up.Requests()
	if n < 0 || n >= len(requests) {
		t.Fatalf("got %d requests at the upstream, want more", len(requests))
	}
	return requests[n]
}

// arrived is the last request that the upstream saw.
func (s *stage) arrived(t *testing.T) wire.Request {
	t.Helper()
	return s.request(t, s.up.Count()-1)
}

// expectCount compares the number of requests that reached the scene's upstream.
func (s *stage) expectCount(t *testing.T, want int) {
	t.Helper()
	if got := s.up.Count(); got != want {
		t.Errorf("got %d requests at the upstream, want %d", got, want)
	}
}

// retryAfter is the answer's Retry-After in seconds. It fails the test if that is not a whole number of at least 1.
func retryAfter(t *testing.T, answer *wire.Response) int {
	t.Helper()
	seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	if err != nil || seconds < 1 {
		t.Fatalf("got Retry-After %q, want whole seconds of at least 1", answer.Header.Get("Retry-After"))
	}
	return seconds
}

// atLeast fails the test if less time went by.
func atLeast(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if got < want {
		t.Errorf("got %s after %v, want it no sooner than after %v", what, got, want)
	}
}

// atOnce fails the test if an answer took so long that it can only have waited for something.
func atOnce(t *testing.T, answer *wire.Response) {
	t.Helper()
	if answer.Elapsed > 15*time.Second {
		t.Errorf("got the answer after %v, want it at once", answer.Elapsed)
	}
}

func clip(body []byte) string {
	if len(body) > 300 {
		return string(body[:300]) + "…"
	}
	return string(body)
}
