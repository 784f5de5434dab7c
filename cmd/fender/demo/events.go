package demo

import (
	"fmt"
	"net/http"
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
	retryAfter string // empty if there is none
	customer   customer
	err        error // why there is no whole answer
}

func (a answer) who() string { return fmt.Sprintf("caller %d", a.caller) }

func (a answer) what(c colour) string {
	if a.err != nil {
		return c.paint(red, fmt.Sprintf("no answer after %d ms: %v", a.took.Milliseconds(), a.err))
	}
	gist := a.customer.Name
	if a.customer.Tier != "" {
		gist += ", " + a.customer.Tier
	}
	if a.retryAfter != "" {
		gist += "; Retry-After: " + a.retryAfter
	}
	took := fmt.Sprintf("%4d", a.took.Milliseconds())
	if a.took < time.Millisecond {
		took = "  <1"
	}
	outcome := fmt.Sprintf("%-8s", a.outcome)
	if !a.real() {
		outcome = c.paint(yellow, outcome)
	}
	return fmt.Sprintf("%d in %s ms  %s  %-9s  %s", a.status, took, outcome, a.circuit, gist)
}

// real reports whether the answer is the CRM's own.
func (a answer) real() bool {
	return a.usable() && (a.outcome == proxy.OutcomeUpstream || a.outcome == proxy.OutcomeRetried)
}

// fallback reports whether the answer is the configured one.
func (a answer) fallback() bool { return a.usable() && a.outcome == proxy.OutcomeFallback }

// usable reports whether the caller can go on with it.
func (a answer) usable() bool { return a.err == nil && a.status == http.StatusOK }

// crmAnswer is what the CRM answered to the sidecar.
type crmAnswer struct {
	request    int    // its number, from 1
	status     int    // 0 if there is no answer
	retryAfter string // empty if there is none
	probe      bool   // the circuit was not closed
}

func (crmAnswer) who() string { return "crm" }

func (a crmAnswer) what(colour) string {
	line := fmt.Sprintf("request %d", a.request)
	if a.probe {
		line += ", the probe"
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

// rest is what an open circuit has spared the CRM.
type rest struct{ asked, answered int }

func (rest) who() string { return "crm" }

func (r rest) what(colour) string {
	return fmt.Sprintf("asked %d times meanwhile; %d callers had an answer", r.asked, r.answered)
}
