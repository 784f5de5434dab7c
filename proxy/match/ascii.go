package match

import "strings"

// unhex decodes the percent-encoded byte that s starts with.
func unhex(s string) (byte, bool) {
	if len(s) < len("%XX") {
		return 0, false
	}
	high, ok1 := nibble(s[1])
	low, ok2 := nibble(s[2])
	return high<<4 | low, ok1 && ok2
}

func nibble(c byte) (byte, bool) {
	switch {
	case isDigit(c):
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// isPchar reports whether c may stand for itself in a path segment (RFC 3986,
// 3.3: pchar without pct-encoded).
func isPchar(c byte) bool {
	return isLetter(c) || isDigit(c) || strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0
}

// isToken reports whether s is a token (RFC 9110, 5.6.2), as methods and header
// names are.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && !isDigit(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
