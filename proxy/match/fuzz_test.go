package match_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/proxy/match"
)

// FuzzMatch reads patterns, one a line; some routes get a method or a header.
func FuzzMatch(f *testing.F) {
	f.Add("/a/b\n/a/{x}\n/{x...}\n", "GET", "", "/a/c", "1")
	f.Add("/{a}/{b}/x\n/a/{b...}\n/a//x", "HEAD", "H:80", "/a//x?y", "")
	f.Add("\n/", "POST", "[::1]:80", "http://h/%2f", "2")
	f.Add("/100%\n/ü\n/a b", "PUT", "h.", "/%c3%bc", "1, 2")
	f.Fuzz(func(t *testing.T, patterns, method, host, target, value string) {
		var routes []match.Route
		for i, p := range strings.Split(patterns, "\n") {
			route := match.Route{Path: p}
			if i%3 == 1 {
				route.Methods = []string{"GET"}
			}
			if i%5 == 4 {
				route.Headers = map[string]string{"X-A": value}
			}
			if _, err := match.NewTable(append(routes, route)); err == nil && i < 20 {
				routes = append(routes, route)
			}
		}
		if method == "CONNECT" || method == "TRACE" {
			return
		}
		agree(t, newTable(t, routes...), newReference(routes), method, host, target, http.Header{"X-A": {value}})
	})
}
