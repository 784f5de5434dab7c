package wire

import (
	"bufio"
	"net"
	"time"
)

// An Exchange is one request in the hands of an Answer. It belongs to the Answer's goroutine.
type Exchange struct {
	Request *Request // its body is there after ReadBody

	upstream *Upstream
	conn     *net.TCPConn
	reader   *bufio.Reader
	read     bool
	over     bool
}

func (u *Upstream) serve(conn *net.TCPConn, number int) {
	reader := bufio.NewReader(conn)
	for {
		request, err := readHead(reader)
		if err != nil {
			return
		}
		request.Conn, request.Arrived = number, time.Now()
		x := &Exchange{Request: request, upstream: u, conn: conn, reader: reader}
		u.admit(request)(x)
		u.mu.Lock()
		u.inFlight--
		u.mu.Unlock()
		if x.over || !x.read {
			return
		}
	}
}

// admit records a request and picks its answer.
func (u *Upstream) admit(request *Request) Answer {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.requests = append(u.requests, request)
	u.inFlight++
	u.maxed = max(u.maxed, u.inFlight)
	answer := u.script[min(u.next, len(u.script)-1)]
	u.next++
	return answer
}

// ReadBody reads the request's body to its end and reports whether it came whole. Further calls do nothing.
func (x *Exchange) ReadBody() bool {
	if x.read || x.over {
		return x.read
	}
	body, trailer, err := readBody(x.reader, x.Request.Header)
	x.read = err == nil
	x.over = err != nil
	x.upstream.mu.Lock()
	defer x.upstream.mu.Unlock()
	x.Request.Body, x.Request.Trailer, x.Request.Whole = body, trailer, x.read
	return x.read
}

// Write sends raw bytes and reports whether the connection took them.
func (x *Exchange) Write(raw string) bool {
	if x.over {
		return false
	}
	x.upstream.mu.Lock()
	if x.Request.Answered.IsZero() {
		x.Request.Answered = time.Now()
	}
	x.upstream.mu.Unlock()
	_, err := x.conn.Write([]byte(raw))
	x.over = err != nil
	return !x.over
}

// Close ends the connection with a FIN once everything written is sent.
func (x *Exchange) Close() {
	x.over = true
	x.conn.CloseWrite()
}

// Reset ends the connection with a RST.
func (x *Exchange) Reset() {
	x.over = true
	x.conn.SetLinger(0)
	x.conn.Close()
}

// Wait returns after d, or when the other side ends the connection; it reports whether the connection is still there.
// The body must have been read.
func (x *Exchange) Wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	return wait(x, timer.C)
}

// WaitFor returns when the channel is closed or gives a value, or when the other side ends the connection; it reports
// whether the connection is still there. The body must have been read.
func (x *Exchange) WaitFor(released <-chan struct{}) bool { return wait(x, released) }

// Gone returns when the other side has ended the connection.
func (x *Exchange) Gone() { wait[struct{}](x, nil) }

func wait[T any](x *Exchange, released <-chan T) bool {
	if x.over {
		return false
	}
	gone := make(chan error, 1)
	go func() {
		_, err := x.reader.Peek(1)
		gone <- err
	}()
	select {
	case err := <-gone:
		if err == nil && released != nil { // bytes of a next request, which wait their turn
			<-released
			return true
		}
		x.over = true
		return false
	case <-released:
	}
	// The reader is freed for the next request; a timeout is forgotten once Peek has returned it.
	x.conn.SetReadDeadline(time.Unix(1, 0))
	<-gone
	x.conn.SetReadDeadline(time.Time{})
	return true
}
