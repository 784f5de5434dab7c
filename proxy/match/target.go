package match

import (
	"errors"
	"fmt"
	"strings"
)

// Target is a request target (RFC 9112, 3.2) that is safe to match and to
// forward. Only [ParseTarget] makes one that matches anything. A Target is
// immutable.
type Target struct {
	// Path is the path in its escaped form, byte for byte as it was sent, or
	// "/" where an absolute-form target has none.
	Path string
	// Query is what follows the first "?", byte for byte as it was sent.
	Query string
	// HasQuery reports whether there was a "?", even with nothing behind it.
	HasQuery bool

	// absolute is set if the target came with a host of its own.
	absolute bool
	// segments are those of Path, decoded; at least one.
	segments []string
}

// ParseTarget reads the target of a request line, in origin-form ("/path?query")
// or absolute-form ("http://host/path?query"). An error means 400; its text is
// fit for the client.
//
// Refused in the path are:
//
//   - a piece that is "." or "..", plain or percent-encoded, where pieces end at
//     slashes and backslashes, also encoded ones, and their parameters (";…")
//     do not count, as some servers drop them before they resolve dots;
//   - bytes that RFC 3986 does not allow in a path, the backslash among them;
//   - a "%" without two hexadecimal digits;
//   - NUL (%00).
//
// Other encoded control bytes, such as %0D%0A, are allowed by RFC 3986 and pass,
// still encoded: they can split nothing on the wire. They do appear in the
// decoded parameters of a [Result], so these need escaping wherever they go. The
// path is decoded once: %252e is the text "%2e" and no dot.
//
// The query is not interpreted. Refused in it are only control bytes, spaces,
// DEL, bytes beyond ASCII and "#".
func ParseTarget(requestURI string) (Target, error) {
	var t Target
	origin := requestURI
	if !strings.HasPrefix(requestURI, "/") {
		var err error
		if origin, err = cutAuthority(requestURI); err != nil {
			return Target{}, err
		}
		t.absolute = true
	}
	t.Path, t.Query, t.HasQuery = strings.Cut(origin, "?")
	if t.Path == "" {
		t.Path = "/"
	}
	var err error
	if t.segments, err = splitPath(t.Path); err != nil {
		return Target{}, err
	}
	if err := checkQuery(t.Query); err != nil {
		return Target{}, err
	}
	return t, nil
}

// cutAuthority returns what follows scheme and authority of an absolute-form
// target.
func cutAuthority(target string) (string, error) {
	if target == "*" {
		return "", errors.New(`request target "*" is not supported`)
	}
	scheme, after, ok := strings.Cut(target, "://")
	scheme = strings.ToLower(scheme)
	if !ok || scheme != "http" && scheme != "https" {
		return "", errors.New(`request target must start with "/", "http://" or "https://"`)
	}
	end := strings.IndexAny(after, "/?")
	if end < 0 {
		end = len(after)
	}
	authority := after[:end]
	// RFC 9110, 4.2.1 and 4.2.4: an empty host is invalid, and user
	// information in a request is an error.
	if authority == "" || authority[0] == ':' || strings.Contains(authority, "@") {
		return "", errors.New("request target has an invalid authority")
	}
	for i := range len(authority) {
		if c := authority[i]; !isPchar(c) && !strings.ContainsRune("%[]", rune(c)) {
			return "", errors.New("request target has an invalid authority")
		}
	}
	return after[end:], nil
}

// splitPath returns the decoded segments of an escaped path that starts with a
// slash.
func splitPath(path string) ([]string, error) {
	segments := make([]string, 0, strings.Count(path, "/"))
	for escaped := range strings.SplitSeq(path[1:], "/") {
		segment, err := unescape(escaped)
		if err != nil {
			return nil, err
		}
		if hasDotPiece(segment) {
			return nil, errors.New(`path has a "." or ".." piece`)
		}
		segments = append(segments, segment)
	}
	return segments, nil
}

// unescape checks and decodes one segment.
func unescape(escaped string) (string, error) {
	escapes := 0
	for i := 0; i < len(escaped); i++ {
		if escaped[i] != '%' {
			if !isPchar(escaped[i]) {
				return "", fmt.Errorf("path has the byte %q, which must be percent-encoded", escaped[i:i+1])
			}
			continue
		}
		c, ok := unhex(escaped[i:])
		if !ok {
			return "", errors.New(`path has a "%" without two hexadecimal digits`)
		}
		if c == 0 {
			return "", errors.New("path has a NUL")
		}
		escapes++
		i += len("XX")
	}
	if escapes == 0 {
		return escaped, nil
	}
	decoded := make([]byte, 0, len(escaped)-escapes*len("XX"))
	for i := 0; i < len(escaped); i++ {
		c := escaped[i]
		if c == '%' {
			c, _ = unhex(escaped[i:])
			i += len("XX")
		}
		decoded = append(decoded, c)
	}
	return string(decoded), nil
}

// hasDotPiece reports whether a server behind us could take a piece of the
// decoded segment for "." or "..".
func hasDotPiece(segment string) bool {
	if !strings.Contains(segment, ".") {
		return false
	}
	isSlash := func(r rune) bool { return r == '/' || r == '\\' }
	for piece := range strings.FieldsFuncSeq(segment, isSlash) {
		name, _, _ := strings.Cut(piece, ";")
		if name == "." || name == ".." {
			return true
		}
	}
	return false
}

func checkQuery(query string) error {
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return fmt.Errorf("query has the byte %q, which must be percent-encoded", query[i:i+1])
		}
	}
	return nil
}
