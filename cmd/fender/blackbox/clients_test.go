package blackbox_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// A misdeed is one way in which a client can behave badly. It returns when the client is done with.
type misdeed struct {
	name string
	do   func(client *wire.Client, path string)
}

// settle reads what comes until the connection ends, breaks or gives an answer.
func settle(client *wire.Client) { client.Next("GET") }

var misdeeds = []misdeed{
	{"no HTTP at all", func(c *wire.Client, _ string) { c.Send("\x16\x03\x01\x02\x00\x01\r\n\r\n"); settle(c) }},
	{"the preface of HTTP/2", func(c *wire.Client, _ string) { c.Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); settle(c) }},
	{"a header without a colon", func(c *wire.Client, path string) {
		c.Send("GET " + path + " HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n")
		settle(c)
	}},
	{"no host", func(c *wire.Client, path string) { c.Send("GET " + path + " HTTP/1.1\r\n\r\n"); settle(c) }},
	{"half a head and a reset", func(c *wire.Client, path string) { c.Send("GET " + path + " HTTP/1.1\r\nHos"); c.Abort() }},
	{"half a head and silence", func(c *wire.Client, path string) {
		c.Send("GET " + path + " HTTP/1.1\r\nHos")
		c.CloseWrite()
		settle(c)
	}},
	{"a malformed chunk", func(c *wire.Client, path string) {
		c.Send(wire.Compose("PUT", path, "2\r\nok\r\nZZ\r\n", chunkedField))
		settle(c)
	}},
	{"half a body and a reset", func(c *wire.Client, path string) {
		c.Send(wire.Compose("PUT", path, "half", "Content-Length: 8"))
		c.Abort()
	}},
	{"half a body and the end", func(c *wire.Client, path string) {
		c.Send(wire.Compose("PUT", path, "half", "Content-Length: 8"))
		c.Close()
	}},
	{"half a body and a half-closed connection", func(c *wire.Client, path string) {
		c.Send(wire.Compose("PUT", path, "half", "Content-Length: 8"))
		c.CloseWrite()
		settle(c)
	}},
	{"half a body and silence", func(c *wire.Client, path string) {
		c.Send(wire.Compose("PUT", path, "half", "Content-Length: 8"))
		settle(c)
	}},
	{"half a chunked body and silence", func(c *wire.Client, path string) {
		c.Send(wire.Compose("PUT", path, "8\r\nhalf", chunkedField))
		settle(c)
	}},
	{"too much of a body", func(c *wire.Client, path string) {
		c.Send(wire.Compose("PUT", path, strings.Repeat("x", 9<<10)))
		settle(c)
	}},
	{"a whole request and a reset", func(c *wire.Client, path string) { c.Send(wire.Compose("GET", path, "")); c.Abort() }},
	{"a whole request and the end", func(c *wire.Client, path string) { c.Send(wire.Compose("PUT", path, "whole")); c.Close() }},
	{"a whole request and a half-closed connection", func(c *wire.Client, path string) { c.Send(wire.Compose("GET", path, "")); c.CloseWrite(); settle(c) }},
	{"a path that is refused", func(c *wire.Client, path string) { c.Send(wire.Compose("GET", path+"/../x", "")); settle(c) }},
	{"no time at all", func(c *wire.Client, path string) {
		c.Send(wire.Compose("GET", path, "", "Fender-Timeout-Ms: 1"))
		settle(c)
	}},
	{"garbage behind a request", func(c *wire.Client, path string) {
		c.Send(wire.Compose("GET", path, "") + "\x00\x01\x02\r\n\r\n")
		settle(c)
		settle(c)
	}},
	{"an upgrade that nobody allowed", func(c *wire.Client, path string) {
		c.Send(wire.Compose("GET", path, "", "Connection: Upgrade", "Upgrade: websocket"))
		settle(c)
	}},
}

// TestNoClientOpensABreaker makes a thousand calls of clients that behave badly in every way against a healthy upstream
// behind breakers that open on the first failure.
func TestNoClientOpensABreaker(t *testing.T) {
	const hair = "timeout: {request: 2s}\nmax_request_body: 8KiB\nbreaker: {consecutive_failures: 1, failure_rate: {threshold: 0.01, min_calls: 1}}"
	mischief := func(t *testing.T, s *stage) {
		t.Helper()
		s.up.Script(wire.After(10*time.Millisecond, wire.Reply(200, "fine")))
		const clients, each = 50, 10
		var done sync.WaitGroup
		for n := range clients {
			done.Go(func() {
				for i := range each {
					client, err := wire.Connect(s.Proxy)
					if err != nil {
						t.Errorf("got no connection: %v", err)
						return
					}
					misdeeds[(n*each+i)%len(misdeeds)].do(client, s.path)
					client.Close()
				}
			})
		}
		done.Wait()
		s.sum(t, 0, "fender_requests_in_flight")
		sidecar.Await(t, "upstream is done", func() bool { now, _ := s.up.InFlight(); return now == 0 })
		s.sum(t, 0, "fender_breaker_transitions_total")
		if got := s.state(t); got != "closed" {
			t.Errorf("got state %s, want closed", got)
		}
		expect(t, s.get(t), expectation{status: 200, body: "fine", outcome: "upstream", circuit: "closed", attempts: 1})
	}
	play(t, []scene{
		{name: "with bodies that are held", route: hair + "\n" + quick, run: mischief},
		{name: "with bodies that are streamed", route: hair + "\nrequest_buffer: 0\n" + quick, run: mischief},
	})
}

func TestAClientThatLeaves(t *testing.T) {
	leave := func(how func(*wire.Client)) func(t *testing.T, s *stage) {
		return func(t *testing.T, s *stage) {
			s.up.Script(wire.Silent())
			client := wire.Dial(t, s.Proxy)
			client.Send(wire.Compose("GET", s.path, ""))
			sidecar.Await(t, "upstream has the request", func() bool { return s.up.Count() == 1 })
			how(client)
			sidecar.Await(t, "upstream's connection has ended", func() bool { return s.up.Open() == 0 })
			s.sum(t, 1, "fender_requests_total", "code", "499", "outcome", "canceled")
			s.sum(t, 1, "fender_upstream_attempts_total", "result", "canceled")
			s.sum(t, 0, "fender_requests_in_flight")
			s.expectCount(t, 1)
			if line := s.AwaitLine(t, "msg", "request", "route", s.route); line.Text("status") != "499" || line.Text("outcome") != "canceled" {
				t.Errorf("got line %v, want status 499 and outcome canceled", line)
			}
		}
	}
	play(t, []scene{
		{name: "by closing its connection ends the work for it", route: quick, run: leave((*wire.Client).Close)},
		{name: "by resetting its connection ends the work for it", route: quick, run: leave((*wire.Client).Abort)},
		{
			name:  "while a retry waits ends the wait",
			route: "timeout: {request: 2h}\nthrottle: {max_wait: 1h}\nretry: {max_hint: 1h}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(429, "slow down", "Retry-After: 1800"))
				client := wire.Dial(t, s.Proxy)
				client.Send(wire.Compose("GET", s.path, ""))
				s.sum(t, 1, "fender_upstream_attempts_total", "result", "throttled")
				client.Close()
				s.sum(t, 1, "fender_requests_total", "code", "499", "outcome", "canceled")
				s.sum(t, 0, "fender_requests_in_flight")
				s.expectCount(t, 1)
			},
		},
		{
			name:  "in the middle of a stream ends it upstream",
			route: "buffer: 0",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Then(wire.Head(200, "Content-Length: 1000000") + "begin"))
				client := wire.Dial(t, s.Proxy)
				client.Send(wire.Compose("GET", s.path, ""))
				client.Head(t, "GET")
				client.Abort()
				sidecar.Await(t, "upstream's connection has ended", func() bool { return s.up.Open() == 0 })
				s.sum(t, 0, "fender_requests_in_flight")
			},
		},
	})
}

func TestWhatAClientDoesToABreaker(t *testing.T) {
	play(t, []scene{
		{
			name:  "a timeout that a client shortened is no failure",
			route: "timeout: {request: 20s}\nbreaker: {consecutive_failures: 1}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Silent())
				for range 5 {
					expect(t, s.get(t, "Fender-Timeout-Ms: 100"), expectation{status: 504, reason: "timeout", circuit: "closed", attempts: -1})
				}
				s.sum(t, 0, "fender_breaker_transitions_total")
			},
		},
		{
			name:  "a client that leaves early is no failure",
			route: "timeout: {request: 20s}\nbreaker: {consecutive_failures: 1}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Silent())
				for n := range 5 {
					client := wire.Dial(t, s.Proxy)
					client.Send(wire.Compose("GET", s.path, ""))
					sidecar.Await(t, "upstream has the request", func() bool { return s.up.Count() == n+1 })
					client.Close()
					s.sum(t, float64(n+1), "fender_requests_total", "code", "499", "outcome", "canceled")
				}
				if got := s.state(t); got != "closed" {
					t.Errorf("got state %s, want closed", got)
				}
			},
		},
		{
			name:  "a client that leaves a hung upstream late hides no failure",
			route: "timeout: {request: 2s}\nbreaker: {consecutive_failures: 1, open: {initial: 1h, max: 1h}}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Silent())
				client := wire.Dial(t, s.Proxy)
				client.Send(wire.Compose("GET", s.path, ""))
				sidecar.Await(t, "upstream has the request", func() bool { return s.up.Count() == 1 })
				<-time.After(1100 * time.Millisecond)
				client.Close()
				s.await(t, "open")
			},
		},
	})
}
