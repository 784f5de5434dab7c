package demo

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy"
)

// event is something that happened, and its line.
type event interface {
	who() string
	what(c colour) string
}

// answer is what a caller got.
type answer struct {
	caller     int
	took       time.Duration
	status     int
	outcome    proxy.Outcome
	circuit    policy.State
	attempts   int    // of the sidecar to ask the CRM
	age        string // of a last good answer in seconds, else empty
	retryAfter string // empty if there is none
	customer   customer
	err        error // why there is no whole answer
}

func (a answer) who() string { return fmt.Sprintf("caller %d", a.caller) }

func (a answer) what(c colour) string {
	if a.err != nil {
		return c.paint(red, fmt.Sprintf("no answer after %d ms: %v", a.took.Milliseconds(), a.err))
	}
	took := fmt.Sprintf("%4d", a.took.Milliseconds())
	if a.took < time.Millisecond {
		took = "  <1"
	}
	outcome := fmt.Sprintf("%-8s", a.outcome)
	if !a.real() {
		outcome = c.paint(yellow, outcome)
	}
	line := fmt.Sprintf("%d in %s ms  %5d  %s  %-9s  %-15s  %4s  %s", a.status, took, a.attempts, outcome, a.circuit,
		a.customer.Name, seconds(a.age), seconds(a.retryAfter))
	return strings.TrimRight(line, " ")
}

// seconds returns the value of a header with its unit.
func seconds(value string) string {
	if value == "" {
		return ""
	}
	return value + "s"
}

// real reports whether the answer is the CRM's own.
func (a answer) real() bool {
	return a.usable() && (a.outcome == proxy.OutcomeUpstream || a.outcome == proxy.OutcomeRetried)
}

// standIn reports whether the answer is the last good or the configured one.
func (a answer) standIn() bool {
	return a.usable() && (a.outcome == proxy.OutcomeStale || a.outcome == proxy.OutcomeFallback)
}

// usable reports whether the caller can go on with it.
func (a answer) usable() bool { return a.err == nil && a.status == http.StatusOK }

// crmAnswer is what the CRM answered to the sidecar.
type crmAnswer struct {
	request    int    // its number, from 1
	status     int    // 0 if there is no answer
	retryAfter string // empty if there is none
	probe      bool   // the circuit was not closed
	forAll     bool   // the gate was shut, and nobody has been let through since
}

func (crmAnswer) who() string { return "crm" }

func (a crmAnswer) what(colour) string {
	line := fmt.Sprintf("request %d", a.request)
	if a.probe {
		line += ", the probe"
	}
	if a.forAll {
		line += ", for all"
	}
	if a.status == 0 {
		return line + ": no answer"
	}
	line += fmt.Sprintf(": %d %s", a.status, http.StatusText(a.status))
	if a.retryAfter != "" {
		line += ", Retry-After: " + a.retryAfter
	}
	return line
}

// transition is a change of the circuit's state.
type transition struct {
	from, to  policy.State
	at, until time.Time
	failures  int // in a row
}

func (transition) who() string { return "circuit" }

func (t transition) what(c colour) string {
	change := fmt.Sprintf("%s -> %s", t.from, t.to)
	switch t.to {
	case policy.Open:
		why := "the probe failed"
		if t.from == policy.Closed {
			why = fmt.Sprintf("%d calls in a row failed", t.failures)
		}
		return c.paint(red, fmt.Sprintf("%s: %s; next try in %.1fs", change, why, t.until.Sub(t.at).Seconds()))
	case policy.HalfOpen:
		return c.paint(yellow, change+": time for a try")
	default:
		return c.paint(green, change+": the CRM is asked again")
	}
}

// gateChange is a change of the throttle gate's state.
type gateChange struct {
	to        policy.GateState
	at, until time.Time
}

func (gateChange) who() string { return "gate" }

func (g gateChange) what(c colour) string {
	switch g.to {
	case policy.GateShut:
		return c.paint(red, fmt.Sprintf("shut: the 429 is for everybody; next try in %.1fs", g.until.Sub(g.at).Seconds()))
	case policy.GateReentry:
		return c.paint(yellow, "re-entry: one request first, more as they succeed")
	default:
		return c.paint(green, "open: everybody may ask")
	}
}

// rest is what an open circuit or a shut gate has spared the CRM.
type rest struct{ asked, answered int }

// since returns what came after an earlier count.
func (r rest) since(earlier rest) rest {
	return rest{asked: r.asked - earlier.asked, answered: r.answered - earlier.answered}
}

func (rest) who() string { return "crm" }

func (r rest) what(colour) string {
	return fmt.Sprintf("asked %d times meanwhile; %d callers had an answer", r.asked, r.answered)
}
