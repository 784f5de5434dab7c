// Package enrichment is the reference Data Action handler: it tells a Genesys
// Cloud flow who is calling. It looks a customer up in a CRM and, at the same
// time, what happened last in the conversation, and answers in a shape that a
// flow can use whatever state the two APIs are in.
//
// The handler is a client of the Fender sidecar and of nothing else. It has no
// retries, no breaker, no tokens and no API keys of its own: both base URLs are
// the sidecar's, whose routes have all of that. What became of a call it reads
// from the sidecar's headers, Fender-Outcome and Fender-Circuit. Without a
// sidecar in between it works too; then nothing is ever a fallback and the
// circuit is always CLOSED.
//
// # The request
//
//	POST /api/v1/dataactions/customer-enrichment
//	Content-Type: application/json
//	Authorization: Bearer …              (if [Config.Token] is set)
//
//	{"contactId": "1001", "conversationId": "0f8…"}
//
// This is what Genesys Cloud sends for an action with these two inputs and the
// request template ${input.rawRequest}. The same inside an envelope is taken
// too:
//
//	{"inputs": {"contactId": "1001", "conversationId": "0f8…"}, "metadata": {"requestId": "…"}}
//
// If there are inputs, what stands beside them is not read. Keys that are not
// known are ignored. The contactId is 1 to 128 of A-Z a-z 0-9 . _ ~ : @ - and
// neither "." nor "..", so that it is one segment of a path whoever reads it.
// The conversationId obeys the same rule; if it is null, empty or missing,
// Genesys Cloud is not asked. What breaks a rule is refused before anything is
// sent.
//
// # The lookups
//
//	GET {CRM}/v1/customers/{contactId}                                → {"name": …, "tier": …}
//	GET {Genesys}/api/v2/analytics/conversations/{id}/details
//
// Both are made at once, under one deadline, [Config.Timeout] after the
// request's head. It should be longer than the timeout.request of the sidecar's
// routes, which then answer, with a fallback or an error, before it passes; and
// shorter than the action's own timeoutSeconds. The action waits for both
// lookups, so a hanging Genesys Cloud costs at most what its route allows. If
// the CRM has failed there is nothing to wait for: the other lookup is cancelled
// and the answer given at once. A client that leaves cancels both.
//
// X-Request-Id (1 to 128 of A-Z a-z 0-9 . _ -; otherwise the metadata's
// requestId; otherwise a new one), ININ-Correlation-Id, traceparent and
// tracestate are passed on. Nothing else that a caller sends reaches the
// sidecar. Redirects are not followed, answers over 256 KiB not read.
//
// # The answer
//
//	{
//	  "id": "…",                                  one for each answer
//	  "status": "success",
//	  "outputs": {
//	    "customerName": "Ada Lovelace",           or null
//	    "customerTier": "gold",                   or null
//	    "isFallback": false,
//	    "conversationLastAction": "interact"      or "none"
//	  },
//	  "metadata": {"requestId": "…", "timestamp": "…", "circuitState": "CLOSED"}
//	}
//
// A Data Action reads outputs only from a 2xx, so all that a flow can go on with
// is a 200:
//
//   - isFallback says that it was not the CRM that has just spoken:
//     Fender-Outcome is fallback or stale. A stale answer carries the customer's
//     last known name. A fallback is the same for every caller, so its name is
//     nobody's, and customerName is null whatever it says: a flow would read
//     "Service Unavailable" to the caller, or write it back to the CRM. Its tier
//     is passed on, for that is how an operator says where to route callers
//     meanwhile.
//   - A customer that the CRM does not know (its own 404, not one by the
//     sidecar) has a null name and tier, and isFallback is false.
//   - conversationLastAction is the segmentType of the segment that began last,
//     over all participants and sessions. Of segments that began together it is
//     the one that ended last, a segment that goes on being later than any; then
//     the last in the document. It is "none" if there is no segment, no
//     conversationId, or no answer: this lookup never fails the action, and it
//     is made, and told, for customers that are not known too.
//   - circuitState is that of the CRM's route: CLOSED, OPEN or HALF_OPEN. A
//     breaker that is forced open is OPEN; one that is forced closed, or none,
//     is CLOSED.
//
// Give the outputs that may be null a default in translationMapDefaults.
//
// # Errors
//
// Any other trouble with the CRM is a 500, which is the flow's failure path:
//
//	{
//	  "id": "…",
//	  "status": "error",
//	  "outputs": {},
//	  "error": {"code": "crm_timeout", "message": "the CRM did not answer in time"},
//	  "metadata": {"requestId": "…", "timestamp": "…", "circuitState": "OPEN"}
//	}
//
// The code is crm_timeout, crm_unreachable, crm_failed (a status that is no
// success) or crm_malformed (not a JSON object, or too long). A request that is
// refused gets the same shape without a circuitState: 400 (invalid_body,
// invalid_contact_id, invalid_conversation_id), 401 (unauthorized), 404
// (not_found), 405 (method_not_allowed), 408 (body_timeout), 413
// (body_too_large: over 64 KiB), 415 (unsupported_media_type).
//
// Every answer is application/json with Cache-Control: no-store and
// X-Request-Id.
//
// # What it tells
//
// One log line a request (msg=request), and the metrics
//
//	dataaction_requests_total{status}           status 499: the client left
//	dataaction_request_duration_seconds
//	dataaction_requests_in_flight
//	dataaction_lookups_total{target,result}     target crm, genesys
//
// with result ok, fallback, stale, not_found, failed, malformed, timeout,
// unreachable or canceled. Neither names a customer: ids, names, tokens and
// upstream's bodies are in no line and in no label.
package enrichment
