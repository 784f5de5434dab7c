package policy

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// herd is an upstream that answers 429 with "Retry-After: 2" to everything over
// 10 requests a second, and remembers what it saw and how the gate stood then.
type herd struct {
	t    *testing.T
	gate *Gate // of the route that asks; nil if it is not held back
	took func(n int) time.Duration

	mu       sync.Mutex
	bucket   *rate.Limiter
	seen     []*herdRequest
	inFlight int
	most     int
}

// herdRequest is one request as the upstream saw it.
type herdRequest struct {
	period    uint64 // of the gate that let it in
	start     time.Time
	end       time.Time
	throttled bool // or else ok, if it was answered
	ok        bool
}

func (h *herd) RoundTrip(req *http.Request) (*http.Response, error) {
	connected(req, false)
	r, took := h.begin(req)
	if took > 0 {
		select {
		case <-time.After(took):
		case <-req.Context().Done():
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inFlight--
	r.end = time.Now()
	switch {
	case req.Context().Err() != nil:
		r.throttled = false
		return nil, context.Cause(req.Context())
	case r.throttled:
		return answers(429, "slow down", "Retry-After", "2")(req)
	}
	r.ok = true
	return answers(200, "ok")(req)
}

// begin notes a request, and checks that it may be there: one that was let in
// since the gate has last shut is one of at most as many as the trickle allows,
// and none is sent while the gate is shut.
func (h *herd) begin(req *http.Request) (*herdRequest, time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &herdRequest{start: time.Now(), throttled: !h.bucket.Allow()}
	h.inFlight++
	h.most = max(h.most, h.inFlight)
	took := h.took(len(h.seen))
	h.seen = append(h.seen, r)
	if h.gate == nil {
		return r, took
	}
	r.period = callOf(req.Context()).ticket.gates[0].period
	h.gate.mu.Lock()
	defer h.gate.mu.Unlock()
	switch together := h.together(r.period); {
	case h.gate.state == GateShut && !h.gate.shutAt.Equal(r.start):
		h.t.Errorf("a request was sent %v after the gate shut", r.start.Sub(h.gate.shutAt))
	case h.gate.state == GateReentry && r.period == h.gate.period.Load() && together > h.gate.limit:
		h.t.Errorf("got %d requests in flight, want at most %d", together, h.gate.limit)
	}
	return r, took
}

// together is how many are in flight that were let in in the same period.
func (h *herd) together(period uint64) int {
	n := 0
	for _, r := range h.seen {
		if r.period == period && r.end.IsZero() {
			n++
		}
	}
	return n
}

// throttled returns how many requests were told to slow down, and checks that
// each period of the gate has one such answer and those that were in flight when
// it came: nobody is sent out after it, and no more than the trickle allowed.
func (h *herd) throttled() int {
	type period struct {
		shut                 time.Time // by its first 429
		throttled, succeeded int
	}
	all, periods := 0, map[uint64]*period{}
	for _, r := range h.seen {
		p := periods[r.period]
		if p == nil {
			p = new(period)
			periods[r.period] = p
		}
		switch {
		case r.throttled:
			all++
			if p.throttled++; p.throttled == 1 || r.end.Before(p.shut) {
				p.shut = r.end
			}
		case r.ok:
			p.succeeded++
		}
	}
	if h.gate == nil {
		return all
	}
	for n, p := range periods {
		if n > 0 && p.throttled > 1+p.succeeded {
			h.t.Errorf("period %d: got %d throttled of a trickle that had grown to %d", n, p.throttled, 1+p.succeeded)
		}
	}
	for _, r := range h.seen {
		if p := periods[r.period]; p.throttled > 0 && r.start.After(p.shut) {
			h.t.Errorf("period %d: a request went out %v after its first 429", r.period, r.start.Sub(p.shut))
		}
	}
	return all
}

// A herd that waits for a throttled upstream does not all come back at once, and
// not before it asked them to.
func TestAHerdIsHeldBack(t *testing.T) {
	for _, tt := range []struct {
		name  string
		took  func(n int) time.Duration
		limit *Limit
		rate  *Rate
	}{
		{name: "by an upstream that answers at once", took: func(int) time.Duration { return 0 }},
		{name: "by one that takes 50 ms", took: func(int) time.Duration { return 50 * time.Millisecond }},
		{name: "by one that takes from 0 to 700 ms", took: func(n int) time.Duration { return time.Duration(n%8) * 100 * time.Millisecond }},
		{name: "by one that takes long for each tenth", took: func(n int) time.Duration { return time.Duration(n%10/9*1900) * time.Millisecond }},
		// Who has passed the gate and waits for something else when it shuts has
		// not passed it.
		{name: "in the queue of a limit too", took: func(int) time.Duration { return 50 * time.Millisecond }, limit: NewLimit(5, 100)},
		{name: "in the line of a rate limit too", took: func(int) time.Duration { return 50 * time.Millisecond }, rate: NewRate(40, time.Second, 20)},
	} {
		var with, without int
		bubble(t, tt.name, func(t *testing.T) {
			r := newRig(t, nil)
			r.Limit, r.Shared.Rate = tt.limit, tt.rate
			with = stampede(t, r, tt.took)
		})
		bubble(t, tt.name+", and what it gets without a gate", func(t *testing.T) {
			without = stampede(t, newRig(t, func(p *Policy) { p.Throttle = nil }), tt.took)
		})
		if with*5 > without {
			t.Errorf("got %d throttled answers with a gate, %d without: that is not much of a difference", with, without)
		}
	}
}

// stampede lets 200 clients ask for 20 s, each again 100 ms after it was answered,
// and returns how often the upstream said "slow down".
func stampede(t *testing.T, r *rig, took func(n int) time.Duration) int {
	h := &herd{t: t, gate: r.Gate, took: took, bucket: rate.NewLimiter(10, 10)}
	r.Upstream = h
	began := time.Now()
	ctx, cancel := context.WithDeadline(t.Context(), began.Add(20*time.Second))
	defer cancel()
	var mu sync.Mutex
	answered := map[string]int{}
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			<-time.After(time.Duration(i) * time.Millisecond / 2)
			for ctx.Err() == nil {
				asked := time.Now()
				_, call, err := r.do(t.Context(), http.MethodGet, nil, 0)
				if took := time.Since(asked); took > r.Policy.Timeout.Request {
					t.Errorf("a client was answered after %v", took)
				}
				mu.Lock()
				answered[fmt.Sprintf("%v %v", call.Reason, err == nil)]++
				mu.Unlock()
				<-time.After(100 * time.Millisecond)
			}
		})
	}
	all.Wait()
	throttled := h.throttled()
	t.Logf("%d requests upstream, %d in flight at most, %d throttled; clients got %v", len(h.seen), h.most, throttled, answered)
	if r.Gate != nil {
		s := r.Gate.Snapshot()
		t.Logf("the gate was shut %d times, for %v in all", s.Shuts, s.ShutTime)
		if r.Limit != nil {
			r.wantIdle(t, 5)
		}
		if s.Shuts < 5 {
			t.Errorf("got the gate shut %d times in 20 s, want it to try again and again", s.Shuts)
		}
	}
	return throttled
}
