package match

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// Route is the set of requests that a route takes.
type Route struct {
	// Methods are the methods taken; none for all. GET includes HEAD. CONNECT
	// and TRACE are never taken, also if they are listed.
	Methods []string
	// Host is compared without port, final dot and case; empty for all.
	Host string
	// Path is a [Pattern]; empty for all.
	Path string
	// Headers must be there with exactly these values. Several lines of one
	// name are compared as one, joined by ", " (RFC 9110, 5.3).
	Headers map[string]string
}

// Table finds the route of a request in a time that depends on the request and
// on how its routes branch, not on their number. It is immutable and safe for
// concurrent use.
type Table struct {
	// hosts holds the routes with a host, all those without.
	hosts map[string]*node
	all   *node
	// patterns are the routes' own, by index.
	patterns []Pattern
}

// RouteError is a route that says something no request can be matched against.
type RouteError struct {
	// Route is the route's index, Key what of it is wrong: "methods", "host",
	// "path" or "headers".
	Route int
	Key   string
	Err   error
}

// Error names the route by its index.
func (e *RouteError) Error() string {
	return fmt.Sprintf("routes[%d].%s: %v", e.Route, e.Key, e.Err)
}

// Unwrap returns what is wrong.
func (e *RouteError) Unwrap() error { return e.Err }

// ConflictError is a pair of routes that take the same requests: same host,
// same path whatever its parameters are called, same headers, and a method in
// common.
type ConflictError struct {
	// A and B are the routes' indexes; A < B.
	A, B int
}

// Error names the routes by their indexes.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("routes[%d] takes the same requests as routes[%d]", e.B, e.A)
}

// NewTable returns a table of the routes. The error is a [*RouteError] or a
// [*ConflictError], or if there are several, all of them as [errors.Join]
// returns them.
func NewTable(routes []Route) (*Table, error) {
	t := &Table{
		hosts:    make(map[string]*node),
		all:      &node{},
		patterns: make([]Pattern, len(routes)),
	}
	var errs []error
	for i, route := range routes {
		errs = append(errs, t.add(i, route)...)
	}
	switch len(errs) {
	case 0:
		return t, nil
	case 1:
		return nil, errs[0]
	}
	return nil, errors.Join(errs...)
}

// add returns all that is wrong with a route.
func (t *Table) add(i int, route Route) []error {
	host, hostErr := parseHost(route.Host)
	pattern, pathErr := ParsePattern(route.Path)
	conditions, headersErr := parseHeaders(route.Headers)
	var errs []error
	for _, e := range []RouteError{
		{i, "methods", checkMethods(route.Methods)},
		{i, "host", hostErr},
		{i, "path", pathErr},
		{i, "headers", headersErr},
	} {
		if e.Err != nil {
			errs = append(errs, &e)
		}
	}
	if errs != nil {
		return errs
	}
	t.patterns[i] = pattern
	if rival, ok := t.root(host).leaf(pattern).slot(conditions).claim(route.Methods, i); !ok {
		return []error{&ConflictError{rival, i}}
	}
	return nil
}

// root returns the tree of a host's routes, planting it as needed.
func (t *Table) root(host string) *node {
	if host == "" {
		return t.all
	}
	if t.hosts[host] == nil {
		t.hosts[host] = &node{}
	}
	return t.hosts[host]
}

func checkMethods(methods []string) error {
	for _, method := range methods {
		if !isToken(method) {
			return fmt.Errorf("%q is not a method's name", method)
		}
	}
	return nil
}

// Result is what [Table.Lookup] found.
type Result struct {
	// Route is the index of the route, -1 if there is none.
	Route int
	// Allow is set if only the method kept a route from being found (405): the
	// methods of the routes that match otherwise, sorted; empty if these list
	// nothing but CONNECT and TRACE. It is nil if no route matches at all (404).
	Allow []string

	pattern  Pattern
	segments []string
}

// Params returns the values of the route's path parameters by name, decoded;
// nil if it has none. A {name...} is decoded segment by segment, so that a
// slash in it may have been sent as "/" or as "%2F". Values may hold any byte
// but NUL. Each call makes a new map.
func (r Result) Params() map[string]string { return r.pattern.values(r.segments) }

// Lookup returns the most specific route that takes the request; host is the
// Host header's value, and header is looked up by canonical names. The host of
// an absolute-form target chooses nothing: such a request is matched as one
// without a host, whatever host says, since net/http puts the target's there.
//
// It allocates nothing, unless a route was left because of its method, or the
// host or a header asked for is unusually long. However the path is chosen, each
// node of the tree is visited at most once.
func (t *Table) Lookup(method, host string, target Target, header http.Header) Result {
	s := search{method: method, header: header}
	route := -1
	if root := t.lookupHost(host, target); root != nil {
		route = s.walk(root, target.segments)
	}
	if route < 0 {
		route = s.walk(t.all, target.segments)
	}
	if route >= 0 {
		return Result{Route: route, pattern: t.patterns[route], segments: target.segments}
	}
	if s.allow == nil {
		return Result{Route: -1}
	}
	allow := slices.AppendSeq([]string{}, maps.Keys(s.allow))
	slices.Sort(allow)
	return Result{Route: -1, Allow: allow}
}

// lookupHost returns the tree of just this host's routes, or nil.
func (t *Table) lookupHost(host string, target Target) *node {
	if target.absolute || len(t.hosts) == 0 {
		return nil
	}
	var array [64]byte
	return t.hosts[string(appendHost(array[:0], host))]
}
