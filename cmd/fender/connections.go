package main

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// connections are the clients' connections to the proxy listener: who is
// there, who has not said a word, and whether they are asked to leave. It is
// safe for concurrent use.
type connections struct {
	leaving atomic.Bool

	mu sync.Mutex
	// silent holds the connections that have not sent a request head yet.
	silent map[net.Conn]struct{}
	// present counts open connections and requests in progress; the latter
	// because the server forgets a connection that has become a tunnel.
	present int
	// changed has a token whenever present may have changed.
	changed chan struct{}
}

func newConnections() *connections {
	return &connections{silent: make(map[net.Conn]struct{}), changed: make(chan struct{}, 1)}
}

// track follows a connection; it is an [http.Server]'s ConnState.
func (c *connections) track(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.mu.Lock()
		c.silent[conn] = struct{}{}
		c.mu.Unlock()
		c.add(1)
	case http.StateActive, http.StateIdle:
		c.mu.Lock()
		delete(c.silent, conn)
		c.mu.Unlock()
	case http.StateClosed, http.StateHijacked:
		c.mu.Lock()
		delete(c.silent, conn)
		c.mu.Unlock()
		c.add(-1)
	}
}

// add changes the number of those present.
func (c *connections) add(n int) {
	c.mu.Lock()
	c.present += n
	c.mu.Unlock()
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// empty reports whether nobody is there.
func (c *connections) empty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.present == 0
}

// wait returns when nobody has been there for d on end, or when ctx is done.
// Only one call may wait at a time.
func (c *connections) wait(ctx context.Context, d time.Duration) {
	for {
		var quiet <-chan time.Time
		if c.empty() {
			quiet = time.After(d)
		}
		select {
		case <-quiet:
			return
		case <-c.changed:
		case <-ctx.Done():
			return
		}
	}
}

// closeSilent closes the connections that have not sent a request head: to a
// server that shuts down each would be worth a wait of five seconds.
func (c *connections) closeSilent() {
	c.mu.Lock()
	silent := make([]net.Conn, 0, len(c.silent))
	for conn := range c.silent {
		silent = append(silent, conn)
	}
	c.mu.Unlock()
	for _, conn := range silent {
		_ = conn.Close()
	}
}

// handler returns next with its requests counted, and with "Connection: close"
// on every answer once leave has been called.
func (c *connections) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.add(1)
		defer c.add(-1)
		leaving := &leavingWriter{ResponseWriter: w, leaving: &c.leaving}
		next.ServeHTTP(leaving, r)
		leaving.begin()
	})
}

// leave asks the clients to leave with their next answer. Their idle
// connections stay open: a request may be on its way on any of them.
func (c *connections) leave() { c.leaving.Store(true) }

// A leavingWriter decides at an answer's head, not at its request's, whether
// the connection ends with it: the request may have come before the signal.
type leavingWriter struct {
	http.ResponseWriter
	leaving *atomic.Bool
	begun   bool
}

// Unwrap is for [http.ResponseController].
func (w *leavingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// begin is called before the head is written.
func (w *leavingWriter) begin() {
	if !w.begun && w.leaving.Load() {
		w.Header().Set("Connection", "close")
	}
	w.begun = true
}

func (w *leavingWriter) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.begin()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *leavingWriter) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

// FlushError is what [http.ResponseController.Flush] calls.
func (w *leavingWriter) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}
