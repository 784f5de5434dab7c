package enrichment

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Path is where the handler answers.
const Path = "/api/v1/dataactions/customer-enrichment"

// DefaultTimeout is the time for an answer if [Config] has none.
const DefaultTimeout = 5 * time.Second

// statusClientGone is the status of a request whose client left before it was
// answered, in the log and in metrics.
const statusClientGone = 499

// Config says whom a handler asks, and for whom.
type Config struct {
	// CRM and Genesys are the base URLs of the two APIs, as [ParseBaseURL] returns
	// them. Both are required.
	CRM, Genesys *url.URL
	// Timeout is the time from a request's head to its answer, body and lookups
	// included. Zero means [DefaultTimeout].
	Timeout time.Duration
	// Token is what callers must show as "Authorization: Bearer …". Empty lets
	// anybody in.
	Token string
	// Logger gets one line a request; nil discards them.
	Logger *slog.Logger
	// Registerer gets the metrics; nil means that nobody reads them.
	Registerer prometheus.Registerer
}

// Handler answers the requests of a Data Action at [Path], and 404 anywhere
// else. It is safe for concurrent use.
type Handler struct {
	crm, genesys *source
	timeout      time.Duration
	token        string
	logger       *slog.Logger
	metrics      *metrics
}

// New returns a handler. It panics if the Registerer has its metrics already.
// Close it when it is no longer served.
func New(c Config) *Handler {
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{
		crm:     newSource(c.CRM),
		genesys: newSource(c.Genesys),
		timeout: c.Timeout,
		token:   c.Token,
		logger:  c.Logger,
		metrics: newMetrics(c.Registerer),
	}
}

// Close closes the connections that are kept for later requests.
func (h *Handler) Close() {
	h.crm.close()
	h.genesys.close()
}

// ServeHTTP implements [http.Handler]. It bounds the reading of the request; the
// writing of the answer is the server's to bound.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := newExchange(r)
	h.metrics.inFlight.Inc()
	defer h.end(r.Context(), x)
	ctx, cancel := context.WithTimeout(r.Context(), h.timeout)
	defer cancel()

	x.write(w, h.answer(ctx, w, x))
}

// end counts and logs an exchange. One that has no status broke off, and that is
// ours.
func (h *Handler) end(ctx context.Context, x *exchange) {
	if x.status == 0 {
		x.status = http.StatusInternalServerError
	}
	h.metrics.inFlight.Dec()
	h.metrics.record(x)
	h.log(ctx, x)
}

// answer returns the answer to the request of x. It aborts the handler if the client
// has left.
func (h *Handler) answer(ctx context.Context, w http.ResponseWriter, x *exchange) answer {
	if refused := h.admit(x.request); refused != nil {
		return x.refuse(refused)
	}
	body, refused := readBody(ctx, w, x.request)
	if refused != nil {
		return x.refuse(refused)
	}
	q, refused := decode(body)
	if refused != nil {
		return x.refuse(refused)
	}
	x.caller.adopt(q.requestID)
	h.lookUp(ctx, q, x)
	// Not asked before: a body that stalls ends the context too, and its sender
	// gets an answer.
	if x.request.Context().Err() != nil {
		x.status = statusClientGone
		panic(http.ErrAbortHandler)
	}
	if trouble := x.customer.trouble(); trouble != nil {
		return x.fail(trouble)
	}
	return x.succeed()
}

// admit returns why the head of a request is refused, nil if it is not.
func (h *Handler) admit(r *http.Request) *problem {
	switch {
	case r.URL.Path != Path:
		return refusedPath
	case r.Method != http.MethodPost:
		return refusedMethod
	case h.token != "" && !h.knows(r.Header.Get("Authorization")):
		return refusedToken
	case !isJSON(r.Header.Get("Content-Type")):
		return refusedType
	}
	return nil
}

// knows reports whether authorization holds the token. The time it takes does
// not tell how much of it was right, nor how long it is.
func (h *Handler) knows(authorization string) bool {
	scheme, token, _ := strings.Cut(authorization, " ")
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(h.token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// lookUp makes both lookups at once. Without a customer the answer is an error,
// and nobody waits for the conversation.
func (h *Handler) lookUp(ctx context.Context, q question, x *exchange) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var other sync.WaitGroup
	if q.conversationID != "" {
		other.Go(func() { x.conversation = h.findConversation(ctx, q.conversationID, x.caller) })
	}
	x.customer = h.findCustomer(ctx, q.contactID, x.caller)
	if x.customer.trouble() != nil {
		cancel()
	}
	other.Wait()
}
