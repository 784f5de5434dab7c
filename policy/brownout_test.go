package policy

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// brownout is an upstream that answers everything with 503 and no hint, to calls
// that come steadily on several routes for a time.
type brownout struct {
	retries int
	every   time.Duration // a call
	lasts   time.Duration
	budget  *Budget

	mu          sync.Mutex
	calls, wire []time.Time
}

func (b *brownout) RoundTrip(req *http.Request) (*http.Response, error) {
	b.mu.Lock()
	b.wire = append(b.wire, time.Now())
	b.mu.Unlock()
	return answer(req, http.StatusServiceUnavailable, 4, io.NopCloser(strings.NewReader("down"))), nil
}

// run makes the calls and returns the requests per call.
func (b *brownout) run(t *testing.T) float64 {
	var routes []*rig
	for range 3 {
		r := newRig(t, func(p *Policy) { p.Retry.MaxRetries = b.retries })
		r.Upstream, r.Shared.Budget = b, b.budget
		routes = append(routes, r)
	}
	var all sync.WaitGroup
	began := time.Now()
	for i := 0; time.Since(began) < b.lasts; i++ {
		b.calls = append(b.calls, time.Now())
		all.Go(func() {
			body, call, err := routes[i%len(routes)].get(t)
			if body != "down" || err != nil || call.Reason != ReasonError {
				t.Errorf("got %q, %v, %q, want the last answer", body, err, call.Reason)
			}
		})
		<-time.After(b.every)
	}
	all.Wait()
	slices.SortFunc(b.wire, time.Time.Compare)
	return float64(len(b.wire)) / float64(len(b.calls))
}

// wantWithin checks the budget's bound for the whole and for every 10 s of it.
// The calls come steadily: any 10 s have as many.
func (b *brownout) wantWithin(t *testing.T, ratio, floor float64) {
	t.Helper()
	spans := b.lasts.Seconds()/10 + 1
	if most := (1+ratio)*float64(len(b.calls)) + floor*spans; float64(len(b.wire)) > most {
		t.Errorf("got %d requests for %d calls, want at most %.0f", len(b.wire), len(b.calls), most)
	}
	began := b.calls[0]
	for from := time.Duration(0); from+budgetWindow <= b.lasts; from += 100 * time.Millisecond {
		calls, wire := between(b.calls, began.Add(from)), between(b.wire, began.Add(from))
		if most := (1+ratio)*float64(calls) + floor; float64(wire) > most {
			t.Errorf("from %v: got %d requests for %d calls in 10s, want at most %.1f", from, wire, calls, most)
		}
	}
}

// between counts the moments in the 10 s from a moment on, of a sorted list.
func between(moments []time.Time, from time.Time) int {
	return since(moments, from) - since(moments, from.Add(budgetWindow))
}

// When an upstream is down, repeats only add to its load: three tries of each
// call are three times the load of a good day.
func TestABrownoutIsNotMadeWorse(t *testing.T) {
	tests := []struct {
		name    string
		retries int
		every   time.Duration
		least   float64 // requests per call: the budget is there to be used
	}{
		{"by 1,000 calls a second that may be tried 3 times", 2, time.Millisecond, 1.15},
		{"by 1,000 calls a second that may be tried 4 times", 3, time.Millisecond, 1.15},
		{"by 20 calls a second", 3, 50 * time.Millisecond, 1.15},
		{"by a call every 2 s, of which 3 in 10 s may be tried again", 2, 2 * time.Second, 1.3},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			b := &brownout{retries: tt.retries, every: tt.every, lasts: time.Minute, budget: NewBudget(0.2, 0.3)}
			got := b.run(t)
			t.Logf("%d requests for %d calls: %.3f", len(b.wire), len(b.calls), got)
			b.wantWithin(t, 0.2, 3)
			if got < tt.least {
				t.Errorf("got %.3f requests a call, want at least %.2f", got, tt.least)
			}
		})
	}
	bubble(t, "as it would be without a budget", func(t *testing.T) {
		b := &brownout{retries: 3, every: 10 * time.Millisecond, lasts: time.Minute}
		got := b.run(t)
		t.Logf("%d requests for %d calls: %.3f", len(b.wire), len(b.calls), got)
		if got != 4 {
			t.Errorf("got %.3f requests a call, want 4", got)
		}
	})
}
