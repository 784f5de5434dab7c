package policy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// keys are credentials of which each attempt gets the next: key-1, key-2.
type keys struct {
	get  func(n int, ctx context.Context, until time.Time) error // nil: at once
	last bool                                                    // no other can be had

	mu       sync.Mutex
	asked    int
	answered []string
}

func (k *keys) Authorize(ctx context.Context, until time.Time, h http.Header) (Grant, error) {
	k.mu.Lock()
	k.asked++
	n := k.asked
	k.mu.Unlock()
	if k.get != nil {
		if err := k.get(n, ctx, until); err != nil {
			return nil, err
		}
	}
	h.Set("Authorization", fmt.Sprintf("key-%d", n))
	return keyGrant{k, n}, nil
}

type keyGrant struct {
	keys *keys
	n    int
}

func (g keyGrant) Answered(status int, replay bool) bool {
	g.keys.mu.Lock()
	defer g.keys.mu.Unlock()
	g.keys.answered = append(g.keys.answered, fmt.Sprint(status, map[bool]string{true: " replay"}[replay]))
	return status == http.StatusUnauthorized && !replay && !g.keys.last
}

// takes has a key come after d, from the one with the number n on.
func takes(n int, d time.Duration) func(int, context.Context, time.Time) error {
	return func(asked int, ctx context.Context, until time.Time) error {
		if asked < n {
			return nil
		}
		select {
		case <-time.After(d):
			return nil
		case <-time.After(time.Until(until)):
			return fmt.Errorf("no key: %w", ErrLate)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

var errNoKey = errors.New("no key")

// missing has no key come, from the one with the number n on.
func missing(n int) func(int, context.Context, time.Time) error {
	return func(asked int, _ context.Context, _ time.Time) error {
		if asked < n {
			return nil
		}
		return errNoKey
	}
}

// keyRig is a rig whose calls are given keys.
type keyRig struct {
	*rig
	keys *keys
	sent []http.Header // of each attempt, as it was given
}

func newKeyRig(t *testing.T, set func(*Policy), steps ...step) *keyRig {
	t.Helper()
	k := &keyRig{keys: new(keys)}
	for i, next := range steps {
		steps[i] = func(req *http.Request) (*http.Response, error) {
			k.sent = append(k.sent, req.Header)
			return next(req)
		}
	}
	k.rig = newRig(t, set, steps...)
	k.Credentials = k.keys
	return k
}

// call sends a request with the rig's keys.
func (k *keyRig) call(ctx context.Context, method, body string) (int, *Call) {
	call := NewCall(ctx, time.Now(), k.Policy.Timeout.Request, NewBody(strings.NewReader(body), int64(len(body)), 0))
	defer call.End()
	call.Injected = true
	req, _ := http.NewRequestWithContext(call.Context(), method, "http://crm.test/v1", nil)
	req.Header.Set("Authorization", "the client's")
	resp, err := k.RoundTrip(req)
	if err != nil {
		return 0, call
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode, call
}

func (k *keyRig) get(t *testing.T) (int, *Call) {
	t.Helper()
	return k.call(t.Context(), http.MethodGet, "")
}

var refusedKey = answers(401, "who?")

func TestACallIsReplayedOnceAfterA401(t *testing.T) {
	ok, failure := answers(200, "ok"), answers(503, "down")
	big := strings.Repeat("x", int(64*KiB)+1)
	tests := []struct {
		name     string
		set      func(*Policy)
		method   string
		body     string
		last     bool
		get      func(int, context.Context, time.Time) error
		steps    []step
		status   int
		attempts int
		retries  int
		reason   Reason
		class    Class
		answered []string
	}{
		{name: "no 401, no replay", steps: []step{ok}, status: 200, attempts: 1, class: Success, answered: []string{"200"}},
		{name: "one that helps is no failure", steps: []step{refusedKey, ok}, status: 200, attempts: 2, class: Success, answered: []string{"401", "200 replay"}},
		{name: "one that does not is the only one", steps: []step{refusedKey}, status: 401, attempts: 2, reason: ReasonUnauthorized, class: Failure, answered: []string{"401", "401 replay"}},
		{name: "none where no other key can be had", last: true, steps: []step{refusedKey}, status: 401, attempts: 1, reason: ReasonUnauthorized, class: Failure, answered: []string{"401"}},
		{name: "none where the other key cannot be had after all", get: missing(2), steps: []step{refusedKey}, status: 401, attempts: 1, reason: ReasonUnauthorized, class: Failure, answered: []string{"401"}},
		{name: "none where the other key comes too late", get: takes(2, time.Hour), steps: []step{refusedKey}, status: 401, attempts: 1, reason: ReasonUnauthorized, class: Failure, answered: []string{"401"}},
		{name: "a POST like any method", method: http.MethodPost, body: "x", steps: []step{refusedKey, answers(201, "")}, status: 201, attempts: 2, class: Success, answered: []string{"401", "201 replay"}},
		{name: "without a retry policy too", set: func(p *Policy) { p.Retry = nil }, steps: []step{refusedKey, ok}, status: 200, attempts: 2, class: Success, answered: []string{"401", "200 replay"}},
		{name: "a body that was sent and not held is not sent again", method: http.MethodPost, body: big, steps: []step{refusedKey}, status: 401, attempts: 1, reason: ReasonUnauthorized, class: Failure, answered: []string{"401"}},
		{name: "retries after it are as many as ever", steps: []step{refusedKey, failure, failure, ok}, status: 200, attempts: 4, retries: 2, class: Success, answered: []string{"401", "503 replay", "503 replay", "200 replay"}},
		{name: "and no more", steps: []step{refusedKey, failure}, status: 503, attempts: 4, retries: 2, reason: ReasonError, class: Failure, answered: []string{"401", "503 replay", "503 replay", "503 replay"}},
		{name: "a retry that is refused is replayed", steps: []step{failure, refusedKey, ok}, status: 200, attempts: 3, retries: 1, class: Success, answered: []string{"503", "401", "200 replay"}},
		{name: "but once a call", steps: []step{refusedKey, failure, refusedKey}, status: 401, attempts: 3, retries: 1, reason: ReasonUnauthorized, class: Failure, answered: []string{"401", "503 replay", "401 replay"}},
		{name: "a 403 is an answer", steps: []step{answers(403, "")}, status: 403, attempts: 1, class: Success, answered: []string{"403"}},
		{name: "a lost connection is no answer", set: func(p *Policy) { p.Retry = nil }, steps: []step{resets}, attempts: 1, reason: ReasonUnreachable, class: Failure},
		{name: "a 401 that streams is dropped too", set: func(p *Policy) { p.Buffer = 0 }, steps: []step{refusedKey, ok}, status: 200, attempts: 2, class: Success, answered: []string{"401", "200 replay"}},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			var k *keyRig
			for i, next := range tt.steps {
				tt.steps[i] = func(req *http.Request) (*http.Response, error) { return k.script.reads(next)(req) }
			}
			k = newKeyRig(t, tt.set, tt.steps...)
			k.keys.last, k.keys.get = tt.last, tt.get
			k.Limit, k.Shared.Limit = NewLimit(2, 0), NewLimit(3, 0)
			method := tt.method
			if method == "" {
				method = http.MethodGet
			}
			status, call := k.call(t.Context(), method, tt.body)
			if status != tt.status || call.Attempts != tt.attempts || k.script.calls != tt.attempts {
				t.Errorf("got %d after %d attempts, %d sent, want %d after %d", status, call.Attempts, k.script.calls, tt.status, tt.attempts)
			}
			if call.Reason != tt.reason || call.Class != tt.class {
				t.Errorf("got %q, class %v, want %q, %v", call.Reason, call.Class, tt.reason, tt.class)
			}
			if !slices.Equal(k.keys.answered, tt.answered) {
				t.Errorf("got the answers %q noted, want %q", k.keys.answered, tt.answered)
			}
			retries := 0
			for _, n := range k.tally.retries {
				retries += n
			}
			if retries != tt.retries {
				t.Errorf("got %v retries, want %d", k.tally.retries, tt.retries)
			}
			for i, body := range k.script.bodies {
				if body != tt.body {
					t.Errorf("got a body of %d bytes in attempt %d, want %d", len(body), i+1, len(tt.body))
				}
			}
			k.wantIdle(t, 2, 3)
		})
	}
	bubble(t, "a body that was not asked for can be sent", func(t *testing.T) {
		k := newKeyRig(t, nil, refusedKey, ok)
		if status, call := k.call(t.Context(), http.MethodPost, big); status != 200 || call.Attempts != 2 {
			t.Errorf("got %d after %d attempts, want 200 after 2", status, call.Attempts)
		}
	})
}

// A transport may still read the header of an attempt that is over.
func TestEachAttemptHasAHeaderOfItsOwn(t *testing.T) {
	bubble(t, "with the key of that attempt", func(t *testing.T) {
		k := newKeyRig(t, func(p *Policy) {
			p.Retry.IdempotencyKey = IdempotencyKeyPolicy{Header: "Idempotency-Key", Generate: true}
		},
			refusedKey, answers(503, ""), answers(503, ""), answers(200, ""))
		if status, _ := k.get(t); status != 200 || len(k.sent) != 4 {
			t.Fatalf("got %d after %d attempts, want 200 after 4", status, len(k.sent))
		}
		for i, h := range k.sent {
			if got, want := h.Get("Authorization"), fmt.Sprintf("key-%d", i+1); got != want || len(h["Authorization"]) != 1 {
				t.Errorf("got %q in attempt %d, want %q", h["Authorization"], i+1, want)
			}
			if got := h.Get("Idempotency-Key"); got == "" || got != k.sent[0].Get("Idempotency-Key") {
				t.Errorf("got the idempotency key %q in attempt %d, want that of the first", got, i+1)
			}
		}
	})
	bubble(t, "and the client's is not touched", func(t *testing.T) {
		k := newKeyRig(t, nil, refusedKey, answers(200, ""))
		call := NewCall(t.Context(), time.Now(), time.Second, nil)
		defer call.End()
		header := http.Header{"Authorization": {"the client's"}}
		req, _ := http.NewRequestWithContext(call.Context(), http.MethodGet, "http://crm.test/v1", nil)
		req.Header = header
		_, err := k.RoundTrip(req)
		if got := header.Get("Authorization"); err != nil || got != "the client's" {
			t.Errorf("got %v, %q, want the header as it was", err, got)
		}
	})
}

// All calls that a revoked token has failed are to be cured, but what they cost
// the upstream is counted.
func TestAReplayIsCountedInTheBudgetAndNotBoundByIt(t *testing.T) {
	bubble(t, "when there is some left", func(t *testing.T) {
		k := newKeyRig(t, nil, refusedKey, answers(200, ""))
		k.Shared.Budget = NewBudget(0, 0.3)
		if status, _ := k.get(t); status != 200 || k.Shared.Budget.Remaining() != 2 {
			t.Errorf("got %d, %d left, want 200 and 2", status, k.Shared.Budget.Remaining())
		}
	})
	bubble(t, "and when there is none", func(t *testing.T) {
		k := newKeyRig(t, nil, refusedKey, answers(503, ""))
		k.Shared.Budget = NewBudget(0, 0)
		if status, call := k.get(t); status != 503 || call.Attempts != 2 || k.tally.skipped[SkipBudget] != 1 {
			t.Errorf("got %d after %d attempts, skipped %v, want 503 after 2, and no retry for the budget", status, call.Attempts, k.tally.skipped)
		}
	})
	bubble(t, "nor by one that is missing", func(t *testing.T) {
		k := newKeyRig(t, nil, refusedKey, answers(200, ""))
		if status, _ := k.get(t); status != 200 {
			t.Errorf("got %d, want 200", status)
		}
	})
}
