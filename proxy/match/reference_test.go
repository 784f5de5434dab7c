package match_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/proxy/match"
)

// reference is the definition of matching, as plain as can be: all routes, the
// most specific first, are asked one by one.
type reference struct {
	routes []match.Route
	order  []int // route indexes, most specific first
}

func newReference(routes []match.Route) reference {
	r := reference{routes, nil}
	for i := range routes {
		r.order = append(r.order, i)
	}
	slices.SortStableFunc(r.order, func(i, j int) int {
		a, b := routes[i], routes[j]
		return cmp.Or(
			cmp.Compare(rank(a.Host == ""), rank(b.Host == "")),
			slices.Compare(shape(a.Path), shape(b.Path)),
			cmp.Compare(len(b.Headers), len(a.Headers)),
		)
	})
	return r
}

func rank(last bool) int {
	if last {
		return 1
	}
	return 0
}

// shape returns the kinds of a pattern's segments: 0 for a literal, 1 for
// {name}, 2 for {name...}.
func shape(pattern string) []int {
	var kinds []int
	for _, seg := range split(pattern) {
		switch {
		case strings.HasSuffix(seg, "...}"):
			kinds = append(kinds, 2)
		case strings.HasPrefix(seg, "{"):
			kinds = append(kinds, 1)
		default:
			kinds = append(kinds, 0)
		}
	}
	return kinds
}

func split(pattern string) []string {
	return strings.Split(strings.TrimPrefix(cmp.Or(pattern, "/{all...}"), "/"), "/")
}

// lookup returns the route, its parameters, and the methods if only they did
// not fit.
func (r reference) lookup(method, host, path string, header http.Header) (int, map[string]string, []string) {
	var allow []string
	for _, i := range r.order {
		route := r.routes[i]
		params, ok := matchPath(route.Path, path)
		if !ok || route.Host != "" && route.Host != host || !matchHeaders(route, header) {
			continue
		}
		if len(route.Methods) == 0 || slices.Contains(route.Methods, method) {
			return i, params, nil
		}
		if method == "HEAD" && slices.Contains(route.Methods, "GET") && !r.twinTakesHead(route) {
			return i, params, nil
		}
		allow = append(allow, route.Methods...)
	}
	if slices.Contains(allow, "GET") {
		allow = append(allow, "HEAD")
	}
	slices.Sort(allow)
	return -1, nil, slices.Compact(allow)
}

// twinTakesHead reports whether another route, alike but for the methods,
// names HEAD.
func (r reference) twinTakesHead(route match.Route) bool {
	return slices.ContainsFunc(r.routes, func(other match.Route) bool {
		return slices.Contains(other.Methods, "HEAD") && other.Host == route.Host &&
			skeleton(other.Path) == skeleton(route.Path) && maps.Equal(other.Headers, route.Headers)
	})
}

// skeleton returns the pattern without its parameters' names.
func skeleton(pattern string) string {
	segments := split(pattern)
	for i, kind := range shape(pattern) {
		if kind > 0 {
			segments[i] = strings.Repeat("{", kind)
		}
	}
	return strings.Join(segments, "/")
}

func matchHeaders(route match.Route, header http.Header) bool {
	for name, value := range route.Headers {
		if lines := header.Values(name); len(lines) == 0 || strings.Join(lines, ", ") != value {
			return false
		}
	}
	return true
}

func matchPath(pattern, path string) (map[string]string, bool) {
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		segments[i], _ = url.PathUnescape(s)
	}
	params := map[string]string{}
	kinds, texts := shape(pattern), split(pattern)
	for i, text := range texts {
		name := strings.TrimSuffix(strings.Trim(text, "{}"), "...")
		switch {
		case i >= len(segments):
			return nil, false
		case kinds[i] == 2:
			if pattern != "" {
				params[name] = strings.Join(segments[i:], "/")
			}
			return params, true
		case kinds[i] == 1 && segments[i] != "":
			params[name] = segments[i]
		case kinds[i] == 1 || segments[i] != text:
			return nil, false
		}
	}
	return params, len(segments) == len(texts)
}

// agree fails the test if table and reference answer differently.
func agree(t *testing.T, table *match.Table, ref reference, method, host, requestURI string, header http.Header) {
	t.Helper()
	target, err := match.ParseTarget(requestURI)
	if err != nil {
		return
	}
	result := table.Lookup(method, host, target, header)
	route, params, allow := ref.lookup(method, host, target.Path, header)
	if result.Route != route || !maps.Equal(result.Params(), params) || !slices.Equal(result.Allow, allow) {
		t.Fatalf("%s %s%s %v: got route %d %q, Allow %q, want %d %q, %q; routes:\n%s", method, host, requestURI, header,
			result.Route, result.Params(), result.Allow, route, params, allow, describe(ref.routes))
	}
}

func describe(routes []match.Route) string {
	var b strings.Builder
	for i, r := range routes {
		fmt.Fprintf(&b, "%d: %+v\n", i, r)
	}
	return b.String()
}

func TestLookupAgreesWithReference(t *testing.T) {
	random := rand.New(rand.NewPCG(20, 26))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	found, missed := 0, 0
	for range 500 {
		routes := randomRoutes(random)
		table := newTable(t, routes...)
		ref := newReference(routes)
		for range 20 {
			var path strings.Builder
			for range 1 + random.IntN(5) {
				path.WriteString("/" + pick("a", "a", "b", "b", "c", "", "%61", "a%2Fb", "%7b"))
			}
			header := http.Header{}
			for range random.IntN(3) {
				header.Add(pick("X-A", "X-B"), pick("1", "2"))
			}
			method, host := pick("GET", "HEAD", "POST", "PUT"), pick("", "h", "i")
			agree(t, table, ref, method, host, path.String(), header)
			target, _ := match.ParseTarget(path.String())
			if table.Lookup(method, host, target, header).Route >= 0 {
				found++
			} else {
				missed++
			}
		}
	}
	if found < 1_500 || missed < 1_500 {
		t.Errorf("got %d found, %d missed, want a test that does both", found, missed)
	}
}

// randomRoutes returns up to 24 routes of which no two conflict.
func randomRoutes(random *rand.Rand) []match.Route {
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	var routes []match.Route
	for range 1 + random.IntN(24) {
		route := match.Route{Host: pick("", "", "h"), Headers: map[string]string{}}
		depth := random.IntN(5)
		for i := range depth {
			name := fmt.Sprint(pick("p", "q"), i)
			route.Path += "/" + pick("a", "a", "b", "", "{"+name+"}", "{"+name+"}")
			if i == depth-1 && random.IntN(3) == 0 {
				route.Path += "/{rest...}"
			}
		}
		for range random.IntN(3) {
			route.Headers[pick("X-A", "X-B")] = pick("1", "2")
		}
		for range random.IntN(3) {
			route.Methods = append(route.Methods, pick("GET", "HEAD", "POST"))
		}
		if _, err := match.NewTable(append(routes, route)); err == nil {
			routes = append(routes, route)
		}
	}
	return routes
}
