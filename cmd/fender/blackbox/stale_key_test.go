package blackbox_test

import (
	"bytes"
	"compress/gzip"
	"strconv"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// gives asks the failing upstream's route and says whether the kept body was given, and not the static one.
func (s *stage) gives(t *testing.T, method, below, body, want string, fields ...string) {
	t.Helper()
	answer := wire.Do(t, s.Proxy, method, s.path+below, body, fields...)
	if want == "" {
		expectStatic(t, answer)
		return
	}
	expectStale(t, answer, "fwd=stale; fwd-status=500", expectation{body: want, reason: "error", attempts: 1})
}

// takes has the upstream give an answer to a request, which passes as it is.
func (s *stage) takes(t *testing.T, method, below, body, want string, fields ...string) {
	t.Helper()
	s.up.Script(wire.Reply(200, want))
	expect(t, wire.Do(t, s.Proxy, method, s.path+below, body, fields...), expectation{status: 200, outcome: "upstream", attempts: 1})
}

func TestAKeptAnswerIsForTheSameRequest(t *testing.T) {
	broken := wire.Reply(500, "broken")
	play(t, []scene{
		{
			name:  "and never for another caller's credentials",
			route: keeping(""),
			run: func(t *testing.T, s *stage) {
				s.takes(t, "GET", "", "", "for A", "Authorization: Bearer a")
				s.up.Script(broken)
				s.gives(t, "GET", "", "", "", "Authorization: Bearer b")
				s.takes(t, "GET", "", "", "for B", "Authorization: Bearer b")
				s.up.Script(broken)
				s.gives(t, "GET", "", "", "for A", "Authorization: Bearer a")
				s.gives(t, "GET", "", "", "for B", "Authorization: Bearer b")
				s.gives(t, "GET", "", "", "", "Authorization: Bearer c")
				s.gives(t, "GET", "", "", "", "Authorization: bearer a ")
				s.gives(t, "GET", "", "", "", "Authorization: Bearer a", "Authorization: Bearer b")
				s.gives(t, "GET", "", "", "")
				s.takes(t, "GET", "", "", "for nobody")
				s.up.Script(broken)
				s.gives(t, "GET", "", "", "for A", "Authorization: Bearer a")
				s.gives(t, "GET", "", "", "for nobody")
			},
		},
		{
			name:  "by its path and query, byte for byte, and its host",
			route: keeping(""),
			run: func(t *testing.T, s *stage) {
				s.takes(t, "GET", "/a?b=1", "", "one", "Host: h")
				s.takes(t, "GET", "/a?b=2", "", "two", "Host: h")
				s.up.Script(broken)
				s.gives(t, "GET", "/a?b=1", "", "one", "Host: h")
				s.gives(t, "GET", "/a?b=2", "", "two", "Host: h")
				for _, below := range []string{"/a", "/a?", "/a?b=1&", "/a?b=1&b=2", "/%61%3Fb=1", "/a/?b=1"} {
					s.gives(t, "GET", below, "", "", "Host: h")
				}
				s.gives(t, "GET", "/a?b=1", "", "", "Host: g")
			},
		},
		{
			name:  "by the headers that vary names",
			route: keeping(", vary: [Accept-Language, X-Tenant]"),
			run: func(t *testing.T, s *stage) {
				s.takes(t, "GET", "", "", "hallo", "Accept-Language: de", "X-Tenant: 1")
				s.takes(t, "GET", "", "", "hello", "Accept-Language: en", "X-Tenant: 1")
				s.up.Script(broken)
				s.gives(t, "GET", "", "", "hallo", "Accept-Language: de", "X-Tenant: 1", "X-Other: 1")
				s.gives(t, "GET", "", "", "hello", "Accept-Language: en", "X-Tenant: 1")
				s.gives(t, "GET", "", "", "", "Accept-Language: en", "X-Tenant: 2")
				s.gives(t, "GET", "", "", "", "Accept-Language: 1", "X-Tenant: de")
				s.gives(t, "GET", "", "", "", "X-Tenant: 1")
				s.gives(t, "GET", "", "", "")
			},
		},
		{
			name:  "and never for one with cookies",
			route: keeping(""),
			run: func(t *testing.T, s *stage) {
				s.takes(t, "GET", "", "", "theirs", "Cookie: session=1")
				s.up.Script(broken)
				s.gives(t, "GET", "", "", "")
				s.gives(t, "GET", "", "", "", "Cookie: session=1")
				s.takes(t, "GET", "", "", "anybody's")
				s.up.Script(broken)
				s.gives(t, "GET", "", "", "", "Cookie: session=1")
				s.gives(t, "GET", "", "", "anybody's")
			},
		},
		{
			name:  "by its method, HEAD apart",
			route: keeping(""),
			run: func(t *testing.T, s *stage) {
				s.takes(t, "GET", "", "", lastGood)
				s.up.Script(broken)
				answer := s.do(t, "HEAD", "")
				expect(t, answer, expectation{status: 200, outcome: "fallback", attempts: 1})
				s.takes(t, "HEAD", "", "", "of the HEAD")
				s.up.Script(broken)
				answer = s.do(t, "HEAD", "")
				expectStale(t, answer, "fwd=stale; fwd-status=500", expectation{reason: "error", attempts: 1})
				field(t, answer, "Content-Length", strconv.Itoa(len("of the HEAD")))
				s.gives(t, "GET", "", "", lastGood)
			},
		},
		{
			name:  "by Accept-Encoding, and the bytes are upstream's",
			route: keeping(""),
			run: func(t *testing.T, s *stage) {
				var zipped bytes.Buffer
				w := gzip.NewWriter(&zipped)
				w.Write([]byte(lastGood))
				w.Close()
				s.up.Script(wire.Reply(200, zipped.String(), "Content-Encoding: gzip", "Vary: Accept-Encoding"))
				expect(t, s.get(t, "Accept-Encoding: gzip"), expectation{status: 200, body: zipped.String(), attempts: 1})
				s.up.Script(broken)
				answer := s.get(t, "Accept-Encoding: gzip")
				expectStale(t, answer, "fwd=stale; fwd-status=500", expectation{body: zipped.String(), reason: "error", attempts: 1})
				field(t, answer, "Content-Encoding", "gzip")
				s.gives(t, "GET", "", "", "")
				s.gives(t, "GET", "", "", "", "Accept-Encoding: identity")
			},
		},
		{
			name:  "which for a POST that stale names is one with the same body, also while the breaker is open",
			route: tripping + keeping(", methods: [GET, POST]"),
			run: func(t *testing.T, s *stage) {
				s.takes(t, "POST", "", "query a", "result a")
				s.takes(t, "POST", "", "query b", "result b")
				s.up.Script(broken)
				s.gives(t, "POST", "", "query a", "result a")
				for _, query := range []string{"a", "b"} {
					answer := s.do(t, "POST", "query "+query)
					expectStale(t, answer, "hit", expectation{body: "result " + query, reason: "open", circuit: "open", attempts: 0})
					retryAfter(t, answer)
				}
				// A write that no kept answer is there for does not look done.
				answer := s.do(t, "POST", "query c")
				expect(t, answer, expectation{status: 503, outcome: "refused", reason: "open", circuit: "open", attempts: 0})
				expectProblem(t, answer)
				expect(t, s.do(t, "POST", ""), expectation{status: 503, outcome: "refused", reason: "open", attempts: 0})
				expectStatic(t, s.get(t))
				s.expectCount(t, 3)
			},
		},
		{
			name:  "which for a chunked POST is one with the same bytes",
			route: keeping(", methods: [POST]"),
			run: func(t *testing.T, s *stage) {
				s.takes(t, "POST", "", "query a", "result a")
				s.up.Script(broken)
				s.gives(t, "POST", "", wire.Chunk("que")+wire.Chunk("ry a")+"0\r\n\r\n", "result a", chunkedField)
				expect(t, s.do(t, "POST", wire.Chunk("que")+wire.Chunk("ry b")+"0\r\n\r\n", chunkedField), expectation{status: 500, body: "broken", outcome: "upstream", attempts: 1})
			},
		},
		{
			name:  "which no POST is unless stale names it",
			route: keeping(""),
			run: func(t *testing.T, s *stage) {
				s.takes(t, "POST", "", "query a", "result a")
				s.up.Script(broken)
				expect(t, s.do(t, "POST", "query a"), expectation{status: 500, body: "broken", outcome: "upstream", reason: "-", attempts: 1})
				s.gives(t, "GET", "", "", "")
			},
		},
		{
			name:  "which a GET is not where stale names POST alone",
			route: keeping(", methods: [POST]"),
			run: func(t *testing.T, s *stage) {
				s.takes(t, "GET", "", "", lastGood)
				s.up.Script(broken)
				s.gives(t, "GET", "", "", "")
			},
		},
	})
}
