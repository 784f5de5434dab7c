package match_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/proxy/match"
)

func TestParseTargetPasses(t *testing.T) {
	type want struct {
		path, query string
		hasQuery    bool
	}
	tests := []struct {
		name, target string
		want         want
	}{
		{"the root", "/", want{path: "/"}},
		{"a path as it was sent", "/a%2Fb/%7Euser/%e2%82%ac", want{path: "/a%2Fb/%7Euser/%e2%82%ac"}},
		{"every byte that may stand for itself", "/-._~!$&'()*+,;=:@", want{path: "/-._~!$&'()*+,;=:@"}},
		{"double and final slashes", "//a///b/", want{path: "//a///b/"}},
		{"a first segment that looks like a host", "//evil.example/x", want{path: "//evil.example/x"}},
		{"a URL as path", "/http://x/", want{path: "/http://x/"}},
		{"dots that are no whole piece", "/.../..a/a../.well-known/v1.2", want{path: "/.../..a/a../.well-known/v1.2"}},
		{"an encoded backslash", "/a%5Cb", want{path: "/a%5Cb"}},
		{"text that looks like dots once it is decoded twice", "/%252e%252e/x", want{path: "/%252e%252e/x"}},
		{"encoded line ends, still encoded", "/a%0D%0Ab", want{path: "/a%0D%0Ab"}},
		{"bytes that are no UTF-8", "/%ff%c0%af", want{path: "/%ff%c0%af"}},
		{"a query that is none for net/url", "/a?%zz&x;y=[1]|%&=", want{"/a", "%zz&x;y=[1]|%&=", true}},
		{"a second question mark", "/a?b?c", want{"/a", "b?c", true}},
		{"dots in the query", "/a?../..", want{"/a", "../..", true}},
		{"a question mark with nothing behind it", "/a?", want{path: "/a", hasQuery: true}},
		{"quotes and backslashes in the query", "/?\"<>\\^`{|}", want{"/", "\"<>\\^`{|}", true}},
		{"an absolute form", "http://example.com/a%2Fb?c", want{"/a%2Fb", "c", true}},
		{"an absolute form in capitals", "HTTPS://EXAMPLE.COM/a", want{path: "/a"}},
		{"an absolute form without path", "http://example.com", want{path: "/"}},
		{"an absolute form without path but with a query", "http://example.com:80?q", want{"/", "q", true}},
		{"an absolute form with an address", "http://[::1]:8080//a", want{path: "//a"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			target, err := match.ParseTarget(test.target)
			if err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			if got := (want{target.Path, target.Query, target.HasQuery}); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestParseTargetRefuses(t *testing.T) {
	const (
		dots      = `path has a "." or ".." piece`
		broken    = `path has a "%" without two hexadecimal digits`
		form      = `request target must start with "/", "http://" or "https://"`
		authority = "request target has an invalid authority"
	)
	path := func(quoted string) string {
		return "path has the byte " + quoted + ", which must be percent-encoded"
	}
	query := func(quoted string) string {
		return "query has the byte " + quoted + ", which must be percent-encoded"
	}
	tests := []struct{ name, target, want string }{
		{"nothing", "", form},
		{"the asterisk form", "*", `request target "*" is not supported`},
		{"the authority form", "example.com:443", form},
		{"a path without slash", "a/b", form},
		{"a query alone", "?a=/", form},
		{"another scheme", "ftp://example.com/a", form},
		{"a scheme that only folds to https", "httpſ://example.com/a", form},
		{"a scheme without authority", "http:/a", form},
		{"an empty authority", "http:///a", authority},
		{"a port without host", "http://:80/a", authority},
		{"user information", "http://user:secret@example.com/a", authority},
		{"a backslash in the authority", `http://example.com\a/`, authority},
		{"a fragment behind the authority", "http://example.com#a", authority},

		{"a dot", "/a/./b", dots},
		{"a dot at the end", "/a/.", dots},
		{"two dots", "/a/../b", dots},
		{"two dots at the start", "/..", dots},
		{"dots of an absolute form", "http://example.com/../a", dots},
		{"encoded dots", "/a/%2e%2e/b", dots},
		{"half encoded dots", "/a/.%2E/b", dots},
		{"an encoded dot", "/%2e", dots},
		{"dots before an encoded slash", "/a/..%2Fb", dots},
		{"dots behind an encoded slash", "/a%2f..", dots},
		{"dots between encoded slashes", "/a%2F..%2Fb", dots},
		{"a dot between encoded slashes", "/a%2F%2E%2Fb", dots},
		{"dots behind an encoded backslash", "/a%5c..", dots},
		{"dots before an encoded backslash", "/%2e%2e%5Ca", dots},
		{"dots with a parameter", "/a/..;/b", dots},
		{"dots with a parameter that says more", "/a/..;v=1/b", dots},
		{"dots with an encoded semicolon", "/a/..%3b/b", dots},
		{"dots with a query behind them", "/a/..?b", dots},

		{"a raw backslash", `/a\b`, path(`"\\"`)},
		{"a space", "/a b", path(`" "`)},
		{"a tab", "/a\tb", path(`"\t"`)},
		{"a line end", "/a\r\nb", path(`"\r"`)},
		{"a DEL", "/a\x7f", path(`"\x7f"`)},
		{"a byte beyond ASCII", "/\u00fc", path(`"\xc3"`)},
		{"a fragment", "/a#b", path(`"#"`)},
		{"brackets", "/a[1]", path(`"["`)},
		{"braces", "/{a}", path(`"{"`)},
		{"a pipe", "/a|b", path(`"|"`)},
		{"a quote", `/a"b`, path(`"\""`)},
		{"a percent at the end", "/a%", broken},
		{"a percent with one digit", "/a%2", broken},
		{"a percent across a slash", "/a%2/F", broken},
		{"a percent with other letters", "/a%zz", broken},
		{"a percent before the query", "/a%4?1", broken},
		{"an encoded NUL", "/a%00b", "path has a NUL"},
		{"a raw NUL", "/a\x00b", path(`"\x00"`)},

		{"a space in the query", "/a?b c", query(`" "`)},
		{"a line end in the query", "/a?b\nc", query(`"\n"`)},
		{"a NUL in the query", "/a?\x00", query(`"\x00"`)},
		{"a DEL in the query", "/a?\x7f", query(`"\x7f"`)},
		{"a byte beyond ASCII in the query", "/a?\xff", query(`"\xff"`)},
		{"a fragment behind the query", "/a?b#c", query(`"#"`)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := match.ParseTarget(test.target); err == nil || err.Error() != test.want {
				t.Errorf("got  %v,\nwant %s", err, test.want)
			}
		})
	}
}

// An error may be shown to the client and logged, so it must not grow with
// what the client sent.
func TestParseTargetErrorsAreShort(t *testing.T) {
	for _, target := range []string{
		strings.Repeat("a", 60_000),
		"/" + strings.Repeat("a", 60_000) + "|",
		"/" + strings.Repeat("a", 60_000) + "%2f..",
		"http://" + strings.Repeat("@", 60_000),
	} {
		if _, err := match.ParseTarget(target); err == nil || len(err.Error()) > 100 {
			t.Errorf("got %.200v, want an error of at most 100 bytes", err)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{
		"/", "*", "", "//a//", "/a/../b", "/a%2F..%2fb", "/%2e", "/%00", "/%zz", "/a?%zz;[|", "/a%5c..",
		"http://h/a?b", "HTTPS://[::1]:8", "/..;a/", "/%252e%252e", "/%0d%0a", "/ü", "/a#b", "/!$&'()*+,;=:@%7e",
	} {
		f.Add(seed)
	}
	table, err := match.NewTable([]match.Route{{Path: "/{rest...}"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		target, err := match.ParseTarget(s)
		if err != nil {
			return
		}
		sent := target.Path
		if target.HasQuery {
			sent += "?" + target.Query
		}
		if !strings.HasSuffix(s, sent) && sent != "/" && !strings.HasPrefix(sent, "/?") {
			t.Fatalf("got %q to forward for %q, want it byte for byte", sent, s)
		}
		// Whoever decodes the path that is forwarded sees what was matched.
		decoded, err := url.PathUnescape(target.Path)
		if err != nil {
			t.Fatalf("got %v for the accepted path %q, want it well-formed", err, target.Path)
		}
		if got := table.Lookup("GET", "", target, nil).Params()["rest"]; "/"+got != decoded {
			t.Fatalf("got %q matched, %q forwarded, want the same", "/"+got, decoded)
		}
		pieces := func(r rune) bool { return r == '/' || r == '\\' }
		for _, piece := range strings.FieldsFunc(decoded, pieces) {
			if piece == "." || piece == ".." {
				t.Fatalf("got %q accepted, want no dot pieces", target.Path)
			}
		}
		if strings.Contains(decoded, "\x00") {
			t.Fatalf("got %q accepted, want no NUL", target.Path)
		}
		// A url.URL carries the path through net/http unchanged.
		u := url.URL{Path: decoded, RawPath: target.Path, RawQuery: target.Query, ForceQuery: target.HasQuery}
		if got := u.RequestURI(); got != sent {
			t.Fatalf("got %q from url.URL, want %q", got, sent)
		}
	})
}

func BenchmarkParseTarget(b *testing.B) {
	for name, target := range map[string]string{
		"plain":   "/v1/customers/4711/orders?limit=10",
		"escaped": "/v1/customers/a%20b%2Fc/orders?limit=10",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := match.ParseTarget(target); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// lookup parses the target and looks it up.
func lookup(t *testing.T, table *match.Table, method, host, requestURI string, header http.Header) match.Result {
	t.Helper()
	target, err := match.ParseTarget(requestURI)
	if err != nil {
		t.Fatalf("target %q: %v", requestURI, err)
	}
	return table.Lookup(method, host, target, header)
}
