package policy

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"sync/atomic"
)

// TrackConn wraps a connection to an upstream so that a [Transport] can tell
// whether anything of a request was written to it. Every connection of a
// transport below a Transport should be wrapped; without that, a request that
// got a connection counts as written.
func TrackConn(c net.Conn) net.Conn { return &trackedConn{Conn: c} }

type trackedConn struct {
	net.Conn
	written atomic.Int64
	losses  atomic.Int64 // see lostWithOthers
}

func (c *trackedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}

// wire watches how one request travels over connections.
type wire struct {
	repeatable bool // the method may be sent again
	conns      int  // connections that the request was given
	repeats    int  // by the transport itself
	reused     bool
	h2         bool
	conn       *trackedConn // the last one
	atStart    int64        // bytes written to it before the request
	losses     int64        // counted on it before the request
	hidden     bool         // a repeat by the transport was stopped
	tls        atomic.Bool  // a TLS handshake began
	firstByte  atomic.Bool
}

// trace returns a context that reports to w. The GotConn hook runs on the
// goroutine of RoundTrip, the others on any.
//
// net/http repeats some requests unasked when a reused connection turns out
// dead, and goes through all dead ones it has kept. Here a dead connection is
// replaced once, by a fresh one: what the transport does beyond that is stopped,
// which is possible because GotConn comes before anything is written. HTTP/2
// repeats only what the peer says it did not process, and may.
func (w *wire) trace(ctx context.Context, cancel context.CancelCauseFunc) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeStart:    func() { w.tls.Store(true) },
		GotFirstResponseByte: func() { w.firstByte.Store(true) },
		GotConn: func(info httptrace.GotConnInfo) {
			conn, h2 := unwrap(info.Conn)
			if w.conns > 0 && !h2 && !w.mayRepeat(info.Reused) {
				w.hidden = true
				cancel(errReplaced)
				_ = info.Conn.Close() // nothing was written to it
				return
			}
			if w.conns > 0 {
				w.repeats++
			}
			w.conns++
			w.conn, w.h2, w.reused = conn, h2, info.Reused
			if conn != nil {
				w.atStart, w.losses = conn.written.Load(), conn.losses.Load()
			}
		},
	})
}

func (w *wire) mayRepeat(reused bool) bool {
	return !reused && w.repeats == 0 && (w.repeatable || !w.written())
}

// unwrap returns the tracked connection below c, or nil, and whether HTTP/2 is
// spoken on it.
func unwrap(c net.Conn) (conn *trackedConn, h2 bool) {
	if t, ok := c.(*tls.Conn); ok {
		h2 = t.ConnectionState().NegotiatedProtocol == "h2"
		c = t.NetConn()
	}
	conn, _ = c.(*trackedConn)
	return conn, h2
}

// connected reports whether the request got a connection; before that nothing
// of it was written.
func (w *wire) connected() bool { return w.conns > 0 }

// written reports whether any byte of the request may have been written.
func (w *wire) written() bool {
	if !w.connected() {
		return false
	}
	return w.conn == nil || w.h2 || w.conn.written.Load() != w.atStart
}

// deadOnReuse reports whether the request met a kept connection that had died:
// it was lost before the first byte of an answer.
func (w *wire) deadOnReuse() bool {
	return w.hidden || w.reused && !w.h2 && !w.firstByte.Load()
}

// lostWithOthers reports whether err may be the loss of an HTTP/2 connection
// that is already counted: it is one failure, of the first of the requests that
// were on it together. A failure that the connection survives counts again with
// the next request.
func (w *wire) lostWithOthers(err error) bool {
	return w.h2 && w.conn != nil && !isStream(err) && !w.conn.losses.CompareAndSwap(w.losses, w.losses+1)
}
