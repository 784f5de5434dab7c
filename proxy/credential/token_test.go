package credential

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fender-proxy/fender/proxy/config"
)

func TestAColdStartFetchesOnce(t *testing.T) {
	bubble(t, "whatever the number of callers", func(t *testing.T) {
		r := newRig(t, later(200*time.Millisecond, issues(3600)))
		var all sync.WaitGroup
		for range 500 {
			all.Go(func() {
				if got, err := r.token(t.Context()); got != "Bearer token-1" || err != nil {
					t.Errorf("got %q, %v, want the first token", got, err)
				}
			})
		}
		all.Wait()
		r.endpoint.wantFetches(t, 1)
		r.wantResults(t, FetchSuccess, 1)
		if log := r.log.String(); log != "" {
			t.Errorf("got %q logged, want nothing", log)
		}
	})
	bubble(t, "and tells all of them if that fails", func(t *testing.T) {
		r := newRig(t, later(200*time.Millisecond, says(400, `{"error":"invalid_client"}`)))
		var all sync.WaitGroup
		for range 500 {
			all.Go(func() {
				if _, err := r.token(t.Context()); err == nil || !strings.Contains(err.Error(), "400 invalid_client") {
					t.Errorf("got %v, want the endpoint's refusal", err)
				}
			})
		}
		all.Wait()
		r.endpoint.wantFetches(t, 1)
		r.wantResults(t, FetchRejected, 1)
	})
}

// Nobody waits for a renewal, and nobody is given a token that has expired.
func TestATokenThatExpiresUnderLoadIsRenewedUnseen(t *testing.T) {
	bubble(t, "over five lifetimes", func(t *testing.T) {
		var mu sync.Mutex
		expires := map[string]time.Time{}
		const lifetime, takes = 20 * time.Second, 300 * time.Millisecond
		r := newRig(t, later(takes, func(n int, req *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			expires["Bearer token-"+string(rune('0'+n))] = time.Now().Add(lifetime)
			return issues(20)(n, req)
		}), func(o *config.OAuth2) { o.RefreshBefore = 3 * time.Second })
		r.first(t)
		for range 5 * lifetime / time.Millisecond {
			began := time.Now()
			token, err := r.token(t.Context())
			mu.Lock()
			valid := expires[token].After(began)
			mu.Unlock()
			if err != nil || time.Since(began) > 0 || !valid {
				t.Fatalf("got %q, %v after %v, want a token that is valid, at once", token, err, time.Since(began))
			}
			<-time.After(time.Millisecond)
		}
		// One each 17.3 s: at 17, 34.3, 51.6, 68.9 and 86.2 s after the first.
		r.endpoint.wantFetches(t, 6)
		r.wantResults(t, FetchSuccess, 6)
	})
}

func TestATokenIsRenewedAheadOfItsExpiry(t *testing.T) {
	tests := []struct {
		name        string
		seconds     int
		lead, renew time.Duration
	}{
		{"by refresh_before", 3600, time.Minute, 59 * time.Minute},
		{"by at most half its lifetime", 60, time.Minute, 30 * time.Second},
		{"also if it lives for a second", 1, time.Minute, 500 * time.Millisecond},
		{"by exactly half of it", 120, time.Minute, time.Minute},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			r := newRig(t, issues(tt.seconds), func(o *config.OAuth2) { o.RefreshBefore = tt.lead })
			r.first(t)
			if got, want := time.Until(r.Expires()), time.Duration(tt.seconds)*time.Second; got != want {
				t.Errorf("got a token that expires in %v, want %v", got, want)
			}
			pass(tt.renew - 1)
			r.want(t, "token-1")
			synctest.Wait()
			r.endpoint.wantFetches(t, 1)
			pass(1)
			r.want(t, "token-1")
			synctest.Wait()
			r.endpoint.wantFetches(t, 2)
			r.want(t, "token-2")
		})
	}
	bubble(t, "not at all if refresh_before is zero", func(t *testing.T) {
		r := newRig(t, issues(60), func(o *config.OAuth2) { o.RefreshBefore = 0 })
		r.first(t)
		pass(time.Minute - 1)
		r.want(t, "token-1")
		synctest.Wait()
		r.endpoint.wantFetches(t, 1)
		pass(1)
		r.want(t, "token-2")
	})
	bubble(t, "only if somebody asks for it", func(t *testing.T) {
		r := newRig(t, issues(60))
		r.first(t)
		pass(24 * time.Hour)
		r.endpoint.wantFetches(t, 1)
		r.want(t, "token-2")
		r.endpoint.wantFetches(t, 2)
	})
}

// A token endpoint that is slow, or dead, holds nobody longer than he has time.
func TestNobodyWaitsLongerForATokenThanHeHasTime(t *testing.T) {
	bubble(t, "and a hung fetch ends after 10 s", func(t *testing.T) {
		r := newRig(t, nth(later(time.Hour, issues(60)), issues(60)))
		began := time.Now()
		ask := func(most time.Duration, want error) {
			t.Helper()
			asked := time.Now()
			_, err := r.Authorize(t.Context(), asked.Add(most), http.Header{})
			if took := time.Since(asked); !errors.Is(err, want) || took != most {
				t.Errorf("got %v after %v, want %v after %v", err, took, want, most)
			}
		}
		for range 9 {
			ask(time.Second, errLate)
			r.endpoint.wantFetches(t, 1)
		}
		ask(500*time.Millisecond, errLate)
		ask(0, errLate)
		_, err := r.token(t.Context())
		if took := time.Since(began); err == nil || !strings.Contains(err.Error(), "did not answer in time") || took != fetchTimeout {
			t.Errorf("got %v after %v, want an endpoint that did not answer in %v", err, took, fetchTimeout)
		}
		r.wantResults(t, FetchTimeout, 1)
		r.wantNone(t, "did not answer in time") // the next one is not begun yet
		r.endpoint.wantFetches(t, 1)
		pass(1100 * time.Millisecond)
		r.want(t, "token-2")
	})
	bubble(t, "also if his time is up before he asks", func(t *testing.T) {
		r := newRig(t, later(time.Second, issues(60)))
		began := time.Now()
		_, err := r.Authorize(t.Context(), began.Add(-time.Minute), http.Header{})
		if !errors.Is(err, errLate) || time.Since(began) != 0 {
			t.Errorf("got %v after %v, want %v at once", err, time.Since(began), errLate)
		}
	})
	bubble(t, "nor after he has left", func(t *testing.T) {
		r := newRig(t, later(5*time.Second, issues(60)))
		ctx, leave := context.WithCancelCause(t.Context())
		time.AfterFunc(300*time.Millisecond, func() { leave(errLeft) })
		began := time.Now()
		if _, err := r.token(ctx); !errors.Is(err, errLeft) || time.Since(began) != 300*time.Millisecond {
			t.Errorf("got %v after %v, want %v after 300ms", err, time.Since(began), errLeft)
		}
		pass(5 * time.Second) // the fetch goes on for the others
		r.want(t, "token-1")
		r.endpoint.wantFetches(t, 1)
		r.wantResults(t, FetchSuccess, 1)
	})
	bubble(t, "nor does a header get anything without a token", func(t *testing.T) {
		r := newRig(t, down)
		h := http.Header{"Authorization": {"the client's"}}
		if _, err := r.Authorize(t.Context(), time.Now().Add(time.Second), h); err == nil || h.Get("Authorization") != "the client's" {
			t.Errorf("got %v, %q, want an error and the header as it was", err, h.Get("Authorization"))
		}
	})
}
