package enrichment

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
)

// A result is how a lookup ended.
type result string

const (
	resultOK          result = "ok"
	resultFallback    result = "fallback"    // the sidecar's stand-in
	resultStale       result = "stale"       // the last good answer, given again
	resultNotFound    result = "not_found"   // a 404 of the API itself
	resultFailed      result = "failed"      // any other status
	resultMalformed   result = "malformed"   // an answer that makes no sense, or no end
	resultTimeout     result = "timeout"     // our deadline
	resultUnreachable result = "unreachable" // no answer, or half of one
	resultCanceled    result = "canceled"    // nobody waits for it any more
)

// results are all of them.
var results = []result{
	resultOK, resultFallback, resultStale, resultNotFound, resultFailed,
	resultMalformed, resultTimeout, resultUnreachable, resultCanceled,
}

// answered reports whether there is a body that is worth reading.
func (r result) answered() bool {
	return r == resultOK || r == resultFallback || r == resultStale
}

// A reply is what came of a lookup.
type reply struct {
	result  result
	status  int    // 0 if none came
	circuit string // the sidecar's word for it; empty if it has no breaker
	reason  string // the sidecar's, for an answer of its own
	body    []byte
	// err is for the log. It holds nothing of the path and nothing that the API said.
	err error
}

// classify returns the result that the head of an answer promises.
func classify(resp *http.Response) result {
	outcome := resp.Header.Get("Fender-Outcome")
	switch {
	case resp.StatusCode == http.StatusNotFound && spoke(outcome, resp.Header.Get("Proxy-Status")):
		return resultNotFound
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return resultFailed
	case outcome == "fallback":
		return resultFallback
	case outcome == "stale":
		return resultStale
	}
	return resultOK
}

// spoke reports whether the API itself gave an answer. The sidecar says 404 too,
// where it has no route: to take this for an unknown customer would turn a
// mistake in its configuration into wrong answers that nobody notices.
func spoke(outcome, proxyStatus string) bool {
	if outcome == "" {
		return !strings.HasPrefix(proxyStatus, "fender;")
	}
	return outcome == "upstream" || outcome == "retried"
}

// broken is the reply that a transport's error means. Only the errors of sockets are
// kept: others quote URLs or what an API sent.
func broken(ctx context.Context, err error) reply {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return reply{result: resultTimeout}
	case ctx.Err() != nil:
		return reply{result: resultCanceled}
	}
	if socket, ok := errors.AsType[*net.OpError](err); ok {
		return reply{result: resultUnreachable, err: socket}
	}
	return reply{result: resultUnreachable, err: errors.New("there was no whole answer")}
}

// circuitState is the state of the circuit in the words of the action.
func (r *reply) circuitState() string {
	switch r.circuit {
	case "open", "forced-open":
		return "OPEN"
	case "half-open":
		return "HALF_OPEN"
	}
	return "CLOSED"
}
