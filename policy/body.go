package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// StatusClientClosedRequest is the status that logs and metrics give a call
// whose client left. No client sees it.
const StatusClientClosedRequest = 499

// ClientError is a call that failed through its client: its body was malformed
// (400), too slow (408) or too big (413), or it left (499). It says nothing
// about the upstream.
type ClientError struct {
	Status int
	Err    error
}

func (e *ClientError) Error() string { return fmt.Sprintf("client: %v", e.Err) }

// Unwrap returns the cause.
func (e *ClientError) Unwrap() error { return e.Err }

// Body is a request body on its way from a client to an upstream. It remembers
// how the client's side ended, because to the transport a client that fails in
// its body looks like an upstream that fails.
//
// A Body that fits is held and can be sent again; a larger one is passed on as
// it comes, once.
type Body struct {
	src    io.Reader
	length int64 // as declared; -1 if unknown
	limit  int64 // of bytes; 0 is none

	held   []byte // what has been read ahead
	whole  bool   // held is all of it
	memory *Memory

	attached bool // an attempt was given what is not held
	read     int64
	touched  atomic.Bool  // and has read of it
	closed   atomic.Bool  // the client's side must not be read any more
	endedAt  atomic.Int64 // when the last byte was read, in Unix ns
	onEnd    atomic.Pointer[func()]
	failure  atomic.Pointer[ClientError]
}

// NewBody returns a Body that reads from r. Its length is that of the
// Content-Length, or -1; limit is the largest number of bytes, 0 for any.
// It returns nil if there is no body.
func NewBody(r io.Reader, length int64, limit Size) *Body {
	if r == nil || r == http.NoBody || length == 0 {
		return nil
	}
	return &Body{src: r, length: length, limit: int64(limit)}
}

// Err returns the client's error, or nil.
func (b *Body) Err() *ClientError {
	if b == nil {
		return nil
	}
	return b.failure.Load()
}

// hold reads the body into memory if it is no longer than size bytes and memory
// has the room. If it does not fit, the body is left to be passed on.
func (b *Body) hold(size Size, memory *Memory) *ClientError {
	if b == nil || b.whole {
		return nil
	}
	if b.limit > 0 && b.length > b.limit {
		return b.fail(http.StatusRequestEntityTooLarge, fmt.Errorf("request body of %d bytes is over the limit of %d", b.length, b.limit))
	}
	if size == 0 || b.length > int64(size) {
		return nil
	}
	var err error
	b.memory = memory
	if b.held, b.whole, err = hold(b, b.length, int64(size), memory); err != nil {
		return b.Err()
	}
	return nil
}

// Held returns the whole body, if it is held or there is none. It must not be
// changed.
func (b *Body) Held() (body []byte, ok bool) {
	if b == nil {
		return nil, true
	}
	return b.held, b.whole
}

// close gives back the memory that b holds and ends the reading of the client's
// side, which is not allowed once the handler has returned.
func (b *Body) close() {
	if b != nil {
		b.closed.Store(true)
		b.memory.release(reserved(b.held))
	}
}

// Read reads from the client and remembers its error.
func (b *Body) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.attached {
		b.touched.Store(true)
	}
	n, err := b.src.Read(p)
	b.read += int64(n)
	switch {
	case b.limit > 0 && b.read > b.limit:
		return n, b.fail(http.StatusRequestEntityTooLarge, fmt.Errorf("request body is over the limit of %d bytes", b.limit))
	case err == io.EOF:
		b.endedAt.Store(time.Now().UnixNano())
		if f := b.onEnd.Load(); f != nil {
			(*f)()
		}
		return n, err
	case err != nil:
		return n, b.fail(clientStatus(err), err)
	}
	return n, nil
}

func (b *Body) fail(status int, err error) *ClientError {
	b.failure.CompareAndSwap(nil, &ClientError{Status: status, Err: err})
	return b.failure.Load()
}

// clientStatus returns the status for an error of reading from a client.
func clientStatus(err error) int {
	var network interface{ Timeout() bool }
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout
	case errors.As(err, &network):
		return StatusClientClosedRequest
	}
	// A body that is cut off (io.ErrUnexpectedEOF) is malformed: its sender may
	// have closed one direction only and still wait for the answer.
	return http.StatusBadRequest
}

// sendable reports whether the body can be given to an attempt, or to another.
func (b *Body) sendable() bool { return b == nil || b.whole || !b.touched.Load() }

// Complete reports whether the client has sent all of the body, or there is
// none.
func (b *Body) Complete() bool { return !b.unread() }

// unread reports whether the client's side has not been read to its end.
func (b *Body) unread() bool { return b != nil && !b.whole && b.endedAt.Load() == 0 }

// atEnd has f called when the client's side has been read to its end, on the
// goroutine that reads.
func (b *Body) atEnd(f func()) { b.onEnd.Store(&f) }

// sentSince returns from when on the upstream alone could have had the whole
// request, for an attempt that began at start; the zero time if it never had.
func (b *Body) sentSince(start time.Time) time.Time {
	if b == nil || b.whole {
		return start
	}
	if ns := b.endedAt.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// attach gives the body to an attempt's request. Each attempt has a reader of
// its own, because a transport may read on after it has returned. GetBody stays
// nil, so that the transport repeats nothing by itself.
func (b *Body) attach(req *http.Request) {
	req.GetBody = nil
	if b == nil {
		req.Body, req.ContentLength = nil, 0
		return
	}
	if b.whole {
		req.ContentLength = int64(len(b.held))
		req.Body = io.NopCloser(bytes.NewReader(b.held))
		if len(b.held) == 0 {
			req.Body = nil
		}
		return
	}
	b.attached = true
	req.ContentLength = b.length
	req.Body = io.NopCloser(io.MultiReader(bytes.NewReader(b.held), b))
}
