package main

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"
)

func TestWithNobodyThereTheServersStopAtOnce(t *testing.T) {
	r := start(t, func(http.ResponseWriter, *http.Request) {}, time.Hour, time.Hour)
	began := time.Now()
	r.signals <- syscall.SIGTERM
	if err := r.stopped(t); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < quietTime || took > patience/2 {
		t.Errorf("stopping took %v, want a little more than %v", took, quietTime)
	}
}

// A plain Shutdown closes idle connections under the requests that are on
// their way on them: 24 of 80 were lost when this was measured.
func TestAKeepAliveClientIsServedDuringTheDrainAndAskedToLeave(t *testing.T) {
	r := start(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }, time.Hour, time.Second)
	conn := r.dial(t)
	reader := bufio.NewReader(conn)
	if ask(t, conn, reader).Close {
		t.Error("before the signal: the answer asks to leave")
	}
	r.signals <- syscall.SIGTERM
	r.waitLeaving(t)
	if !ask(t, conn, reader).Close {
		t.Error("after the signal: the answer does not ask to leave")
	}
	if _, err := reader.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last answer: got %v, want EOF", err)
	}
	if err := r.stopped(t); err != nil {
		t.Fatal(err)
	}
}

func TestNewConnectionsAreServedDuringTheDrain(t *testing.T) {
	r := start(t, func(http.ResponseWriter, *http.Request) {}, time.Hour, time.Second)
	r.dial(t) // keeps the drain from ending early
	r.signals <- syscall.SIGTERM
	r.waitLeaving(t)
	conn := r.dial(t)
	if got, want := ask(t, conn, bufio.NewReader(conn)).StatusCode, http.StatusOK; got != want {
		t.Errorf("got status %d, want %d", got, want)
	}
}

// net/http waits five seconds for a connection that has sent nothing; a probe
// of the TCP port or a client that connects ahead is such a one.
func TestASilentConnectionDoesNotDelayTheStop(t *testing.T) {
	r := start(t, func(http.ResponseWriter, *http.Request) {}, 20*time.Millisecond, time.Hour)
	conn := r.dial(t)
	r.waitPresent(t)
	began := time.Now()
	r.signals <- syscall.SIGTERM
	if err := r.stopped(t); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("stopping took %v", took)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the silent connection got a byte")
	}
}

func TestARequestInProgressFinishesAfterTheDrain(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := start(t, func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = w.Write([]byte("done"))
	}, time.Millisecond, time.Hour)
	conn := r.dial(t)
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: fender\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	r.signals <- syscall.SIGTERM
	r.proxy.accepting.Wait() // the drain is over
	close(release)
	response := answer(t, bufio.NewReader(conn))
	if body, _ := io.ReadAll(response.Body); string(body) != "done" {
		t.Errorf("got body %q, want %q", body, "done")
	}
	if err := r.stopped(t); err != nil {
		t.Fatal(err)
	}
}

func TestWhatOutlivesItsTimeIsCutOff(t *testing.T) {
	entered, left := make(chan struct{}), make(chan struct{})
	r := start(t, func(_ http.ResponseWriter, request *http.Request) {
		close(entered)
		<-request.Context().Done()
		close(left)
	}, time.Millisecond, 20*time.Millisecond)
	conn := r.dial(t)
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: fender\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	r.signals <- syscall.SIGTERM
	if err := r.stopped(t); err != nil {
		t.Fatal(err)
	}
	select {
	case <-left:
	default:
		t.Error("the handler did not come home")
	}
}

func TestATunnelEndsWithTheProcess(t *testing.T) {
	entered, left := make(chan struct{}), make(chan struct{})
	r := start(t, func(w http.ResponseWriter, request *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		close(entered)
		<-request.Context().Done()
		close(left)
	}, 20*time.Millisecond, 20*time.Millisecond)
	conn := r.dial(t)
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: fender\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	r.signals <- syscall.SIGTERM
	if err := r.stopped(t); err != nil {
		t.Fatal(err)
	}
	<-left
}

func TestASecondSignalStopsAtOnceAndFails(t *testing.T) {
	entered := make(chan struct{})
	r := start(t, func(_ http.ResponseWriter, request *http.Request) {
		close(entered)
		<-request.Context().Done()
	}, time.Hour, time.Hour)
	conn := r.dial(t)
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: fender\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	r.signals <- syscall.SIGTERM
	r.waitLeaving(t)
	r.signals <- os.Interrupt
	if err := r.stopped(t); !errors.Is(err, errInterrupted) {
		t.Errorf("got error %v, want %v", err, errInterrupted)
	}
}

// waitLeaving returns when the answers ask to leave.
func (r *running) waitLeaving(t *testing.T) {
	t.Helper()
	waitFor(t, "nobody is asked to leave", r.connections.leaving.Load)
}

// waitPresent returns when a client is there.
func (r *running) waitPresent(t *testing.T) {
	t.Helper()
	waitFor(t, "nobody is there", func() bool { return !r.connections.empty() })
}
