package config

import (
	"maps"
	"net/textproto"
	"slices"
	"strings"
)

// isToken reports whether s is a token (RFC 9110, 5.6.2): a method, a header's
// name, an upgrade token.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// isHeaderValue reports whether s can be sent as a header's value (RFC 9110,
// 5.5).
func isHeaderValue(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) < 0
}

// ownHeaders are those that Fender or the protocol sets by itself.
var ownHeaders = []string{
	"Connection", "Content-Length", "Host", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// isOwnHeader reports whether no configuration may touch a header.
func isOwnHeader(name string) bool {
	canonical := textproto.CanonicalMIMEHeaderKey(name)
	return slices.Contains(ownHeaders, canonical) || strings.HasPrefix(canonical, "Fender-")
}

// checkHeaders reports names and values that can't be sent. No value is shown,
// nor a name that is none: either may be a secret.
func checkHeaders[V any](s section, key string, headers map[string]V, reveal func(V) string) {
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		path := join(key, name)
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		value := reveal(headers[name])
		switch {
		case !isToken(name):
			p := s.place(path)
			p.path = strings.TrimSuffix(p.path, "."+segment(name))
			s.problem(p, "a header's name that is none", "letters, digits and -")
		case isOwnHeader(name):
			s.fault(path, "this header is not set by hand", "Fender and HTTP need it for themselves")
		case seen[canonical]:
			s.fault(path, "this header is there twice, in another case", "")
		case strings.ContainsAny(value, "\r\n"):
			s.fault(path, "the value has a line break", "a file or variable may end with one")
		case !isHeaderValue(value):
			s.fault(path, "the value has a control character", "")
		}
		seen[canonical] = true
	}
}

func (s section) checkHeaderName(key, name string) {
	switch {
	case name == "":
	case !isToken(name):
		s.fault(key, s.say(key)+" is not a header's name", "letters, digits and -")
	case isOwnHeader(name):
		s.fault(key, "this header is not set by hand", "Fender and HTTP need it for themselves")
	}
}

// checkMethods reports what is not a method that Fender takes.
func (s section) checkMethods(key string, methods []string) {
	for i, method := range methods {
		at := key + element("", i)
		switch upper := strings.ToUpper(method); {
		case !isToken(method):
			s.fault(at, s.say(at)+" is not a method", "")
		case upper == "CONNECT" || upper == "TRACE":
			s.fault(at, upper+" is always refused", "")
		case method != upper && s.plain(at):
			s.fault(at, s.say(at)+" is not in upper case", "write "+upper)
		case method != upper:
			s.fault(at, s.say(at)+" is not in upper case", "")
		}
	}
}
