package demo

import (
	"fmt"
	"net/http"
	"time"

	"github.com/fender-proxy/fender/policy"
)

// event is something that happened, and its line.
type event interface {
	who() string
	what(c colour) string
}

// crmAnswer is what the CRM answered to the sidecar.
type crmAnswer struct {
	request    int    // its number, from 1
	status     int    // 0 if there is no answer
	retryAfter string // empty if there is none
	probe      bool   // the circuit was not closed
	forAll     bool   // the gate was shut, and the CRM has taken no request since
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

// theCRM is the name of the CRM's upstream. What is not its is Genesys Cloud's.
const theCRM = "crm"

// subject begins the line of an upstream that is not the CRM.
func subject(upstream string) string {
	if upstream == theCRM {
		return ""
	}
	return upstream + ": "
}

// transition is a change of a circuit's state.
type transition struct {
	upstream  string
	from, to  policy.State
	at, until time.Time
	failures  int // in a row
}

func (transition) who() string { return "circuit" }

func (t transition) what(c colour) string {
	change := fmt.Sprintf("%s%s -> %s", subject(t.upstream), t.from, t.to)
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
		return c.paint(green, change+": all may ask again")
	}
}

// gateChange is a change of a throttle gate's state.
type gateChange struct {
	upstream  string
	to        policy.GateState
	at, until time.Time
}

func (gateChange) who() string { return "gate" }

func (g gateChange) what(c colour) string {
	whose := subject(g.upstream)
	switch g.to {
	case policy.GateShut:
		return c.paint(red, fmt.Sprintf("%sshut: the 429 is for everybody; next try in %.1fs", whose, g.until.Sub(g.at).Seconds()))
	case policy.GateReentry:
		return c.paint(yellow, whose+"re-entry: one request first, more as they succeed")
	default:
		return c.paint(green, whose+"open: everybody may ask")
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

// Who is given tokens.
const (
	theSidecar = "the sidecar"
	anotherPod = "another pod"
)

// tokenGiven is a token that Genesys Cloud has given.
type tokenGiven struct {
	number  int
	to      string
	life    time.Duration
	evicted int // the number of the one that is good no longer; 0 if there is none
}

func (tokenGiven) who() string { return "genesys" }

func (t tokenGiven) what(c colour) string {
	line := fmt.Sprintf("token %d for %s, good for %.0f h", t.number, t.to, t.life.Hours())
	if t.evicted != 0 {
		line += fmt.Sprintf("; token %d is evicted", t.evicted)
	}
	if t.to == theSidecar {
		return c.paint(green, line)
	}
	return line
}

// genesysAnswer is what the Genesys Cloud Platform API answered to the sidecar.
type genesysAnswer struct {
	caller     int // that it was asked for
	token      int // the number of the one that it was shown; 0 if it did not look
	status     int
	retryAfter string // empty if there is none
	again      bool   // it has refused a token that it was shown for this caller
}

func (genesysAnswer) who() string { return "genesys" }

func (a genesysAnswer) what(c colour) string {
	line := fmt.Sprintf("asked for caller %d", a.caller)
	if a.again {
		line += " again"
	}
	if a.token != 0 {
		line += fmt.Sprintf(" with token %d", a.token)
	}
	line += fmt.Sprintf(": %d %s", a.status, http.StatusText(a.status))
	if a.retryAfter != "" {
		line += ", Retry-After: " + a.retryAfter
	}
	if a.status == http.StatusUnauthorized {
		return c.paint(red, line)
	}
	return line
}
