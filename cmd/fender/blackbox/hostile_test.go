package blackbox_test

import (
	"strings"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// TestHostileUpstreams sends answers that are none. Each is a 502, and the process lives on.
func TestHostileUpstreams(t *testing.T) {
	answers := []struct {
		name   string
		answer wire.Answer
	}{
		{"nothing at all", wire.Raw("")},
		{"no HTTP", wire.Raw("SSH-2.0-OpenSSH_9.2p1\r\n")},
		{"the settings of HTTP/2", wire.Raw("\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64")},
		{"status 099", wire.Raw("HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n")},
		{"status 000", wire.Raw("HTTP/1.1 000 Odd\r\nContent-Length: 0\r\n\r\n")},
		{"status 1000", wire.Raw("HTTP/1.1 1000 Odd\r\nContent-Length: 0\r\n\r\n")},
		{"a status of letters", wire.Raw("HTTP/1.1 abc Odd\r\nContent-Length: 0\r\n\r\n")},
		{"a negative status", wire.Raw("HTTP/1.1 -20 Odd\r\nContent-Length: 0\r\n\r\n")},
		{"half a head", wire.Raw("HTTP/1.1 200 OK\r\nContent-Le")},
		{"a field without a colon", wire.Raw("HTTP/1.1 200 OK\r\nnonsense\r\n\r\n")},
		{"a negative length", wire.Raw(wire.Head(200, "Content-Length: -1"))},
		{"two lengths", wire.Raw(wire.Head(200, "Content-Length: 1", "Content-Length: 2") + "ab")},
		{"an unknown encoding", wire.Raw(wire.Head(200, "Transfer-Encoding: rot13") + "ab")},
		{"a head over 64 KiB", wire.Raw(wire.Head(200, "Content-Length: 0", "X-Big: "+strings.Repeat("x", 65<<10)))},
		{"a head of very many fields", wire.Raw(wire.Head(200, strings.TrimSuffix(strings.Repeat("X-Many: 1\r\n", 20000), "\r\n"), "Content-Length: 0"))},
		{"a head without an end", wire.Then("HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Many: 1\r\n", 20000))},
		{"a switch of protocols that nobody asked for", wire.Then(wire.Head(101, "Connection: Upgrade", "Upgrade: websocket"))},
		{"a reset", wire.Reset("")},
		{"a reset within the head", wire.Reset("HTTP/1.1 200 OK\r\n")},
	}
	var scenes []scene
	for _, test := range answers {
		scenes = append(scenes, scene{
			name:  test.name + " is a 502",
			route: "breaker: {consecutive_failures: 2, failure_rate: null, open: {initial: 1h, max: 1h}}\n",
			run: func(t *testing.T, s *stage) {
				s.up.Script(test.answer)
				answer := s.get(t)
				expect(t, answer, expectation{status: 502, outcome: "failed", reason: "unreachable", circuit: "closed", attempts: 1})
				expectProblem(t, answer, s.up.Addr, "malformed")
				if got := answer.Header.Get("Proxy-Status"); !strings.HasPrefix(got, "fender; error=") && !strings.HasPrefix(got, "fender; received-status=") {
					t.Errorf("got Proxy-Status %q, want an error of fender's", got)
				}
				s.up.Script(test.answer, wire.Reply(200, "fine"))
				expect(t, s.get(t), expectation{status: 502, circuit: "open", attempts: 1})
			},
		}, scene{
			name:  test.name + " is retried",
			route: quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(test.answer, wire.Reply(200, "fine"))
				expect(t, s.get(t), expectation{status: 200, body: "fine", outcome: "retried", attempts: 2})
			},
		})
	}
	scenes = append(scenes, scene{
		name: "a head just below 64 KiB passes",
		run: func(t *testing.T, s *stage) {
			big := strings.Repeat("x", 60<<10)
			s.up.Script(wire.Reply(200, "fine", "X-Big: "+big))
			answer := s.get(t)
			expect(t, answer, expectation{status: 200, body: "fine", attempts: 1})
			field(t, answer, "X-Big", big)
		},
	}, scene{
		name: "bytes behind an answer are not taken for the next one",
		run: func(t *testing.T, s *stage) {
			s.up.Script(wire.Then(wire.Head(200, "Content-Length: 4")+"fine"+wire.Head(200, "Content-Length: 4")+"evil"), wire.Reply(200, "true"))
			expect(t, s.get(t), expectation{status: 200, body: "fine", attempts: 1})
			expect(t, s.get(t), expectation{status: 200, body: "true", attempts: -1})
		},
	})
	play(t, scenes)
}
