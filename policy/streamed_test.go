package policy

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

// An answer on its way takes the upstream's time as one that is held does.
func TestAStreamedAnswerKeepsItsPlace(t *testing.T) {
	stream := func(p *Policy) { p.Buffer = 0 }
	open := func(r *rig, t *testing.T) (*Call, *http.Response) {
		t.Helper()
		call := NewCall(t.Context(), time.Now(), 3*time.Second, nil)
		req, _ := http.NewRequestWithContext(call.Context(), http.MethodGet, "http://crm.test/v1", nil)
		resp, err := r.RoundTrip(req)
		if err != nil {
			t.Fatalf("got %v", err)
		}
		return call, resp
	}
	bubble(t, "until its call ends", func(t *testing.T) {
		r := under(t, NewLimit(1, 0), stream, answers(200, "text"))
		r.Shared.Limit = NewLimit(1, 0)
		call, resp := open(r, t)
		if _, second, _ := r.get(t); second.Reason != ReasonOverloaded {
			t.Errorf("got reason %q while an answer streams, want overloaded", second.Reason)
		}
		_ = resp.Body.Close()
		call.End()
		call.End()
		r.wantIdle(t, 1, 1)
		if _, third, err := r.get(t); err != nil {
			t.Errorf("got %v, %q after it", err, third.Reason)
		}
		r.wantIdle(t, 1, 1)
	})
	// Between two attempts the first one's answer is kept, for it stands if the
	// second is not let through.
	bubble(t, "and one only, if it is tried again", func(t *testing.T) {
		r := under(t, NewLimit(2, 0), stream, answers(503, "down"), answers(503, "down"), answers(200, "ok"))
		r.Shared.Limit = NewLimit(2, 0)
		body, call, err := r.get(t)
		if body != "ok" || err != nil || call.Attempts != 3 {
			t.Errorf("got %q, %v, %d attempts", body, err, call.Attempts)
		}
		r.wantIdle(t, 2, 2)
	})
	bubble(t, "without standing in its own way", func(t *testing.T) {
		r := under(t, NewLimit(1, 0), stream, answers(503, "down"), answers(200, "ok"))
		body, call, err := r.get(t)
		if body != "ok" || err != nil || call.Attempts != 2 {
			t.Errorf("got %q, %v, %d attempts, skipped %v", body, err, call.Attempts, r.tally.skipped)
		}
		r.wantIdle(t, 1)
	})
	bubble(t, "also where it stands because no retry was let through", func(t *testing.T) {
		r := under(t, NewLimit(1, 0), stream, answers(503, "down"))
		r.Shared.Rate = NewRate(1, time.Hour, 1)
		call, resp := open(r, t)
		if call.Attempts != 1 || r.tally.skipped[SkipThrottled] != 1 || resp.StatusCode != 503 {
			t.Fatalf("got %d attempts, skipped %v", call.Attempts, r.tally.skipped)
		}
		if free := r.Limit.free(); free != 0 {
			t.Errorf("got %d places free while the answer streams, want none", free)
		}
		_ = resp.Body.Close()
		call.End()
		r.wantIdle(t, 1)
	})
}

func TestPlacesBetweenAttempts(t *testing.T) {
	// A place is for a request upstream; a call that waits to try again has none.
	bubble(t, "are given to others", func(t *testing.T) {
		r := under(t, NewLimit(1, 0), nil, answers(429, "", "Retry-After", "1"), answers(200, "first"), answers(200, "second"))
		r.Policy.Throttle, r.Gate, r.Shared.Gate = nil, nil, nil
		var all sync.WaitGroup
		all.Go(func() {
			if body, call, err := r.get(t); err != nil || body != "second" || call.Attempts != 2 {
				t.Errorf("got %q, %v, %d attempts", body, err, call.Attempts)
			}
		})
		pass(100 * time.Millisecond)
		if body, _, err := r.get(t); err != nil || body != "first" {
			t.Errorf("got %q, %v", body, err)
		}
		all.Wait()
		r.wantIdle(t, 1)
	})
	bubble(t, "must be there again, or the last answer stands", func(t *testing.T) {
		r := under(t, NewLimit(1, 0), nil, answers(429, "slow down", "Retry-After", "1"), hangs)
		r.Policy.Throttle, r.Gate, r.Shared.Gate = nil, nil, nil
		var all sync.WaitGroup
		all.Go(func() {
			if body, call, err := r.get(t); err != nil || body != "slow down" || call.Attempts != 1 || call.Reason != ReasonThrottled {
				t.Errorf("got %q, %v, %d attempts, %q", body, err, call.Attempts, call.Reason)
			}
		})
		pass(100 * time.Millisecond)
		_, _, _ = r.get(t)
		all.Wait()
		if r.tally.skipped[SkipOverloaded] != 1 {
			t.Errorf("got skipped %v, want overloaded", r.tally.skipped)
		}
		r.wantIdle(t, 1)
	})
}
