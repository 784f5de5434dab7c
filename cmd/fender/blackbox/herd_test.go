package blackbox_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

const (
	herdSize     = 200
	herdTime     = 20 * time.Second
	herdDeadline = 3 * time.Second
	herdHint     = 2 * time.Second
	herdQuota    = 10 // requests that upstream takes in a second, and at once
)

// A quota is an upstream that takes so many requests a second, and answers 429 with a hint to everything beyond.
type quota struct {
	mu     sync.Mutex
	tokens float64
	filled time.Time
	visits []visit
}

// A visit is one request to a quota.
type visit struct {
	arrived, answered time.Time
	fine              bool
}

func (q *quota) answer(x *wire.Exchange) {
	v := q.visit(x.Request.Arrived)
	if v.fine {
		wire.Reply(http.StatusOK, "fine")(x)
		return
	}
	wire.Reply(http.StatusTooManyRequests, "slow down", fmt.Sprintf("Retry-After: %.0f", herdHint.Seconds()))(x)
}

func (q *quota) visit(arrived time.Time) visit {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	q.tokens = min(herdQuota, q.tokens+herdQuota*now.Sub(q.filled).Seconds())
	q.filled = now
	v := visit{arrived: arrived, answered: now, fine: q.tokens >= 1}
	if v.fine {
		q.tokens--
	}
	q.visits = append(q.visits, v)
	return v
}

// A period is what a quota sees from one opening of the gate to the next: requests until one of them is answered 429, and
// then what was in flight.
type period struct{ fine, throttled int }

// periods tells the periods apart: no request that is sent after a 429 comes before its hint is over.
func (q *quota) periods() []period {
	var found []period
	var shut time.Time
	for i, v := range q.visits {
		if i == 0 || !shut.IsZero() && v.arrived.Sub(shut) >= herdHint {
			found, shut = append(found, period{}), time.Time{}
		}
		last := &found[len(found)-1]
		if v.fine {
			last.fine++
			continue
		}
		last.throttled++
		if shut.IsZero() {
			shut = v.answered
		}
	}
	return found
}

// A herd is callers that each call again as soon as they are answered, or a moment after they were refused.
type herd struct {
	mu      sync.Mutex
	asked   int
	first   int // calls that had no answer of upstream's when the first of them was told to slow down
	fine    int
	fell    int
	odd     []string
	slowest time.Duration
}

func (h *herd) roam(client *wire.Client, end time.Time) {
	pause := 100 * time.Millisecond
	if sidecar.Raced() {
		pause *= 5
	}
	for time.Now().Before(end) {
		h.ask()
		begun := time.Now()
		client.Send(wire.Compose("GET", "/v1/customers/42", ""))
		answer, err := client.Next("GET")
		h.answered(answer, err, time.Since(begun))
		if err != nil {
			return
		}
		if own(answer) {
			<-time.After(pause)
		}
	}
}

func (h *herd) ask() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
}

func (h *herd) answered(answer *wire.Response, err error, took time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.slowest = max(h.slowest, took)
	switch {
	case err != nil:
		h.odd = append(h.odd, err.Error())
	case answer.StatusCode == http.StatusOK && string(answer.Content) == "fine":
		h.fine++
	case answer.StatusCode == http.StatusOK && own(answer):
		h.fell++
		if h.first == 0 && answer.Header.Get("Fender-Reason") == "throttled" {
			h.first = h.asked - h.fine
		}
	default:
		h.odd = append(h.odd, fmt.Sprintf("%d %v", answer.StatusCode, answer.Header))
	}
}

// run drives a sidecar with this throttle for a while.
func (h *herd) run(t *testing.T, throttle string) (*quota, sidecar.Metrics) {
	t.Helper()
	up := wire.Listen(t)
	q := &quota{tokens: herdQuota, filled: time.Now()}
	up.Script(q.answer)
	p := start(t, preamble+"log: {requests: none}\n"+
		"upstreams: {crm: {url: \""+up.URL()+"\"}}\n"+
		"routes:\n"+
		"  - name: customer-lookup\n    match: {path: \"/v1/customers/{id}\"}\n    upstream: crm\n"+
		indent("timeout: {request: "+herdDeadline.String()+"}\nretry: {max_retries: 1}\nthrottle: "+throttle+"\n"+standIn, 4))
	clients := make([]*wire.Client, herdSize)
	for i := range clients {
		clients[i] = wire.Dial(t, p.Proxy)
	}
	end := time.Now().Add(herdTime)
	var group sync.WaitGroup
	for _, client := range clients {
		group.Go(func() { h.roam(client, end) })
	}
	group.Wait()
	metrics := p.Scrape(t)
	leave(clients)
	p.Stop(t)
	up.Close()
	return q, metrics
}

// Two hundred callers who do not listen meet an upstream that takes ten requests a second: it hears of that in one 429 for
// each time that the gate shuts, and in those that were on their way. How many these can be is known. At first all
// callers were let through. Later there is the trickle, which lets in one at a time and one more for each success. So a
// period has no more 429s than successes, and one.
func TestAHerdIsHeldBack(t *testing.T) {
	if !sidecar.Raced() {
		t.Parallel() // else two hundred callers and the other tests leave no processor to be in time
	}
	var with, without herd
	var quotas [2]*quota
	t.Run("run", func(t *testing.T) {
		t.Run("with the gate", func(t *testing.T) {
			t.Parallel()
			q, m := with.run(t, "{}")
			quotas[0] = q
			with.expectServed(t)
			periods := q.periods()
			if len(periods) < 3 {
				t.Errorf("got %d periods of the gate, want requests to re-enter some times", len(periods))
			}
			for i, p := range periods {
				if most := p.fine + 1; i > 0 && p.throttled > most {
					t.Errorf("got %d answers of 429 in period %d after %d successes, want at most %d", p.throttled, i, p.fine, most)
				}
			}
			if got := periods[0].throttled; got > with.first {
				t.Errorf("got %d answers of 429 when the gate was shut first, want at most those to the %d who had asked", got, with.first)
			}
			if got := m.Sum("fender_throttle_gate_shut_total"); got > float64(len(periods)) {
				t.Errorf("got a gate that was shut %v times, want at most once in each of %d periods", got, len(periods))
			}
			t.Logf("429s and successes of each period: %v", periods)
		})
		t.Run("without", func(t *testing.T) {
			t.Parallel()
			quotas[1], _ = without.run(t, "null")
			without.expectServed(t)
		})
	})
	if quotas[0] == nil || quotas[1] == nil {
		return
	}
	t.Logf("%-22s%12s%12s", "", "gate", "none")
	for _, row := range []struct {
		name string
		of   func(q *quota, h *herd) any
	}{
		{"requests at upstream", func(q *quota, _ *herd) any { return len(q.visits) }},
		{"429 of upstream", func(q *quota, _ *herd) any { return q.throttled() }},
		{"answers of upstream", func(_ *quota, h *herd) any { return h.fine }},
		{"fallbacks", func(_ *quota, h *herd) any { return h.fell }},
		{"slowest answer", func(_ *quota, h *herd) any { return h.slowest.Round(time.Millisecond) }},
	} {
		t.Logf("%-22s%12v%12v", row.name, row.of(quotas[0], &with), row.of(quotas[1], &without))
	}
	if got, before := quotas[0].throttled(), quotas[1].throttled(); got >= before {
		t.Errorf("got %d answers of 429 with the gate, want fewer than the %d without", got, before)
	}
}

func (q *quota) throttled() int {
	n := 0
	for _, v := range q.visits {
		if !v.fine {
			n++
		}
	}
	return n
}

// expectServed looks that every caller had an answer it could use, in time.
func (h *herd) expectServed(t *testing.T) {
	t.Helper()
	if len(h.odd) > 0 {
		t.Errorf("got %d odd answers, the first: %s", len(h.odd), h.odd[0])
	}
	if h.slowest > 2*herdDeadline {
		t.Errorf("got an answer after %v, want each within its %v and some grace", h.slowest, herdDeadline)
	}
}
