package policy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// script is an upstream in memory: it plays one step for each request, the last
// one again and again, and keeps count.
type script struct {
	mu     sync.Mutex
	steps  []step
	calls  int
	bodies []string
	keys   []string
}

type step func(*http.Request) (*http.Response, error)

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	s.mu.Lock()
	play := s.steps[min(s.calls, len(s.steps)-1)]
	s.calls++
	s.keys = append(s.keys, req.Header.Get("Idempotency-Key"))
	s.mu.Unlock()
	return play(req)
}

func (s *script) sawBody(req *http.Request) error {
	if req.Body == nil {
		return nil
	}
	b, err := io.ReadAll(req.Body)
	s.mu.Lock()
	s.bodies = append(s.bodies, string(b))
	s.mu.Unlock()
	return err
}

// linked are the requests that were told of their connection.
var linked sync.Map

// connected tells the attempt that it got a connection, as a transport does.
func connected(req *http.Request, reused bool) {
	if _, again := linked.LoadOrStore(req, true); again {
		return // by a step that plays another
	}
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil {
		trace.GotConn(httptrace.GotConnInfo{Reused: reused})
	}
}

// reads is a step before which the upstream reads the request's body.
func (s *script) reads(next step) step {
	return func(req *http.Request) (*http.Response, error) {
		connected(req, false)
		if err := s.sawBody(req); err != nil {
			return nil, err
		}
		return next(req)
	}
}

// answers is a step that answers with a status, a body and header pairs.
func answers(status int, body string, header ...string) step {
	return func(req *http.Request) (*http.Response, error) {
		connected(req, false)
		return answer(req, status, int64(len(body)), io.NopCloser(strings.NewReader(body)), header...), nil
	}
}

func answer(req *http.Request, status int, length int64, body io.ReadCloser, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: body, ContentLength: length, Request: req, ProtoMajor: 1, ProtoMinor: 1}
}

// answersWith is a step whose answer's body is read from r; length -1 is one
// that is not known.
func answersWith(status int, length int64, r func(ctx context.Context) io.Reader, header ...string) step {
	return func(req *http.Request) (*http.Response, error) {
		connected(req, false)
		return answer(req, status, length, io.NopCloser(r(req.Context())), header...), nil
	}
}

// after plays a step later, unless the request's context ends first.
func after(d time.Duration, next step) step {
	return func(req *http.Request) (*http.Response, error) {
		connected(req, false)
		select {
		case <-time.After(d):
			return next(req)
		case <-req.Context().Done():
			return nil, context.Cause(req.Context())
		}
	}
}

// hangs is a step that never answers.
func hangs(req *http.Request) (*http.Response, error) {
	return after(time.Hour, answers(200, ""))(req)
}

// hangsInDial never gets a connection.
func hangsInDial(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, context.Cause(req.Context())
}

// refused is a step to which nobody listens.
func refused(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Err: fmt.Errorf("connect: %w", syscall.ECONNREFUSED)}
}

// resets is a step that loses a new connection before the answer's head.
func resets(req *http.Request) (*http.Response, error) {
	connected(req, false)
	return nil, fmt.Errorf("read: %w", syscall.ECONNRESET)
}

// dead is a step that loses a kept connection before the answer's head.
func dead(req *http.Request) (*http.Response, error) {
	connected(req, true)
	return nil, errors.New("http: server closed idle connection")
}

// stallsAfter reads text and then nothing until the context ends.
func stallsAfter(text string) func(context.Context) io.Reader {
	return func(ctx context.Context) io.Reader {
		return io.MultiReader(strings.NewReader(text), readerFunc(func([]byte) (int, error) {
			<-ctx.Done()
			return 0, context.Cause(ctx)
		}))
	}
}

// breaksAfter reads text and then fails.
func breaksAfter(text string) func(context.Context) io.Reader {
	return func(context.Context) io.Reader {
		return io.MultiReader(strings.NewReader(text), readerFunc(func([]byte) (int, error) {
			return 0, io.ErrUnexpectedEOF
		}))
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// tally is an observer that tally.
type tally struct {
	mu       sync.Mutex
	attempts map[AttemptResult]int
	retries  map[string]int
	skipped  map[Skip]int
	hints    []time.Duration
	pending  int
	observed map[Refuser]int
}

func (c *tally) Attempt(r AttemptResult, _ time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempts[r]++
}

func (c *tally) Hint(wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hints = append(c.hints, wait)
}

func (c *tally) Retry(on Condition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retries[on.String()]++
}

func (c *tally) RetrySkipped(why Skip) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skipped[why]++
}

func (c *tally) Pending(change int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending += change
}

func (c *tally) Observed(by Refuser) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.observed[by]++
}

// rig is a transport over a script.
type rig struct {
	*Transport
	script *script
	fresh  *script
	tally  *tally
}

// newRig returns a rig with the built-in policy, retries on, changed by set.
// It must be made inside the bubble.
func newRig(t *testing.T, set func(*Policy), steps ...step) *rig {
	t.Helper()
	p := new(Policy)
	p.SetDefaults()
	p.Retry = new(RetryPolicy)
	p.Retry.SetDefaults()
	if set != nil {
		set(p)
	}
	p.Complete()
	r := &rig{
		script: &script{steps: steps},
		fresh:  &script{steps: []step{answers(200, "fresh")}},
		tally:  &tally{attempts: map[AttemptResult]int{}, retries: map[string]int{}, skipped: map[Skip]int{}, observed: map[Refuser]int{}},
	}
	r.Transport = &Transport{Policy: p, Upstream: r.script, Fresh: r.fresh, Observer: r.tally}
	if p.Throttle != nil {
		r.Gate, r.Shared.Gate = NewGate(nil), NewGate(nil)
		t.Cleanup(r.Gate.Close)
		t.Cleanup(r.Shared.Gate.Close)
	}
	if p.Breaker != nil {
		r.Breaker = NewBreaker(*p.Breaker, nil)
		t.Cleanup(r.Breaker.Close)
	}
	return r
}

// withBreaker turns the breaker on with its built-in values.
func withBreaker(set func(*BreakerPolicy)) func(*Policy) {
	return func(p *Policy) {
		p.Retry = nil
		p.Breaker = new(BreakerPolicy)
		p.Breaker.SetDefaults()
		if set != nil {
			set(p.Breaker)
		}
	}
}

// do sends a request through the rig and returns the answer's body and the
// call, which has ended. A negative length says that the length is not known.
func (r *rig) do(ctx context.Context, method string, body io.Reader, length int64, header ...string) (string, *Call, error) {
	timeout := r.Policy.Timeout.Request
	call := NewCall(ctx, time.Now(), timeout, NewBody(body, length, r.Policy.MaxRequestBody))
	defer call.End()
	req, _ := http.NewRequestWithContext(call.Context(), method, "http://crm.test/v1", nil)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := r.RoundTrip(req)
	if err != nil {
		return "", call, err
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	return string(b), call, err
}

func (r *rig) get(t *testing.T) (string, *Call, error) {
	t.Helper()
	return r.do(t.Context(), http.MethodGet, nil, 0)
}

// bubble runs a test on a clock of its own.
func bubble(t *testing.T, name string, f func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// wantIdle checks that all calls have given back what they were given: the leave
// of the gates, and the places under the route's limit and the upstream's.
func (r *rig) wantIdle(t *testing.T, places ...int) {
	t.Helper()
	for _, gate := range []*Gate{r.Gate, r.Shared.Gate} {
		if gate != nil {
			gate.wantIdle(t)
		}
	}
	for i, limit := range []*Limit{r.Limit, r.Shared.Limit} {
		if limit == nil {
			continue
		}
		if free := limit.free(); free != places[i] || limit.pending.Load() != 0 {
			t.Errorf("got %d places free, %d calls pending in the end, want %d and none", free, limit.pending.Load(), places[i])
		}
	}
	if r.tally.pending != 0 {
		t.Errorf("got %d calls counted as pending in the end, want none", r.tally.pending)
	}
}

// free returns how many places are free.
func (l *Limit) free() int {
	n := 0
	for l.places.TryAcquire(1) {
		n++
	}
	l.places.Release(int64(n))
	return n
}
