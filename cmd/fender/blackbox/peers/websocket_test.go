package peers_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

const socketRoutes = `
  - {name: echo, match: {path: /echo}, upstream: peer, upgrade: [websocket], timeout: {request: 500ms, stream_idle: 20s}, breaker: {}}
  - {name: brief, match: {path: /brief}, upstream: peer, upgrade: [websocket], timeout: {request: 500ms, stream_idle: 400ms}}
  - {name: plain, match: {path: /plain}, upstream: peer}
`

// An echo is a WebSocket server that sends every message back. Ended gives a value for every connection that has come
// to its end, and asked one for every request.
type echo struct {
	url          string
	asked, ended chan struct{}
}

func startEcho(t *testing.T) echo {
	t.Helper()
	e := echo{asked: make(chan struct{}, 16), ended: make(chan struct{}, 16)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.asked <- struct{}{}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { e.ended <- struct{}{} }()
		defer conn.CloseNow()
		conn.SetReadLimit(-1)
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if err := conn.Write(r.Context(), kind, message); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	e.url = server.URL
	return e
}

func TestAWebSocketGoesThroughWhereTheRouteLetsIt(t *testing.T) {
	peer := startEcho(t)
	p := start(t, peer.url, socketRoutes)
	base := p.Baseline(t)
	conn, answer, err := websocket.Dial(t.Context(), "ws://"+p.Proxy+"/echo", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(-1)
	if answer.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("got status %d, want 101", answer.StatusCode)
	}
	begun := time.Now()
	for _, message := range []string{"hello", "", strings.Repeat("big ", 1<<20)} {
		<-time.After(250 * time.Millisecond)
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(message)); err != nil {
			t.Fatal(err)
		}
		_, got, err := conn.Read(t.Context())
		if err != nil || string(got) != message {
			t.Fatalf("got %d bytes (%v), want the %d that were sent", len(got), err, len(message))
		}
	}
	if time.Since(begun) < 500*time.Millisecond {
		t.Error("got the end of the exchange before timeout.request, which it was to outlast")
	}
	if err := conn.Close(websocket.StatusNormalClosure, "done"); err != nil {
		t.Errorf("got %v, want the closing handshake to go through", err)
	}
	<-peer.ended
	p.AwaitBaseline(t, base)
}

func TestAWebSocketIsRefusedWhereTheRouteDoesNotLetIt(t *testing.T) {
	peer := startEcho(t)
	p := start(t, peer.url, socketRoutes)
	conn, answer, err := websocket.Dial(t.Context(), "ws://"+p.Proxy+"/plain", nil)
	if err == nil {
		conn.CloseNow()
		t.Fatal("got a WebSocket, want a refusal")
	}
	if answer == nil || answer.StatusCode < 400 || answer.StatusCode > 499 {
		t.Errorf("got answer %v, want a status from 400 to 499", answer)
	}
	select {
	case <-peer.asked:
		t.Error("got a request at the upstream, want none")
	default:
	}
}

func TestAWebSocketThatFallsSilentEnds(t *testing.T) {
	peer := startEcho(t)
	p := start(t, peer.url, socketRoutes)
	begun := time.Now() // the tunnel is older than what its client sees of it
	conn, _, err := websocket.Dial(t.Context(), "ws://"+p.Proxy+"/brief", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if _, _, err := conn.Read(t.Context()); err == nil {
		t.Error("got a message, want the connection's end")
	}
	if took := time.Since(begun); took < 400*time.Millisecond {
		t.Errorf("got the end after %v, want it no sooner than after 400ms", took)
	}
	<-peer.ended
}

func TestAWebSocketEndsWhenTheSidecarStops(t *testing.T) {
	peer := startEcho(t)
	p := start(t, peer.url, socketRoutes)
	conn, _, err := websocket.Dial(t.Context(), "ws://"+p.Proxy+"/echo", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	p.Stop(t)
	<-peer.ended
}
