package blackbox_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// whether plays one answer for each path, and then looks whether it was kept.
func (s *stage) whether(t *testing.T, kept bool, answers map[string]wire.Answer) {
	t.Helper()
	path := s.path
	defer func() { s.path = path }()
	number := 0
	for name, answer := range answers {
		number++
		s.path = fmt.Sprintf("%s/%v/%d", path, kept, number)
		s.up.Script(answer, wire.Reply(500, "broken"))
		first := s.get(t)
		second := s.get(t)
		if got := second.Header.Get("Fender-Outcome") == "stale"; got != kept {
			t.Errorf("%s: got kept %v, want %v; the answer to a failure: %v", name, got, kept, second.Header)
		}
		if kept && string(second.Content) != string(first.Content) {
			t.Errorf("%s: got %q again, want %q", name, clip(second.Content), clip(first.Content))
		}
	}
}

// marked are answers that differ in their fields alone.
func marked(fields ...string) map[string]wire.Answer {
	answers := map[string]wire.Answer{}
	for _, lines := range fields {
		answers[lines] = wire.Reply(200, lastGood, strings.Split(lines, "\n")...)
	}
	return answers
}

func TestWhatIsKept(t *testing.T) {
	play(t, []scene{
		{
			name:  "is a whole 200 that fits the buffer",
			route: "buffer: 2KiB\nthrottle: null\n" + keeping(""),
			run: func(t *testing.T, s *stage) {
				s.whether(t, true, map[string]wire.Answer{
					"as long as the buffer": wire.Reply(200, record),
					"chunked":               wire.Chunked([]string{lastGood[:5], lastGood[5:]}, nil),
					"of HTTP/1.0":           wire.Raw("HTTP/1.0 200 OK\r\n\r\n" + lastGood),
					"empty":                 wire.Reply(200, ""),
				})
				others := map[string]wire.Answer{
					"longer than the buffer":             wire.Reply(200, record+"x"),
					"chunked and longer than the buffer": wire.Chunked([]string{record, "x"}, nil),
					"cut off":                            wire.Raw(wire.Head(200, "Content-Length: 100") + "half"),
					"an event stream":                    wire.Raw(wire.Head(200, "Content-Type: text/event-stream", "Connection: close") + "data: 1\n\n"),
				}
				for _, status := range []int{201, 202, 203, 204, 206, 301, 304, 400, 404, 410, 429} {
					others[fmt.Sprint(status)] = wire.Reply(status, "")
				}
				s.whether(t, false, others)
			},
		},
		{
			name:  "is nothing where all answers stream",
			route: "buffer: 0\n" + keeping(""),
			run:   func(t *testing.T, s *stage) { s.whether(t, false, marked("X-Own: 1")) },
		},
		{
			name:  "is nothing that upstream forbids to keep",
			route: keeping(", vary: [Accept-Language]"),
			run: func(t *testing.T, s *stage) {
				s.whether(t, true, marked("X-Own: 1", "Cache-Control: public, max-age=60", "Cache-Control: max-age=0", "Vary: Accept-Encoding",
					"Vary: accept-language, Accept-Encoding", "Vary: Authorization", "Expires: 0", "ETag: \"no-store\""))
				s.whether(t, false, marked("Cache-Control: no-store", "Cache-Control: private", "Cache-Control: No-Store", "Cache-Control: max-age=60, private",
					"Cache-Control: max-age=60\nCache-Control: no-store", "Cache-Control: private=\"X-Own\"", "Cache-Control: no-cache",
					"Cache-Control: must-revalidate", "Cache-Control: proxy-revalidate", "Set-Cookie: a=1", "Vary: *", "Vary: X-Tenant",
					"Vary: Accept-Encoding, X-Tenant", "Vary: Accept-Encoding\nVary: X-Tenant"))
			},
		},
		{
			name:  "is that too where ignore_cache_control says so, save its cookies",
			route: keeping(", ignore_cache_control: true"),
			run: func(t *testing.T, s *stage) {
				s.whether(t, true, marked("Cache-Control: no-store", "Cache-Control: private", "Cache-Control: no-cache, no-store, must-revalidate", "Vary: X-Tenant"))
				s.up.Script(wire.Reply(200, lastGood, "Set-Cookie: a=1", "Set-Cookie: b=2", "X-Own: 1"), wire.Reply(500, "broken"))
				field(t, s.get(t), "Set-Cookie", "a=1 | b=2")
				answer := s.get(t)
				expectStale(t, answer, "fwd=stale; fwd-status=500", expectation{body: lastGood, reason: "error", attempts: 1})
				field(t, answer, "Set-Cookie", "-")
				field(t, answer, "X-Own", "1")
			},
		},
		{
			name:  "is dropped when upstream gives another good answer that is not kept",
			route: keeping(""),
			run: func(t *testing.T, s *stage) {
				for _, answer := range []wire.Answer{
					wire.Reply(404, "gone"), wire.Reply(403, "no"), wire.Reply(200, "secret", "Cache-Control: no-store"), wire.Reply(200, "mine", "Set-Cookie: a=1"),
					wire.Reply(200, strings.Repeat("x", 600<<10)),
				} {
					s.keep(t)
					s.up.Script(answer, wire.Reply(500, "broken"))
					s.get(t)
					expectStatic(t, s.get(t))
				}
			},
		},
		{
			name:  "is no more than max_size, and what was used least recently goes",
			route: keeping(", max_size: 26KiB"),
			run: func(t *testing.T, s *stage) {
				body := func(name string) string { return strings.Repeat(name, 10<<10) }
				take := func(name string) { s.takes(t, "GET", "/"+name, "", body(name)) }
				gives := func(name, want string) {
					t.Helper()
					s.up.Script(wire.Reply(500, "broken"))
					s.gives(t, "GET", "/"+name, "", want)
				}
				take("a")
				take("b")
				gives("a", body("a"))
				take("c")
				gives("a", body("a"))
				gives("c", body("c"))
				gives("b", "")

				s.takes(t, "GET", "/d", "", strings.Repeat("d", 30<<10))
				gives("d", "")
				gives("a", body("a"))
				gives("c", body("c"))
			},
		},
	})
}

// TestAGibibyteNeverEntersTheStore has an answer of unknown length outgrow the buffer, the store and what the process
// may take.
func TestAGibibyteNeverEntersTheStore(t *testing.T) {
	if testing.Short() || sidecar.Raced() {
		t.Skip("it moves a gibibyte")
	}
	// It is not parallel, for it takes all the processors that there are.
	up := wire.Listen(t)
	p := start(t, preamble+"upstreams: {crm: {url: \""+up.URL()+"\"}}\nroutes:\n  - name: a\n    upstream: crm\n"+
		indent(keeping(", max_size: 1GiB"), 4))
	const part = 1 << 20
	up.Script(func(x *wire.Exchange) {
		x.ReadBody()
		x.Write(wire.Head(200, "Transfer-Encoding: chunked"))
		chunk := wire.Chunk(strings.Repeat("x", part))
		for range 1 << 10 {
			x.Write(chunk)
		}
		x.Write("0\r\n\r\n")
	}, wire.Reply(500, "broken"))

	client := wire.Dial(t, p.Proxy)
	client.Send(wire.Compose("GET", "/", ""))
	answer := client.Head(t, "GET")
	if n, err := io.Copy(io.Discard, answer.Body); n != 1<<30 || err != nil {
		t.Errorf("got %d bytes (%v), want 1 GiB", n, err)
	}
	expectStatic(t, wire.Do(t, p.Proxy, "GET", "/", ""))
	if peak, ok := p.PeakMemory(t); ok && peak > 200<<20 {
		t.Errorf("got %d MiB of memory at the most, want less than 200", peak>>20)
	}
}
