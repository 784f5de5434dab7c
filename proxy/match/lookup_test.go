package match_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/fender-proxy/fender/proxy/match"
)

func newTable(tb testing.TB, routes ...match.Route) *match.Table {
	tb.Helper()
	table, err := match.NewTable(routes)
	if err != nil {
		tb.Fatal(err)
	}
	return table
}

// paths returns a route for each pattern.
func paths(patterns ...string) []match.Route {
	routes := make([]match.Route, len(patterns))
	for i, p := range patterns {
		routes[i].Path = p
	}
	return routes
}

func TestLookupByPath(t *testing.T) {
	tests := []struct {
		name   string
		routes []match.Route
		target string
		want   string // the route's path; "-" for none
		params map[string]string
	}{
		{"no path matches all", paths(""), "/a//b/", "", nil},
		{"no path matches the root", paths(""), "/", "", nil},
		{"a literal matches itself", paths("/a/b"), "/a/b", "/a/b", nil},
		{"a literal matches in its own case only", paths("/a"), "/A", "-", nil},
		{"a literal does not match a prefix", paths("/a/b"), "/a", "-", nil},
		{"a literal does not match what is longer", paths("/a"), "/a/b", "-", nil},
		{"a final slash is a segment", paths("/a"), "/a/", "-", nil},
		{"a final slash in the pattern is needed", paths("/a/"), "/a", "-", nil},
		{"a literal is compared decoded", paths("/a b/ü"), "/%61%20b/%c3%bc", "/a b/ü", nil},
		{"a percent in a literal is a percent", paths("/100%"), "/100%25", "/100%", nil},
		{"an encoded slash does not split", paths("/a/b", "/{x}"), "/a%2Fb", "/{x}", map[string]string{"x": "a/b"}},
		{"an encoded slash does not join", paths("/a/{x}"), "/a%2Fb", "-", nil},
		{"text decoded once stays text", paths("/{x}"), "/%252e%252e", "/{x}", map[string]string{"x": "%2e%2e"}},
		{"the query does not count", paths("/a"), "/a?/b", "/a", nil},
		{"a parameter takes one segment", paths("/a/{x}/c"), "/a/b/c", "/a/{x}/c", map[string]string{"x": "b"}},
		{"a parameter takes no empty segment", paths("/a/{x}/c"), "/a//c", "-", nil},
		{"a parameter takes no empty last segment", paths("/a/{x}"), "/a/", "-", nil},
		{"a double slash matches its like", paths("/a//c"), "/a//c", "/a//c", nil},
		{"a double slash is not merged", paths("/a/c"), "/a//c", "-", nil},
		{"a rest takes all segments", paths("/a/{x...}"), "/a/b//c%2Fd/", "/a/{x...}", map[string]string{"x": "b//c/d/"}},
		{"a rest may be empty", paths("/a/{x...}"), "/a/", "/a/{x...}", map[string]string{"x": ""}},
		{"a rest needs its slash", paths("/a/{x...}"), "/a", "-", nil},
		{"a rest at the root takes the root", paths("/{x...}"), "/", "/{x...}", map[string]string{"x": ""}},
		{"several parameters", paths("/{a}/{b}/{c...}"), "/1/2/3/4", "/{a}/{b}/{c...}", map[string]string{"a": "1", "b": "2", "c": "3/4"}},

		{"a literal goes before a parameter", paths("/{x}", "/a"), "/a", "/a", nil},
		{"a parameter goes before a rest", paths("/{x...}", "/{x}"), "/a", "/{x}", map[string]string{"x": "a"}},
		{"a literal empty segment goes before a rest", paths("/a/{x...}", "/a/"), "/a/", "/a/", nil},
		{"the left segment decides", paths("/{x}/b", "/a/{x}"), "/a/b", "/a/{x}", map[string]string{"x": "b"}},
		{"a longer pattern is not more specific", paths("/{x}/b/c/{y...}", "/a/{x...}"), "/a/b/c/d", "/a/{x...}", map[string]string{"x": "b/c/d"}},
		{"a dead end goes back to the parameter", paths("/a/b", "/{x}/c"), "/a/c", "/{x}/c", map[string]string{"x": "a"}},
		{"a dead end goes back to the rest", paths("/a/b/c", "/a/{x}/d", "/{x...}"), "/a/b/e", "/{x...}", map[string]string{"x": "a/b/e"}},
		{"a dead end goes back to the rest in the middle", paths("/a/b/c", "/a/{x...}", "/{x}/b/e"), "/a/b/e", "/a/{x...}", map[string]string{"x": "b/e"}},
		{"parameters have each route's own names", paths("/a/{x}/1", "/a/{y}/2"), "/a/b/2", "/a/{y}/2", map[string]string{"y": "b"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			// The order of the routes must not matter.
			for range 2 {
				result := lookup(t, newTable(t, test.routes...), "GET", "", test.target, nil)
				got := "-"
				if result.Route >= 0 {
					got = test.routes[result.Route].Path
				}
				if got != test.want {
					t.Fatalf("got route %q, want %q", got, test.want)
				}
				if params := result.Params(); !maps.Equal(params, test.params) || (params == nil) != (test.params == nil) {
					t.Errorf("got params %q, want %q", params, test.params)
				}
				slices.Reverse(test.routes)
			}
		})
	}
}

func TestLookupByHost(t *testing.T) {
	table := newTable(t,
		match.Route{Path: "/{x...}"},
		match.Route{Path: "/v1/special"},
		match.Route{Host: "CRM.example.com", Path: "/{x...}"},
		match.Route{Host: "crm.example.com", Path: "/v1/get", Methods: []string{"GET"}},
		match.Route{Host: "::1", Path: "/v1"},
		match.Route{Host: "127.0.0.1", Path: "/v1"},
		match.Route{Host: "only.example.com.", Path: "/v1"},
	)
	tests := []struct {
		name, host, target string
		want               int
	}{
		{"another host takes the routes without", "www.example.com", "/v1", 0},
		{"no host takes the routes without", "", "/v1", 0},
		{"a host goes before a better path without", "crm.example.com", "/v1/special", 2},
		{"a port does not count", "crm.example.com:8080", "/v1", 2},
		{"an empty port does not count", "crm.example.com:", "/v1", 2},
		{"case does not count", "Crm.Example.COM", "/v1", 2},
		{"a final dot does not count", "crm.example.com.:80", "/v1", 2},
		{"a host that only starts alike is another", "crm.example.com.evil", "/v1", 0},
		{"a host that only ends alike is another", "evil-crm.example.com", "/v1", 0},
		{"an address", "127.0.0.1:8080", "/v1", 5},
		{"an IPv6 address", "[::1]", "/v1", 4},
		{"an IPv6 address with a port", "[::1]:8080", "/v1", 4},
		{"an IPv6 address written in full", "[0:0:0:0:0:0:0:1]:80", "/v1", 4},
		{"an IPv6 address that is another", "[::2]", "/v1", 0},
		{"brackets that are not closed", "[::2", "/v1", 0},
		{"a dead end goes back to the routes without host", "only.example.com", "/v2", 0},
		{"the host of an absolute form chooses nothing", "crm.example.com", "http://crm.example.com/v1", 0},
		{"a very long host", string(make([]byte, 10_000)), "/v1", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := lookup(t, table, "GET", test.host, test.target, nil).Route; got != test.want {
				t.Errorf("got route %d, want %d", got, test.want)
			}
		})
	}
}

func TestLookupByHeaders(t *testing.T) {
	table := newTable(t,
		match.Route{Path: "/a"},
		match.Route{Path: "/a", Headers: map[string]string{"x-mode": "write"}},
		match.Route{Path: "/a", Headers: map[string]string{"X-Mode": "read"}},
		match.Route{Path: "/a", Headers: map[string]string{"X-Tenant": "t"}},
		match.Route{Path: "/a", Headers: map[string]string{"X-Tenant": "t", "X-Mode": "write"}},
		match.Route{Path: "/a", Headers: map[string]string{"X-Empty": ""}},
		match.Route{Path: "/a", Headers: map[string]string{"X-List": "1, 2"}},
		match.Route{Path: "/{x}", Headers: map[string]string{"X-Mode": "write", "X-Tenant": "t", "X-More": "m"}},
	)
	tests := []struct {
		name   string
		header http.Header
		want   int
	}{
		{"no header", nil, 0},
		{"another value", http.Header{"X-Mode": {"other"}}, 0},
		{"another case of the value", http.Header{"X-Mode": {"Write"}}, 0},
		{"the value", http.Header{"X-Mode": {"write"}}, 1},
		{"another route's value", http.Header{"X-Mode": {"read"}}, 2},
		{"two headers go before one", http.Header{"X-Mode": {"write"}, "X-Tenant": {"t"}}, 4},
		{"of as many headers the first route wins", http.Header{"X-Mode": {"read"}, "X-Tenant": {"t"}}, 2},
		{"the path goes before headers", http.Header{"X-Mode": {"write"}, "X-Tenant": {"t"}, "X-More": {"m"}}, 4},
		{"an empty value must be there", http.Header{"X-Empty": {""}}, 5},
		{"a header without lines is none", http.Header{"X-Empty": {}}, 0},
		{"several lines are one value", http.Header{"X-List": {"1", "2"}}, 6},
		{"one of several lines is not the value", http.Header{"X-Mode": {"write", "read"}}, 0},
		{"values do not run together", http.Header{"X-Mode": {"writ"}, "X-Tenant": {"et"}}, 0},
		{"a NUL does not make two values of one", http.Header{"X-Mode": {"write\x00t"}, "X-Tenant": {""}}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := lookup(t, table, "GET", "", "/a", test.header).Route; got != test.want {
				t.Errorf("got route %d, want %d", got, test.want)
			}
		})
	}
}

func TestLookupByMethod(t *testing.T) {
	tenant := map[string]string{"X-Tenant": "t"}
	table := newTable(t,
		match.Route{Methods: []string{"GET"}, Path: "/a/b"},
		match.Route{Methods: []string{"POST", "PUT"}, Path: "/a/b"},
		match.Route{Methods: []string{"DELETE", "GET"}, Path: "/a/{x}"},
		match.Route{Methods: []string{"PATCH"}, Path: "/a/b", Host: "h"},
		match.Route{Methods: []string{"REPORT"}, Path: "/a/b", Headers: tenant},
		match.Route{Path: "/all"},
		match.Route{Methods: []string{"GET"}, Path: "/head"},
		match.Route{Methods: []string{"HEAD"}, Path: "/head"},
		match.Route{Methods: []string{"HEAD"}, Path: "/{x}"},
		match.Route{Methods: []string{"GET"}, Path: "/narrow"},
		match.Route{Methods: []string{"TRACE", "CONNECT"}, Path: "/trace/only"},
	)
	tests := []struct {
		name, method, host, target string
		header                     http.Header
		want                       int
		allow                      []string
	}{
		{"the method is taken", "POST", "", "/a/b", nil, 1, nil},
		{"GET serves HEAD", "HEAD", "", "/a/b", nil, 0, nil},
		{"a method that is not taken falls through to the wider path", "DELETE", "", "/a/b", nil, 2, nil},
		{"it falls through to the routes without host", "PUT", "h", "/a/b", nil, 1, nil},
		{"it falls through to fewer headers", "POST", "", "/a/b", http.Header{"X-Tenant": {"t"}}, 1, nil},
		{"a route of its own for HEAD goes before GET's", "HEAD", "", "/head", nil, 7, nil},
		{"a narrower GET goes before a wider HEAD", "HEAD", "", "/narrow", nil, 9, nil},
		{"methods are case-sensitive", "get", "", "/all", nil, 5, nil},
		{"no methods are all", "BREW", "", "/all", nil, 5, nil},

		{"none takes it", "PATCH", "", "/a/b", nil, -1, []string{"DELETE", "GET", "HEAD", "POST", "PUT"}},
		{"none takes it, with those of the host", "BREW", "h:1", "/a/b", nil, -1, []string{"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"}},
		{"none takes it, with those of the headers", "BREW", "", "/a/b", http.Header{"X-Tenant": {"t"}}, -1, []string{"DELETE", "GET", "HEAD", "POST", "PUT", "REPORT"}},
		{"HEAD alone does not serve GET", "GET", "", "/x", nil, -1, []string{"HEAD"}},
		{"no route matches the path", "GET", "", "/a/b/c", nil, -1, nil},
		{"TRACE is not taken by a route for all", "TRACE", "", "/all", nil, -1, []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}},
		{"CONNECT is not taken by a route for it", "CONNECT", "", "/trace/only", nil, -1, []string{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := lookup(t, table, test.method, test.host, test.target, test.header)
			if got.Route != test.want {
				t.Errorf("got route %d, want %d", got.Route, test.want)
			}
			if !slices.Equal(got.Allow, test.allow) || (got.Allow == nil) != (test.allow == nil) {
				t.Errorf("got Allow %q, want %q", got.Allow, test.allow)
			}
		})
	}
}

func TestLookupWithoutTarget(t *testing.T) {
	table := newTable(t, match.Route{})
	if got := table.Lookup("GET", "", match.Target{}, nil).Route; got != -1 {
		t.Errorf("got route %d for no target, want -1", got)
	}
}
