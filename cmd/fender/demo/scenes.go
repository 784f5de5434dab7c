package demo

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy"
	"github.com/fender-proxy/fender/proxy/config"
)

// scene is a part of the schedule. It is over when enough of the events that it
// waits for have happened, however long that takes.
type scene struct {
	title string
	why   string // what happens and why it matters, in lines
	fault fault  // of the CRM, from the scene's beginning
	until func(event) bool
	times int // that until must hold

	rush      bool // callers come more often
	newcomers bool // some callers ask for customers that nobody has asked for before
}

// schedule returns the scenes for a route and a CRM whose 429 asks for hint.
func schedule(r *config.Route, hint time.Duration) []scene {
	return []scene{{
		title: "Healthy: all is well",
		why: `Callers ask the sidecar for a customer, the sidecar asks the CRM, and the
			CRM's own answer comes back.`,
		fault: healthy,
		until: answered(proxy.OutcomeUpstream), times: regulars,
	}, {
		title: "Busy: the CRM asks for patience",
		why: fmt.Sprintf(`In a rush it turns requests away: 429, come back in %v. One such answer shuts the
			gate for all: until then nobody asks. Callers get the last good answer at once;
			those who come when the time is almost up are held back.`, hint),
		fault: busy,
		until: turnedAway, times: 2,
		rush: true,
	}, {
		title: "Re-entry: one by one",
		why: `One request has asked again, for all, and was turned away: those held back get
			the last good answer. Next time there is room, and those held back get real
			answers: the first one alone, then more with each success.`,
		fault: healthy,
		until: answered(proxy.OutcomeRetried, proxy.OutcomeUpstream), times: 6,
		rush: true,
	}, {
		title: "Outage: the CRM hangs",
		why: fmt.Sprintf(`It takes requests and never answers. Fender tries again, then answers itself:
			nobody waits longer than %v. Customers that the CRM has told of before keep
			their names; for new ones there is the configured fallback.`, r.Timeout.Request),
		fault: hanging,
		until: circuit(policy.Open), times: 1,
		newcomers: true,
	}, {
		title: "Open: the CRM is left alone",
		why: `Callers are answered at once (those who asked earlier, when their time is up),
			and Retry-After counts down to the next try. The CRM can restart.`,
		fault: failing,
		until: circuit(policy.HalfOpen), times: 1,
		newcomers: true,
	}, {
		title: "Half-open: one request tries the CRM",
		why: `It is up, but not ready yet. The probe fails and the circuit opens again,
			for twice as long. Even the caller that was the probe gets an answer.`,
		fault: failing,
		until: circuit(policy.Open), times: 1,
		newcomers: true,
	}, {
		title: "Open again: the CRM recovers in peace",
		why: `No retries and no impatient callers keep it down. Nobody has to tell
			Fender when it is back.`,
		fault: healthy,
		until: circuit(policy.HalfOpen), times: 1,
		newcomers: true,
	}, {
		title: "Half-open again: the CRM is back",
		why:   fmt.Sprintf(`The probes get real answers; %d in a row close the circuit.`, r.Breaker.HalfOpen.Successes),
		fault: healthy,
		until: circuit(policy.Closed), times: 1,
		newcomers: true,
	}, {
		title: "Closed: all is well again",
		why: `The CRM answers again, also for the new customers. Nothing had to be restarted
			or switched back by hand, and callers were served all along.`,
		fault: healthy,
		until: answered(proxy.OutcomeUpstream), times: 4,
		newcomers: true,
	}}
}

// answered holds for a caller's answer with one of the outcomes.
func answered(outcomes ...proxy.Outcome) func(event) bool {
	return func(e event) bool {
		a, ok := e.(answer)
		return ok && a.usable() && slices.Contains(outcomes, a.outcome)
	}
}

// turnedAway holds for a request that the CRM had no room for.
func turnedAway(e event) bool {
	a, ok := e.(crmAnswer)
	return ok && a.status == http.StatusTooManyRequests
}

// circuit holds for the circuit's transition to the state.
func circuit(state policy.State) func(event) bool {
	return func(e event) bool {
		t, ok := e.(transition)
		return ok && t.to == state
	}
}
