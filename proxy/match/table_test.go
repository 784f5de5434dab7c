package match_test

import (
	"errors"
	"testing"

	"github.com/fender-proxy/fender/proxy/match"
)

func TestNewTableErrors(t *testing.T) {
	tests := []struct {
		name  string
		route match.Route
		want  string
	}{
		{"a bad path", match.Route{Path: "a"}, `routes[1].path: pattern "a": must start with "/"`},
		{"a method that is none", match.Route{Methods: []string{"GET", "GET,POST"}}, `routes[1].methods: "GET,POST" is not a method's name`},
		{"an empty method", match.Route{Methods: []string{""}}, `routes[1].methods: "" is not a method's name`},
		{"a host with a port", match.Route{Host: "h:80"}, `routes[1].host: "h:80": hosts are compared without port`},
		{"an address with a port", match.Route{Host: "[::1]:80"}, `routes[1].host: "[::1]:80": hosts are compared without port`},
		{"half a bracket", match.Route{Host: "[::1"}, `routes[1].host: "[::1": hosts are compared without port`},
		{"a wildcard", match.Route{Host: "*.example.com"}, `routes[1].host: "*.example.com": there are no wildcards; without a host a route takes all`},
		{"a URL as host", match.Route{Host: "http://h"}, `routes[1].host: "http://h": a host is a name or an address, not a URL`},
		{"a host that is only a dot", match.Route{Host: "."}, `routes[1].host: ".": no name`},
		{"a host beyond ASCII", match.Route{Host: "bücher.example"}, `routes[1].host: "bücher.example": write an international name in its xn-- form`},
		{"a space in the host", match.Route{Host: "a b"}, `routes[1].host: "a b": ' ' is not allowed in a host`},
		{"a header that is none", match.Route{Headers: map[string]string{"X Mode": "a"}}, `routes[1].headers: "X Mode": not a header's name`},
		{"the Host header", match.Route{Headers: map[string]string{"host": "a"}}, `routes[1].headers: "host": the host has a key of its own`},
		{"a header twice", match.Route{Headers: map[string]string{"X-Mode": "a", "x-mode": "b"}}, `routes[1].headers: "x-mode": is there twice, in another case`},
		{"a value with a blank at its end", match.Route{Headers: map[string]string{"X-Mode": "a "}}, `routes[1].headers: "X-Mode": value "a ": no header's value starts or ends with a blank`},
		{"a value with a line end", match.Route{Headers: map[string]string{"X-Mode": "a\nb"}}, `routes[1].headers: "X-Mode": value "a\nb": no header's value has control characters`},
		{"several at once", match.Route{Path: "a", Host: "h:80"}, "routes[1].host: \"h:80\": hosts are compared without port\nroutes[1].path: pattern \"a\": must start with \"/\""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := match.NewTable([]match.Route{{Path: "/ok"}, test.route})
			if err == nil || err.Error() != test.want {
				t.Fatalf("got  %v,\nwant %s", err, test.want)
			}
			var routeErr *match.RouteError
			if !errors.As(err, &routeErr) || routeErr.Route != 1 || routeErr.Unwrap() == nil {
				t.Errorf("got %#v, want a RouteError of route 1", err)
			}
		})
	}
}

func TestNewTableConflicts(t *testing.T) {
	get, post := []string{"GET"}, []string{"POST"}
	tests := []struct {
		name string
		a, b match.Route
		want bool
	}{
		{"the same path", match.Route{Path: "/a"}, match.Route{Path: "/a"}, true},
		{"the same path but for the names", match.Route{Path: "/a/{x}/{y...}"}, match.Route{Path: "/a/{y}/{z...}"}, true},
		{"no path and all paths", match.Route{}, match.Route{Path: "/{x...}"}, true},
		{"a segment and the rest", match.Route{Path: "/{x}"}, match.Route{Path: "/{x...}"}, false},
		{"a final slash", match.Route{Path: "/a"}, match.Route{Path: "/a/"}, false},
		{"the same host in another case and form", match.Route{Host: "H.example."}, match.Route{Host: "h.Example"}, true},
		{"the same address in another form", match.Route{Host: "[::1]"}, match.Route{Host: "0::1"}, true},
		{"another host", match.Route{Host: "a"}, match.Route{Host: "b"}, false},
		{"a host and none", match.Route{Host: "a"}, match.Route{}, false},
		{"the same headers in another case", match.Route{Headers: map[string]string{"X-A": "1"}}, match.Route{Headers: map[string]string{"x-a": "1"}}, true},
		{"another header's value", match.Route{Headers: map[string]string{"X-A": "1"}}, match.Route{Headers: map[string]string{"X-A": "2"}}, false},
		{"more headers", match.Route{Headers: map[string]string{"X-A": "1"}}, match.Route{}, false},
		{"a method in common", match.Route{Methods: []string{"PUT", "GET"}}, match.Route{Methods: []string{"GET", "POST"}}, true},
		{"no method in common", match.Route{Methods: get}, match.Route{Methods: post}, false},
		{"all methods and one", match.Route{}, match.Route{Methods: get}, true},
		{"one method and all", match.Route{Methods: get}, match.Route{}, true},
		{"GET and a HEAD of its own", match.Route{Methods: get}, match.Route{Methods: []string{"HEAD"}}, false},
		{"a method twice in one route", match.Route{Methods: []string{"GET", "GET"}}, match.Route{Methods: post}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := match.NewTable([]match.Route{{Path: "/other"}, test.a, test.b})
			if !test.want {
				if err != nil {
					t.Fatalf("got %v, want no conflict", err)
				}
				return
			}
			var conflict *match.ConflictError
			if !errors.As(err, &conflict) || *conflict != (match.ConflictError{A: 1, B: 2}) {
				t.Fatalf("got %v, want a conflict of 1 and 2", err)
			}
			if got, want := err.Error(), "routes[2] takes the same requests as routes[1]"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestNewTableReportsEverything(t *testing.T) {
	_, err := match.NewTable(paths("/a", "b", "/a", "/c/{x}", "/c/{y}", "/%41"))
	want := `routes[1].path: pattern "b": must start with "/"
routes[2] takes the same requests as routes[0]
routes[4] takes the same requests as routes[3]
routes[5].path: pattern "/%41": segment "%41": literals are written decoded, without "%41"`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v,\nwant\n%s", err, want)
	}
}
