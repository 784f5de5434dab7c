package proxy

import (
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// arrival is how long an answer waits for a small body that is most likely
	// on its way already, so that the connection can be kept.
	arrival = 50 * time.Millisecond
	// smallBody is what is read for that.
	smallBody = 64 << 10
	// lingering is how long a client may go on sending after its answer. A
	// connection that is closed before is reset, and the answer lost.
	lingering = 500 * time.Millisecond
)

// settleRequest prepares the connection for an answer to a request whose body
// has not been read to its end. Left alone, net/http would read on before it
// sends a byte of the answer, for as long as the client likes.
func (x *exchange) settleRequest() {
	if !x.complete() && !x.arrives() {
		x.closeAfter()
	}
}

// complete reports whether the request's body has been read to its end.
func (x *exchange) complete() bool {
	if x.call != nil {
		return x.call.Body.Complete()
	}
	return x.request.Body == nil || x.request.Body == http.NoBody
}

// arrives reads a small body that no attempt has begun to read, and reports
// whether that was all of it.
func (x *exchange) arrives() bool {
	r := x.request
	if r.ContentLength > smallBody || r.Header.Get("Expect") != "" {
		return false
	}
	if x.call != nil && (x.call.Attempts > 0 || x.call.ClientErr != nil) {
		return false
	}
	x.readBy(time.Now().Add(arrival))
	_, err := io.CopyN(io.Discard, r.Body, smallBody+1)
	return errors.Is(err, io.EOF) // where net/http lifts the deadline
}

// closeAfter makes the answer the connection's last, sent without reading on.
func (x *exchange) closeAfter() {
	x.Header().Set("Connection", "close")
	_ = x.control.EnableFullDuplex()
	x.rest = true
}

// finishRequest reads what the client still sends, for a while, once the answer
// is out. A client that waits to be told to send does not.
func (x *exchange) finishRequest() {
	if !x.rest || x.aborted || x.request.Header.Get("Expect") != "" {
		return
	}
	_ = x.control.Flush()
	x.readBy(time.Now().Add(lingering))
	_, _ = io.Copy(io.Discard, x.request.Body)
}
