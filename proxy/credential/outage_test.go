package credential

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/proxy/config"
)

// A failing endpoint is asked at growing intervals, however many ask for tokens.
func TestAFailingEndpointIsLeftAlone(t *testing.T) {
	wantSteps := func(t *testing.T, r *rig, steps ...time.Duration) {
		t.Helper()
		for i, step := range steps {
			if i+1 >= len(r.endpoint.asked) {
				t.Fatalf("got %d fetches, want %d", len(r.endpoint.asked), len(steps)+1)
			}
			got := r.endpoint.asked[i+1].at.Sub(r.endpoint.asked[i].at)
			if got < step*9/10 || got > step*11/10+10*time.Millisecond {
				t.Errorf("got fetch %d after %v, want %v ± 10%%", i+2, got, step)
			}
		}
	}
	bubble(t, "when it is down for 10 s", func(t *testing.T) {
		r := newRig(t, until(10*time.Second, down, issues(3600)))
		failed := 0
		for range 2000 {
			began := time.Now()
			token, err := r.token(t.Context())
			if took := time.Since(began); took > 0 {
				t.Fatalf("got %v after %v, want it at once", err, took)
			}
			switch {
			case err != nil:
				failed++
				if !strings.Contains(err.Error(), "connection refused") {
					t.Fatalf("got %v, want what is wrong", err)
				}
			case token != "Bearer token-5":
				t.Fatalf("got %q, want that of the fifth fetch", token)
			}
			<-time.After(10 * time.Millisecond)
		}
		r.endpoint.wantFetches(t, 5)
		const second = time.Second
		wantSteps(t, r, second, 2*second, 4*second, 8*second)
		if most := 1660; failed > most { // 15 s and a tenth
			t.Errorf("got %d calls without a token, want at most %d", failed, most)
		}
		if got := strings.Count(r.log.String(), "msg=token"); got != 5 {
			t.Errorf("got %d lines, want one for each failure and one at the end:\n%s", got, r.log)
		}
		if !strings.Contains(r.log.String(), "level=INFO msg=token result=success failures=4") {
			t.Errorf("got no line at the end of the outage:\n%s", r.log)
		}
	})
	bubble(t, "up to a minute, and from the beginning the next time", func(t *testing.T) {
		r := newRig(t, until(20*time.Minute, down, issues(60)))
		for range 2000 {
			_, _ = r.token(t.Context())
			<-time.After(time.Second)
		}
		const second, minute = time.Second, time.Minute
		for i, step := range []time.Duration{second, 2 * second, 4 * second, 8 * second, 16 * second, 32 * second, minute, minute, minute} {
			got := r.endpoint.asked[i+1].at.Sub(r.endpoint.asked[i].at)
			if got < step*9/10 || got > step*11/10+second {
				t.Errorf("got fetch %d after %v, want %v ± 10%%", i+2, got, step)
			}
		}
		r.endpoint.answer = down
		pass(time.Hour)
		n := r.endpoint.fetches()
		r.wantNone(t, "connection refused")
		pass(1100 * time.Millisecond)
		r.wantNone(t, "connection refused")
		r.endpoint.wantFetches(t, n+2)
	})
	bubble(t, "and a slow failure costs its callers no more than their time", func(t *testing.T) {
		r := newRig(t, later(3*time.Second, says(503, "")))
		for range 100 {
			began := time.Now()
			if _, err := r.token(t.Context()); err == nil || time.Since(began) > time.Second {
				t.Fatalf("got %v after %v, want an error within a second", err, time.Since(began))
			}
			<-time.After(50 * time.Millisecond)
		}
		if got := r.endpoint.fetches(); got > 6 {
			t.Errorf("got %d fetches, want a handful", got)
		}
	})
}

func TestAnEndpointThatAsksForPatienceGetsIt(t *testing.T) {
	tests := []struct {
		name        string
		status      int
		header      string
		result      FetchResult
		least, most time.Duration
	}{
		{"a 429 with a time", 429, "30", FetchThrottled, 30 * time.Second, 30 * time.Second},
		{"a 429 with a day", 429, "86400", FetchThrottled, 5 * time.Minute, 5 * time.Minute},
		{"a 429 with less than we wait anyway", 429, "0.1", FetchThrottled, 900 * time.Millisecond, 1100 * time.Millisecond},
		{"a 429 without", 429, "", FetchThrottled, 900 * time.Millisecond, 1100 * time.Millisecond},
		{"a 429 with garbage", 429, "soon", FetchThrottled, 900 * time.Millisecond, 1100 * time.Millisecond},
		{"a 503 with a time", 503, "30", FetchError, 30 * time.Second, 30 * time.Second},
		{"a 500", 500, "", FetchError, 900 * time.Millisecond, 1100 * time.Millisecond},
		{"a 401", 401, "", FetchRejected, 900 * time.Millisecond, 1100 * time.Millisecond},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			r := newRig(t, nth(says(tt.status, "", "Retry-After", tt.header), issues(60)))
			r.wantNone(t, "the endpoint answered "+strconv.Itoa(tt.status))
			r.wantResults(t, tt.result, 1)
			pass(tt.least - 1)
			r.wantNone(t, "the endpoint answered")
			r.endpoint.wantFetches(t, 1)
			pass(tt.most - tt.least + 1)
			r.want(t, "token-2")
		})
	}
}

// What a renewal is for: there is time for several before anybody is without.
func TestTheOldTokenServesWhileItsRenewalFails(t *testing.T) {
	bubble(t, "as long as it is valid", func(t *testing.T) {
		r := newRig(t, nth(issues(60), down))
		r.first(t)
		for range 59 {
			pass(time.Second)
			r.want(t, "token-1")
		}
		if got := r.endpoint.fetches(); got < 4 || got > 5 { // at 50, 51, 53, 57 s
			t.Errorf("got %d fetches, want the first and 3 or 4 that failed", got)
		}
		pass(time.Second)
		r.wantNone(t, "connection refused")
		if !r.Expires().Before(time.Now().Add(1)) {
			t.Errorf("got a token that expires in %v, want one that has", time.Until(r.Expires()))
		}
	})
	bubble(t, "also while it hangs", func(t *testing.T) {
		r := newRig(t, nth(issues(60), later(time.Hour, nil)), func(o *config.OAuth2) { o.RefreshBefore = 30 * time.Second })
		r.first(t)
		pass(30 * time.Second)
		for range 25_000 {
			r.want(t, "token-1")
			<-time.After(time.Millisecond)
		}
		if got := r.endpoint.fetches(); got < 3 || got > 4 { // at 30, 41 and 53 s
			t.Errorf("got %d fetches, want 3", got)
		}
	})
}
