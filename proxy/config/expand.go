package config

import (
	"errors"
	"strings"
)

var (
	errUnterminated = errors.New(`"${" without "}"`)
	errVariableName = errors.New(`"${" without a variable's name and "}" or ":-default}" behind it`)
)

// expand replaces ${NAME}, ${NAME:-default} and $$ in raw; any other dollar sign
// stays. The default stands for a variable that is unset or empty. The names of
// variables that are unset and have no default are returned; "unset" stands in
// their place.
func expand(raw string, lookup func(string) (string, bool)) (text string, unset []string, err error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(raw, "$")
		b.WriteString(before)
		switch {
		case !found:
			return b.String(), unset, nil
		case strings.HasPrefix(rest, "$"):
			b.WriteByte('$')
			raw = rest[1:]
		case !strings.HasPrefix(rest, "{"):
			b.WriteByte('$')
			raw = rest
		default:
			reference, after, closed := strings.Cut(rest[1:], "}")
			if !closed {
				return "", nil, errUnterminated
			}
			name, fallback, hasDefault := strings.Cut(reference, ":-")
			if !isVariableName(name) {
				return "", nil, errVariableName
			}
			value, set := lookup(name)
			if hasDefault && (!set || value == "") {
				value, set = fallback, true
			}
			if !set {
				value = "unset"
				unset = append(unset, name)
			}
			b.WriteString(value)
			raw = after
		}
	}
}

func isVariableName(s string) bool {
	for i, r := range s {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}
