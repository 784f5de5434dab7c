package blackbox_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// spenders starts a sidecar with the routes first and second, which share the upstream crm, retry three times and have a
// budget for that; the route stranger has an upstream of its own, with a budget of its own. The upstreams answer 503.
func spenders(t *testing.T, budget string) (first, second, stranger *stage) {
	t.Helper()
	crm, other := wire.Listen(t), wire.Listen(t)
	crm.Script(wire.Reply(503, "down"))
	other.Script(wire.Reply(503, "down"))
	p := start(t, preamble+indent(quick, 2)+
		"upstreams:\n"+
		"  crm:\n    url: "+crm.URL()+"\n"+indent(budget, 4)+
		"  other:\n    url: "+other.URL()+"\n"+indent(budget, 4)+
		"routes:\n"+
		"  - {name: first, upstream: crm, match: {path: \"/first/{rest...}\"}}\n"+
		"  - {name: second, upstream: crm, match: {path: \"/second/{rest...}\"}}\n"+
		"  - {name: stranger, upstream: other, match: {path: \"/stranger/{rest...}\"}}\n")
	at := func(route string, up *wire.Upstream) *stage {
		return &stage{Process: p, up: up, route: route, path: "/" + route + "/x"}
	}
	return at("first", crm), at("second", crm), at("stranger", other)
}

// attempts makes a call that fails and returns how often it went upstream.
func (s *stage) attempts(t *testing.T) int {
	t.Helper()
	answer := s.get(t)
	expect(t, answer, expectation{status: 503, body: "down", reason: "-", attempts: -1})
	n, err := strconv.Atoi(answer.Header.Get("Fender-Attempts"))
	if err != nil {
		t.Fatalf("got Fender-Attempts %q, want a number", answer.Header.Get("Fender-Attempts"))
	}
	return n
}

// budget waits until what an upstream's budget has left is want.
func (s *stage) budget(t *testing.T, want float64, upstream string) {
	t.Helper()
	s.AwaitSum(t, want, "fender_retry_budget_remaining", "upstream", upstream)
}

func TestTheRetryBudgetIsOneForAllRoutesOfAnUpstream(t *testing.T) {
	t.Parallel()
	first, second, stranger := spenders(t, "retry_budget: {ratio: 0, min_per_second: 0.1}")
	first.budget(t, 1, "crm")
	<-time.After(500 * time.Millisecond) // a budget that forgets in steps is not at the begin of one
	for i, want := range []int{2, 1, 1} {
		if got := first.attempts(t); got != want {
			t.Errorf("got %d attempts of call %d of the first route, want %d", got, i+1, want)
		}
	}
	for range 3 {
		if got := second.attempts(t); got != 1 {
			t.Errorf("got %d attempts of a call of the second route, want 1", got)
		}
	}
	first.expectCount(t, 7)
	first.budget(t, 0, "crm")
	first.sum(t, 1, "fender_retries_total")
	second.sum(t, 0, "fender_retries_total")
	first.sum(t, 3, "fender_retries_skipped_total", "reason", "budget")
	second.sum(t, 3, "fender_retries_skipped_total", "reason", "budget")

	stranger.budget(t, 1, "other")
	if got := stranger.attempts(t); got != 2 {
		t.Errorf("got %d attempts at another upstream, want 2", got)
	}

	// Ten seconds after the retry there may be another.
	begun := first.request(t, 0).Answered
	first.budget(t, 1, "crm")
	if got := second.attempts(t); got != 2 {
		t.Errorf("got %d attempts of a call after ten seconds, want 2", got)
	}
	requests := first.up.Requests()
	atLeast(t, "another retry", requests[len(requests)-1].Arrived.Sub(begun), 10*time.Second)
}

func TestTheRetryBudgetIsAShareOfTheCalls(t *testing.T) {
	t.Parallel()
	first, second, _ := spenders(t, "retry_budget: {ratio: 0.5, min_per_second: 0}")
	retries := 0
	for call := 1; call <= 20; call++ {
		s := first
		if call%2 == 0 {
			s = second
		}
		retries += s.attempts(t) - 1
		if most := call / 2; retries > most {
			t.Errorf("got %d retries in %d calls, want at most %d", retries, call, most)
		}
	}
	if retries < 9 {
		t.Errorf("got %d retries in 20 calls, want half as many", retries)
	}
	first.expectCount(t, 20+retries)
}

func TestTheRetryBudgetCountsCallsThatSucceed(t *testing.T) {
	t.Parallel()
	first, second, _ := spenders(t, "retry_budget: {ratio: 0.1, min_per_second: 0}")
	first.up.Script(wire.Reply(200, "fine"))
	for range 30 {
		expect(t, second.get(t), expectation{status: 200, attempts: 1})
	}
	first.up.Script(wire.Reply(503, "down"))
	if got := first.attempts(t); got != 4 {
		t.Errorf("got %d attempts after 30 calls, want 4", got)
	}
	if got := first.attempts(t); got != 1 {
		t.Errorf("got %d attempts of the next call, want 1", got)
	}
}

func TestTheRetryBudgetOfAConfigurationThatSaysNothing(t *testing.T) {
	t.Parallel()
	first, _, _ := spenders(t, "")
	first.budget(t, 3, "crm")
	retries := 0
	for range 10 {
		retries += first.attempts(t) - 1
	}
	if retries < 4 || retries > 5 {
		t.Errorf("got %d retries in 10 calls, want a fifth of them and 3", retries)
	}
}

func TestWithoutARetryBudgetEveryRetryIsMade(t *testing.T) {
	t.Parallel()
	first, _, _ := spenders(t, "retry_budget: null")
	for range 10 {
		if got := first.attempts(t); got != 4 {
			t.Errorf("got %d attempts, want 4", got)
		}
	}
	first.expectCount(t, 40)
	first.sum(t, 0, "fender_retries_skipped_total", "reason", "budget")
}

func TestAnIdempotencyKeyOfTheClientIsKept(t *testing.T) {
	play(t, []scene{{
		name:  "also where one would be generated",
		route: "retry: {backoff: {initial: 1ms, max: 2ms}, idempotency_key: {header: Idempotency-Key, generate: true}}",
		run: func(t *testing.T, s *stage) {
			s.up.Script(wire.Reply(503, ""), wire.Reply(201, "made"))
			expect(t, s.do(t, "POST", "order", "Idempotency-Key: k1"), expectation{status: 201, outcome: "retried", attempts: 2})
			for _, request := range s.up.Requests() {
				if got := request.Header.Values("Idempotency-Key"); len(got) != 1 || got[0] != "k1" {
					t.Errorf("got keys %q at the upstream, want %q", got, "k1")
				}
			}
		},
	}})
}
