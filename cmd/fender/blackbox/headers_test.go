package blackbox_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// expectArrived compares header fields of the last request: a name and its value in turn, "-" for none.
func (s *stage) expectArrived(t *testing.T, pairs ...string) {
	t.Helper()
	request := s.arrived(t)
	for i := 0; i+1 < len(pairs); i += 2 {
		values, ok := request.Header[pairs[i]]
		got, want := strings.Join(values, " | "), pairs[i+1]
		if want == "-" && ok || want != "-" && got != want {
			t.Errorf("got %s %q at the upstream, want %q", pairs[i], got, want)
		}
	}
}

// token is the form of a request id.
var token = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// viaField is the form of the Via that is ours alone.
var viaField = regexp.MustCompile(`^1\.1 [!#$%&'*+.^_|~0-9A-Za-z` + "`" + `-]+$`)

func TestRequestHeaders(t *testing.T) {
	play(t, []scene{
		{
			name: "a client's Connection takes away its own fields, but not those that matter",
			run: func(t *testing.T, s *stage) {
				s.do(t, "POST", "order",
					"Connection: X-Mine, authorization, Cookie, Content-Type, content-length, Accept, Accept-Language, X-Request-Id, traceparent, tracestate, ININ-Correlation-Id, host",
					"X-Mine: 1", "Authorization: Bearer b", "Cookie: c=1", "Content-Type: text/plain", "Accept: */*", "Accept-Language: de",
					"X-Request-Id: r-1", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: t=1", "ININ-Correlation-Id: i-1")
				s.expectArrived(t, "X-Mine", "-", "Connection", "-",
					"Authorization", "Bearer b", "Cookie", "c=1", "Content-Type", "text/plain", "Content-Length", "5", "Accept", "*/*", "Accept-Language", "de",
					"X-Request-Id", "r-1", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Tracestate", "t=1", "Inin-Correlation-Id", "i-1",
					"Host", s.up.Addr)
			},
		},
		{
			name:  "a client's Connection does not take away the idempotency key",
			route: "retry: {idempotency_key: {header: Idempotency-Key}}",
			run: func(t *testing.T, s *stage) {
				s.do(t, "POST", "order", "Connection: idempotency-key", "Idempotency-Key: k")
				s.expectArrived(t, "Idempotency-Key", "k")
			},
		},
		{
			name: "hop-by-hop fields end here",
			run: func(t *testing.T, s *stage) {
				s.get(t, "Connection: keep-alive", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic x", "TE: gzip", "X-Own: stays")
				s.expectArrived(t, "Connection", "-", "Keep-Alive", "-", "Proxy-Connection", "-", "Proxy-Authorization", "-", "Te", "-", "X-Own", "stays")
			},
		},
		{
			name: "what only a proxy may say is not taken from a client",
			run: func(t *testing.T, s *stage) {
				s.get(t, "X-Forwarded-For: 1.2.3.4", "x-forwarded-host: evil", "X-Forwarded-Proto: https", "X-Forwarded-Port: 1", "X-Forwarded-Prefix: /p", "X-Forwarded-Server: e",
					"Forwarded: for=1.2.3.4", "X-Real-Ip: 1.2.3.4", "X-Original-Url: /admin", "X-Rewrite-Url: /admin", "Fender-Circuit: open", "fender-anything: 1")
				for name := range s.arrived(t).Header {
					if strings.HasPrefix(name, "X-Forwarded") || strings.HasPrefix(name, "Fender") {
						t.Errorf("got %s at the upstream, want none", name)
					}
				}
				s.expectArrived(t, "Forwarded", "-", "X-Real-Ip", "-", "X-Original-Url", "-", "X-Rewrite-Url", "-")
			},
		},
		{
			name: "names with an underscore are dropped",
			run: func(t *testing.T, s *stage) {
				s.get(t, "X_Forwarded_For: 1.2.3.4", "Content_Length: 5", "my_own: 1", "X-Fine: 1")
				if head := s.arrived(t).Head; strings.Contains(head, "_") || !strings.Contains(head, "X-Fine: 1") {
					t.Errorf("got head %q, want X-Fine and no name with an underscore", head)
				}
			},
		},
		{
			name:     "with forwarded the upstream is told who asks, by us alone",
			upstream: "forwarded: true",
			run: func(t *testing.T, s *stage) {
				s.get(t, "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: evil", "X-Forwarded-Proto: https", "X-Forwarded-Port: 1")
				s.expectArrived(t, "X-Forwarded-For", "127.0.0.1", "X-Forwarded-Host", "fender.test", "X-Forwarded-Proto", "http", "X-Forwarded-Port", "-")
			},
		},
		{
			name: "Via is added under a name of our own, and kept where it came in",
			run: func(t *testing.T, s *stage) {
				s.get(t)
				ours := s.arrived(t).Header.Get("Via")
				if !viaField.MatchString(ours) || strings.Contains(ours, "127.0.0.1") {
					t.Errorf("got Via %q, want one pseudonym", ours)
				}
				s.get(t, "Via: 1.0 corporate")
				if got := strings.Join(s.arrived(t).Header["Via"], ", "); got != "1.0 corporate, "+ours {
					t.Errorf("got Via %q, want ours behind what came in", got)
				}
			},
		},
		{
			name: "a request that has been here before is a 508",
			run: func(t *testing.T, s *stage) {
				s.get(t)
				ours := s.arrived(t).Header.Get("Via")
				for _, via := range []string{ours, "1.1 other, " + ours, ours + ", 1.0 other"} {
					expect(t, s.get(t, "Via: "+via), expectation{status: 508, attempts: -1})
				}
				expect(t, s.get(t, "Via: 1.1 other", "Via: "+ours), expectation{status: 508, attempts: -1})
				s.expectCount(t, 1)
				s.AwaitSum(t, 4, "fender_requests_total", "code", "508", "outcome", "invalid")
			},
		},
		{
			name:     "via: false adds none",
			upstream: "via: false",
			run: func(t *testing.T, s *stage) {
				s.get(t)
				s.expectArrived(t, "Via", "-")
			},
		},
		{
			name: "a request id passes and is echoed if it is one, and is made if it is not",
			run: func(t *testing.T, s *stage) {
				long := strings.Repeat("x", 128)
				for _, id := range []string{"a", "A-z_0.9", long} {
					answer := s.get(t, "X-Request-Id: "+id)
					field(t, answer, "X-Request-Id", id)
					s.expectArrived(t, "X-Request-Id", id)
				}
				for _, id := range []string{"", "a b", "<script>", long + "x", "é"} {
					answer := s.get(t, "X-Request-Id: "+id)
					got := answer.Header.Get("X-Request-Id")
					if got == id || !token.MatchString(got) {
						t.Errorf("got X-Request-Id %q for %q, want a new one", got, id)
					}
					s.expectArrived(t, "X-Request-Id", got)
				}
			},
		},
		{
			name: "Host is the upstream's",
			run: func(t *testing.T, s *stage) {
				s.get(t, "Host: crm.example.com")
				s.expectArrived(t, "Host", s.up.Addr)
			},
		},
		{
			name: "Accept-Encoding and User-Agent go on as they came, or not at all",
			run: func(t *testing.T, s *stage) {
				s.get(t)
				s.expectArrived(t, "Accept-Encoding", "-", "User-Agent", "-")
				s.get(t, "Accept-Encoding: br;q=1.0, gzip;q=0.5, *;q=0", "User-Agent: test/1")
				s.expectArrived(t, "Accept-Encoding", "br;q=1.0, gzip;q=0.5, *;q=0", "User-Agent", "test/1")
			},
		},
		{
			name:     "an upstream's own headers win over a client's, and no client can take them away",
			upstream: "headers: {X-API-Key: \"k3y-of-ours\", User-Agent: \"ours/1\", X-Dollar: \"$$5\"}",
			run: func(t *testing.T, s *stage) {
				s.get(t, "X-Api-Key: theirs", "x-api-key: theirs too", "Connection: X-API-Key, User-Agent", "User-Agent: theirs")
				s.expectArrived(t, "X-Api-Key", "k3y-of-ours", "User-Agent", "ours/1", "X-Dollar", "$5")
				if strings.Contains(s.Log(), "k3y-of-ours") {
					t.Error("got a credential in the log, want none")
				}
			},
		},
		{
			name:  "rewrite changes the path's head and the headers",
			match: "path: \"/api/rw/{rest...}\"",
			route: "rewrite: {strip_prefix: /api, set_headers: {X-Set: \"1\"}, remove_headers: [X-Gone]}",
			run: func(t *testing.T, s *stage) {
				wire.Do(t, s.Proxy, "GET", "/api/rw/a%2Fb?q", "", "X-Gone: 1", "X-Set: 0")
				s.expectArrived(t, "X-Set", "1", "X-Gone", "-")
				if got := s.arrived(t).Target; got != "/rw/a%2Fb?q" {
					t.Errorf("got target %q, want %q", got, "/rw/a%2Fb?q")
				}
			},
		},
		{
			name: "end-to-end fields pass as they are",
			run: func(t *testing.T, s *stage) {
				s.get(t, "X-Two: a", "X-Two: b", "Range: bytes=0-1", "If-None-Match: \"e\"", "Cache-Control: no-cache", "Max-Forwards: 3")
				s.expectArrived(t, "X-Two", "a | b", "Range", "bytes=0-1", "If-None-Match", `"e"`, "Cache-Control", "no-cache")
			},
		},
	})
}
