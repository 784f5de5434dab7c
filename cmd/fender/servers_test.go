package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what has to happen.
const patience = 10 * time.Second

// A running is a proxy server under test.
type running struct {
	*servers
	address string
	signals chan os.Signal
	done    chan error
}

// start serves handler on a free port; drain and longest are as in newServers.
func start(t *testing.T, handler http.HandlerFunc, drain, longest time.Duration) *running {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	listeners, err := listenAll(t.Context(), new(net.ListenConfig).Listen, []string{"127.0.0.1:0"}, logger)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{
		servers: newServers(t.Context(), handler, listeners, drain, longest, logger),
		address: listeners[0].Addr().String(),
		signals: make(chan os.Signal, 2),
		done:    make(chan error, 1),
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { r.done <- r.serve(ctx, r.signals) }()
	t.Cleanup(func() {
		cancel()
		r.signals <- syscall.SIGTERM
	})
	return r
}

// stopped returns what serve returned.
func (r *running) stopped(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.done:
		r.done <- err
		return err
	case <-time.After(patience):
		t.Fatal("the servers do not stop")
		return nil
	}
}

// dial connects to the proxy; the connection is bounded in time.
func (r *running) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// ask sends one request on conn and returns its answer, read to the end.
func ask(t *testing.T, conn net.Conn, reader *bufio.Reader) *http.Response {
	t.Helper()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: fender\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return answer(t, reader)
}

// answer reads one answer to its end.
func answer(t *testing.T, reader *bufio.Reader) *http.Response {
	t.Helper()
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("broken answer: %v", err)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response
}

func TestAListenerThatBreaksIsAnError(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	servers := newServers(t.Context(), http.NotFoundHandler(), []net.Listener{brokenListener{}}, 0, 0, logger)
	err := servers.serve(t.Context(), nil)
	if want := "serve proxy on nowhere: it is broken"; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %q", err, want)
	}
}

func TestAnInformationalAnswerDoesNotKeepTheLastFromAskingToLeave(t *testing.T) {
	r := start(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusOK)
	}, time.Hour, time.Second)
	conn := r.dial(t)
	reader := bufio.NewReader(conn)
	r.connections.leave()
	if got, want := ask(t, conn, reader).StatusCode, http.StatusEarlyHints; got != want {
		t.Fatalf("got status %d, want %d", got, want)
	}
	if !answer(t, reader).Close {
		t.Error("the last answer does not ask to leave")
	}
}

func TestARequestHeadOver64KiBIsRefused(t *testing.T) {
	r := start(t, func(http.ResponseWriter, *http.Request) {}, 0, 0)
	// What is around the header's value in the request below.
	const frame = len("GET / HTTP/1.1\r\nHost: fender\r\nX: \r\n\r\n")
	for _, test := range []struct {
		name   string
		length int
		want   int
	}{
		{"of 64 KiB passes", 64 << 10, http.StatusOK},
		{"of 72 KiB is refused", 72 << 10, http.StatusRequestHeaderFieldsTooLarge},
	} {
		t.Run("a head "+test.name, func(t *testing.T) {
			conn := r.dial(t)
			value := strings.Repeat("x", test.length-frame)
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: fender\r\nX: "+value+"\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if got := answer(t, bufio.NewReader(conn)).StatusCode; got != test.want {
				t.Errorf("got status %d, want %d", got, test.want)
			}
		})
	}
}

func TestTheServerLeavesEveryTargetAndMethodToItsHandler(t *testing.T) {
	targets := make(chan string, 1)
	r := start(t, func(_ http.ResponseWriter, request *http.Request) {
		targets <- request.Method + " " + request.RequestURI + " " + request.Proto
	}, 0, 0)
	for _, want := range []string{"OPTIONS * HTTP/1.1", "GET //a/../b HTTP/1.1", "TRACE / HTTP/1.1", "GET / HTTP/1.0"} {
		conn := r.dial(t)
		if _, err := io.WriteString(conn, want+"\r\nHost: fender\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer(t, bufio.NewReader(conn))
		if got := <-targets; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A brokenListener accepts nothing.
type brokenListener struct{}

func (brokenListener) Accept() (net.Conn, error) { return nil, errors.New("it is broken") }
func (brokenListener) Close() error              { return nil }
func (brokenListener) Addr() net.Addr            { return nowhere{} }

type nowhere struct{}

func (nowhere) Network() string { return "tcp" }
func (nowhere) String() string  { return "nowhere" }
