package match_test

import (
	"slices"
	"testing"

	"github.com/fender-proxy/fender/proxy/match"
)

func TestParsePattern(t *testing.T) {
	tests := []struct {
		name, pattern string
		params        []string
	}{
		{"the empty pattern has no parameters", "", nil},
		{"the root is one empty literal", "/", nil},
		{"parameters are listed from the left", "/v1/{tenant}/customers/{customer_id}", []string{"tenant", "customer_id"}},
		{"the rest is a parameter too", "/v1/{id}/{path...}", []string{"id", "path"}},
		{"empty segments are literals", "/a//b/", nil},
		{"a literal holds what a decoded segment may", `/a b/ü/x\y/100%/[1]|;=/a.b/.../` + "\n", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := match.ParsePattern(test.pattern)
			if err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			if got := p.Params(); !slices.Equal(got, test.params) {
				t.Errorf("got params %q, want %q", got, test.params)
			}
			if got := p.String(); got != test.pattern {
				t.Errorf("got %q as text, want %q", got, test.pattern)
			}
		})
	}
}

func TestParsePatternErrors(t *testing.T) {
	tests := []struct{ name, pattern, want string }{
		{"no slash at the start", "v1/x", `pattern "v1/x": must start with "/"`},
		{"a parameter without name", "/{}", `pattern "/{}": segment "{}": a parameter's name is letters, digits and _, not a digit first`},
		{"a rest without name", "/{...}", `pattern "/{...}": segment "{...}": a parameter's name is letters, digits and _, not a digit first`},
		{"a name that no template can say", "/{a-b}", `pattern "/{a-b}": segment "{a-b}": a parameter's name is letters, digits and _, not a digit first`},
		{"a digit first", "/{1a}", `pattern "/{1a}": segment "{1a}": a parameter's name is letters, digits and _, not a digit first`},
		{"a name twice", "/{id}/x/{id}", `pattern "/{id}/x/{id}": parameter "id" is there twice`},
		{"a name twice, the second for the rest", "/{id}/{id...}", `pattern "/{id}/{id...}": parameter "id" is there twice`},
		{"a parameter with a prefix", "/v{n}", `pattern "/v{n}": segment "v{n}": a parameter is a whole segment, {name} or {name...}`},
		{"a parameter with a suffix", "/{n}.json", `pattern "/{n}.json": segment "{n}.json": a parameter is a whole segment, {name} or {name...}`},
		{"two parameters in a segment", "/{a}{b}", `pattern "/{a}{b}": segment "{a}{b}": a parameter is a whole segment, {name} or {name...}`},
		{"an open brace", "/{a", `pattern "/{a": segment "{a": a parameter is a whole segment, {name} or {name...}`},
		{"a lonely closing brace", "/a}", `pattern "/a}": segment "a}": a parameter is a whole segment, {name} or {name...}`},
		{"a rest before the end", "/{a...}/b", `pattern "/{a...}/b": {a...} must be the last segment`},
		{"a rest before a final slash", "/{a...}/", `pattern "/{a...}/": {a...} must be the last segment`},
		{"a dot segment", "/a/./b", `pattern "/a/./b": segment ".": paths with "." or ".." are refused before they are matched`},
		{"a double dot segment", "/a/..", `pattern "/a/..": segment "..": paths with "." or ".." are refused before they are matched`},
		{"dots behind a backslash", `/a\..`, `pattern "/a\\..": segment "a\\..": paths with "." or ".." are refused before they are matched`},
		{"an escape", "/a%20b", `pattern "/a%20b": segment "a%20b": literals are written decoded, without "%20"`},
		{"an escaped slash", "/a%2Fb", `pattern "/a%2Fb": segment "a%2Fb": literals are written decoded, without "%2F"`},
		{"a query", "/a?b={c}", `pattern "/a?b={c}": '?' is not part of a path`},
		{"a fragment", "/a#b", `pattern "/a#b": '#' is not part of a path`},
		{"a NUL", "/a\x00", `pattern "/a\x00": '\x00' is not part of a path`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := match.ParsePattern(test.pattern); err == nil || err.Error() != test.want {
				t.Errorf("got  %v,\nwant %s", err, test.want)
			}
		})
	}
}
