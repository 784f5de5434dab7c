package blackbox_test

import (
	"strings"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

const chunkedField = "Transfer-Encoding: chunked"

func TestRequestBodies(t *testing.T) {
	brief := strings.Repeat("0123456789abcdef", 256) // 4 KiB
	play(t, []scene{
		{
			name:  "a body at request_buffer is sent again whole, one byte more is sent once",
			route: "request_buffer: 4KiB\n" + quick,
			run: func(t *testing.T, s *stage) {
				down := wire.Reply(503, "down")
				s.up.Script(down, down, down, wire.Reply(200, "fine"))
				expect(t, s.do(t, "PUT", brief), expectation{status: 200, body: "fine", outcome: "retried", attempts: 4})
				s.expectCount(t, 4)
				for i, request := range s.up.Requests() {
					if string(request.Body) != brief || request.Header.Get("Content-Length") != "4096" {
						t.Errorf("got body of %d bytes and Content-Length %q on attempt %d, want all 4096",
							len(request.Body), request.Header.Get("Content-Length"), i+1)
					}
				}
				s.up.Script(down)
				expect(t, s.do(t, "PUT", brief+"+"), expectation{status: 503, body: "down", outcome: "upstream", attempts: 1})
				s.expectCount(t, 5)
				if got := s.request(t, 4); string(got.Body) != brief+"+" {
					t.Errorf("got a body of %d bytes, want all 4097", len(got.Body))
				}
				s.sum(t, 1, "fender_retries_skipped_total", "reason", "body")
			},
		},
		{
			name:  "a chunked body at request_buffer is sent again whole, one byte more is sent once",
			route: "request_buffer: 4KiB\n" + quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(503, "down"), wire.Reply(200, "fine"))
				body := wire.Chunk(brief[:100]) + wire.Chunk(brief[100:]) + "0\r\n\r\n"
				expect(t, s.do(t, "PUT", body, chunkedField), expectation{status: 200, body: "fine", outcome: "retried", attempts: 2})
				s.up.Script(wire.Reply(503, "down"))
				body = wire.Chunk(brief) + wire.Chunk("+") + "0\r\n\r\n"
				expect(t, s.do(t, "PUT", body, chunkedField), expectation{status: 503, body: "down", outcome: "upstream", attempts: 1})
				s.expectCount(t, 3)
				for i, want := range []string{brief, brief, brief + "+"} {
					if got := s.request(t, i); string(got.Body) != want {
						t.Errorf("got a body of %d bytes as request %d, want %d", len(got.Body), i+1, len(want))
					}
				}
			},
		},
		{
			name:   "a body beyond request_buffer is repeated where nothing of it was sent",
			refuse: true,
			route:  "request_buffer: 4KiB\nretry: {max_retries: 10, backoff: {initial: 1s, max: 5s}}",
			run: func(t *testing.T, s *stage) {
				body := strings.Repeat("x", 1<<20)
				client := wire.Dial(t, s.Proxy)
				go client.Send(wire.Compose("POST", s.path, body))
				sidecar.Await(t, "a dial was refused", func() bool {
					return s.Scrape(t).Sum("fender_upstream_attempts_total", "route", s.route, "result", "dial") >= 1
				})
				s.up.Listen(t)
				expect(t, client.Read(t, "POST"), expectation{status: 200, body: "ok", outcome: "retried", attempts: -1})
				s.expectCount(t, 1)
				if got := s.request(t, 0); string(got.Body) != body {
					t.Errorf("got a body of %d bytes, want %d", len(got.Body), len(body))
				}
			},
		},
		{
			name:  "a body at max_request_body passes, and one beyond it is a 413 that no upstream sees",
			route: "max_request_body: 1KiB",
			run: func(t *testing.T, s *stage) {
				body := strings.Repeat("x", 1024)
				expect(t, s.do(t, "POST", body), expectation{status: 200, attempts: 1})
				expect(t, s.do(t, "POST", wire.Chunk(body)+"0\r\n\r\n", chunkedField), expectation{status: 200, attempts: 1})
				s.expectCount(t, 2)
				expect(t, s.do(t, "POST", body+"+"), expectation{status: 413, outcome: "refused", attempts: 0})
				expect(t, s.do(t, "POST", wire.Chunk(body)+wire.Chunk("+")+"0\r\n\r\n", chunkedField), expectation{status: 413, attempts: 0})
				s.expectCount(t, 2)
				s.sum(t, 2, "fender_requests_total", "code", "413", "outcome", "invalid")
			},
		},
		{
			name:  "a streamed body that turns out beyond max_request_body is a 413 that opens no breaker",
			route: "max_request_body: 8KiB\nrequest_buffer: 1KiB\nbreaker: {consecutive_failures: 1}",
			run: func(t *testing.T, s *stage) {
				body := wire.Chunk(brief) + wire.Chunk(brief) + wire.Chunk("+") + "0\r\n\r\n"
				expect(t, s.do(t, "POST", body, chunkedField), expectation{status: 413, attempts: -1})
				for _, request := range s.up.Requests() {
					if request.Whole {
						t.Error("got a whole request at the upstream, want one that is cut off")
					}
				}
				expect(t, s.get(t), expectation{status: 200, circuit: "closed", attempts: 1})
			},
		},
	})
}
