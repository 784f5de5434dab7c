package blackbox_test

import (
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// A kinship is two routes of one upstream, and a third route of another.
type kinship struct {
	*sidecar.Process
	ours, theirs *wire.Upstream
}

// kin starts a sidecar with the routes first and second, which share an upstream, and stranger, which has one of its own.
// The keys are the defaults, those of second are its own.
func kin(t *testing.T, defaults, second string) *kinship {
	t.Helper()
	k := &kinship{ours: wire.Listen(t), theirs: wire.Listen(t)}
	k.Process = start(t, preamble+indent(defaults, 2)+
		"upstreams:\n"+
		"  ours: {url: \""+k.ours.URL()+"\", retry_budget: null}\n"+
		"  theirs: {url: \""+k.theirs.URL()+"\", retry_budget: null}\n"+
		"routes:\n"+
		"  - {name: first, upstream: ours, match: {path: /first}}\n"+
		"  - name: second\n    upstream: ours\n    match: {path: /second}\n"+indent(second, 4)+
		"  - {name: stranger, upstream: theirs, match: {path: /stranger}}\n")
	return k
}

func (k *kinship) get(t *testing.T, route string) *wire.Response {
	t.Helper()
	return wire.Do(t, k.Proxy, "GET", "/"+route, "")
}

// shut has the upstream throttle one call of the first route, and answer 200 from then on.
func (k *kinship) shut(t *testing.T, throttled wire.Answer) {
	t.Helper()
	k.ours.Script(throttled, wire.Reply(200, "fine"))
	expect(t, k.get(t, "first"), expectation{status: 429, body: "slow down", outcome: "upstream", attempts: 1})
}

// usedUp is how Salesforce says that its limit is used up, in a body that tells it from a missing permission.
const usedUp = `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`

func TestWhoseGateIsShut(t *testing.T) {
	t.Parallel()
	throttle, limit := one429("100"), wire.Reply(403, usedUp, "Content-Type: application/json")
	const (
		byUpstream = "classify: [{status: 403, contains: REQUEST_LIMIT_EXCEEDED, as: throttled, wait: 100s, scope: upstream}]"
		byRoute    = "classify: [{status: 403, contains: REQUEST_LIMIT_EXCEEDED, as: throttled, wait: 100s, scope: route}]"
		unsaid     = "classify: [{status: 403, contains: REQUEST_LIMIT_EXCEEDED, as: throttled, wait: 100s}]"
	)
	tests := []struct {
		name             string
		defaults, second string
		answer           wire.Answer
		status           int
		sister           bool // the other route of the upstream is held back too
	}{
		{"the built-in scope is the route", "", "", throttle, 429, false},
		{"scope: upstream holds back the sister route", "throttle: {scope: upstream}", "", throttle, 429, true},
		{"a rule's scope: upstream holds back the sister route", byUpstream, "", limit, 403, true},
		{"a rule's scope: route holds back its own route only, whatever throttle.scope says", byRoute + "\nthrottle: {scope: upstream}", "", limit, 403, false},
		{"a rule without a scope leaves it to throttle.scope", unsaid + "\nthrottle: {scope: upstream}", "", limit, 403, true},
		{"a sister with throttle: null obeys nobody's gate", "throttle: {scope: upstream}", "throttle: null", throttle, 429, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			k := kin(t, test.defaults, test.second)
			k.ours.Script(test.answer, wire.Reply(200, "fine"))
			since := time.Now()
			expect(t, k.get(t, "first"), expectation{status: test.status, outcome: "upstream", reason: "-", attempts: 1})
			expectHeldBack(t, k.get(t, "first"))
			sister := k.get(t, "second")
			if test.sister {
				expectHeldBack(t, sister)
				k.expectRemaining(t, "second", 100*time.Second, since)
				k.AwaitLine(t, "msg", "gate", "upstream", "ours", "scope", "upstream", "state", "shut")
			} else {
				expect(t, sister, expectation{status: 200, body: "fine", outcome: "upstream", attempts: 1})
			}
			k.expectRemaining(t, "first", 100*time.Second, since)
			expect(t, k.get(t, "stranger"), expectation{status: 200, body: "ok", outcome: "upstream", attempts: 1})
			if got := k.Scrape(t).Sum("fender_throttle_gate_remaining_seconds", "route", "stranger"); got != 0 {
				t.Errorf("got a stranger's gate that opens in %vs, want one that is open", got)
			}
		})
	}
}

// expectRemaining looks at a route's gate that was shut for want since the given moment.
func (k *kinship) expectRemaining(t *testing.T, route string, want time.Duration, since time.Time) {
	t.Helper()
	(&stage{Process: k.Process, route: route}).expectRemaining(t, want, since)
}

func TestTheRoutesOfAnUpstreamReenterTogether(t *testing.T) {
	t.Parallel()
	k := kin(t, "throttle: {scope: upstream, max_wait: 25s}", "")
	k.shut(t, one429("0.2"))
	turn := make(chan struct{})
	k.ours.Script(wire.Held(turn, wire.Reply(200, "fine")))
	first := &stage{Process: k.Process, up: k.ours, route: "first", path: "/first"}
	second := &stage{Process: k.Process, up: k.ours, route: "second", path: "/second"}
	calls := []<-chan *wire.Response{first.ask(4), second.ask(4)}
	first.sum(t, 4, "fender_requests_in_flight")
	second.sum(t, 4, "fender_requests_in_flight")
	for limit := 1; limit <= 3; limit++ {
		first.expectInFlight(t, limit)
		next(t, turn)
	}
	close(turn)
	for range 4 {
		for _, answers := range calls {
			expect(t, one(t, answers), expectation{status: 200, body: "fine", outcome: "upstream", attempts: 1})
		}
	}
}

func TestARoutesOwnGateAndItsUpstreamsAreBothObeyed(t *testing.T) {
	t.Parallel()
	k := kin(t, "classify: [{status: 403, contains: LIMIT, as: throttled, wait: 200s, scope: upstream}]", "")
	turn := make(chan struct{})
	k.ours.Script(wire.Held(turn, wire.Reply(403, usedUp)), one429("20"))
	first := &stage{Process: k.Process, up: k.ours, route: "first", path: "/first"}
	answers := first.underWay(t)
	expect(t, k.get(t, "first"), expectation{status: 429, attempts: 1})
	since := time.Now()
	close(turn)
	expect(t, one(t, answers), expectation{status: 403, attempts: 1})
	if got := retryAfter(t, k.get(t, "first")); got < 100 {
		t.Errorf("got Retry-After %d, want that of the gate that opens last", got)
	}
	k.expectRemaining(t, "first", 200*time.Second, since)
	k.expectRemaining(t, "second", 200*time.Second, since)
	if got := k.ours.Count(); got != 2 {
		t.Errorf("got %d requests at the upstream, want 2", got)
	}
}
