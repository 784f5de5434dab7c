package enrichment

import (
	"crypto/rand"
	"net/http"
	"regexp"
	"strings"
)

// A caller is how one request is known in the logs of all who have a part in
// it. What came in is passed on only if it is harmless in a header and in a log.
type caller struct {
	requestID string
	// given says that the request ID came in a header.
	given         bool
	correlationID string // Genesys Cloud's; may be empty
	traceparent   string // W3C Trace Context; may be empty
	tracestate    string
}

// maxTracestate is the longest tracestate that is passed on, in bytes (W3C Trace
// Context, 3.3.1.5, asks for no more).
const maxTracestate = 512

var traceparentForm = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// newCaller reads the headers of a request.
func newCaller(in http.Header) *caller {
	c := &caller{requestID: in.Get("X-Request-Id")}
	c.given = validRequestID(c.requestID)
	if !c.given {
		c.requestID = rand.Text()
	}
	if id := in.Get("Inin-Correlation-Id"); visible(id, maxID) && !strings.Contains(id, " ") {
		c.correlationID = id
	}
	if traceparent := in.Get("Traceparent"); traceparentForm.MatchString(traceparent) {
		c.traceparent = traceparent
		if state := strings.Join(in.Values("Tracestate"), ","); visible(state, maxTracestate) {
			c.tracestate = state
		}
	}
	return c
}

// adopt takes the request ID of an envelope, unless a header had one.
func (c *caller) adopt(id string) {
	if !c.given && validRequestID(id) {
		c.requestID = id
	}
}

// pass sets the headers of a lookup.
func (c *caller) pass(out http.Header) {
	for name, value := range map[string]string{
		"X-Request-Id":        c.requestID,
		"Inin-Correlation-Id": c.correlationID,
		"Traceparent":         c.traceparent,
		"Tracestate":          c.tracestate,
	} {
		if value != "" {
			out.Set(name, value)
		}
	}
}

// traceID returns the trace id of the traceparent, if there is one.
func (c *caller) traceID() string {
	if c.traceparent == "" {
		return ""
	}
	return strings.Split(c.traceparent, "-")[1]
}

func validRequestID(id string) bool { return consists(id, alphanumerics+"._-") }

// visible reports whether text is 1 to most bytes of printable ASCII, spaces
// included.
func visible(text string, most int) bool {
	if text == "" || len(text) > most {
		return false
	}
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}
