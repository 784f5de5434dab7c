package stale

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestWhatIsKept(t *testing.T) {
	type h = http.Header
	for name, test := range map[string]struct {
		status       int
		header       http.Header
		want, ignore bool // ignore: with ignore_cache_control
	}{
		"an answer that says nothing":       {200, nil, true, true},
		"one that may be cached":            {200, h{"Cache-Control": {"public, max-age=60, stale-if-error=600"}}, true, true},
		"one that is stale already":         {200, h{"Cache-Control": {"max-age=0"}, "Expires": {"0"}}, true, true},
		"another success":                   {201, nil, false, false},
		"no content":                        {204, nil, false, false},
		"a part":                            {206, nil, false, false},
		"a redirect":                        {301, nil, false, false},
		"not found":                         {404, nil, false, false},
		"a failure":                         {503, nil, false, false},
		"no-store":                          {200, h{"Cache-Control": {"no-store"}}, false, true},
		"private":                           {200, h{"Cache-Control": {"private"}}, false, true},
		"no-cache":                          {200, h{"Cache-Control": {"no-cache"}}, false, true},
		"must-revalidate":                   {200, h{"Cache-Control": {"max-age=60, must-revalidate"}}, false, true},
		"proxy-revalidate":                  {200, h{"Cache-Control": {"proxy-revalidate"}}, false, true},
		"a directive in another case":       {200, h{"Cache-Control": {"No-STORE"}}, false, true},
		"a directive in the second line":    {200, h{"Cache-Control": {"max-age=60", "private"}}, false, true},
		"private for some headers":          {200, h{"Cache-Control": {`private="set-cookie, x"`}}, false, true},
		"no-cache with a token":             {200, h{"Cache-Control": {"no-cache=set-cookie"}}, false, true},
		"a directive behind a quoted one":   {200, h{"Cache-Control": {`a="b, \" c",no-store`}}, false, true},
		"a directive with blanks":           {200, h{"Cache-Control": {"max-age=1 ,\t no-store\t,"}}, false, true},
		"semicolons":                        {200, h{"Cache-Control": {"max-age=0; private"}}, false, true},
		"blanks alone":                      {200, h{"Cache-Control": {"no-cache private"}}, false, true},
		"blanks around the equals sign":     {200, h{"Cache-Control": {`private = "x"`}}, false, true},
		"a quote without an end":            {200, h{"Cache-Control": {`a="b, no-store`}}, false, true},
		"a directive's name in quotes":      {200, h{"Cache-Control": {`a="no-store, private"`, `b="x\", no-store"`}}, true, true},
		"a directive's name as an argument": {200, h{"Cache-Control": {"a=no-store"}}, true, true},
		"a longer name":                     {200, h{"Cache-Control": {"no-store2, xprivate, no-cache-please"}}, true, true},
		"a cookie":                          {200, h{"Set-Cookie": {"a=b"}}, false, true},
		"vary on what is always in the key": {200, h{"Vary": {"accept-encoding", "Authorization,Cookie , ,host"}}, true, true},
		"vary on what is named":             {200, h{"Vary": {"X-Tenant, x-role"}}, true, true},
		"vary on something else":            {200, h{"Vary": {"Accept-Encoding, Origin"}}, false, true},
		"vary on something in a later line": {200, h{"Vary": {"Accept-Encoding", "Accept"}}, false, true},
		"vary on everything":                {200, h{"Vary": {"*"}}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, ignore := range []bool{false, true} {
				o := testOptions()
				o.Vary, o.IgnoreCacheControl = []string{"x-tenant", "X-Role"}, ignore
				s, k := New(o), numbered(1)
				s.Put(k, test.status, test.header, []byte("body"))
				want := test.want
				if ignore {
					want = test.ignore
				}
				answer, got := s.Get(k)
				if got != want {
					t.Errorf("ignoring %t: got %t, want %t", ignore, got, want)
				}
				if _, ok := answer.Header["Set-Cookie"]; ok {
					t.Errorf("ignoring %t: got a cookie", ignore)
				}
			}
		})
	}
}

// Whatever stands before or after it, in its own line or not, a directive is
// found; and what has no quotes is read as any list is.
func FuzzHasDirective(f *testing.F) {
	for _, seed := range []string{"", "no-store", `private="set-cookie, x"`, `a="b`, `a="\`, `"`, `a="b\"c";d , e=f`, ",;=,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if !hasDirective([]string{line, "No-Store"}, "no-store") {
			t.Errorf("got no no-store in a line behind %q", line)
		}
		if !hasDirective([]string{"NO-STORE," + line}, "no-store") {
			t.Errorf("got no no-store before %q", line)
		}
		if strings.Contains(line, `"`) {
			return
		}
		if !hasDirective([]string{line + ", private=x"}, "private") {
			t.Errorf("got no private behind %q", line)
		}
		words := strings.FieldsFunc(strings.ToLower(line), func(r rune) bool { return strings.ContainsRune(",; \t", r) })
		want := slices.ContainsFunc(words, func(word string) bool { return word == "private" || strings.HasPrefix(word, "private=") })
		if got := hasDirective([]string{line}, "no-such", "private"); got != want {
			t.Errorf("got %t for private in %q, want %t", got, line, want)
		}
		if hasDirective([]string{`a="` + strings.ReplaceAll(line, `\`, "") + `"`}, "no-store", "private") {
			t.Errorf("got a directive in quoted %q", line)
		}
	})
}
