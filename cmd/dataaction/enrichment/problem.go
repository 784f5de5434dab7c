package enrichment

import "net/http"

// A problem says why a request gets no outputs, in words that its sender may read.
type problem struct {
	status        int
	code, message string
	// name and value are a header that belongs to the status, if there is one.
	name, value string
}

var (
	refusedPath = &problem{status: http.StatusNotFound, code: "not_found",
		message: "there is nothing here"}
	refusedMethod = &problem{status: http.StatusMethodNotAllowed, code: "method_not_allowed",
		message: "only POST is allowed", name: "Allow", value: http.MethodPost}
	refusedToken = &problem{status: http.StatusUnauthorized, code: "unauthorized",
		message: "a valid bearer token is required", name: "WWW-Authenticate", value: "Bearer"}
	refusedType = &problem{status: http.StatusUnsupportedMediaType, code: "unsupported_media_type",
		message: "the Content-Type must be application/json", name: "Accept", value: jsonType}
	refusedSize = &problem{status: http.StatusRequestEntityTooLarge, code: "body_too_large",
		message: "the body is longer than 64 KiB"}
	refusedDelay = &problem{status: http.StatusRequestTimeout, code: "body_timeout",
		message: "the body did not arrive in time", name: "Connection", value: "close"}
	refusedBody = &problem{status: http.StatusBadRequest, code: "invalid_body",
		message: "the body must be one JSON object with a contactId and, if there is one, a conversationId, both strings"}
	refusedContact = &problem{status: http.StatusBadRequest, code: "invalid_contact_id",
		message: "contactId " + idRule}
	refusedConversation = &problem{status: http.StatusBadRequest, code: "invalid_conversation_id",
		message: "conversationId " + idRule}
)
