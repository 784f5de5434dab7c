package credential

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/fender-proxy/fender/policy"
)

const (
	// After a failed fetch the next waits, twice as long each time.
	firstBackOff, longestBackOff = time.Second, time.Minute
	// After a 401 that a fresh token did not cure likewise.
	firstHold, longestHold = 5 * time.Second, 5 * time.Minute
	// Tokens that are refused are dropped so many at once, and then one a minute:
	// sidecars whose tokens push each other out must not fetch for ever.
	dropsAtOnce = 5
)

// token is a token that was fetched. It does not change.
type token struct {
	value   string
	born    time.Time
	expires time.Time // zero: never
	renew   time.Time // zero: never
}

func (t *token) valid(now time.Time) bool {
	return t != nil && (t.expires.IsZero() || now.Before(t.expires))
}

// fetching is a fetch under way. Its result is set before done is closed.
type fetching struct {
	done  chan struct{}
	token *token
	err   error
}

// tokenSource keeps a token and sees to it that there is one: one fetch at a
// time, whoever asks; ahead of the expiry, while the old one serves; not while
// the endpoint is to be left alone. It is safe for concurrent use.
type tokenSource struct {
	fetch  func() (fetched, *fetchError)
	lead   time.Duration
	logger *slog.Logger
	count  func(FetchResult)
	drops  *rate.Limiter

	mu        sync.Mutex
	current   *token
	suspect   bool // current was refused: another is fetched first, if it can be
	fetching  *fetching
	notBefore time.Time // the next fetch: the endpoint is left alone
	err       error     // of the last one
	failures  int       // in a row
	heldUntil time.Time // no token is a suspect: a fresh one was refused too
	uncured   int       // how often in a row
}

func newTokenSource(f *fetcher, lead time.Duration, o Options) *tokenSource {
	s := &tokenSource{
		fetch: f.fetch, lead: lead, logger: o.Logger, count: o.Fetched,
		drops: rate.NewLimiter(rate.Every(time.Minute), dropsAtOnce),
	}
	if s.count == nil {
		s.count = func(FetchResult) {}
	}
	return s
}

// Header implements [Source].
func (s *tokenSource) Header() string { return "Authorization" }

// errLate is a fetch that takes longer than its caller has time.
var errLate = fmt.Errorf("no token: the endpoint has not answered yet: %w", policy.ErrLate)

// Authorize implements [policy.Credentials]. It waits only if there is no token
// that is still valid.
func (s *tokenSource) Authorize(ctx context.Context, until time.Time, h http.Header) (policy.Grant, error) {
	t, f, err := s.get()
	if f != nil {
		t, err = f.await(ctx, until)
	}
	if err != nil {
		return nil, err
	}
	h.Set("Authorization", t.value)
	return tokenGrant{s, t}, nil
}

// await waits for the fetch to end, or for the caller to have no more time.
func (f *fetching) await(ctx context.Context, until time.Time) (*token, error) {
	late := time.NewTimer(time.Until(until))
	defer late.Stop()
	select {
	case <-f.done:
		return f.token, f.err
	case <-late.C:
		return nil, errLate
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// get returns the token, or the fetch to wait for, or why there is neither.
func (s *tokenSource) get() (*token, *fetching, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if t := s.current; t.valid(now) && !s.suspect {
		if !t.renew.IsZero() && !now.Before(t.renew) {
			s.begin(now)
		}
		return t, nil, nil
	}
	s.begin(now)
	if s.fetching != nil {
		return nil, s.fetching, nil
	}
	return nil, nil, s.err
}

// begin begins a fetch, unless there is one or it is too early.
func (s *tokenSource) begin(now time.Time) {
	if s.fetching != nil || now.Before(s.notBefore) {
		return
	}
	f := &fetching{done: make(chan struct{})}
	s.fetching = f
	go s.run(f)
}

func (s *tokenSource) run(f *fetching) {
	got, failure := s.fetch()
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(f.done)
	s.fetching = nil
	now := time.Now()
	if failure != nil {
		s.failed(now, failure)
		if s.suspect = false; s.current.valid(now) { // better than none
			f.token = s.current
		} else {
			f.err = failure
		}
		return
	}
	f.token = &token{value: got.value, born: now}
	if got.lifetime > 0 {
		f.token.expires = now.Add(got.lifetime)
		f.token.renew = f.token.expires.Add(-min(s.lead, got.lifetime/2))
	}
	if s.failures > 0 {
		s.logger.Info("token", "result", FetchSuccess, "failures", s.failures)
	}
	s.current, s.suspect, s.err, s.failures = f.token, false, nil, 0
	s.count(FetchSuccess)
}

// failed leaves the endpoint alone for a while: for longer each time, and for
// as long as it asks.
func (s *tokenSource) failed(now time.Time, err *fetchError) {
	s.err = err
	wait := max(backOff(firstBackOff, longestBackOff, s.failures), min(err.hint, longestHold))
	s.failures++
	s.notBefore = now.Add(wait)
	s.logger.Warn("token", "result", err.result, "failures", s.failures, "next_fetch", s.notBefore, "error", err.Error())
	s.count(err.result)
}

// backOff is first, doubled n times, at most longest, and varied by a tenth.
func backOff(first, longest time.Duration, n int) time.Duration {
	d := min(first<<min(n, 16), longest)
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64()))
}

// tokenGrant is one use of a token.
type tokenGrant struct {
	source *tokenSource
	token  *token
}

// Answered implements [policy.Grant]. What an upstream that is busy or broken
// says is no word on the token.
func (g tokenGrant) Answered(status int, replay bool) bool {
	switch {
	case status == http.StatusUnauthorized:
		return g.source.refused(g.token, replay)
	case replay && status < http.StatusInternalServerError && status != http.StatusTooManyRequests:
		g.source.cured()
	}
	return false
}

// refused makes a token that the upstream does not take a suspect, and reports
// whether another may be better. A token that is not the present one any more
// tells nothing about that. If one that was fetched for a replay is refused too,
// tokens are not what is wrong, and refusals are not listened to for a while.
func (s *tokenSource) refused(t *token, replay bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	switch {
	case s.current != t, s.suspect: // it is seen to
		return !replay
	case now.Before(s.notBefore), now.Before(s.heldUntil):
		return false
	case replay && now.Sub(t.born) < longestHold:
		if now.Sub(s.heldUntil) > longestHold { // another story
			s.uncured = 0
		}
		s.heldUntil = now.Add(backOff(firstHold, longestHold, s.uncured))
		s.uncured++
		return false
	case !s.drops.AllowN(now, 1):
		return false
	}
	s.suspect = true
	return !replay
}

// cured takes note of a fresh token that helped.
func (s *tokenSource) cured() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uncured = 0
}

// Expires returns when the present token expires. The zero time is no token, or
// one that does not.
func (s *tokenSource) Expires() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return time.Time{}
	}
	return s.current.expires
}
