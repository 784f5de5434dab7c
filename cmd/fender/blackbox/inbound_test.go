package blackbox_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// raw sends bytes as they are, PATH filled in, and reads one answer.
func (s *stage) raw(t *testing.T, request string) (*wire.Client, *wire.Response) {
	t.Helper()
	client := wire.Dial(t, s.Proxy)
	client.Send(strings.ReplaceAll(request, "PATH", s.path))
	return client, client.Read(t, "GET")
}

func TestInbound(t *testing.T) {
	play(t, []scene{
		{
			name: "HTTP/1.0 is answered and closed, whatever it asks for",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Chunked([]string{"fi", "ne"}, nil))
				for _, request := range []string{"GET PATH HTTP/1.0\r\n\r\n", "GET PATH HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n"} {
					client, answer := s.raw(t, request)
					expect(t, answer, expectation{status: 200, body: "fine", outcome: "upstream", attempts: 1})
					if len(answer.TransferEncoding) > 0 {
						t.Errorf("got Transfer-Encoding %v, which HTTP/1.0 does not know", answer.TransferEncoding)
					}
					if !client.Ended() {
						t.Error("got an open connection, want its end")
					}
				}
			},
		},
		{
			name:  "a stream to HTTP/1.0 ends with its connection",
			route: "buffer: 0",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Chunked([]string{"fi", "ne"}, nil))
				client, answer := s.raw(t, "GET PATH HTTP/1.0\r\n\r\n")
				expect(t, answer, expectation{status: 200, body: "fine", attempts: 1})
				if len(answer.TransferEncoding) > 0 || !client.Ended() {
					t.Errorf("got Transfer-Encoding %v, want none and the connection's end", answer.TransferEncoding)
				}
			},
		},
		{
			name: "a connection serves one request after another",
			run: func(t *testing.T, s *stage) {
				client := wire.Dial(t, s.Proxy)
				for n := range 5 {
					client.Send(wire.Compose("POST", s.path, fmt.Sprint(n)))
					expect(t, client.Read(t, "POST"), expectation{status: 200, body: "ok", attempts: 1})
				}
				client.Send(wire.Compose("GET", s.path, "") + wire.Compose("GET", s.path, ""))
				client.Read(t, "GET")
				expect(t, client.Read(t, "GET"), expectation{status: 200, body: "ok", attempts: 1})
				s.expectCount(t, 7)
			},
		},
		{
			name: "a head over 64 KiB is a 431, a big one below passes",
			run: func(t *testing.T, s *stage) {
				expect(t, s.get(t, "X-Big: "+strings.Repeat("x", 60<<10)), expectation{status: 200, attempts: 1})
				if got := len(s.arrived(t).Header.Get("X-Big")); got != 60<<10 {
					t.Errorf("got a field of %d bytes at the upstream, want all of it", got)
				}
				for _, field := range []string{"X-Big: " + strings.Repeat("x", 80<<10), strings.TrimSuffix(strings.Repeat("X-Many: 123456789\r\n", 5000), "\r\n")} {
					client := wire.Dial(t, s.Proxy)
					go client.Send(wire.Compose("GET", s.path, "", field))
					if answer := client.Read(t, "GET"); answer.StatusCode != 431 {
						t.Errorf("got status %d, want 431", answer.StatusCode)
					}
				}
				s.expectCount(t, 1)
			},
		},
		{
			name: "a head that takes longer than five seconds ends its connection",
			run: func(t *testing.T, s *stage) {
				begun := time.Now()
				client := wire.Dial(t, s.Proxy)
				client.Send("GET " + s.path + " HTTP/1.1\r\nHost: h\r\n")
				if answer, err := client.Next("GET"); err == nil && answer.StatusCode != 408 {
					t.Errorf("got status %d, want 408 or the connection's end alone", answer.StatusCode)
				}
				if !client.Ended() {
					t.Error("got an open connection, want its end")
				}
				atLeast(t, "the end", time.Since(begun), 5*time.Second)
				s.expectCount(t, 0)
			},
		},
		{
			name: "a request without a host, or with two, is a 400",
			run: func(t *testing.T, s *stage) {
				for _, request := range []string{"GET PATH HTTP/1.1\r\n\r\n", "GET PATH HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"} {
					if _, answer := s.raw(t, request); answer.StatusCode != 400 {
						t.Errorf("got status %d, want 400", answer.StatusCode)
					}
				}
				s.expectCount(t, 0)
			},
		},
		{
			name: "what is no HTTP/1 is refused",
			run: func(t *testing.T, s *stage) {
				for _, request := range []string{"nonsense\r\n\r\n", "GET PATH HTTP/3.0\r\nHost: h\r\n\r\n", "GET PATH\r\n\r\n", "GET PATH HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "G ET PATH HTTP/1.1\r\nHost: h\r\n\r\n"} {
					if _, answer := s.raw(t, request); answer.StatusCode < 400 || answer.StatusCode > 505 {
						t.Errorf("got status %d for %q, want an error", answer.StatusCode, request)
					}
				}
				s.expectCount(t, 0)
			},
		},
		{
			name: "an unknown method passes and is _OTHER in metrics",
			run: func(t *testing.T, s *stage) {
				for _, method := range []string{"BREW", "get", "X-" + strings.Repeat("Y", 100)} {
					expect(t, s.do(t, method, ""), expectation{status: 200, attempts: 1})
					if got := s.arrived(t).Method; got != method {
						t.Errorf("got method %q at the upstream, want %q", got, method)
					}
				}
				s.sum(t, 3, "fender_requests_total", "method", "_OTHER", "code", "200", "outcome", "upstream")
			},
		},
		{
			name: "an upgrade that the route does not let through is refused, and nothing is tunnelled",
			run: func(t *testing.T, s *stage) {
				for _, token := range []string{"websocket", "h2c", "TLS/1.0", "websocket, h2c"} {
					s.refused(t, "Connection: Upgrade, HTTP2-Settings", "Upgrade: "+token, "HTTP2-Settings: AAMAAABkAAQAAP__")
				}
			},
		},
		{
			name:  "h2c is refused where websocket is let through",
			route: "upgrade: [websocket]",
			run: func(t *testing.T, s *stage) {
				for _, token := range []string{"h2c", "H2C", "websocket, h2c", "h2c, websocket"} {
					s.refused(t, "Connection: Upgrade, HTTP2-Settings", "Upgrade: "+token, "HTTP2-Settings: AAMAAABkAAQAAP__")
				}
				s.refused(t, "Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c")
			},
		},
		{
			name:  "an upgrade that the route lets through is a tunnel",
			route: "upgrade: [websocket]\nbuffer: 512KiB",
			run: func(t *testing.T, s *stage) {
				s.up.Script(func(x *wire.Exchange) {
					x.ReadBody()
					x.Write(wire.Head(101, "Connection: Upgrade", "Upgrade: WebSocket") + "hello")
					x.Gone()
				})
				client := wire.Dial(t, s.Proxy)
				client.Send(wire.Compose("GET", s.path, "", "Connection: upgrade", "Upgrade: WebSocket", "Sec-WebSocket-Key: k"))
				answer := client.Head(t, "GET")
				if answer.StatusCode != 101 || !strings.EqualFold(answer.Header.Get("Upgrade"), "websocket") {
					t.Fatalf("got status %d %v, want 101 with its Upgrade", answer.StatusCode, answer.Header)
				}
				if got := client.Take(t, 5); got != "hello" {
					t.Errorf("got %q through the tunnel, want %q", got, "hello")
				}
				s.expectArrived(t, "Upgrade", "WebSocket", "Connection", "Upgrade", "Sec-Websocket-Key", "k")
				client.Close()
				sidecar.Await(t, "the tunnel has ended", func() bool { return s.up.Open() == 0 })
			},
		},
		{
			name:  "an upgrade that upstream declines is an answer like any other",
			route: "upgrade: [websocket]",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(403, "no"))
				expect(t, s.get(t, "Connection: Upgrade", "Upgrade: websocket"), expectation{status: 403, body: "no", outcome: "upstream", attempts: 1})
			},
		},
	})
}

// refused sees to it that a request with these fields comes to nothing.
func (s *stage) refused(t *testing.T, fields ...string) {
	t.Helper()
	answer := s.get(t, fields...)
	if answer.StatusCode < 400 || answer.StatusCode > 499 {
		t.Errorf("got status %d for %q, want a refusal", answer.StatusCode, fields)
	}
	s.expectCount(t, 0)
}
