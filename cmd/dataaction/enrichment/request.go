package enrichment

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
)

// maxBody is the longest request body, in bytes.
const maxBody = 64 << 10

const jsonType = "application/json"

// A question is what a request asks.
type question struct {
	contactID      string
	conversationID string // empty: not asked for
	requestID      string // the envelope's, whatever it is; empty if there is none
}

// isJSON reports whether a Content-Type is JSON.
func isJSON(contentType string) bool {
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && mediaType == jsonType
}

// readBody reads the body of a request until the deadline of ctx.
func readBody(ctx context.Context, w http.ResponseWriter, r *http.Request) ([]byte, *problem) {
	// net/http lifts the deadline at the body's end. What cannot set one has no
	// connection to stall on.
	if deadline, ok := ctx.Deadline(); ok {
		_ = http.NewResponseController(w).SetReadDeadline(deadline)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	_, tooLong := errors.AsType[*http.MaxBytesError](err)
	switch {
	case tooLong:
		return nil, refusedSize
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, refusedDelay
	case err != nil:
		return nil, refusedBody
	}
	return body, nil
}

// decode returns the question in a body, flat or in its envelope.
func decode(body []byte) (question, *problem) {
	type inputs struct {
		ContactID      *string `json:"contactId"`
		ConversationID *string `json:"conversationId"`
	}
	var message *struct {
		inputs
		Inputs   *inputs         `json:"inputs"`
		Metadata json.RawMessage `json:"metadata"`
	}
	if err := json.Unmarshal(body, &message); err != nil || message == nil {
		return question{}, refusedBody
	}
	in := message.inputs
	if message.Inputs != nil {
		in = *message.Inputs
	}
	q := question{requestID: requestIDIn(message.Metadata)}
	if in.ContactID == nil || !validID(*in.ContactID) {
		return question{}, refusedContact
	}
	q.contactID = *in.ContactID
	if in.ConversationID == nil || *in.ConversationID == "" {
		return q, nil
	}
	if !validID(*in.ConversationID) {
		return question{}, refusedConversation
	}
	q.conversationID = *in.ConversationID
	return q, nil
}

// requestIDIn returns the request ID in an envelope's metadata, empty if there is
// none. Metadata of another shape are no reason to refuse the request.
func requestIDIn(text json.RawMessage) string {
	var metadata struct {
		RequestID string `json:"requestId"`
	}
	_ = json.Unmarshal(text, &metadata)
	return metadata.RequestID
}

// idRule is what validID asks, in words.
const idRule = `must be 1 to 128 of A-Z a-z 0-9 . _ ~ : @ - and neither "." nor ".."`

const (
	alphanumerics = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	maxID         = 128
)

// validID reports whether an id is one segment of a path to everybody who
// reads it, escaped or not.
func validID(id string) bool {
	return id != "." && id != ".." && consists(id, alphanumerics+"._~:@-")
}

// consists reports whether text is 1 to maxID of the bytes in set.
func consists(text, set string) bool {
	return text != "" && len(text) <= maxID && strings.Trim(text, set) == ""
}
