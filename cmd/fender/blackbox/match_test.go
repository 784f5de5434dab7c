package blackbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// routed starts a sidecar whose routes all lead to one upstream, which sees the route's name in X-Route. A route is its
// name and its match.
func routed(t *testing.T, routes [][2]string) (proxy string, up *wire.Upstream, sum func(want float64, name string, pairs ...string)) {
	t.Helper()
	up = wire.Listen(t)
	var upstreams, list strings.Builder
	for _, route := range routes {
		fmt.Fprintf(&upstreams, "  %s: {url: %q, headers: {X-Route: %s}}\n", route[0], up.URL(), route[0])
		fmt.Fprintf(&list, "  - {name: %s, upstream: %s, match: %s}\n", route[0], route[0], route[1])
	}
	p := start(t, preamble+"upstreams:\n"+upstreams.String()+"routes:\n"+list.String())
	return p.Proxy, up, func(want float64, name string, pairs ...string) {
		t.Helper()
		p.AwaitSum(t, want, name, pairs...)
	}
}

func TestTheMostSpecificRouteTakesARequest(t *testing.T) {
	t.Parallel()
	proxy, up, sum := routed(t, [][2]string{
		{"rest", `{path: "/v1/{rest...}"}`},
		{"named", `{path: "/v1/customers/{id}"}`},
		{"literal", `{path: /v1/customers/me}`},
		{"reading", `{methods: [GET], path: "/v1/orders/{id}"}`},
		{"orders", `{methods: [GET, POST, DELETE], path: "/v1/orders/{rest...}"}`},
		{"hosted", `{host: CRM.example.com, path: "/v1/{rest...}"}`},
		{"mode", `{path: "/v1/customers/{id}", headers: {X-Mode: write}}`},
		{"moder", `{path: "/v1/customers/{id}", headers: {X-Mode: write, X-Kind: big}}`},
		{"files", `{methods: [GET], path: "/files/{rest...}"}`},
		{"escaped", `{path: "/a b/{x}/é"}`},
	})
	tests := []struct {
		name, method, target string
		fields               []string
		status               int
		want                 string // the route, or Allow of a 405
	}{
		{"a literal goes before a name", "GET", "/v1/customers/me", nil, 200, "literal"},
		{"a name goes before the rest", "GET", "/v1/customers/you", nil, 200, "named"},
		{"the rest takes what is left", "GET", "/v1/customers/you/more", nil, 200, "rest"},
		{"the rest may be empty", "GET", "/v1/", nil, 200, "rest"},
		{"the rest needs its slash", "GET", "/v1", nil, 404, ""},
		{"a name is not empty", "GET", "/v1/customers/", nil, 200, "rest"},
		{"an escaped slash does not split", "GET", "/v1/customers/a%2Fb", nil, 200, "named"},
		{"segments are compared decoded", "GET", "/v1/c%75stomers/m%65", nil, 200, "literal"},
		{"a decoded pattern matches its escapes", "GET", "/a%20b/1/%C3%A9", nil, 200, "escaped"},
		{"case matters in a path", "GET", "/V1/customers/me", nil, 404, ""},
		{"a trailing slash matters", "GET", "/v1/customers/me/", nil, 200, "rest"},
		{"a double slash is an empty segment", "GET", "/v1//me", nil, 200, "rest"},
		{"HEAD goes where GET goes", "HEAD", "/v1/orders/1", nil, 200, "reading"},
		{"a method that is not taken falls through to the next wider route", "POST", "/v1/orders/1", nil, 200, "orders"},
		{"and on", "PATCH", "/v1/orders/1", nil, 200, "rest"},
		{"a method that no route takes is a 405", "POST", "/files/x", nil, 405, "GET, HEAD"},
		{"a host goes before none", "GET", "/v1/customers/me", []string{"Host: crm.EXAMPLE.com:8080"}, 200, "hosted"},
		{"another host is none", "GET", "/v1/customers/me", []string{"Host: other.example.com"}, 200, "literal"},
		{"a header goes before none", "GET", "/v1/customers/you", []string{"X-Mode: write"}, 200, "mode"},
		{"two headers go before one", "GET", "/v1/customers/you", []string{"X-Mode: write", "X-Kind: big"}, 200, "moder"},
		{"a header is compared exactly", "GET", "/v1/customers/you", []string{"X-Mode: Write"}, 200, "named"},
		{"the query does not matter", "GET", "/v1/customers/me?/x", nil, 200, "literal"},
		{"no route is a 404", "GET", "/v2/customers/me", nil, 404, ""},
		{"the root is no route here", "GET", "/", nil, 404, ""},
		{"CONNECT is a 405", "CONNECT", "127.0.0.1:80", nil, 405, ""},
		{"CONNECT is a 405 where a route takes all methods", "CONNECT", "/v1/x", nil, 405, ""},
		{"TRACE is a 405 where a route takes all methods", "TRACE", "/v1/x", nil, 405, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := up.Count()
			answer := wire.Do(t, proxy, test.method, test.target, "", test.fields...)
			if answer.StatusCode != test.status {
				t.Fatalf("got status %d %q, want %d", answer.StatusCode, clip(answer.Content), test.status)
			}
			if test.status != 200 {
				if up.Count() != before {
					t.Error("got a request at the upstream, want none")
				}
				field(t, answer, "Allow", allowed(answer, test.want))
				return
			}
			for _, request := range up.Requests()[before:] {
				if got := request.Header.Get("X-Route"); got != test.want {
					t.Errorf("got route %q, want %q", got, test.want)
				}
			}
		})
	}
	sum(4, "fender_requests_total", "route", "", "code", "404", "outcome", "invalid")
}

// allowed is want in the order in which the answer names its methods.
func allowed(answer *wire.Response, want string) string {
	got := strings.Split(answer.Header.Get("Allow"), ", ")
	sorted, wanted := slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(strings.Split(want, ", ")))
	if slices.Equal(sorted, wanted) {
		return answer.Header.Get("Allow")
	}
	return want
}

func TestAPathGoesOutByteForByte(t *testing.T) {
	t.Parallel()
	targets := []string{
		"/p/plain", "/p/", "/p//double//slash/", "/p/a%2fb%2FC", "/p/%41%7e%7E~", "/p/a%20b+c", "/p/a;b=c,d", "/p/a:b@c!$&'()*+,=",
		"/p/%C3%A9", "/p/%c3%a9", "/p/...", "/p/.a/..b/c..", "/p/a%3Fb%23c", "/p/a%25b", "/p/%5Cx", "/p/x?", "/p/x?a=b&a=c", "/p/x?q=a+b%20c&;semi;=&&",
		"/p/x?a/b?c", "/p/x?" + strings.Repeat("k=v&", 3000), "/p/" + strings.Repeat("x/", 3000),
	}
	for _, prefix := range []string{"", "/base/a%2Fb"} {
		var scenes []scene
		for _, target := range targets {
			scenes = append(scenes, scene{
				name:   "with prefix " + prefix + " goes " + clip([]byte(target)),
				prefix: prefix,
				run: func(t *testing.T, s *stage) {
					path := strings.Replace(target, "/p/", "/"+s.route+"/", 1)
					expect(t, wire.Do(t, s.Proxy, "GET", path, ""), expectation{status: 200, attempts: 1})
					if got := s.arrived(t).Target; got != prefix+path {
						t.Errorf("got target %q, want %q", clip([]byte(got)), clip([]byte(prefix+path)))
					}
				},
			})
		}
		t.Run(prefix, func(t *testing.T) { play(t, scenes) })
	}
}

func TestAPathThatIsAmbiguousIsRefused(t *testing.T) {
	t.Parallel()
	proxy, up, sum := routed(t, [][2]string{{"all", `{path: "/{rest...}"}`}})
	targets := []string{
		"/p/../x", "/p/./x", "/..", "/.", "/p/..", "/p/.", "/../../etc/passwd", "/p/%2e%2e/x", "/p/.%2E/x", "/p/%2e./x", "/p/%2E", "/p/..%2fx", "/p/x%2f..", "/p/x%2F.%2Fy",
		"/p/%2e%2e%2f", "/p/..%5cx", "/p/x%5C..", "/p/x%5c.", "/p/%2f..%2f",
		"/p/a%00b", "/p/%zz", "/p/%4", "/p/%", "/p/a%g0",
		"/p/a\"b", "/p/a<b", "/p/a>b", "/p/a\\b", "/p/a^b", "/p/a`b", "/p/a{b}", "/p/a|b", "/p/\u00e9", "/p/\xff", "/p/a\x01b", "/p/a\x7fb", "/p/a#b", "/p/a[b]",
	}
	for _, target := range targets {
		t.Run(target, func(t *testing.T) {
			answer := wire.Do(t, proxy, "GET", target, "")
			if answer.StatusCode != 400 {
				t.Errorf("got status %d, want 400", answer.StatusCode)
			}
			field(t, answer, "Location", "-")
		})
	}
	if up.Count() != 0 {
		t.Errorf("got %d requests at the upstream, want none", up.Count())
	}
	sum(0, "fender_requests_total", "outcome", "upstream")
}

func TestTheFormOfATargetNeverChoosesTheUpstream(t *testing.T) {
	t.Parallel()
	proxy, up, _ := routed(t, [][2]string{{"all", `{path: "/{rest...}"}`}})
	other := wire.Listen(t)
	tests := []struct{ name, target, want, route string }{
		{"an absolute form goes by its path", "http://" + other.Addr + "/abs/x?y", "/abs/x?y", "all"},
		{"an absolute form of https too", "https://" + other.Addr + "/abs/%2F", "/abs/%2F", "all"},
		{"a path that looks like an authority is a path", "//" + other.Addr + "/x", "//" + other.Addr + "/x", "all"},
	}
	for i, test := range tests {
		answer := wire.Do(t, proxy, "GET", test.target, "")
		expect(t, answer, expectation{status: 200, body: "ok", attempts: 1})
		requests := up.Requests()
		if len(requests) != i+1 {
			t.Fatalf("%s: got %d requests at the upstream, want %d", test.name, len(requests), i+1)
		}
		if got := requests[i]; got.Target != test.want || got.Header.Get("X-Route") != test.route || got.Header.Get("Host") != up.Addr {
			t.Errorf("%s: got target %q, route %q, host %q, want %q, %q, %q",
				test.name, got.Target, got.Header.Get("X-Route"), got.Header.Get("Host"), test.want, test.route, up.Addr)
		}
	}
	if other.Accepted() > 0 {
		t.Error("got a connection to a host that the client chose, want none")
	}
}
