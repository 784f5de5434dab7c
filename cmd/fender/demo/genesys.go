package demo

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// genesys is the stand-in for the Genesys Cloud Platform API: its token
// endpoint, and the details of conversations for those who have a token. It is
// safe for concurrent use.
type genesys struct {
	latency time.Duration // of every answer
	client  client
	tokens  tokens
	report  func(event) // gets each tokenGiven and genesysAnswer before it goes out

	down atomic.Bool  // the API answers 503; the token endpoint is well
	seen atomic.Int64 // requests, but for those of tokens
}

// count returns how many requests there were, but for those of tokens.
func (g *genesys) count() int { return int(g.seen.Load()) }

func (g *genesys) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(g.latency):
	case <-r.Context().Done():
		return
	}
	switch {
	case r.URL.Path != "/oauth/token":
		g.seen.Add(1)
		g.serveAPI(w, r)
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
	default:
		g.serveToken(w, r)
	}
}

// grantRefused is the token endpoint's answer without a token.
type grantRefused struct {
	Error       string `json:"error"`
	Description string `json:"description"`
	Detail      string `json:"error_description"`
}

// serveToken gives a token for client credentials (RFC 6749, 4.4).
func (g *genesys) serveToken(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	switch {
	case client{id, secret} != g.client:
		const why = "client not found, or not its secret"
		w.Header().Set("WWW-Authenticate", "Basic")
		writeJSON(w, http.StatusUnauthorized, grantRefused{"invalid_client", why, why})
	case r.PostFormValue("grant_type") != "client_credentials":
		const why = "this client has the client credentials grant"
		writeJSON(w, http.StatusBadRequest, grantRefused{"unsupported_grant_type", why, why})
	default:
		value, given := g.tokens.issue()
		given.to = theSidecar
		g.report(given)
		writeJSON(w, http.StatusOK, struct {
			AccessToken string `json:"access_token"`
			TokenType   string `json:"token_type"`
			ExpiresIn   int    `json:"expires_in"`
		}{value, "bearer", int(given.life.Seconds())})
	}
}

// serveAPI answers who has a token that is good, and not too often.
func (g *genesys) serveAPI(w http.ResponseWriter, r *http.Request) {
	a := genesysAnswer{caller: callerOf(r.Header)}
	refuse := func(status int, code, message string) {
		a.status = status
		g.report(a)
		writeJSON(w, status, newAPIError(status, code, message))
	}
	if g.down.Load() {
		refuse(http.StatusServiceUnavailable, "service.unavailable", "The service is not available.")
		return
	}
	value, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	u := g.tokens.use(value)
	a.token = u.token
	if !u.good {
		refuse(http.StatusUnauthorized, "bad.credentials", "Invalid login credentials.")
		return
	}
	reset := strconv.Itoa(int(math.Ceil(u.reset.Seconds())))
	h := w.Header()
	h.Set("inin-ratelimit-count", strconv.Itoa(u.count))
	h.Set("inin-ratelimit-allowed", strconv.Itoa(u.allowed))
	h.Set("inin-ratelimit-reset", reset)
	if u.tooMany {
		a.retryAfter = reset
		h.Set("Retry-After", reset)
		refuse(http.StatusTooManyRequests, "too.many.requests.retry.after",
			"Rate limit exceeded the maximum. Retry the request in ["+reset+"] seconds")
		return
	}
	found, ok := findConversation(r)
	if !ok {
		refuse(http.StatusNotFound, "not.found", "The requested resource was not found.")
		return
	}
	a.status = http.StatusOK
	g.report(a)
	writeJSON(w, http.StatusOK, found)
}

// apiError is the body of every answer that is an error.
type apiError struct {
	Message   string   `json:"message"`
	Code      string   `json:"code"`
	Status    int      `json:"status"`
	ContextID string   `json:"contextId"`
	Details   []string `json:"details"`
	Errors    []string `json:"errors"`
}

func newAPIError(status int, code, message string) apiError {
	return apiError{message, code, status, rand.Text(), []string{}, []string{}}
}

// The details of a conversation, as far as anybody here reads them.
type (
	conversation struct {
		ID           string        `json:"conversationId"`
		Participants []participant `json:"participants"`
	}
	participant struct {
		Purpose  string    `json:"purpose"`
		Sessions []session `json:"sessions"`
	}
	session struct {
		MediaType string    `json:"mediaType"`
		Segments  []segment `json:"segments"`
	}
	segment struct {
		Type  string    `json:"segmentType"`
		Start time.Time `json:"segmentStart"`
	}
)

// lastActions are what happened last in the conversations, in turn.
var lastActions = []string{"interact", "ivr", "hold"}

// conversationID is the id of the nth caller's conversation.
func conversationID(n int) string { return fmt.Sprintf("%s%012d", conversationPrefix, n) }

const conversationPrefix = "5e0c3f4a-7d1b-4c8e-9a26-"

// findConversation returns the one whose details a request is for.
func findConversation(r *http.Request) (c conversation, ok bool) {
	path, found := strings.CutPrefix(r.URL.Path, "/api/v2/analytics/conversations/")
	id, isDetails := strings.CutSuffix(path, "/details")
	number, isOurs := strings.CutPrefix(id, conversationPrefix)
	n, err := strconv.Atoi(number)
	if r.Method != http.MethodGet || !found || !isDetails || !isOurs || err != nil || n < 0 {
		return conversation{}, false
	}
	now := time.Now().UTC()
	return conversation{id, []participant{{"customer", []session{{"voice", []segment{
		{"system", now.Add(-time.Minute)},
		{lastActions[n%len(lastActions)], now},
	}}}}}}, true
}

// writeJSON writes an answer. Who left needs none.
func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
