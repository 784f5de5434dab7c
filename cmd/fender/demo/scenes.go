package demo

import (
	"fmt"
	"net/http"
	"time"

	"github.com/fender-proxy/fender/policy"
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

	rush        bool // callers come more often
	crowd       int  // so many come at once at the beginning; 0 is one
	newcomers   bool // some callers ask for customers that nobody has asked for before
	genesysDown bool
	restarts    int // of another pod of the same client, at the beginning: each fetches a token

	shows *showing // an answer to be shown from now on, as soon as there is one
}

// showing is the answer that is shown whole: the first one that it is of.
type showing struct {
	when string
	of   func(answer) bool
}

// schedule returns the scenes for a route and a CRM whose 429 asks for hint.
func schedule(r *config.Route, hint time.Duration) []scene {
	return []scene{{
		title: fmt.Sprintf("Cold start: %d callers at once, one token", regulars),
		why: `The Data Action asks for the customer and for the conversation at once. For Genesys
			Cloud the sidecar needs a token, and has none yet: it fetches one, for all of them.`,
		fault: healthy,
		until: answered(answer.real), times: regulars,
		crowd: regulars,
	}, {
		title: "Healthy: all is well",
		why: `The flow gets the CRM's own answer, and what happened last in the conversation.
			The circuit is closed.`,
		fault: healthy,
		until: answered(answer.real), times: 3,
		shows: &showing{"before the outage", answer.real},
	}, {
		title: "Genesys Cloud down: the customer comes all the same",
		why: `It answers 503, and so does another try. All that the flow has to do without is what
			happened last in the conversation: the CRM's part of the answer is as ever.`,
		fault: healthy,
		until: answered(both(answer.real, answer.withoutAction)), times: 3,
		genesysDown: true,
	}, {
		title: "Evicted: the token is good no longer",
		why: fmt.Sprintf(`Genesys Cloud is back, but has only so many good tokens for a client (here %d). Another
			pod restarts, and again, and fetches one each time: the sidecar's is evicted. What was
			sent with it is sent again with a new one, fetched once for all. No caller notices.`, mostTokens),
		fault: healthy,
		until: after(replayed, answered(answer.real)), times: 3,
		crowd:    3,
		restarts: mostTokens,
	}, {
		title: "Busy: the CRM asks for patience",
		why: fmt.Sprintf(`In a rush it turns requests away: 429, come back in %v. One such answer shuts the
			gate for all: until then nobody asks. Callers get the last good answer at once;
			those who come when the time is almost up are held back.`, hint),
		fault: busy,
		until: turnedAwayAgain, times: 1,
		rush: true,
	}, {
		title: "Re-entry: one by one",
		why: `One request has asked again, for all, and was turned away: those held back get
			the last good answer. Next time there is room, and those held back get real
			answers: the first one alone, then more with each success.`,
		fault: healthy,
		until: answered(answer.real), times: 6,
		rush: true,
	}, {
		title: "Outage: the CRM hangs",
		why: fmt.Sprintf(`It takes requests and never answers. Fender tries again, then answers itself:
			nobody waits longer than %v. Customers that the CRM has told of before keep
			their names; for new ones there is the configured fallback, which has no name.`, r.Timeout.Request),
		fault: hanging,
		until: circuit(policy.Open), times: 1,
		newcomers: true,
	}, {
		title: "Open: the CRM is left alone",
		why: `Callers are answered at once (those who asked earlier, when their time is up): isFallback
			tells the flow that it is not the CRM that speaks. The CRM can restart.`,
		fault: failing,
		until: circuit(policy.HalfOpen), times: 1,
		newcomers: true,
		shows:     &showing{"during the outage", both(answer.unasked, answer.standIn)},
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
		until: answered(answer.real), times: 4,
		newcomers: true,
		shows:     &showing{"after the outage", both(answer.real, answer.closed)},
	}}
}

// answered holds for a caller's answer of which it is so.
func answered(so func(answer) bool) func(event) bool {
	return func(e event) bool {
		a, ok := e.(answer)
		return ok && so(a)
	}
}

// both holds for an answer of which both are so.
func both(one, other func(answer) bool) func(answer) bool {
	return func(a answer) bool { return one(a) && other(a) }
}

// after holds for what then holds for, once first has held.
func after(first, then func(event) bool) func(event) bool {
	begun := false
	return func(e event) bool {
		if !begun {
			begun = first(e)
			return false
		}
		return then(e)
	}
}

// replayed holds for what Genesys Cloud has answered to a new token in place of
// one that was not good.
func replayed(e event) bool {
	a, ok := e.(genesysAnswer)
	return ok && a.again && a.status == http.StatusOK
}

// turnedAway holds for a request that the CRM had no room for.
func turnedAway(e event) bool {
	a, ok := e.(crmAnswer)
	return ok && a.status == http.StatusTooManyRequests
}

// turnedAwayAgain holds for one that asked for all, after such an answer.
func turnedAwayAgain(e event) bool {
	a, ok := e.(crmAnswer)
	return ok && turnedAway(e) && a.forAll
}

// circuit holds for the transition of the CRM's circuit to the state.
func circuit(state policy.State) func(event) bool {
	return func(e event) bool {
		t, ok := e.(transition)
		return ok && t.upstream == theCRM && t.to == state
	}
}
