package demo

import (
	"fmt"
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
}

// schedule returns the scenes for a route and a CRM whose 429 asks for hint.
func schedule(r *config.Route, hint time.Duration) []scene {
	return []scene{{
		title: "Healthy: all is well",
		why: `Callers ask the sidecar for a customer, the sidecar asks the CRM, and the
			CRM's own answer comes back.`,
		fault: healthy,
		until: answered(proxy.OutcomeUpstream), times: 4,
	}, {
		title: "Busy: the CRM asks for patience",
		why: fmt.Sprintf(`It turns one request away: 429, come back in %v. Fender waits that long and
			asks again: the caller gets the real answer a little later, and no error.`, hint),
		fault: busy,
		until: answered(proxy.OutcomeRetried), times: 1,
	}, {
		title: "Outage: the CRM hangs",
		why: fmt.Sprintf(`It takes requests and never answers. Fender tries twice, then answers
			itself: nobody waits longer than %v, and everybody can go on.`, r.Timeout.Request),
		fault: hanging,
		until: circuit(policy.Open), times: 1,
	}, {
		title: "Open: the CRM is left alone",
		why: `Callers get the fallback at once (those who asked earlier, when their time
			is up), and Retry-After counts down to the next try. The CRM can restart.`,
		fault: failing,
		until: circuit(policy.HalfOpen), times: 1,
	}, {
		title: "Half-open: one request tries the CRM",
		why: `It is up, but not ready yet. The probe fails and the circuit opens again,
			for twice as long. Even the caller that was the probe gets the fallback.`,
		fault: failing,
		until: circuit(policy.Open), times: 1,
	}, {
		title: "Open again: the CRM recovers in peace",
		why: `No retries and no impatient callers keep it down. Nobody has to tell
			Fender when it is back.`,
		fault: healthy,
		until: circuit(policy.HalfOpen), times: 1,
	}, {
		title: "Half-open again: the CRM is back",
		why:   fmt.Sprintf(`The probes get real answers; %d in a row close the circuit.`, r.Breaker.HalfOpen.Successes),
		fault: healthy,
		until: circuit(policy.Closed), times: 1,
	}, {
		title: "Closed: all is well again",
		why: `The CRM answers again. Nothing had to be restarted or switched back by hand,
			and callers were served all along.`,
		fault: healthy,
		until: answered(proxy.OutcomeUpstream), times: 4,
	}}
}

// answered holds for a caller's answer with the outcome.
func answered(outcome proxy.Outcome) func(event) bool {
	return func(e event) bool {
		a, ok := e.(answer)
		return ok && a.usable() && a.outcome == outcome
	}
}

// circuit holds for the circuit's transition to the state.
func circuit(state policy.State) func(event) bool {
	return func(e event) bool {
		t, ok := e.(transition)
		return ok && t.to == state
	}
}
