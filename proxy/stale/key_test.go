package stale

import (
	"net/http"
	"strings"
	"testing"
)

// request is a request as a server hands it over, with these header lines.
func request(method, target, host string, header http.Header) *http.Request {
	return &http.Request{Method: method, RequestURI: target, Host: host, Header: header}
}

func TestRequestsThatDifferShareNoAnswer(t *testing.T) {
	o := testOptions()
	o.Methods = []string{"GET", "HEAD", "POST"}
	o.Vary = []string{"x-tenant", "X-Role"}
	o.Identifies = func(name string) bool { return strings.HasSuffix(name, "-Key") || name == "X-Role" }
	s := New(o)
	type h = http.Header
	requests := map[string]struct {
		*http.Request
		body string
	}{
		"a GET":                   {request("GET", "/v1/a", "crm", nil), ""},
		"a HEAD":                  {request("HEAD", "/v1/a", "crm", nil), ""},
		"another path":            {request("GET", "/v1/b", "crm", nil), ""},
		"a path in another case":  {request("GET", "/v1/A", "crm", nil), ""},
		"the path encoded":        {request("GET", "/v1/%61", "crm", nil), ""},
		"a query":                 {request("GET", "/v1/a?q=1", "crm", nil), ""},
		"another query":           {request("GET", "/v1/a?q=2", "crm", nil), ""},
		"an empty query":          {request("GET", "/v1/a?", "crm", nil), ""},
		"another host":            {request("GET", "/v1/a", "crm2", nil), ""},
		"another port":            {request("GET", "/v1/a", "crm:81", nil), ""},
		"credentials":             {request("GET", "/v1/a", "crm", h{"Authorization": {"A"}}), ""},
		"other credentials":       {request("GET", "/v1/a", "crm", h{"Authorization": {"B"}}), ""},
		"empty credentials":       {request("GET", "/v1/a", "crm", h{"Authorization": {""}}), ""},
		"credentials twice":       {request("GET", "/v1/a", "crm", h{"Authorization": {"A", "A"}}), ""},
		"gzip":                    {request("GET", "/v1/a", "crm", h{"Accept-Encoding": {"gzip"}}), ""},
		"gzip or br":              {request("GET", "/v1/a", "crm", h{"Accept-Encoding": {"gzip, br"}}), ""},
		"gzip or br in two lines": {request("GET", "/v1/a", "crm", h{"Accept-Encoding": {"gzip", "br"}}), ""},
		"the lines swapped":       {request("GET", "/v1/a", "crm", h{"Accept-Encoding": {"br", "gzip"}}), ""},
		"a tenant":                {request("GET", "/v1/a", "crm", h{"X-Tenant": {"A"}}), ""},
		"a role":                  {request("GET", "/v1/a", "crm", h{"X-Role": {"A"}}), ""},
		"a tenant and a role":     {request("GET", "/v1/a", "crm", h{"X-Tenant": {"A"}, "X-Role": {"A"}}), ""},
		"a key":                   {request("GET", "/v1/a", "crm", h{"X-Api-Key": {"A"}}), ""},
		"another key":             {request("GET", "/v1/a", "crm", h{"X-Api-Key": {"B"}}), ""},
		"a key of another kind":   {request("GET", "/v1/a", "crm", h{"X-User-Key": {"A"}}), ""},
		"two keys":                {request("GET", "/v1/a", "crm", h{"X-Api-Key": {"A"}, "X-User-Key": {"A"}}), ""},
		"a key and a role":        {request("GET", "/v1/a", "crm", h{"X-Api-Key": {"A"}, "X-Role": {"A"}}), ""},
		"a POST":                  {request("POST", "/v1/a", "crm", nil), ""},
		"a search":                {request("POST", "/v1/a", "crm", nil), `{"q":1}`},
		"another search":          {request("POST", "/v1/a", "crm", nil), `{"q":2}`},
		"a GET with a body":       {request("GET", "/v1/a", "crm", nil), `{"q":1}`},
		"a tenant in the path":    {request("GET", "/v1/a\x08X-Tenant\x01\x01A", "crm", nil), ""},
		"the host in the path":    {request("GET", "m/v1/a", "cr", nil), ""},
		"more than a buffer":      {request("GET", "/"+strings.Repeat("a", 1000), "crm", nil), ""},
		"and one byte more of it": {request("GET", "/"+strings.Repeat("a", 1001), "crm", nil), ""},
	}
	for name, r := range requests {
		k, ok := s.Key(r.Request, []byte(r.body))
		if !ok {
			t.Fatalf("%s: got no key", name)
		}
		s.Put(k, 200, nil, []byte(name))
	}
	for name, r := range requests {
		k, _ := s.Key(r.Request, []byte(r.body))
		wantBody(t, s, k, name)
	}
}

func TestRequestsThatAreAlikeShareAnAnswer(t *testing.T) {
	s := New(testOptions())
	want, _ := s.Key(request("GET", "/v1/a?q", "crm:80", http.Header{"Authorization": {"A"}}), nil)
	made, _ := http.NewRequest("GET", "http://crm:80/v1/a?q", nil)
	made.Header.Set("Authorization", "A")
	for name, r := range map[string]*http.Request{
		"the host in another case":          request("GET", "/v1/a?q", "CRM:80", http.Header{"Authorization": {"A"}}),
		"headers that nothing depends on":   request("GET", "/v1/a?q", "crm:80", http.Header{"Authorization": {"A"}, "X-Request-Id": {"1"}}),
		"a request that no server has read": made,
	} {
		if got, ok := s.Key(r, nil); !ok || got != want {
			t.Errorf("%s: got another key, %t", name, ok)
		}
	}
}

func TestNothingIsKeptForSomeRequests(t *testing.T) {
	type h = http.Header
	for name, test := range map[string]struct {
		method       string
		header       http.Header
		want, ignore bool // ignore: whether there is a key with ignore_cache_control
	}{
		"a GET":                             {"GET", nil, true, true},
		"a method that is not named":        {"POST", nil, false, false},
		"a method in another case":          {"get", nil, false, false},
		"a cookie":                          {"GET", h{"Cookie": {"a=b"}}, false, false},
		"an empty cookie":                   {"GET", h{"Cookie": {""}}, false, false},
		"a range":                           {"GET", h{"Range": {"bytes=0-1"}}, false, false},
		"no-store":                          {"GET", h{"Cache-Control": {"max-age=0", "x, No-Store"}}, false, true},
		"no-cache asks for an answer later": {"GET", h{"Cache-Control": {"no-cache"}, "Pragma": {"no-cache"}}, true, true},
		"a condition":                       {"GET", h{"If-None-Match": {`"1"`}}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, ignore := range []bool{false, true} {
				o := testOptions()
				o.IgnoreCacheControl = ignore
				want := test.want
				if ignore {
					want = test.ignore
				}
				if _, got := New(o).Key(request(test.method, "/", "crm", test.header), nil); got != want {
					t.Errorf("ignoring %t: got %t, want %t", ignore, got, want)
				}
			}
		})
	}
	off := testOptions()
	off.MaxAge = 0
	if _, got := New(off).Key(request("GET", "/", "crm", nil), nil); got {
		t.Error("max age 0: got a key, want none")
	}
}
