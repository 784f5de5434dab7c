package wire_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

func TestAnUpstreamRecordsWhatItWasSent(t *testing.T) {
	up := wire.Listen(t)
	client := wire.Dial(t, up.Addr)
	client.Send("PUT /a%2Fb?c HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 3\r\n\r\nabc")
	client.Read(t, "PUT")
	client.Send("POST /t HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n" +
		wire.Chunk("de") + wire.Chunk("f") + "0\r\nX-T: end\r\n\r\n")
	client.Read(t, "POST")

	got := up.Requests()
	if len(got) != 2 || up.Accepted() != 1 {
		t.Fatalf("got %d requests on %d connections, want 2 on 1", len(got), up.Accepted())
	}
	if r := got[0]; r.Method != "PUT" || r.Target != "/a%2Fb?c" || string(r.Body) != "abc" || !r.Whole || len(r.Header["X-A"]) != 2 {
		t.Errorf("got first request %+v", r)
	}
	if r := got[1]; string(r.Body) != "def" || r.Trailer.Get("X-T") != "end" || !r.Whole || r.Conn != 1 {
		t.Errorf("got second request %+v", r)
	}
}

func TestAScriptIsFollowedAndItsLastAnswerRepeated(t *testing.T) {
	up := wire.Listen(t)
	up.Script(wire.Reply(503, "no"), wire.Chunked([]string{"ye", "s"}, []string{"X-Sum: 1"}))
	want := []int{503, 200, 200}
	for i, status := range want {
		answer := wire.Do(t, up.Addr, "GET", "/", "")
		if answer.StatusCode != status || answer.Broken != nil {
			t.Errorf("got answer %d %d (%v), want %d", i, answer.StatusCode, answer.Broken, status)
		}
		if status == 200 && (string(answer.Content) != "yes" || answer.Trailer.Get("X-Sum") != "1") {
			t.Errorf("got body %q and trailer %v, want %q and X-Sum", answer.Content, answer.Trailer, "yes")
		}
	}
}

func TestAClientTellsAWholeAnswerFromABrokenOne(t *testing.T) {
	tests := []struct {
		name   string
		answer wire.Answer
		broken error
	}{
		{"a whole body", wire.Reply(200, "body"), nil},
		{"a body cut off before its length", wire.Raw(wire.Head(200, "Content-Length: 9") + "body"), io.ErrUnexpectedEOF},
		{"a chunked body without its last chunk", wire.Raw(wire.Head(200, "Transfer-Encoding: chunked") + wire.Chunk("body")), io.ErrUnexpectedEOF},
		{"a body that is reset", wire.Reset(wire.Head(200, "Content-Length: 9")), syscall.ECONNRESET},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			up := wire.Listen(t)
			up.Script(test.answer)
			answer, err := wire.Try(up.Addr, "GET", "/", "")
			if err != nil { // a reset may overtake the head
				answer = &wire.Response{Broken: err}
			}
			if !errors.Is(answer.Broken, test.broken) {
				t.Errorf("got %v, want %v", answer.Broken, test.broken)
			}
		})
	}
}

func TestAReservedUpstreamRefusesUntilItListens(t *testing.T) {
	up := wire.Reserve(t)
	_, err := wire.Connect(up.Addr)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("got %v, want %v", err, syscall.ECONNREFUSED)
	}
	up.Listen(t)
	if answer := wire.Do(t, up.Addr, "GET", "/", ""); answer.StatusCode != 200 {
		t.Errorf("got %d, want 200", answer.StatusCode)
	}
}

func TestAHeldAnswerComesWhenItIsReleasedAndTheConnectionGoesOn(t *testing.T) {
	up := wire.Listen(t)
	released := make(chan struct{})
	up.Script(wire.Held(released, wire.Reply(201, "")), wire.After(time.Millisecond, wire.Reply(202, "")))
	client := wire.Dial(t, up.Addr)
	client.Send("GET / HTTP/1.1\r\n\r\n")
	close(released)
	if got := client.Read(t, "GET").StatusCode; got != 201 {
		t.Errorf("got %d, want 201", got)
	}
	client.Send("GET / HTTP/1.1\r\n\r\n")
	if got := client.Read(t, "GET").StatusCode; got != 202 {
		t.Errorf("got %d, want 202", got)
	}
}

func TestASilentUpstreamSeesItsClientLeave(t *testing.T) {
	for _, leave := range []func(*wire.Client){(*wire.Client).Close, (*wire.Client).Abort, (*wire.Client).CloseWrite} {
		up := wire.Listen(t)
		up.Script(wire.Silent())
		client := wire.Dial(t, up.Addr)
		client.Send("GET / HTTP/1.1\r\n\r\n")
		leave(client)
		up.Close()
		if now, most := up.InFlight(); now != 0 || most > 1 || up.Open() != 0 {
			t.Errorf("got %d in flight, %d open, want none", now, up.Open())
		}
	}
}

func TestInformationalAnswersAreKeptApart(t *testing.T) {
	up := wire.Listen(t)
	up.Script(wire.Raw(wire.Head(103, "Link: a") + wire.Head(200, "Content-Length: 1") + "x"))
	client := wire.Dial(t, up.Addr)
	client.Send("GET / HTTP/1.1\r\n\r\n")
	answer := client.Read(t, "GET")
	if answer.StatusCode != 200 || len(answer.Informational) != 1 || string(answer.Content) != "x" {
		t.Errorf("got %d after %d informational answers, want 200 after 1", answer.StatusCode, len(answer.Informational))
	}
	if !client.Ended() {
		t.Error("got an open connection, want its end")
	}
}

func TestARequestIsComposedWithItsLength(t *testing.T) {
	got := wire.Compose("PUT", "/x", "abc", "X-A: 1")
	want := "PUT /x HTTP/1.1\r\nHost: fender.test\r\nX-A: 1\r\nContent-Length: 3\r\n\r\nabc"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := wire.Compose("GET", "/", "", "host: h"); strings.Contains(got, "fender.test") {
		t.Errorf("got %q, want the given host alone", got)
	}
}

func TestAClosedUpstreamLeavesNothingRunning(t *testing.T) {
	up := wire.Listen(t)
	client := wire.Dial(t, up.Addr)
	client.Send("GET / HTTP/1.1\r\n\r\n")
	client.Read(t, "GET")
	up.Close()
	if !client.Ended() {
		t.Error("got an open connection, want its end")
	}
	if conn, err := net.Dial("tcp", up.Addr); err == nil {
		conn.Close()
		t.Error("got a connection to a closed upstream")
	}
}
