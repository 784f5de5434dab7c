package demo

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fender-proxy/fender/proxy"
)

// answer is what a caller got.
type answer struct {
	caller int
	took   time.Duration
	status int
	body   string // as it came
	action action // what the body says
	call   crmCall
	err    error // why there is no whole answer
}

// action is the Data Action's answer as a flow reads it.
type action struct {
	Status  string
	Outputs struct {
		CustomerName           *string
		IsFallback             bool
		ConversationLastAction string
	}
	Metadata struct{ CircuitState string }
}

// crmCall is what the sidecar told the handler, and no flow, of a call of the
// CRM. It has no line of its own.
type crmCall struct {
	caller   int
	outcome  proxy.Outcome
	attempts int    // to ask the CRM
	age      string // of a last good answer in seconds, else empty
}

func (crmCall) who() string        { return "sidecar" }
func (crmCall) what(colour) string { return "" }

func (a answer) who() string { return fmt.Sprintf("caller %d", a.caller) }

func (a answer) what(c colour) string {
	if a.err != nil {
		return c.paint(red, fmt.Sprintf("no answer after %d ms: %v", a.took.Milliseconds(), a.err))
	}
	took := fmt.Sprintf("%4d", a.took.Milliseconds())
	if a.took < time.Millisecond {
		took = "  <1"
	}
	name := "null"
	out := a.action.Outputs
	if out.CustomerName != nil {
		name = *out.CustomerName
	}
	isFallback := fmt.Sprintf("%-10t", out.IsFallback)
	outcome := fmt.Sprintf("%-8s", a.call.outcome)
	if !a.real() {
		isFallback, outcome = c.paint(yellow, isFallback), c.paint(yellow, outcome)
	}
	age := a.call.age
	if age != "" {
		age += "s"
	}
	line := fmt.Sprintf("%d %s ms  %-15s  %s  %-12s  %-10s  %s  %5d  %3s", a.status, took, name, isFallback,
		a.action.Metadata.CircuitState, out.ConversationLastAction, outcome, a.call.attempts, age)
	return strings.TrimRight(line, " ")
}

// real reports whether the answer is the CRM's own.
func (a answer) real() bool {
	return a.usable() && (a.call.outcome == proxy.OutcomeUpstream || a.call.outcome == proxy.OutcomeRetried)
}

// standIn reports whether the answer is the last good or the configured one.
func (a answer) standIn() bool {
	return a.usable() && (a.call.outcome == proxy.OutcomeStale || a.call.outcome == proxy.OutcomeFallback)
}

// usable reports whether the caller can go on with it.
func (a answer) usable() bool {
	return a.err == nil && a.status == http.StatusOK && a.action.Status == "success"
}

// withoutAction reports whether the caller can go on with it, but it does not
// tell what happened last in the conversation.
func (a answer) withoutAction() bool {
	return a.usable() && a.action.Outputs.ConversationLastAction == "none"
}

// unasked reports whether the circuit is open and the CRM was not asked.
func (a answer) unasked() bool {
	return a.action.Metadata.CircuitState == "OPEN" && a.call.attempts == 0
}

// closed reports whether the circuit is closed.
func (a answer) closed() bool { return a.action.Metadata.CircuitState == "CLOSED" }

// columns names the columns of the callers' lines.
func (p *printer) columns() {
	p.printf("%33s%-55s%s\n", "", "what the flow gets", "Fender, on the CRM")
	p.printf("%7s  %-9s  %-11s  %-15s  %-10s  %-12s  %-10s  %-8s  %5s  %3s\n",
		"time", "who", "answer", "customerName", "isFallback", "circuitState", "lastAction", "outcome", "tries", "age")
}

// lineBreaks are where the answer's JSON goes on in the next line.
var lineBreaks = strings.NewReplacer(
	`"outputs":`, "\n     \"outputs\":",
	`"isFallback":`, "\n                \"isFallback\":",
	`"metadata":`, "\n     \"metadata\":",
)

// show prints the whole answer, as it came but for the line breaks.
func (p *printer) show(a answer, when string) {
	p.printf("\n    %s\n    %s\n\n", p.colour.paint(bold, fmt.Sprintf("The Data Action's answer to caller %d, %s:", a.caller, when)),
		lineBreaks.Replace(a.body))
}
