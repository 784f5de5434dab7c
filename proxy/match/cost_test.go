package match_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/proxy/match"
)

// bigTable returns n routes as a gateway for many services has them.
func bigTable(tb testing.TB, n int) *match.Table {
	tb.Helper()
	routes := make([]match.Route, 0, n)
	for i := range n {
		route := match.Route{Path: fmt.Sprintf("/v1/service-%d/{id}/orders/{order}", i/4)}
		switch i % 4 {
		case 0:
			route.Methods = []string{"GET"}
		case 1:
			route.Methods = []string{"POST"}
		case 2:
			route.Host = fmt.Sprintf("tenant-%d.example.com", i)
		case 3:
			route.Headers = map[string]string{"X-Mode": fmt.Sprint(i)}
		}
		routes = append(routes, route)
	}
	return newTable(tb, routes...)
}

func mustParse(tb testing.TB, requestURI string) match.Target {
	tb.Helper()
	target, err := match.ParseTarget(requestURI)
	if err != nil {
		tb.Fatal(err)
	}
	return target
}

func TestLookupInBigTable(t *testing.T) {
	table := bigTable(t, 10_000)
	for i := range 10_000 {
		method, host, header := "GET", "", http.Header{}
		switch i % 4 {
		case 1:
			method = "POST"
		case 2:
			host = fmt.Sprintf("tenant-%d.example.com:8080", i)
		case 3:
			header.Set("X-Mode", fmt.Sprint(i))
		}
		result := lookup(t, table, method, host, fmt.Sprintf("/v1/service-%d/a%%2Fb/orders/7", i/4), header)
		if result.Route != i {
			t.Fatalf("got route %d, want %d", result.Route, i)
		}
		if got := result.Params()["id"]; got != "a/b" {
			t.Fatalf("got id %q, want a/b", got)
		}
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	table := newTable(t,
		match.Route{Path: "/a/{x}/c", Methods: []string{"GET"}, Host: "crm.example.com"},
		match.Route{Path: "/a/{x}/c", Headers: map[string]string{"X-Mode": "write", "X-Tenant": "t"}},
		match.Route{Path: "/a/b/{y}/d"},
		match.Route{Path: "/{x...}", Host: "::1"},
	)
	header := http.Header{"X-Mode": {"write"}, "X-Tenant": {"t"}}
	tests := []struct {
		name, host, target string
		want               int
	}{
		{"a host and a parameter", "CRM.example.com.:8080", "/a/%62/c", 0},
		{"headers", "", "/a/b/c", 1},
		{"a dead end and a rest", "[::1]:8080", "/a/b/c/e", 3},
		{"nothing found", "", "/nothing", -1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			target := mustParse(t, test.target)
			route := 0
			allocs := testing.AllocsPerRun(100, func() {
				route = table.Lookup("GET", test.host, target, header).Route
			})
			if route != test.want {
				t.Errorf("got route %d, want %d", route, test.want)
			}
			if allocs != 0 {
				t.Errorf("got %v allocations, want 0", allocs)
			}
		})
	}
}

func TestParseTargetAllocatesOnce(t *testing.T) {
	allocs := testing.AllocsPerRun(100, func() {
		_, _ = match.ParseTarget("/v1/customers/a.b/orders?limit=10")
	})
	if allocs != 1 {
		t.Errorf("got %v allocations, want 1 for the segments", allocs)
	}
}

// pathological returns the table and the path that cost most: 2^depth patterns,
// all of which the path follows to their last segment but one.
func pathological(tb testing.TB, depth int) (*match.Table, match.Target) {
	tb.Helper()
	patterns := make([]string, 0, 1<<depth)
	for bits := range 1 << depth {
		var p strings.Builder
		for i := range depth {
			if bits>>i&1 == 0 {
				p.WriteString("/a")
			} else {
				fmt.Fprintf(&p, "/{p%d}", i)
			}
		}
		patterns = append(patterns, p.String()+"/end")
	}
	return newTable(tb, paths(patterns...)...), mustParse(tb, strings.Repeat("/a", depth)+"/other")
}

// Each node is visited once at most: twice the routes may cost twice the time,
// but a longer path never multiplies it. Were it otherwise, this would not end.
func TestLookupIsBoundedByTheTable(t *testing.T) {
	table, target := pathological(t, 12)
	for range 100 {
		if got := table.Lookup("GET", "", target, nil); got.Route != -1 || got.Allow != nil {
			t.Fatalf("got %+v, want no route", got)
		}
	}
	// A few routes that turn back at every level of a very long path.
	deep := strings.Repeat("/a", 10_000)
	table = newTable(t, paths("/{x...}", "/a/{x...}", "/a/{y}/{x...}", "/a/a/{x...}", deep+"/{y}/end", deep+"/a/end")...)
	if got := lookup(t, table, "GET", "", deep+"/a/other", nil).Route; got != 3 {
		t.Errorf("got route %d, want 3", got)
	}
	// As many slashes as a request head can hold.
	if got := lookup(t, table, "GET", "", strings.Repeat("/", 60_000), nil).Route; got != 0 {
		t.Errorf("got route %d, want 0", got)
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			table := bigTable(b, n)
			target := mustParse(b, fmt.Sprintf("/v1/service-%d/4711/orders/7", (n-1)/8))
			header := http.Header{"Accept": {"application/json"}}
			b.ReportAllocs()
			for b.Loop() {
				if table.Lookup("GET", "127.0.0.1:8080", target, header).Route < 0 {
					b.Fatal("no route")
				}
			}
		})
	}
	b.Run("pathological", func(b *testing.B) {
		table, target := pathological(b, 12)
		b.ReportAllocs()
		for b.Loop() {
			table.Lookup("GET", "", target, nil)
		}
	})
}
