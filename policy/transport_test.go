package policy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

func TestRetryAndItsLimits(t *testing.T) {
	only := func(set func(*RetryPolicy)) func(*Policy) {
		return func(p *Policy) { set(p.Retry) }
	}
	unavailable := answers(503, "down")
	tests := []struct {
		name     string
		set      func(*Policy)
		method   string
		body     string
		header   []string
		steps    []step
		calls    int
		attempts int
		reason   Reason
		skipped  Skip
		least    time.Duration // that the call takes
		most     time.Duration
	}{
		{name: "a good answer is asked for once", steps: []step{answers(200, "ok")}, calls: 1},
		{name: "three 503 then 200 with three retries is one 200", set: only(func(r *RetryPolicy) { r.MaxRetries = 3 }), steps: []step{unavailable, unavailable, unavailable, answers(200, "ok")}, calls: 4, most: 2 * time.Second},
		{name: "the last answer stands when the retries are used up", steps: []step{unavailable}, calls: 3, reason: ReasonError},
		{name: "a status that is no condition is not repeated", steps: []step{answers(500, "bug"), answers(200, "ok")}, calls: 1, reason: ReasonError},
		{name: "a 404 is a good answer", steps: []step{answers(404, "")}, calls: 1},
		{name: "a POST is not repeated on a 503", method: "POST", body: "x", steps: []step{unavailable}, calls: 1, reason: ReasonError, skipped: SkipMethod},
		{name: "a POST is repeated on a refused connection", method: "POST", body: "x", steps: []step{refused, answers(201, "made")}, calls: 2},
		{name: "a POST is not repeated after a reset", method: "POST", body: "x", steps: []step{resets}, calls: 1, reason: ReasonUnreachable, skipped: SkipMethod},
		{name: "a POST with the idempotency key is", set: only(func(r *RetryPolicy) { r.IdempotencyKey.Header = "Idempotency-Key" }), method: "POST", body: "x", header: []string{"Idempotency-Key", "k"}, steps: []step{resets, answers(201, "made")}, calls: 2},
		{name: "a POST is not repeated on a 429", method: "POST", body: "x", steps: []step{answers(429, "", "Retry-After", "1")}, calls: 1, reason: ReasonThrottled, skipped: SkipMethod},
		{name: "a POST is repeated on a 429 where that is allowed", set: only(func(r *RetryPolicy) { r.UnsafeOn429 = true }), method: "POST", body: "x", steps: []step{answers(429, "", "Retry-After", "1"), answers(201, "made")}, calls: 2, least: time.Second},
		{name: "a GET is repeated after a reset", steps: []step{resets, answers(200, "ok")}, calls: 2},
		{name: "a hint is waited for in full", steps: []step{answers(429, "", "Retry-After", "1"), answers(200, "ok")}, calls: 2, least: time.Second, most: 1200 * time.Millisecond},
		{name: "a hint beyond max_hint is not waited for", steps: []step{answers(429, "", "Retry-After", "3600")}, calls: 1, reason: ReasonThrottled, skipped: SkipMaxHint, most: time.Millisecond},
		{name: "a wait that does not fit the deadline is not begun", set: only(func(r *RetryPolicy) { r.MaxHint = time.Hour }), steps: []step{answers(429, "", "Retry-After", "3")}, calls: 1, reason: ReasonThrottled, skipped: SkipDeadline, most: time.Millisecond},
		{name: "a wait after which no attempt fits is not begun", set: func(p *Policy) { p.Timeout.Request = time.Second + 40*time.Millisecond }, steps: []step{answers(429, "", "Retry-After", "1")}, calls: 1, reason: ReasonThrottled, skipped: SkipDeadline, most: time.Millisecond},
		{name: "an attempt's timeout is a condition", set: func(p *Policy) { p.Timeout.Attempt = 100 * time.Millisecond }, steps: []step{hangs, answers(200, "ok")}, calls: 2, least: 100 * time.Millisecond},
		{name: "a dial that its attempt cuts off is connect", set: func(p *Policy) {
			p.Timeout.Attempt = 100 * time.Millisecond
			p.Retry.Conditions = []Condition{OnConnect}
		}, method: "POST", body: "x", steps: []step{hangsInDial, answers(201, "made")}, calls: 2, least: 100 * time.Millisecond},
		{name: "no retry policy, no repeat", set: func(p *Policy) { p.Retry = nil }, steps: []step{unavailable}, calls: 1, reason: ReasonError},
		{name: "a truncated answer is repeated", steps: []step{answersWith(200, 100, breaksAfter(`{"half":`)), answers(200, "ok")}, calls: 2},
		{name: "a truncated answer of unknown length is repeated", steps: []step{answersWith(200, -1, breaksAfter(`{"half":`)), answers(200, "ok")}, calls: 2},
		{name: "an answer that stalls is repeated", set: func(p *Policy) { p.Timeout.Attempt = 100 * time.Millisecond }, steps: []step{answersWith(200, 100, stallsAfter("{")), answers(200, "ok")}, calls: 2, least: 100 * time.Millisecond},
		{name: "a status that cannot be passed on is a reset", steps: []step{answers(99, ""), answers(200, "ok")}, calls: 2},
		{name: "a switch of protocols that nobody asked for is a reset", steps: []step{answers(101, "", "Upgrade", "websocket"), answers(200, "ok")}, calls: 2},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			r := newRig(t, tt.set, tt.steps...)
			method := tt.method
			if method == "" {
				method = http.MethodGet
			}
			start := time.Now()
			_, call, _ := r.do(t.Context(), method, strings.NewReader(tt.body), int64(len(tt.body)), tt.header...)
			took := time.Since(start)
			if r.script.calls != tt.calls || call.Attempts != tt.calls {
				t.Errorf("got %d upstream calls, %d attempts, want %d", r.script.calls, call.Attempts, tt.calls)
			}
			if call.Reason != tt.reason {
				t.Errorf("got reason %q, want %q (%v)", call.Reason, tt.reason, call.Err)
			}
			if tt.skipped != "" && r.tally.skipped[tt.skipped] != 1 || tt.skipped == "" && len(r.tally.skipped) > 0 {
				t.Errorf("got skipped %v, want %q", r.tally.skipped, tt.skipped)
			}
			if took < tt.least || tt.most > 0 && took > tt.most {
				t.Errorf("took %v, want %v to %v", took, tt.least, tt.most)
			}
			total := 0
			for _, n := range r.tally.retries {
				total += n
			}
			if total != tt.calls-1 {
				t.Errorf("got %v retries counted, want %d", r.tally.retries, tt.calls-1)
			}
		})
	}
}

// A request whose kept connection turns out dead says nothing about the
// upstream: servers close idle connections whenever they like.
func TestDeadConnectionIsReplacedOnce(t *testing.T) {
	bubble(t, "for a GET, without spending a retry", func(t *testing.T) {
		r := newRig(t, func(p *Policy) { p.Retry = nil }, dead)
		body, call, err := r.get(t)
		if body != "fresh" || err != nil || call.Attempts != 2 || r.fresh.calls != 1 {
			t.Errorf("got %q, %v, %d attempts, %d fresh calls", body, err, call.Attempts, r.fresh.calls)
		}
	})
	bubble(t, "but not for a POST that was written", func(t *testing.T) {
		r := newRig(t, nil, dead)
		_, call, err := r.do(t.Context(), http.MethodPost, strings.NewReader("x"), 1)
		if err == nil || call.Reason != ReasonUnreachable || r.fresh.calls != 0 {
			t.Errorf("got %v, %q, %d fresh calls", err, call.Reason, r.fresh.calls)
		}
	})
	bubble(t, "within the time of its attempt", func(t *testing.T) {
		r := newRig(t, func(p *Policy) { p.Retry, p.Timeout.Attempt = nil, 100*time.Millisecond }, func(req *http.Request) (*http.Response, error) {
			connected(req, true)
			<-time.After(60 * time.Millisecond)
			return dead(req)
		})
		r.fresh.steps = []step{hangs}
		start := time.Now()
		_, call, err := r.get(t)
		if err == nil || call.Attempts != 2 || call.Reason != ReasonTimeout || time.Since(start) != 100*time.Millisecond {
			t.Errorf("got %v, %d attempts, %q after %v", err, call.Attempts, call.Reason, time.Since(start))
		}
	})
	bubble(t, "and only once", func(t *testing.T) {
		r := newRig(t, func(p *Policy) { p.Retry = nil }, dead)
		r.fresh.steps = []step{resets}
		_, call, err := r.get(t)
		if err == nil || call.Attempts != 2 || call.Class != Failure {
			t.Errorf("got %v, %d attempts, class %v", err, call.Attempts, call.Class)
		}
	})
}

func TestBodies(t *testing.T) {
	const size = 64 << 10
	unavailable := func(r *rig) []step {
		return []step{r.script.reads(answers(503, "")), r.script.reads(answers(200, "ok"))}
	}
	for _, declared := range []bool{true, false} {
		name := map[bool]string{true: "with a Content-Length", false: "without"}[declared]
		length := func(n int64) int64 {
			if declared {
				return n
			}
			return -1
		}
		bubble(t, "at request_buffer is replayed whole, "+name, func(t *testing.T) {
			r := newRig(t, nil, nil)
			r.script.steps = unavailable(r)
			text := strings.Repeat("x", size)
			_, call, err := r.do(t.Context(), http.MethodPut, strings.NewReader(text), length(size))
			if err != nil || call.Attempts != 2 || r.script.bodies[0] != text || r.script.bodies[1] != text {
				t.Errorf("got %v, %d attempts, %d bodies", err, call.Attempts, len(r.script.bodies))
			}
		})
		bubble(t, "one byte over is sent once, "+name, func(t *testing.T) {
			r := newRig(t, nil, nil)
			r.script.steps = unavailable(r)
			text := strings.Repeat("x", size+1)
			_, call, _ := r.do(t.Context(), http.MethodPut, strings.NewReader(text), length(size+1))
			if call.Attempts != 1 || r.script.bodies[0] != text || r.tally.skipped[SkipBody] != 1 {
				t.Errorf("got %d attempts, skipped %v", call.Attempts, r.tally.skipped)
			}
		})
		// A server's reader may give the last bytes and the end at once.
		bubble(t, "one byte over is sent once although its end is in sight, "+name, func(t *testing.T) {
			r := newRig(t, nil, nil)
			r.script.steps = unavailable(r)
			text := strings.Repeat("x", size+1)
			_, call, _ := r.do(t.Context(), http.MethodPut, iotest.DataErrReader(strings.NewReader(text)), length(size+1))
			if call.Attempts != 1 || r.script.bodies[0] != text {
				t.Errorf("got %d attempts, a body of %d bytes", call.Attempts, len(r.script.bodies[0]))
			}
		})
		bubble(t, "over the limit is refused, "+name, func(t *testing.T) {
			r := newRig(t, func(p *Policy) { p.MaxRequestBody = 10 }, answers(200, ""))
			_, call, err := r.do(t.Context(), http.MethodPut, strings.NewReader(strings.Repeat("x", 11)), length(11))
			if err == nil || call.ClientErr == nil || call.ClientErr.Status != 413 || r.script.calls != 0 {
				t.Errorf("got %v, %v, %d calls", err, call.ClientErr, r.script.calls)
			}
		})
	}
	bubble(t, "that no one has begun to read can be sent to a second connection", func(t *testing.T) {
		r := newRig(t, nil, nil)
		r.script.steps = []step{refused, r.script.reads(answers(200, "ok"))}
		text := strings.Repeat("x", size+1)
		_, call, err := r.do(t.Context(), http.MethodPost, strings.NewReader(text), size+1)
		if err != nil || call.Attempts != 2 || r.script.bodies[0] != text {
			t.Errorf("got %v, %d attempts", err, call.Attempts)
		}
	})
	bubble(t, "beyond the memory for all of them is sent once", func(t *testing.T) {
		r := newRig(t, nil, nil)
		r.script.steps = unavailable(r)
		r.Requests = NewMemory(1)
		_, call, _ := r.do(t.Context(), http.MethodPut, strings.NewReader("text"), 4)
		if call.Attempts != 1 || r.tally.skipped[SkipBody] != 1 || r.Requests.used.Load() != 0 {
			t.Errorf("got %d attempts, skipped %v, %d bytes held", call.Attempts, r.tally.skipped, r.Requests.used.Load())
		}
	})
	bubble(t, "gives its memory back", func(t *testing.T) {
		r := newRig(t, nil, answers(200, ""))
		r.Requests = NewMemory(MiB)
		for _, length := range []int64{4, -1} {
			if _, _, err := r.do(t.Context(), http.MethodPut, strings.NewReader("text"), length); err != nil || r.Requests.used.Load() != 0 {
				t.Errorf("got %v, %d bytes still held", err, r.Requests.used.Load())
			}
		}
	})
}

// To a transport, a client that fails in its body looks like an upstream that
// fails. It must not move the breaker or be repeated.
func TestClientIsNotTheUpstream(t *testing.T) {
	big := strings.Repeat("x", 65<<10)
	tests := []struct {
		name   string
		body   io.Reader
		length int64
		status int
		calls  int
	}{
		{"a malformed body", io.MultiReader(strings.NewReader("x"), errReader{errors.New("invalid byte in chunk length")}), -1, 400, 0},
		{"a malformed body behind the buffer", io.MultiReader(strings.NewReader(big), errReader{errors.New("invalid byte in chunk length")}), -1, 400, 1},
		{"a body that is cut off", io.MultiReader(strings.NewReader("x"), errReader{io.ErrUnexpectedEOF}), 4, 400, 0},
		{"a client that is gone", errReader{timeoutError(false)}, 4, StatusClientClosedRequest, 0},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			r := newRig(t, withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures = 1 }), nil)
			r.script.steps = []step{r.script.reads(answers(200, ""))}
			_, call, err := r.do(t.Context(), http.MethodPut, tt.body, tt.length)
			if err == nil || call.ClientErr == nil || call.ClientErr.Status != tt.status {
				t.Fatalf("got %v, %v, want status %d", err, call.ClientErr, tt.status)
			}
			if r.script.calls != tt.calls || call.Class != Neutral || r.Breaker.State() != Closed || call.Reason != "" {
				t.Errorf("got %d calls, class %v, breaker %s, reason %q", r.script.calls, call.Class, r.Breaker.State(), call.Reason)
			}
		})
	}
}

type errReader struct{ error }

func (e errReader) Read([]byte) (int, error) { return 0, e.error }

type timeoutError bool

func (timeoutError) Error() string   { return "connection reset by peer" }
func (e timeoutError) Timeout() bool { return bool(e) }

// Who is blamed when a clock or the client ends a call depends on how long the
// upstream alone had the request.
func TestBlame(t *testing.T) {
	bubble(t, "a passed deadline is the upstream's failure", func(t *testing.T) {
		r := newRig(t, nil, hangs)
		start := time.Now()
		_, call, err := r.get(t)
		if err == nil || call.Reason != ReasonTimeout || call.Class != Failure || time.Since(start) != 3*time.Second {
			t.Errorf("got %v, %q, class %v after %v", err, call.Reason, call.Class, time.Since(start))
		}
	})
	for _, tt := range []struct {
		name  string
		after time.Duration
		want  Class
	}{
		{"a client that leaves early is not", 1400 * time.Millisecond, Neutral},
		{"a client that leaves after half the time is", 1500 * time.Millisecond, Failure},
	} {
		bubble(t, tt.name, func(t *testing.T) {
			r := newRig(t, nil, hangs)
			ctx, leave := context.WithCancel(t.Context())
			time.AfterFunc(tt.after, leave)
			_, call, err := r.do(ctx, http.MethodGet, nil, 0)
			if err == nil || call.ClientErr == nil || call.ClientErr.Status != 499 || call.Class != tt.want {
				t.Errorf("got %v, %v, class %v, want %v", err, call.ClientErr, call.Class, tt.want)
			}
		})
	}
	for _, hang := range []step{hangs, hangsInDial} {
		bubble(t, "a timeout that the client made short is not", func(t *testing.T) {
			r := newRig(t, nil, hang)
			call := NewCall(t.Context(), time.Now(), 10*time.Millisecond, nil)
			defer call.End()
			req, _ := http.NewRequestWithContext(call.Context(), http.MethodGet, "http://crm.test", nil)
			_, err := r.RoundTrip(req)
			if err == nil || call.Reason != ReasonTimeout || call.Class != Neutral {
				t.Errorf("got %v, %q, class %v", err, call.Reason, call.Class)
			}
		})
	}
	// A last attempt that the deadline cuts short would hide that the ones
	// before it failed.
	bubble(t, "a failure before the cut-off attempt is", func(t *testing.T) {
		r := newRig(t, func(p *Policy) { p.Timeout = TimeoutPolicy{Request: 1200 * time.Millisecond, Attempt: time.Second} }, hangs)
		_, call, _ := r.get(t)
		if call.Attempts != 2 || call.Reason != ReasonTimeout || call.Class != Failure {
			t.Errorf("got %d attempts, %q, class %v", call.Attempts, call.Reason, call.Class)
		}
	})
	bubble(t, "a client that leaves during the wait for a retry", func(t *testing.T) {
		r := newRig(t, nil, answers(429, "", "Retry-After", "1"))
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, leave)
		_, call, err := r.do(ctx, http.MethodGet, nil, 0)
		if err == nil || call.ClientErr == nil || call.Class != Neutral || call.Attempts != 1 || call.Wait != 500*time.Millisecond {
			t.Errorf("got %v, %v, class %v, %d attempts, waited %v", err, call.ClientErr, call.Class, call.Attempts, call.Wait)
		}
	})
}

func TestClasses(t *testing.T) {
	tests := []struct {
		name   string
		step   step
		set    func(*Call)
		class  Class
		reason Reason
		result AttemptResult
	}{
		{"200", answers(200, ""), nil, Success, "", Result2xx},
		{"302", answers(302, ""), nil, Success, "", Result3xx},
		{"404", answers(404, ""), nil, Success, "", Result4xx},
		{"a 401 to the client's credentials", answers(401, ""), nil, Success, "", Result401},
		{"a 401 to ours", answers(401, ""), func(c *Call) { c.Injected = true }, Failure, ReasonUnauthorized, Result401},
		{"500", answers(500, ""), nil, Failure, ReasonError, Result5xx},
		{"503 without a hint", answers(503, ""), nil, Failure, ReasonError, Result5xx},
		{"503 with a hint", answers(503, "", "Retry-After", "9"), nil, Throttled, ReasonThrottled, ResultThrottled},
		{"429 without a hint", answers(429, ""), nil, Throttled, ReasonThrottled, ResultThrottled},
		{"refused", refused, nil, Failure, ReasonUnreachable, ResultDial},
		{"reset", resets, nil, Failure, ReasonUnreachable, ResultReset},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			r := newRig(t, func(p *Policy) { p.Retry = nil }, tt.step)
			call := NewCall(t.Context(), time.Now(), time.Second, nil)
			defer call.End()
			if tt.set != nil {
				tt.set(call)
			}
			req, _ := http.NewRequestWithContext(call.Context(), http.MethodGet, "http://crm.test", nil)
			_, _ = r.RoundTrip(req)
			if call.Class != tt.class || call.Reason != tt.reason || r.tally.attempts[tt.result] != 1 {
				t.Errorf("got class %v, reason %q, results %v", call.Class, call.Reason, r.tally.attempts)
			}
		})
	}
}

func TestBreakerCountsCalls(t *testing.T) {
	bubble(t, "a call is one outcome, however many attempts it makes", func(t *testing.T) {
		r := newRig(t, func(p *Policy) {
			withBreaker(nil)(p)
			p.Retry = new(RetryPolicy)
			p.Retry.SetDefaults()
		}, answers(503, ""))
		for range 4 {
			_, _, _ = r.get(t)
		}
		if r.script.calls != 12 || r.Breaker.State() != Closed {
			t.Fatalf("got %d calls, breaker %s after 4 failed calls", r.script.calls, r.Breaker.State())
		}
		_, call, _ := r.get(t)
		if call.Circuit != Open || call.Reason != ReasonError {
			t.Errorf("got circuit %s, reason %q after the 5th", call.Circuit, call.Reason)
		}
		_, call, err := r.get(t)
		if err == nil || call.Reason != ReasonOpen || call.Attempts != 0 || r.script.calls != 15 || !call.RetryAt.After(time.Now()) {
			t.Errorf("got %v, %q, %d attempts, %d calls, retry at %v", err, call.Reason, call.Attempts, r.script.calls, call.RetryAt)
		}
	})
	bubble(t, "calls that are slow open it, although they succeed", func(t *testing.T) {
		r := newRig(t, withBreaker(func(b *BreakerPolicy) {
			b.SlowCalls = &SlowCallsPolicy{Duration: time.Second, Threshold: 0.8}
			b.FailureRate.Window = time.Minute
		}), after(time.Second, answers(200, "")))
		for i := range 5 {
			if _, call, err := r.get(t); err != nil || (call.Circuit == Open) != (i == 4) {
				t.Errorf("call %d: got %v, circuit %s", i, err, call.Circuit)
			}
		}
	})
	bubble(t, "no retry is sent once it is open", func(t *testing.T) {
		r := newRig(t, func(p *Policy) {
			withBreaker(nil)(p)
			p.Retry = new(RetryPolicy)
			p.Retry.SetDefaults()
			p.Retry.Backoff = BackoffPolicy{}
			p.Throttle = nil
		}, answers(503, "", "Retry-After", "1"), answers(500, ""))
		var first *Call
		var body string
		var wg sync.WaitGroup
		wg.Go(func() { body, first, _ = r.get(t) })
		pass(time.Millisecond)
		for range 5 {
			_, _, _ = r.get(t)
		}
		wg.Wait()
		if first.Attempts != 1 || first.Reason != ReasonThrottled || r.tally.skipped[SkipBreaker] != 1 || body != "" {
			t.Errorf("got %d attempts, %q, skipped %v", first.Attempts, first.Reason, r.tally.skipped)
		}
	})
	bubble(t, "a probe is a single attempt with its own timeout", func(t *testing.T) {
		r := newRig(t, func(p *Policy) {
			withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures, b.HalfOpen.Timeout = 1, 200*time.Millisecond })(p)
			p.Retry = new(RetryPolicy)
			p.Retry.SetDefaults()
		}, answers(500, ""), hangs)
		_, _, _ = r.get(t)
		pass(17 * time.Second)
		start := time.Now()
		_, call, _ := r.get(t)
		if call.Attempts != 1 || time.Since(start) != 200*time.Millisecond || call.Circuit != Open {
			t.Errorf("got %d attempts in %v, circuit %s", call.Attempts, time.Since(start), call.Circuit)
		}
	})
	bubble(t, "10,000 calls at once reach a half-open upstream one at a time", func(t *testing.T) {
		var mu sync.Mutex
		inFlight, most, asked := 0, 0, 0
		probe := func(req *http.Request) (*http.Response, error) {
			mu.Lock()
			inFlight++
			asked++
			most = max(most, inFlight)
			mu.Unlock()
			defer func() { mu.Lock(); inFlight--; mu.Unlock() }()
			return after(100*time.Millisecond, answers(200, "ok"))(req)
		}
		r := newRig(t, withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures = 1 }), answers(500, ""), probe)
		_, _, _ = r.get(t)
		pass(17 * time.Second)
		var wg sync.WaitGroup
		for range 10_000 {
			wg.Go(func() { _, _, _ = r.get(t) })
		}
		wg.Wait()
		if most != 1 || asked != 1 {
			t.Errorf("got %d probes at once, %d in all, want 1", most, asked)
		}
	})
	bubble(t, "a stream that breaks is a failure after its success", func(t *testing.T) {
		r := newRig(t, func(p *Policy) {
			withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures = 1 })(p)
			p.Buffer = 0
		}, answersWith(200, 100, breaksAfter("half")))
		body, call, err := r.get(t)
		if body != "half" || !errors.Is(err, io.ErrUnexpectedEOF) || call.Circuit != Closed || r.Breaker.State() != Open {
			t.Errorf("got %q, %v, circuit %s at the head, %s now", body, err, call.Circuit, r.Breaker.State())
		}
	})
}

// An upstream that knows the header must see one key a call, however often the
// call is sent.
func TestIdempotencyKey(t *testing.T) {
	bubble(t, "is made once a call and sent with every attempt", func(t *testing.T) {
		r := newRig(t, func(p *Policy) {
			p.Retry.IdempotencyKey = IdempotencyKeyPolicy{Header: "Idempotency-Key", Generate: true}
		}, answers(503, ""))
		for range 2 {
			_, _, _ = r.do(t.Context(), http.MethodPost, strings.NewReader("x"), 1)
		}
		k := r.script.keys
		uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
		if len(k) != 6 || !uuid.MatchString(k[0]) || k[0] != k[1] || k[1] != k[2] || k[3] == k[0] || k[3] != k[5] {
			t.Errorf("got keys %q", k)
		}
	})
	bubble(t, "of the client is kept", func(t *testing.T) {
		r := newRig(t, func(p *Policy) {
			p.Retry.IdempotencyKey = IdempotencyKeyPolicy{Header: "Idempotency-Key", Generate: true}
		}, answers(200, ""))
		_, _, _ = r.do(t.Context(), http.MethodPost, strings.NewReader("x"), 1, "Idempotency-Key", "mine")
		if r.script.keys[0] != "mine" {
			t.Errorf("got key %q", r.script.keys[0])
		}
	})
}
