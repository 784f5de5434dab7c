package blackbox_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

func TestUploads(t *testing.T) {
	play(t, []scene{
		{
			name:  "an upload that stalls ends at the deadline as 408",
			route: "timeout: {request: 1s}\nbreaker: {consecutive_failures: 1}\n" + quick,
			run: func(t *testing.T, s *stage) {
				client := wire.Dial(t, s.Proxy)
				begun := time.Now()
				client.Send(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\npart", s.path))
				expect(t, client.Read(t, "POST"), expectation{status: 408, attempts: 0})
				atLeast(t, "the answer", time.Since(begun), time.Second)
				s.expectCount(t, 0)
				s.sum(t, 1, "fender_requests_total", "code", "408", "outcome", "invalid")
				expect(t, s.get(t), expectation{status: 200, circuit: "closed", attempts: 1})
			},
		},
		{
			name:  "a streamed upload that stalls ends at the deadline as 408, and upstream sees it end",
			route: "timeout: {request: 1s}\nrequest_buffer: 0\nbreaker: {consecutive_failures: 1}\n" + quick,
			run: func(t *testing.T, s *stage) {
				client := wire.Dial(t, s.Proxy)
				begun := time.Now()
				client.Send(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\npart", s.path))
				expect(t, client.Read(t, "POST"), expectation{status: 408, attempts: -1})
				atLeast(t, "the answer", time.Since(begun), time.Second)
				sidecar.Await(t, "upstream's connection has ended", func() bool { return s.up.Open() == 0 })
				expect(t, s.get(t), expectation{status: 200, circuit: "closed", attempts: 1})
			},
		},
		{
			name:  "a malformed chunk is a 400 that opens no breaker",
			route: "breaker: {consecutive_failures: 1}\n" + quick,
			run: func(t *testing.T, s *stage) {
				expect(t, s.do(t, "POST", "5\r\nhello\r\nXYZ\r\n", chunkedField), expectation{status: 400, attempts: 0})
				s.expectCount(t, 0)
				s.sum(t, 1, "fender_requests_total", "code", "400", "outcome", "invalid")
				expect(t, s.get(t), expectation{status: 200, circuit: "closed", attempts: 1})
			},
		},
		{
			name:  "a malformed chunk of a streamed body is a 400 that opens no breaker",
			route: "request_buffer: 0\nbreaker: {consecutive_failures: 1}\n" + quick,
			run: func(t *testing.T, s *stage) {
				expect(t, s.do(t, "POST", "5\r\nhello\r\nXYZ\r\n", chunkedField), expectation{status: 400, attempts: -1})
				expect(t, s.get(t), expectation{status: 200, circuit: "closed", attempts: 1})
				for _, request := range s.up.Requests() {
					if request.Method == "POST" && request.Whole {
						t.Error("got a whole request at the upstream, want one that is cut off")
					}
				}
			},
		},
		{
			name: "Expect is answered by us and does not go upstream",
			run: func(t *testing.T, s *stage) {
				client := wire.Dial(t, s.Proxy)
				client.Send(wire.Compose("POST", s.path, "", "Expect: 100-continue", "Content-Length: 5"))
				go client.Send("order")
				answer := client.Read(t, "POST")
				expect(t, answer, expectation{status: 200, attempts: 1})
				if len(answer.Informational) > 1 {
					t.Errorf("got %d informational answers, want one", len(answer.Informational))
				}
				if got := s.request(t, 0); got.Header.Get("Expect") != "" || string(got.Body) != "order" {
					t.Errorf("got Expect %q and body %q, want none and %q", got.Header.Get("Expect"), got.Body, "order")
				}
			},
		},
		{
			name: "a client that awaits 100 Continue gets it",
			run: func(t *testing.T, s *stage) {
				client := wire.Dial(t, s.Proxy)
				client.Send(wire.Compose("POST", s.path, "", "Expect: 100-continue", "Content-Length: 5"))
				if status := client.Status(t); status != 100 {
					t.Fatalf("got status %d, want 100", status)
				}
				s.expectCount(t, 0)
				client.Send("order")
				expect(t, client.Read(t, "POST"), expectation{status: 200, attempts: 1})
				s.expectCount(t, 1)
			},
		},
		{
			name:  "a client that announces too much is refused before it sends",
			route: "max_request_body: 1KiB",
			run: func(t *testing.T, s *stage) {
				client := wire.Dial(t, s.Proxy)
				client.Send(wire.Compose("POST", s.path, "", "Expect: 100-continue", "Content-Length: 1025"))
				answer := client.Read(t, "POST")
				expect(t, answer, expectation{status: 413, attempts: 0})
				if len(answer.Informational) > 0 {
					t.Errorf("got 100 Continue, want the 413 alone")
				}
				s.expectCount(t, 0)
			},
		},
		{
			name: "Content-Length with Transfer-Encoding goes on as one body with one framing",
			run: func(t *testing.T, s *stage) {
				expect(t, s.do(t, "POST", wire.Chunk("order")+"0\r\n\r\n", chunkedField, "Content-Length: 3"), expectation{status: 200, attempts: 1})
				s.expectCount(t, 1)
				got := s.request(t, 0)
				length, encoding := got.Header.Get("Content-Length"), got.Header.Get("Transfer-Encoding")
				if string(got.Body) != "order" || (length != "") == (encoding != "") || length == "3" {
					t.Errorf("got body %q, Content-Length %q, Transfer-Encoding %q, want %q in one framing", got.Body, length, encoding, "order")
				}
			},
		},
		{
			name: "two lengths that differ are a 400",
			run: func(t *testing.T, s *stage) {
				expect(t, s.do(t, "POST", "order", "Content-Length: 5", "Content-Length: 6"), expectation{status: 400, attempts: -1})
				s.expectCount(t, 0)
			},
		},
		{
			name:  "an upstream that answers before it has the body is heard",
			route: "request_buffer: 0",
			run: func(t *testing.T, s *stage) {
				s.up.Script(func(x *wire.Exchange) {
					x.Write(wire.Head(413, "Content-Length: 3", "Connection: close") + "big")
					x.ReadBody()
				})
				client := wire.Dial(t, s.Proxy)
				go client.Send(wire.Compose("POST", s.path, strings.Repeat("x", 100<<10)))
				expect(t, client.Read(t, "POST"), expectation{status: 413, body: "big", outcome: "upstream", attempts: 1})
			},
		},
	})
}
