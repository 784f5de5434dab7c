package credential

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fender-proxy/fender/policy"
)

// A token that is revoked while calls are on their way costs each of them one
// more attempt, and all together one fetch.
func TestARevokedTokenIsReplacedOnce(t *testing.T) {
	const calls = 300
	revoked := func(t *testing.T, spread time.Duration) {
		r := newRig(t, later(100*time.Millisecond, issues(3600)))
		a := &api{takes: 200 * time.Millisecond, accepts: all}
		up := through(a, r)
		if status, _ := call(t.Context(), up); status != http.StatusOK {
			t.Fatalf("got %d, want 200", status)
		}
		a.refuse("token-1")
		var inFlight sync.WaitGroup
		for i := range calls {
			inFlight.Go(func() {
				<-time.After(time.Duration(i) * spread / calls)
				status, c := call(t.Context(), up)
				if status != http.StatusOK || c.Class != policy.Success || c.Attempts > 2 || c.Attempts < 2 && spread == 0 {
					t.Errorf("got %d, %v after %d attempts, want 200 after 2", status, c.Class, c.Attempts)
				}
			})
		}
		inFlight.Wait()
		r.endpoint.wantFetches(t, 2)
		if old, fresh := a.seen["Bearer token-1"], a.seen["Bearer token-2"]; old > calls+1 || fresh != calls || spread == 0 && old != calls+1 {
			t.Errorf("got %d attempts with the old token, %d with the new one, want at most %d and %d", old, fresh, calls+1, calls)
		}
	}
	bubble(t, "for calls that began together", func(t *testing.T) { revoked(t, 0) })
	bubble(t, "for calls at any time", func(t *testing.T) { revoked(t, 600*time.Millisecond) })
}

// The answer to an old token says nothing about a newer one.
func TestAStale401LeavesTheNewTokenAlone(t *testing.T) {
	bubble(t, "and is replayed with it", func(t *testing.T) {
		r := newRig(t, issues(3600))
		slow, fast := &api{takes: 2 * time.Second, accepts: all}, &api{accepts: all}
		slow.refuse("token-1")
		fast.refuse("token-1")
		var late sync.WaitGroup
		for range 20 {
			late.Go(func() {
				up := through(slow, r)
				up.Policy.Timeout.Request = 10 * time.Second
				up.Policy.Timeout.Attempt = 10 * time.Second
				if status, c := call(t.Context(), up); status != http.StatusOK || c.Attempts != 2 {
					t.Errorf("got %d after %d attempts, want 200 after 2", status, c.Attempts)
				}
			})
		}
		pass(time.Second)
		if status, _ := call(t.Context(), through(fast, r)); status != http.StatusOK {
			t.Fatalf("got %d, want 200", status)
		}
		r.want(t, "token-2")
		late.Wait()
		r.want(t, "token-2")
		r.endpoint.wantFetches(t, 2)
		if got := slow.seen["Bearer token-2"]; got != 20 {
			t.Errorf("got %d replays with the new token, want 20", got)
		}
	})
	bubble(t, "also while none is fetched", func(t *testing.T) {
		r := newRig(t, issues(3600))
		old, _ := r.Authorize(t.Context(), time.Now().Add(time.Second), http.Header{})
		r.hold(t)
		if !old.Answered(http.StatusUnauthorized, false) {
			t.Error("got no replay with the token that is there")
		}
		if old.Answered(http.StatusUnauthorized, true) {
			t.Error("got a second replay")
		}
		r.want(t, "token-2")
		r.endpoint.wantFetches(t, 2)
	})
}

// hold has the upstream refuse a token and the one fetched for it.
func (r *rig) hold(t *testing.T) {
	t.Helper()
	if status, c := call(t.Context(), through(&api{accepts: none}, r)); status != http.StatusUnauthorized || c.Attempts != 2 {
		t.Fatalf("got %d after %d attempts, want 401 after 2", status, c.Attempts)
	}
}

// Where no token helps, as with a permission that is missing, the endpoint must
// not pay for it.
func TestAValidTokenThatIsRefusedCostsAHandfulOfFetches(t *testing.T) {
	for _, every := range []time.Duration{10 * time.Millisecond, time.Second, 20 * time.Second} {
		bubble(t, "in 10 minutes of a call each "+every.String(), func(t *testing.T) {
			r := newRig(t, later(50*time.Millisecond, issues(3600)))
			a := &api{takes: time.Millisecond, accepts: none}
			up := through(a, r)
			calls, attempts := 0, 0
			for began := time.Now(); time.Since(began) < 10*time.Minute; calls++ {
				status, c := call(t.Context(), up)
				if status != http.StatusUnauthorized || c.Reason != policy.ReasonUnauthorized || c.Class != policy.Failure {
					t.Fatalf("got %d, %q, %v, want the upstream's 401", status, c.Reason, c.Class)
				}
				attempts += c.Attempts
				<-time.After(every)
			}
			if got := r.endpoint.fetches(); got > 10 || got < 4 {
				t.Errorf("got %d fetches in %d calls, want at most 10", got, calls)
			}
			if replays := attempts - calls; replays != r.endpoint.fetches()-1 {
				t.Errorf("got %d replays, want one for each fetch but the first: %d", replays, r.endpoint.fetches()-1)
			}
			a.mu.Lock()
			a.accepts = all
			a.mu.Unlock()
			if status, c := call(t.Context(), up); status != http.StatusOK || c.Attempts != 1 {
				t.Errorf("got %d after %d attempts once it is mended, want 200 at once", status, c.Attempts)
			}
		})
	}
	bubble(t, "also by 30 callers at a time", func(t *testing.T) {
		r := newRig(t, later(50*time.Millisecond, issues(3600)))
		up := through(&api{takes: 300 * time.Millisecond, accepts: none}, r)
		var callers sync.WaitGroup
		for range 30 {
			callers.Go(func() {
				for began := time.Now(); time.Since(began) < 10*time.Minute; {
					call(t.Context(), up)
				}
			})
		}
		callers.Wait()
		if got := r.endpoint.fetches(); got > 10 {
			t.Errorf("got %d fetches, want at most 10", got)
		}
	})
}

// Some identity providers keep one token for each client: a sidecar that fetches
// one takes that of the other away.
func TestSidecarsThatEvictEachOthersTokensDoNotFetchForEver(t *testing.T) {
	for _, every := range []time.Duration{50 * time.Millisecond, time.Second} {
		bubble(t, "at a call each "+every.String(), func(t *testing.T) {
			var last atomic.Int64
			issue := func(_ int, req *http.Request) (*http.Response, error) {
				return reply(req, 200, fmt.Sprintf(`{"access_token":"token-%d","expires_in":3600}`, last.Add(1)))
			}
			a := &api{takes: time.Millisecond, accepts: func(authorization string) bool {
				return authorization == fmt.Sprintf("Bearer token-%d", last.Load())
			}}
			var pods sync.WaitGroup
			for i := range 2 {
				r := newRig(t, later(20*time.Millisecond, issue))
				pods.Go(func() {
					<-time.After(time.Duration(i) * every / 2)
					for began := time.Now(); time.Since(began) < 10*time.Minute; {
						call(t.Context(), through(a, r))
						<-time.After(every)
					}
				})
			}
			pods.Wait()
			if fetches, most := last.Load(), int64(2*(1+5+10)); fetches > most {
				t.Errorf("got %d fetches in 10 minutes, want at most %d: the first, 5 at once, one a minute, of each", fetches, most)
			}
		})
	}
}

// A token is not thrown away when no other can be had.
func TestARefusedTokenIsKeptWhileTheEndpointIsLeftAlone(t *testing.T) {
	bubble(t, "because its renewal has just failed", func(t *testing.T) {
		r := newRig(t, nth(issues(60), says(503, "", "Retry-After", "30")))
		r.first(t)
		pass(50 * time.Second)
		r.want(t, "token-1")
		pass(time.Millisecond)
		r.endpoint.wantFetches(t, 2)
		status, c := call(t.Context(), through(&api{accepts: none}, r))
		if status != http.StatusUnauthorized || c.Attempts != 1 {
			t.Errorf("got %d after %d attempts, want the 401 as it is", status, c.Attempts)
		}
		r.want(t, "token-1")
		r.endpoint.wantFetches(t, 2)
	})
	bubble(t, "but it is when one is on its way already", func(t *testing.T) {
		r := newRig(t, nth(issues(60), later(time.Second, issues(60))))
		a := &api{}
		a.refuse("token-1")
		r.first(t)
		pass(50 * time.Second)
		r.want(t, "token-1") // and begins to renew it
		if status, c := call(t.Context(), through(a, r)); status != http.StatusOK || c.Attempts != 2 {
			t.Errorf("got %d after %d attempts, want 200 after 2", status, c.Attempts)
		}
		r.endpoint.wantFetches(t, 2)
	})
	bubble(t, "and its 401 stands if no other can be had", func(t *testing.T) {
		r := newRig(t, nth(issues(60), down))
		r.first(t)
		status, c := call(t.Context(), through(&api{accepts: none}, r))
		if status != http.StatusUnauthorized || c.Attempts != 1 || c.Reason != policy.ReasonUnauthorized {
			t.Errorf("got %d, %q after %d attempts, want the 401 as it is", status, c.Reason, c.Attempts)
		}
		// Another route's upstream may well take what this one does not.
		if status, c = call(t.Context(), through(&api{accepts: all}, r)); status != http.StatusOK || c.Attempts != 1 {
			t.Errorf("got %d, %q after %d attempts, want 200 with the token that there is", status, c.Reason, c.Attempts)
		}
	})
}
