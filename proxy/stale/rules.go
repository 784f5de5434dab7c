package stale

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// mayKeep reports whether an answer may be given again later.
func (s *Store) mayKeep(status int, h http.Header) bool {
	if status != http.StatusOK {
		return false
	}
	if s.options.IgnoreCacheControl {
		return true
	}
	return len(h["Set-Cookie"]) == 0 && s.keysAll(h["Vary"]) &&
		!hasDirective(h["Cache-Control"], "no-store", "private", "no-cache", "must-revalidate", "proxy-revalidate")
}

// keysAll reports whether the key tells requests apart by all the headers that
// the lines of a Vary name. "*" is what no key holds.
func (s *Store) keysAll(vary []string) bool {
	for _, line := range vary {
		for name := range strings.SplitSeq(line, ",") {
			name = textproto.CanonicalMIMEHeaderKey(strings.Trim(name, " \t"))
			if name != "" && !alwaysAlike(name) && !slices.Contains(s.vary, name) {
				return false
			}
		}
	}
	return true
}

// alwaysAlike reports whether a header is the same in all requests of one key:
// the host is in it, and a request with one of the others has no key.
func alwaysAlike(name string) bool {
	return name == "Host" || name == "Cookie" || name == "Range"
}

// hasDirective reports whether the lines of a Cache-Control have one of the
// directives, with or without an argument. The directives are asked for in
// lower case and found in any.
//
// What is not quite well-formed is read in the way that finds more of them.
func hasDirective(lines []string, directives ...string) bool {
	for _, line := range lines {
		for line != "" {
			var directive string
			directive, line = cutDirective(line)
			name, _, _ := strings.Cut(directive, "=")
			if slices.ContainsFunc(directives, func(d string) bool { return strings.EqualFold(d, name) }) {
				return true
			}
		}
	}
	return false
}

// cutDirective cuts the first directive off a line of Cache-Control. Some
// servers separate them by semicolons or blanks.
func cutDirective(line string) (directive, rest string) {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case ',', ';', ' ', '\t':
			return line[:i], line[i+1:]
		case '"':
			i += quotedLen(line[i:]) - 1
		}
	}
	return line, ""
}

// quotedLen returns the length of the quoted string (RFC 9110, 5.6.4) that s
// starts with, or 1 if it has no end, so that its quote stands for itself.
func quotedLen(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return 1
}
