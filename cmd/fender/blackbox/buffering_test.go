package blackbox_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// record is a JSON answer of 2 KiB.
var record = `{"id":"` + strings.Repeat("x", 2<<10-9) + `"}`

func TestSmallAnswersAreCheckedWhole(t *testing.T) {
	recover := func(broken wire.Answer) func(t *testing.T, s *stage) {
		return func(t *testing.T, s *stage) {
			s.up.Script(broken, wire.Reply(200, record))
			expect(t, s.get(t), expectation{status: 200, body: record, outcome: "retried", reason: "-", circuit: "closed", attempts: 2})
			s.expectCount(t, 2)
			s.sum(t, 1, "fender_retries_total")
		}
	}
	replace := func(status int, reason string, broken wire.Answer) func(t *testing.T, s *stage) {
		return func(t *testing.T, s *stage) {
			s.up.Script(broken)
			answer := s.get(t)
			expect(t, answer, expectation{status: status, outcome: "failed", reason: reason, circuit: "open", attempts: 1})
			expectProblem(t, answer, s.up.Addr, record[:20])
			s.expectCount(t, 1)
		}
	}
	head := wire.Head(200, "Content-Type: application/json", "Content-Length: 2048")
	chunks := wire.Head(200, "Content-Type: application/json", "Transfer-Encoding: chunked")
	const cautious = "timeout: {attempt: 3s}\nbreaker: {consecutive_failures: 1, open: {initial: 1h, max: 1h}}\n"
	play(t, []scene{
		{name: "a truncated 2 KiB JSON is retried", route: cautious + quick, run: recover(wire.Raw(head + record[:1000]))},
		{name: "a reset 2 KiB JSON is retried", route: cautious + quick, run: recover(wire.Reset(head + record[:1000]))},
		{name: "a stalled 2 KiB JSON is retried", route: cautious + quick, run: recover(wire.Then(head + record[:1000]))},
		{name: "a truncated chunked JSON is retried", route: cautious + quick, run: recover(wire.Raw(chunks + wire.Chunk(record[:1000])))},
		{name: "a chunked JSON with a broken chunk is retried", route: cautious + quick, run: recover(wire.Raw(chunks + "zz\r\n" + record))},
		{name: "a truncated JSON is a 502 without a retry", route: cautious, run: replace(502, "unreachable", wire.Raw(head+record[:1000]))},
		{name: "a stalled JSON is a 504 without a retry", route: cautious, run: replace(504, "timeout", wire.Then(head+record[:1000]))},
		{
			name:  "an answer as big as the buffer is still checked, a bigger one streams",
			route: "buffer: 2KiB\n" + quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Raw(head+record[:1000]), wire.Reply(200, record))
				expect(t, s.get(t), expectation{status: 200, body: record, outcome: "retried", attempts: 2})
				s.up.Script(wire.Raw(wire.Head(200, "Content-Length: 2049")+record[:1000]), wire.Reply(200, record))
				answer := s.get(t)
				if answer.StatusCode != 200 || answer.Broken == nil || string(answer.Content) != record[:1000] {
					t.Errorf("got status %d and %d bytes (%v), want the first 1000 of a 200 that breaks", answer.StatusCode, len(answer.Content), answer.Broken)
				}
				s.expectCount(t, 3)
			},
		},
		{
			name: "an answer that ends with its connection is whole",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Raw(wire.Head(200, "Connection: close") + record))
				expect(t, s.get(t), expectation{status: 200, body: record, outcome: "upstream", attempts: 1})
			},
		},
		{
			name: "answers without a body are whole",
			run: func(t *testing.T, s *stage) {
				for _, status := range []int{204, 304} {
					s.up.Script(wire.Reply(status, "", "ETag: \"1\""))
					answer := s.get(t)
					expect(t, answer, expectation{status: status, outcome: "upstream", attempts: 1})
					field(t, answer, "ETag", `"1"`)
				}
				s.up.Script(wire.Reply(200, record))
				answer := s.do(t, "HEAD", "")
				expect(t, answer, expectation{status: 200, outcome: "upstream", attempts: 1})
				field(t, answer, "Content-Length", "2048")
			},
		},
		{
			name:  "a client that does not read a buffered answer is cut off at the deadline",
			route: "timeout: {request: 3s}\nbuffer: 32MiB",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(200, strings.Repeat("x", 24<<20)))
				client := wire.DialSlow(t, s.Proxy)
				client.Send(wire.Compose("GET", s.path, ""))
				s.sum(t, 1, "fender_requests_total")
				s.sum(t, 0, "fender_requests_in_flight")
				answer := client.Read(t, "GET")
				if answer.Broken == nil {
					t.Error("got the whole answer, want one that is cut off")
				}
			},
		},
	})
}

func TestStreams(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 5<<16) // 5 MiB
	truncated := func(t *testing.T, s *stage) {
		t.Helper()
		answer := s.get(t)
		if answer.StatusCode != 200 || answer.Broken == nil {
			t.Errorf("got status %d and a body that ends well, want a 200 that breaks", answer.StatusCode)
		}
		if !strings.HasPrefix(big, string(answer.Content)) || len(answer.Content) == 0 {
			t.Errorf("got %d bytes that upstream did not send so", len(answer.Content))
		}
		s.expectCount(t, 1)
		s.sum(t, 0, "fender_retries_total")
	}
	play(t, []scene{
		{
			name:  "a truncated 10 MiB stream breaks the client's connection",
			route: quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Raw(wire.Head(200, "Content-Length: 10485760") + big))
				truncated(t, s)
			},
		},
		{
			name:  "a truncated chunked stream has no last chunk",
			route: quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Raw(wire.Head(200, "Transfer-Encoding: chunked") + wire.Chunk(big)))
				truncated(t, s)
			},
		},
		{
			name:  "a stream that falls silent breaks after stream_idle",
			route: "timeout: {stream_idle: 300ms}\n" + quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Then(wire.Head(200, "Content-Length: 10485760") + big))
				begun := time.Now()
				truncated(t, s)
				atLeast(t, "the break", time.Since(begun), 300*time.Millisecond)
			},
		},
		{
			name:  "a stream that breaks is one more failure while the breaker is closed",
			route: "buffer: 0\nbreaker: {consecutive_failures: 1, open: {initial: 1h, max: 1h}}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Raw(wire.Head(200, "Content-Length: 9") + "half"))
				if answer := s.get(t); answer.Broken == nil {
					t.Error("got a body that ends well, want one that breaks")
				}
				s.await(t, "open")
			},
		},
		{
			name:  "a stream comes as it is sent and may last longer than timeout.request",
			route: "timeout: {request: 1s}\nbuffer: 0",
			run:   func(t *testing.T, s *stage) { converse(t, s, "Content-Length: 16") },
		},
		{
			name:  "an event stream comes as it is sent whatever the buffer",
			route: "timeout: {request: 1s}",
			run: func(t *testing.T, s *stage) {
				converse(t, s, "Content-Type: text/event-stream; charset=utf-8", "Connection: close")
			},
		},
		{
			name: "a whole stream is passed on byte for byte",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(200, big))
				expect(t, s.get(t), expectation{status: 200, body: big, outcome: "upstream", attempts: 1})
				s.up.Script(wire.Chunked([]string{big, big[:7], big}, nil))
				expect(t, s.get(t), expectation{status: 200, body: big + big[:7] + big, outcome: "upstream", attempts: 1})
			},
		},
		{
			name: "trailers pass with a buffered answer",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Chunked([]string{"a", "b"}, []string{"X-Sum: 2", "X-End: yes"}))
				trailers(t, s.get(t), "ab")
			},
		},
		{
			name:  "trailers pass with a stream",
			route: "buffer: 0",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Chunked([]string{"a", "b"}, []string{"X-Sum: 2", "X-End: yes"}))
				trailers(t, s.get(t), "ab")
			},
		},
		{
			name:  "a client that does not read a stream is cut off after stream_idle",
			route: "timeout: {stream_idle: 500ms}\nbuffer: 0",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(200, strings.Repeat(big, 8)))
				client := wire.DialSlow(t, s.Proxy)
				client.Send(wire.Compose("GET", s.path, ""))
				client.Head(t, "GET")
				s.sum(t, 0, "fender_requests_in_flight")
			},
		},
	})
}

func trailers(t *testing.T, answer *wire.Response, body string) {
	t.Helper()
	expect(t, answer, expectation{status: 200, body: body, outcome: "upstream", attempts: 1})
	if answer.Trailer.Get("X-Sum") != "2" || answer.Trailer.Get("X-End") != "yes" {
		t.Errorf("got trailer %v, want X-Sum and X-End", answer.Trailer)
	}
}

// converse has the upstream send each part only when the client has the one before, and takes longer than the deadline
// about it.
func converse(t *testing.T, s *stage, fields ...string) {
	t.Helper()
	received := make(chan struct{}, 4)
	parts := []string{"one.", "two.", "thr.", "fou."}
	s.up.Script(func(x *wire.Exchange) {
		x.ReadBody()
		x.Write(wire.Head(200, fields...))
		for _, part := range parts {
			x.Write(part)
			if !x.WaitFor(received) || !x.Wait(300*time.Millisecond) {
				return
			}
		}
		x.Close()
	})
	client := wire.Dial(t, s.Proxy)
	client.Send(wire.Compose("GET", s.path, ""))
	answer := client.Head(t, "GET")
	defer answer.Body.Close()
	for _, want := range parts {
		got := make([]byte, len(want))
		if _, err := io.ReadFull(answer.Body, got); err != nil || string(got) != want {
			t.Fatalf("got %q (%v), want %q", got, err, want)
		}
		received <- struct{}{}
	}
	rest, err := io.ReadAll(answer.Body)
	if err != nil || len(rest) > 0 {
		t.Errorf("got %q (%v) after the last part, want a clean end", rest, err)
	}
}
