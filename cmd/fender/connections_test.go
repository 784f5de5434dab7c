package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

func TestWaitReturnsWhenNobodyHasBeenThereForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnections()
		client, server := net.Pipe()
		defer client.Close()
		defer server.Close()
		c.track(server, http.StateNew)
		time.AfterFunc(2*time.Second, func() { c.track(server, http.StateClosed) })
		// Somebody comes back before the moment is over: it begins anew.
		time.AfterFunc(2400*time.Millisecond, func() { c.track(server, http.StateNew) })
		time.AfterFunc(2450*time.Millisecond, func() { c.track(server, http.StateClosed) })

		start := time.Now()
		c.wait(t.Context(), 500*time.Millisecond)
		if got, want := time.Since(start), 2950*time.Millisecond; got != want {
			t.Errorf("wait took %v, want %v", got, want)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnections()
		c.add(1)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		c.wait(ctx, 500*time.Millisecond)
		if got, want := time.Since(start), 10*time.Second; got != want {
			t.Errorf("wait took %v, want %v", got, want)
		}
	})
}

// A connection that has become a tunnel is forgotten by the server, but its
// client is still there until the handler returns.
func TestATunnelIsPresentUntilItsHandlerReturns(t *testing.T) {
	c := newConnections()
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	c.track(server, http.StateNew)
	c.track(server, http.StateActive)
	c.handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		c.track(server, http.StateHijacked)
		if c.empty() {
			t.Error("a tunnel in progress counts as nobody")
		}
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if !c.empty() {
		t.Error("a tunnel that has ended counts as somebody")
	}
}

func TestCloseSilentSparesWhoHasSpoken(t *testing.T) {
	c := newConnections()
	silent, spoken := &closable{}, &closable{}
	c.track(silent, http.StateNew)
	c.track(spoken, http.StateNew)
	c.track(spoken, http.StateActive)
	c.closeSilent()
	if !silent.closed {
		t.Error("the silent connection is open")
	}
	if spoken.closed {
		t.Error("the connection that has spoken is closed")
	}
}

func TestAnAnswerAsksToLeaveOnlyOnceLeaveWasCalled(t *testing.T) {
	handlers := map[string]http.HandlerFunc{
		"that writes nothing": func(http.ResponseWriter, *http.Request) {},
		"that writes a head":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"that writes a body":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) },
		"that flushes first": func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
		},
	}
	for name, handler := range handlers {
		t.Run("a handler "+name, func(t *testing.T) {
			c := newConnections()
			ask := func() string {
				w := httptest.NewRecorder()
				c.handler(handler).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
				return w.Result().Header.Get("Connection")
			}
			if got := ask(); got != "" {
				t.Errorf("before leave: got Connection %q, want none", got)
			}
			c.leave()
			if got, want := ask(), "close"; got != want {
				t.Errorf("after leave: got Connection %q, want %q", got, want)
			}
		})
	}
}

// The signal may come while a request is in progress: its answer asks too.
func TestAnAnswerInProgressAtTheSignalAsksToLeave(t *testing.T) {
	c := newConnections()
	w := httptest.NewRecorder()
	c.handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c.leave()
		w.WriteHeader(http.StatusOK)
	})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if got, want := w.Result().Header.Get("Connection"), "close"; got != want {
		t.Errorf("got Connection %q, want %q", got, want)
	}
}

// A closable is a connection that knows whether it was closed.
type closable struct {
	net.Conn
	closed bool
}

func (c *closable) Close() error {
	c.closed = true
	return nil
}
