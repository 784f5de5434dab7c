package enrichment

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// The two values of an answer's status.
const (
	statusSuccess = "success"
	statusError   = "error"
)

// timestampForm is that of JavaScript's toISOString, which flows know.
const timestampForm = "2006-01-02T15:04:05.000Z07:00"

// An answer is what the action's caller gets.
type answer struct {
	ID       string    `json:"id"`
	Status   string    `json:"status"`
	Outputs  any       `json:"outputs"`
	Error    *failure  `json:"error,omitempty"`
	Metadata *metadata `json:"metadata"`
}

// outputs are those of a successful answer.
type outputs struct {
	CustomerName           *string `json:"customerName"`
	CustomerTier           *string `json:"customerTier"`
	IsFallback             bool    `json:"isFallback"`
	ConversationLastAction string  `json:"conversationLastAction"`
}

// failure says why there are no outputs.
type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type metadata struct {
	RequestID    string `json:"requestId"`
	Timestamp    string `json:"timestamp"`
	CircuitState string `json:"circuitState,omitempty"` // empty if the CRM was not asked
}

// succeed returns the answer with what was found.
func (x *exchange) succeed() answer {
	x.status = http.StatusOK
	a := x.begin(statusSuccess, outputs{
		CustomerName:           x.customer.name,
		CustomerTier:           x.customer.tier,
		IsFallback:             x.customer.isFallback(),
		ConversationLastAction: x.conversation.action(),
	})
	a.Metadata.CircuitState = x.customer.circuitState()
	return a
}

// fail returns the answer to a request whose lookup came to nothing.
func (x *exchange) fail(p *problem) answer {
	a := x.refuse(p)
	a.Metadata.CircuitState = x.customer.circuitState()
	return a
}

// refuse returns the answer to a request that is not served.
func (x *exchange) refuse(p *problem) answer {
	x.status, x.problem = p.status, p
	a := x.begin(statusError, struct{}{})
	a.Error = &failure{p.code, p.message}
	return a
}

func (x *exchange) begin(status string, outputs any) answer {
	return answer{
		ID:      x.id,
		Status:  status,
		Outputs: outputs,
		Metadata: &metadata{
			RequestID: x.caller.requestID,
			Timestamp: time.Now().UTC().Format(timestampForm),
		},
	}
}

// write sends an answer. A client that has left by now is not worth a word.
func (x *exchange) write(w http.ResponseWriter, a answer) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // it is JSON, and a name may have an "&"
	_ = encoder.Encode(a)        // strings and booleans always can be
	h := w.Header()
	if p := x.problem; p != nil && p.name != "" {
		h.Set(p.name, p.value)
	}
	h.Set("Content-Type", jsonType)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("X-Request-Id", x.caller.requestID)
	w.WriteHeader(x.status)
	_, _ = w.Write(body.Bytes())
}
