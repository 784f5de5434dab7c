package proxy

import (
	"context"
	"net/http"
	"time"

	"github.com/fender-proxy/fender/policy"
)

const (
	// answerGrace is the time a client has at least to take an answer, which may
	// be there just before the deadline, or given at it.
	answerGrace = 250 * time.Millisecond
	// refusalTime is the time a client has to take a refusal.
	refusalTime = 5 * time.Second
)

// Outcome says whose answer a client got, and how it came about.
type Outcome string

// The outcomes.
const (
	// OutcomeUpstream is the upstream's answer to the first attempt.
	OutcomeUpstream Outcome = "upstream"
	// OutcomeRetried is the upstream's answer after more than one attempt.
	OutcomeRetried Outcome = "retried"
	// OutcomeFallback is the configured answer in the upstream's stead.
	OutcomeFallback Outcome = "fallback"
	// OutcomeStale is the last good answer.
	OutcomeStale Outcome = "stale"
	// OutcomeRefused is an answer of ours, without asking the upstream.
	OutcomeRefused Outcome = "refused"
	// OutcomeFailed is an answer of ours, after asking the upstream.
	OutcomeFailed Outcome = "failed"
	// OutcomeCanceled is a client that left.
	OutcomeCanceled Outcome = "canceled"
	// OutcomeInvalid is a request that was wrong.
	OutcomeInvalid Outcome = "invalid"
)

// exchange is one request and its answer. It is the ResponseWriter that the
// answer goes through. It belongs to one goroutine.
type exchange struct {
	http.ResponseWriter
	control *http.ResponseController
	proxy   *Proxy
	request *http.Request
	start   time.Time

	requestID string
	route     *route // nil if no route takes the request
	found     found
	call      *policy.Call
	instead   *standIn // for the upstream's answer; nil if there is none, or none yet

	status   int     // of the final answer; 0 until there is one
	outcome  Outcome // as the client is told
	invalid  bool    // the client is the cause
	aborted  bool    // the client saw its connection break
	left     bool    // the client does not take its answer
	streamed bool
	rest     bool   // of the request is to be read once the answer is out
	refusal  string // why no route takes the request, for the log
}

func (p *Proxy) begin(w http.ResponseWriter, r *http.Request) *exchange {
	return &exchange{
		ResponseWriter: w,
		control:        http.NewResponseController(w),
		proxy:          p,
		request:        r,
		start:          time.Now(),
		requestID:      requestID(r.Header),
	}
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	return ctx.Value(exchangeKey{}).(*exchange)
}

// serve sends the request on its route.
func (x *exchange) serve(r *http.Request) {
	rt := x.route
	rt.metrics.inFlight.Inc()
	defer rt.metrics.inFlight.Dec()

	timeout := clientTimeout(r.Header, rt.config.Timeout.Request)
	body := policy.NewBody(r.Body, r.ContentLength, rt.config.MaxRequestBody)
	ctx := context.WithValue(r.Context(), exchangeKey{}, x)
	x.call = policy.NewCall(ctx, x.start, timeout, body)
	defer x.call.End()
	x.call.Injected = rt.injects(r.Header)
	x.call.BodyFirst = body != nil && rt.fallback.keeps(r.Method)
	x.writeBy(x.call.Deadline())
	if body != nil {
		// A transport waits for the client's body even after its context has
		// ended (https://go.dev/issue/78555).
		x.readBy(x.call.Deadline())
	}

	r = r.WithContext(x.call.Context())      //nolint:contextcheck // it was made from r's
	r.Body, r.ContentLength = http.NoBody, 0 // the call has it
	rt.proxy.ServeHTTP(x, r)
}

// writeBy bounds the time that the client may take to read the answer. A writer
// without a connection, as in tests, has no such bound.
func (x *exchange) writeBy(t time.Time) { _ = x.control.SetWriteDeadline(t) }

// writeSoon bounds the time that the client may take to read a whole answer: until
// the deadline, or a moment longer.
func (x *exchange) writeSoon() {
	x.writeBy(time.Now().Add(max(answerGrace, time.Until(x.call.Deadline()))))
}

// readBy bounds the time that the client may take to send its request.
func (x *exchange) readBy(t time.Time) { _ = x.control.SetReadDeadline(t) }

// Unwrap returns the underlying writer, for [http.ResponseController].
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// WriteHeader begins the answer. It is not called for informational answers:
// attempts do not ask for them.
func (x *exchange) WriteHeader(status int) {
	x.status = status
	x.settleRequest()
	x.ResponseWriter.WriteHeader(status)
}

// Write passes on a part of the answer. A client that reads a stream may take
// as long as a stream may be silent for each part.
func (x *exchange) Write(b []byte) (int, error) {
	if x.streamed {
		x.extend()
	}
	n, err := x.ResponseWriter.Write(b)
	x.left = x.left || err != nil
	return n, err
}

// extend lets a stream go on. A client that is still sending has as much time.
func (x *exchange) extend() {
	until := time.Now().Add(x.route.config.Timeout.StreamIdle)
	x.writeBy(until)
	if x.call.Body.Complete() {
		until = time.Time{} // also lifts one that was set just as the body ended
	}
	x.readBy(until)
}

// end counts and logs the exchange.
func (x *exchange) end() {
	took := time.Since(x.start)
	switch {
	case x.invalid:
		x.outcome = OutcomeInvalid
	case x.status == 0 || x.aborted && (x.left || x.request.Context().Err() != nil):
		x.status, x.outcome = policy.StatusClientClosedRequest, OutcomeCanceled
	case x.aborted:
		x.outcome = OutcomeFailed
	}
	x.proxy.metrics.request(x, took)
	x.proxy.log.request(x, took)
}

func (x *exchange) routeName() string {
	if x.route == nil {
		return ""
	}
	return x.route.config.Name
}
