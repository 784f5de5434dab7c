package match

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// leaf is the routes of one host and one path, by what they ask of the headers:
// groups with more names come first. Values are found by hash; groups are few.
type leaf []group

// group is the routes that ask for headers of the same names.
type group struct {
	// names are canonical and sorted.
	names []string
	// slots are the routes by their headers' values, as appendValue joins them.
	slots map[string]slot
}

// conditions are the headers that a route asks for, in the form of a group.
type conditions struct {
	names []string
	key   string
}

// parseHeaders checks a route's headers.
func parseHeaders(headers map[string]string) (conditions, error) {
	values := make(map[string]string, len(headers))
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if err := checkHeader(canonical, headers[name]); err != nil {
			return conditions{}, fmt.Errorf("%q: %w", name, err)
		}
		if _, ok := values[canonical]; ok {
			return conditions{}, fmt.Errorf("%q: is there twice, in another case", name)
		}
		values[canonical] = headers[name]
	}
	names := slices.Sorted(maps.Keys(values))
	var key []byte
	for _, name := range names {
		key = appendValue(key, values[name])
	}
	return conditions{names, string(key)}, nil
}

// checkHeader refuses conditions that no request can meet.
func checkHeader(name, value string) error {
	if !isToken(name) {
		return errors.New("not a header's name")
	}
	if name == "Host" {
		return errors.New("the host has a key of its own")
	}
	if strings.Trim(value, " \t") != value {
		return fmt.Errorf("value %q: no header's value starts or ends with a blank", value)
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return fmt.Errorf("value %q: no header's value has control characters", value)
		}
	}
	return nil
}

// appendValue appends the lines of a header as one value, and a NUL, which
// values from a configuration never have: two lists of values never give the
// same key.
func appendValue(key []byte, lines ...string) []byte {
	for i, line := range lines {
		if i > 0 {
			key = append(key, ", "...)
		}
		key = append(key, line...)
	}
	return append(key, 0)
}

// slot returns the routes with these conditions, making room as needed.
func (l *leaf) slot(c conditions) slot {
	i := slices.IndexFunc(*l, func(g group) bool { return slices.Equal(g.names, c.names) })
	if i < 0 {
		*l = append(*l, group{c.names, make(map[string]slot)})
		slices.SortStableFunc(*l, func(a, b group) int { return len(b.names) - len(a.names) })
		return l.slot(c)
	}
	slots := (*l)[i].slots
	if slots[c.key] == nil {
		slots[c.key] = make(slot)
	}
	return slots[c.key]
}

// match returns the routes whose headers the request has, or nil.
func (g group) match(header http.Header) slot {
	var array [128]byte
	key := array[:0]
	for _, name := range g.names {
		lines := header[name]
		if len(lines) == 0 {
			return nil
		}
		key = appendValue(key, lines...)
	}
	return g.slots[string(key)]
}

// slot is the routes that differ in nothing but their methods: route indexes by
// method.
type slot map[string]int

// anyMethod is the key of a route for all methods; it is then the only one.
const anyMethod = ""

// claim gives the methods to a route. If one is taken already, it returns the
// route that has it and false.
func (s slot) claim(methods []string, route int) (int, bool) {
	if rival, ok := s[anyMethod]; ok {
		return rival, false
	}
	if len(methods) == 0 {
		if len(s) > 0 {
			return slices.Min(slices.Collect(maps.Values(s))), false
		}
		methods = []string{anyMethod}
	}
	for _, method := range methods {
		if rival, ok := s[method]; ok {
			return rival, false
		}
	}
	for _, method := range methods {
		s[method] = route
	}
	return route, true
}

// route returns the route that takes the method, and whether there is one.
func (s slot) route(method string) (int, bool) {
	if neverTaken(method) {
		return 0, false
	}
	if route, ok := s[method]; ok {
		return route, true
	}
	if method == http.MethodHead {
		if route, ok := s[http.MethodGet]; ok {
			return route, true
		}
	}
	route, ok := s[anyMethod]
	return route, ok
}

// allow adds the methods that are taken to a set.
func (s slot) allow(set map[string]bool) {
	if _, ok := s[anyMethod]; ok {
		for _, method := range []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"} {
			set[method] = true
		}
		return
	}
	for method := range s {
		if neverTaken(method) {
			continue
		}
		set[method] = true
		if method == http.MethodGet {
			set[http.MethodHead] = true
		}
	}
}

// neverTaken reports whether the method is none of a reverse proxy: CONNECT
// asks for a tunnel, TRACE shows the sender what was added on the way.
func neverTaken(method string) bool {
	return method == http.MethodConnect || method == http.MethodTrace
}
