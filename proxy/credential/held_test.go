package credential

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// After a token that did not help, the next waits for 5 s, 10 s and so on. One
// that helped is the end of that.
func TestHowLongNoTokenIsFetched(t *testing.T) {
	bubble(t, "twice as long each time, up to 5 minutes", func(t *testing.T) {
		r := newRig(t, issues(360_000))
		a := &api{accepts: none}
		up := through(a, r)
		for range 3600 {
			call(t.Context(), up)
			<-time.After(time.Second)
		}
		asked := r.endpoint.asked[1:] // the first is no replacement
		for i, seconds := range []int{5, 10, 20, 40, 80, 160, 300, 300, 300} {
			step := time.Duration(seconds) * time.Second
			got := asked[i+1].at.Sub(asked[i].at)
			if got < step*9/10 || got > step*11/10+time.Second {
				t.Errorf("got fetch %d after %v, want %v ± 10%%", i+3, got, step)
			}
		}
	})
	bubble(t, "from the beginning after one that helped", func(t *testing.T) {
		r := newRig(t, issues(360_000))
		for range 3 {
			r.hold(t)
			pass(time.Minute)
		}
		r.wantHeld(t, 18*time.Second, 22*time.Second)
		fetched := r.endpoint.fetches()
		a := &api{}
		a.refuse(fmt.Sprintf("token-%d", fetched))
		pass(time.Hour)
		if status, c := call(t.Context(), through(a, r)); status != http.StatusOK || c.Attempts != 2 {
			t.Fatalf("got %d after %d attempts, want 200 after 2", status, c.Attempts)
		}
		pass(time.Minute)
		r.hold(t)
		r.wantHeld(t, 4500*time.Millisecond, 5500*time.Millisecond)
	})
	bubble(t, "from the beginning where the last time is long ago", func(t *testing.T) {
		r := newRig(t, issues(360_000))
		for range 3 {
			r.hold(t)
			pass(time.Minute)
		}
		pass(time.Hour)
		r.hold(t)
		r.wantHeld(t, 4500*time.Millisecond, 5500*time.Millisecond)
	})
	bubble(t, "and the token that there is goes out meanwhile", func(t *testing.T) {
		r := newRig(t, issues(3600))
		r.first(t)
		r.hold(t)
		for range 4 {
			r.want(t, "token-2")
			status, c := call(t.Context(), through(&api{accepts: none}, r))
			if status != http.StatusUnauthorized || c.Attempts != 1 {
				t.Errorf("got %d after %d attempts, want the 401 as it is", status, c.Attempts)
			}
			pass(time.Second)
		}
		if status, _ := call(t.Context(), through(&api{accepts: all}, r)); status != http.StatusOK {
			t.Errorf("got %d, want 200", status)
		}
		r.endpoint.wantFetches(t, 2)
	})
	// Its lifetime bounds how often that is; and another route may be content
	// with what this one is not.
	bubble(t, "but for one that has expired there is another", func(t *testing.T) {
		r := newRig(t, issues(2))
		r.hold(t)
		pass(2 * time.Second)
		r.want(t, "token-3")
		r.endpoint.wantFetches(t, 3)
	})
	bubble(t, "which is no verdict of an upstream that is busy", func(t *testing.T) {
		r := newRig(t, issues(3600))
		r.hold(t)
		before := r.uncured
		tokenGrant{r.tokenSource, r.current}.Answered(http.StatusServiceUnavailable, true)
		if r.uncured != before {
			t.Errorf("got %d uncured 401s in a row, want %d still", r.uncured, before)
		}
	})
}

// wantHeld checks how long after the last uncured 401 no token is fetched.
func (r *rig) wantHeld(t *testing.T, least, most time.Duration) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.endpoint.asked[len(r.endpoint.asked)-1].at
	if got := r.heldUntil.Sub(last); got < least || got > most {
		t.Errorf("got no fetch for %v, want %v to %v", got, least, most)
	}
}
