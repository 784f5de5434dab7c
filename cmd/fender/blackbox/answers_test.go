package blackbox_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

func TestAnswerHeaders(t *testing.T) {
	play(t, []scene{
		{
			name: "hop-by-hop fields end here, the rest passes in its order",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(200, "fine",
					"Connection: X-Theirs", "X-Theirs: 1", "Keep-Alive: timeout=5", "Proxy-Connection: x", "Proxy-Authenticate: Basic", "Upgrade: h2c",
					"Set-Cookie: a=1", "Set-Cookie: b=2", "ETag: \"e\"", "X-Own: 1", "Content-Type: text/x"))
				answer := s.get(t)
				expect(t, answer, expectation{status: 200, body: "fine", outcome: "upstream", reason: "-", attempts: 1, error: "-"})
				for _, name := range []string{"X-Theirs", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Upgrade"} {
					field(t, answer, name, "-")
				}
				field(t, answer, "Set-Cookie", "a=1 | b=2")
				field(t, answer, "ETag", `"e"`)
				field(t, answer, "X-Own", "1")
				field(t, answer, "Content-Type", "text/x")
				field(t, answer, "Cache-Control", "-")
			},
		},
		{
			name: "our names from upstream are dropped",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(200, "fine", "Fender-Outcome: fallback", "Fender-Attempts: 99", "fender-circuit: open", "Fender-Reason: open"))
				expect(t, s.get(t), expectation{status: 200, outcome: "upstream", reason: "-", circuit: "-", attempts: 1})
			},
		},
		{
			name: "redirects are passed and not followed",
			run: func(t *testing.T, s *stage) {
				for _, status := range []int{301, 302, 303, 307, 308} {
					s.up.Script(wire.Reply(status, "", "Location: http://127.0.0.1:1/elsewhere?a%2Fb"))
					answer := s.get(t)
					expect(t, answer, expectation{status: status, outcome: "upstream", attempts: 1})
					field(t, answer, "Location", "http://127.0.0.1:1/elsewhere?a%2Fb")
				}
				s.expectCount(t, 5)
			},
		},
		{
			name: "informational answers end here, and leave the final one its fields",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Raw(wire.Head(100) + wire.Head(103, "Link: </a>", "X-Early: 1") + wire.Head(102) +
					wire.Head(200, "Content-Length: 4", "X-Final: 1", "Connection: close") + "fine"))
				answer := s.get(t)
				expect(t, answer, expectation{status: 200, body: "fine", outcome: "upstream", attempts: 1})
				if len(answer.Informational) > 0 {
					t.Errorf("got %d informational answers, want none", len(answer.Informational))
				}
				field(t, answer, "X-Early", "-")
				field(t, answer, "X-Final", "1")
				if answer.Header.Get("X-Request-Id") == "" {
					t.Error("got no X-Request-Id, want one")
				}
			},
		},
		{
			name: "a flood of informational answers reaches nobody",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Raw(strings.Repeat(wire.Head(103, "X-Fill: "+strings.Repeat("x", 1000)), 2000) + wire.Head(200, "Content-Length: 0")))
				answer := s.get(t)
				if len(answer.Informational) > 0 || answer.StatusCode != 200 && answer.StatusCode != 502 {
					t.Errorf("got %d informational answers and status %d, want none and 200 or 502", len(answer.Informational), answer.StatusCode)
				}
			},
		},
		{
			name: "a body is neither zipped nor unzipped",
			run: func(t *testing.T, s *stage) {
				plain := strings.Repeat("compressible ", 1000)
				s.up.Script(wire.Reply(200, plain, "Content-Type: text/plain"))
				answer := s.get(t, "Accept-Encoding: gzip")
				expect(t, answer, expectation{status: 200, body: plain, attempts: 1})
				field(t, answer, "Content-Encoding", "-")

				var zipped bytes.Buffer
				w := gzip.NewWriter(&zipped)
				w.Write([]byte(plain))
				w.Close()
				s.up.Script(wire.Reply(200, zipped.String(), "Content-Encoding: gzip"))
				for _, fields := range [][]string{nil, {"Accept-Encoding: gzip"}} {
					answer := s.get(t, fields...)
					expect(t, answer, expectation{status: 200, body: zipped.String(), attempts: 1})
					field(t, answer, "Content-Encoding", "gzip")
				}
			},
		},
		{
			name: "HTTP/1.0 and close-delimited answers become good HTTP/1.1",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Raw("HTTP/1.0 200 OK\r\nX-Old: 1\r\n\r\nfine"))
				client := wire.Dial(t, s.Proxy)
				for range 2 {
					client.Send(wire.Compose("GET", s.path, ""))
					answer := client.Read(t, "GET")
					expect(t, answer, expectation{status: 200, body: "fine", attempts: 1})
					if answer.Proto != "HTTP/1.1" || answer.Close {
						t.Errorf("got %s, closing %v, want HTTP/1.1 that goes on", answer.Proto, answer.Close)
					}
				}
			},
		},
		{
			name: "an odd status passes as it is",
			run: func(t *testing.T, s *stage) {
				for _, status := range []int{218, 299, 420, 599, 799, 999} {
					s.up.Script(wire.Reply(status, "odd"))
					expect(t, s.get(t), expectation{status: status, body: "odd", outcome: "upstream", attempts: 1})
				}
			},
		},
	})
}
