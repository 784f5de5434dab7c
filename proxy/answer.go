package proxy

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fender-proxy/fender/policy"
)

// answer gives the client an answer of Fender's own: the fallback if there is
// one for the reason, else a problem (RFC 9457).
func (x *exchange) answer() {
	call := x.call
	if call.ClientErr != nil {
		x.blameClient(call.ClientErr)
		return
	}
	x.writeSoon()
	x.outcome = ours(call)
	if x.instead == nil {
		x.instead = x.standIn()
	}
	if x.instead != nil && x.fallBack(x.instead) {
		return
	}
	x.explain()
	status, detail := describeReason(call)
	x.problem(status, detail)
}

// fallBack answers with the stand-in and reports whether it could. Its headers
// cannot replace ours.
func (x *exchange) fallBack(s *standIn) bool {
	if s.lastGood != nil {
		x.answerAgain(s.lastGood)
		return true
	}
	f := s.fallback
	body, err := f.render(x, x.retryAfter())
	if err != nil {
		x.proxy.logger.Error("fallback", "route", x.routeName(), "request_id", x.requestID, "error", err)
		return false
	}
	x.outcome = OutcomeFallback
	x.route.metrics.fallback(x.call.Reason, sourceStatic)
	maps.Copy(x.Header(), f.header)
	x.explain()
	x.write(f.config.Status, body)
	return true
}

// explain says in the header why the answer is ours.
func (x *exchange) explain() {
	h := x.Header()
	h.Set("Fender-Reason", string(x.call.Reason))
	h.Set("Proxy-Status", proxyStatus(x.call))
	if retryAfter := x.retryAfter(); retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(retryAfter))
	}
}

// ours is the outcome of an answer that is not the upstream's.
func ours(call *policy.Call) Outcome {
	if call.Attempts == 0 {
		return OutcomeRefused
	}
	return OutcomeFailed
}

// retryAfter is the number of seconds after which asking again makes sense, 0
// if the reason does not tell.
func (x *exchange) retryAfter() int {
	if x.call.Reason != policy.ReasonOpen && x.call.Reason != policy.ReasonThrottled {
		return 0
	}
	left := time.Until(x.call.RetryAt)
	return max(1, int((left+time.Second-1)/time.Second))
}

// blameClient answers a request that failed through its client.
func (x *exchange) blameClient(err *policy.ClientError) {
	if err.Status == policy.StatusClientClosedRequest {
		panic(http.ErrAbortHandler) // see recover
	}
	x.outcome, x.invalid = ours(x.call), true
	x.writeBy(time.Now().Add(refusalTime))
	detail := map[int]string{
		http.StatusBadRequest:            "the request body is malformed",
		http.StatusRequestTimeout:        "the request body did not arrive in time",
		http.StatusRequestEntityTooLarge: "the request body is too large",
	}[err.Status]
	x.problem(err.Status, detail)
}

// refuse answers a request that no route takes.
func (x *exchange) refuse(r *refusal) {
	x.outcome, x.invalid, x.refusal = OutcomeRefused, true, r.detail
	x.writeBy(time.Now().Add(refusalTime))
	x.Header().Set("Proxy-Status", "fender; error=http_request_error")
	if r.allow != nil {
		x.Header().Set("Allow", strings.Join(r.allow, ", "))
	}
	x.problem(r.status, r.detail)
}

// describeReason returns status and text of a problem. The text holds nothing
// that only an operator should see.
func describeReason(call *policy.Call) (status int, detail string) {
	switch call.Reason {
	case policy.ReasonOpen:
		return http.StatusServiceUnavailable, "the upstream has been failing and is left alone for now"
	case policy.ReasonThrottled:
		return http.StatusServiceUnavailable, "no more requests may be sent to the upstream for now"
	case policy.ReasonOverloaded:
		return http.StatusServiceUnavailable, "too many requests are waiting for the upstream"
	case policy.ReasonTimeout:
		return http.StatusGatewayTimeout, "the upstream did not answer in time"
	case policy.ReasonUnauthorized:
		return http.StatusBadGateway, "no credentials for the upstream could be had"
	case policy.ReasonUnreachable, policy.ReasonError:
	}
	switch call.ProxyError {
	case "dns_error", "connection_refused", "connection_timeout", "tls_certificate_error":
		return http.StatusBadGateway, "the upstream could not be reached"
	}
	return http.StatusBadGateway, "the upstream gave no whole answer"
}

// proxyStatus says in the terms of RFC 9209 why the answer is ours.
func proxyStatus(call *policy.Call) string {
	if call.UpstreamStatus != 0 {
		return fmt.Sprintf("fender; received-status=%d", call.UpstreamStatus)
	}
	kind := "destination_unavailable"
	switch call.Reason {
	case policy.ReasonOverloaded:
		kind = "connection_limit_reached"
	case policy.ReasonTimeout:
		kind = "http_response_timeout"
	case policy.ReasonUnreachable:
		kind = call.ProxyError
	case policy.ReasonOpen, policy.ReasonThrottled, policy.ReasonUnauthorized, policy.ReasonError:
	}
	return "fender; error=" + kind
}

// problem writes a problem (RFC 9457) as the whole answer.
func (x *exchange) problem(status int, detail string) {
	var reason policy.Reason
	if x.call != nil {
		reason = x.call.Reason
	}
	body, _ := json.Marshal(struct {
		Type      string        `json:"type"`
		Title     string        `json:"title"`
		Status    int           `json:"status"`
		Detail    string        `json:"detail"`
		Reason    policy.Reason `json:"reason,omitempty"`
		Route     string        `json:"route,omitempty"`
		RequestID string        `json:"request_id"`
	}{"about:blank", http.StatusText(status), status, detail, reason, x.routeName(), x.requestID})
	x.Header().Set("Content-Type", "application/problem+json")
	x.write(status, append(body, '\n'))
}

// write writes an answer of our own. It is flushed while its deadline holds.
func (x *exchange) write(status int, body []byte) {
	h := x.Header()
	x.describe(h)
	h.Set("Cache-Control", "no-store")
	switch {
	case status == http.StatusNoContent || status == http.StatusNotModified:
	case x.outcome == OutcomeStale && x.request.Method == http.MethodHead: // it has what the upstream said
	default:
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	x.WriteHeader(status)
	if x.request.Method != http.MethodHead {
		_, _ = x.Write(body) // a client that left is not worth a word
	}
	_ = x.control.Flush()
}
