package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

const plainRoute = "routes: [{name: plain, upstream: a}]"

func TestAnswersThatPass(t *testing.T) {
	r := newRig(t, plainRoute, says(418, "tea", "X-Own", "1", "Fender-Outcome", "forged", "Alt-Svc", "h3", "Connection", "X-Hop", "X-Hop", "1"))
	resp := r.get(t, "/x%2Fy//z?a=%zz&b;c")
	if got := text(t, resp); resp.StatusCode != 418 || got != "tea" {
		t.Errorf("got %d %q", resp.StatusCode, got)
	}
	checkHeader(t, resp.Header, map[string]string{
		"Fender-Outcome": "upstream", "Fender-Attempts": "1", "Fender-Circuit": "", "Fender-Reason": "",
		"X-Own": "1", "Alt-Svc": "", "X-Hop": "", "Proxy-Status": "", "Cache-Control": "",
	})
	if got := r.seen[0].URL.RequestURI(); got != "/base/x%2Fy//z?a=%zz&b;c" {
		t.Errorf("the upstream got %q", got)
	}
}

func TestRequestHeaders(t *testing.T) {
	const yaml = `
upstreams:
  a: {url: "http://a.test", allow_plaintext: true, headers: {X-API-Key: "${KEY:-secret}"}}
  b: {url: "http://b.test", via: false, forwarded: true}
routes:
  - {name: one, match: {path: "/one/{rest...}"}, upstream: a, rewrite: {strip_prefix: /one, set_headers: {X-Set: set, X-API-Key: weak}, remove_headers: [X-Gone]}, retry: {idempotency_key: {header: X-Idem}}}
  - {name: two, match: {path: "/two"}, upstream: b}
`
	r := newRig(t, yaml, says(200, ""))
	r.get(t, "/one/x",
		"Connection", "Authorization, X-Custom, X-Idem, Cookie, X_Under, accept-language",
		"Authorization", "Bearer client", "Cookie", "c=1", "X-Custom", "1", "X-Idem", "k", "Accept-Language", "de",
		"X_Under", "1", "X-Forwarded-For", "6.6.6.6", "X-Forwarded-Port", "1", "Forwarded", "for=6.6.6.6",
		"X-Real-Ip", "6.6.6.6", "X-Original-Url", "/admin", "X-Rewrite-Url", "/admin", "Fender-Timeout-Ms", "900",
		"X-Api-Key", "client's", "X-Set", "client's", "X-Gone", "1", "Expect", "100-continue", "Te", "trailers",
		"Via", "1.1 other", "Traceparent", "00-t", "Inin-Correlation-Id", "cid", "Accept-Encoding", "br", "Keep-Alive", "5")
	out := r.seen[0]
	if out.URL.String() != "http://a.test/x" || out.Host != "" && out.Host != "a.test" {
		t.Errorf("got %s, host %q", out.URL, out.Host)
	}
	checkHeader(t, out.Header, map[string]string{
		"Authorization": "Bearer client", "Cookie": "c=1", "X-Custom": "", "X-Idem": "k", "Accept-Language": "de",
		"X_Under": "", "X-Forwarded-For": "", "X-Forwarded-Port": "", "Forwarded": "",
		"X-Real-Ip": "", "X-Original-Url": "", "X-Rewrite-Url": "", "Fender-Timeout-Ms": "",
		"X-Api-Key": "secret", "X-Set": "set", "X-Gone": "", "Expect": "", "Keep-Alive": "", "Te": "trailers",
		"Via": "1.1 other, 1.1 " + r.pseudonym, "Traceparent": "00-t", "Inin-Correlation-Id": "cid", "Accept-Encoding": "br",
	})
	r.get(t, "/two", "X-Forwarded-For", "6.6.6.6")
	checkHeader(t, r.seen[1].Header, map[string]string{
		"Via": "", "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Host": "example.com", "X-Forwarded-Proto": "http", "Accept-Encoding": "",
	})
}

func TestRequestID(t *testing.T) {
	generated := regexp.MustCompile(`^[0-9a-f]{32}$`)
	tests := []struct {
		name, id string
		passes   bool
	}{
		{"a harmless one passes", "Az09._-", true},
		{"of 128 bytes", strings.Repeat("a", 128), true},
		{"of 129", strings.Repeat("a", 129), false},
		{"none", "", false},
		{"with a line break's remains", "a\tb", false},
		{"with a quote", `a"b`, false},
		{"beyond ASCII", "ä", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, plainRoute, says(200, ""))
			resp := r.get(t, "/", "X-Request-Id", tt.id)
			id := resp.Header.Get("X-Request-Id")
			if tt.passes && id != tt.id || !tt.passes && !generated.MatchString(id) {
				t.Errorf("got %q for %q", id, tt.id)
			}
			if sent := r.seen[0].Header.Get("X-Request-Id"); sent != id {
				t.Errorf("the upstream got %q, the client %q", sent, id)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	const yaml = `routes: [{name: one, match: {methods: [GET, PUT], path: "/one/{id}"}, upstream: a, upgrade: [websocket]}]`
	tests := []struct {
		name, method, target string
		header               []string
		status               int
		allow                string
	}{
		{"no route", "GET", "/two", nil, 404, ""},
		{"another method", "POST", "/one/1", nil, 405, "GET, HEAD, PUT"},
		{"TRACE", "TRACE", "/one/1", nil, 405, "GET, HEAD, PUT"},
		{"CONNECT", "CONNECT", "a.test:80", nil, 405, ""},
		{"a dot segment", "GET", "/one/%2e%2e", nil, 400, ""},
		{"h2c", "GET", "/one/1", []string{"Connection", "Upgrade", "Upgrade", "h2c"}, 403, ""},
		{"an upgrade beside one that is allowed", "GET", "/one/1", []string{"Connection", "Upgrade", "Upgrade", "WebSocket, h2c"}, 403, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, yaml, says(200, ""))
			resp := r.do(t.Context(), tt.method, tt.target, "", tt.header...)
			if resp.StatusCode != tt.status || len(r.seen) != 0 {
				t.Errorf("got %d, %d requests upstream, want %d and none", resp.StatusCode, len(r.seen), tt.status)
			}
			checkHeader(t, resp.Header, map[string]string{"Allow": tt.allow, "Content-Type": "application/problem+json", "Cache-Control": "no-store"})
			var problem struct{ Status int }
			if err := json.Unmarshal([]byte(text(t, resp)), &problem); err != nil || problem.Status != tt.status {
				t.Errorf("got %v, status %d", err, problem.Status)
			}
			if _, ok := resp.Header["Allow"]; ok != (tt.status == 405) {
				t.Errorf("got Allow %t with %d (RFC 9110, 15.5.6)", ok, tt.status)
			}
			if !strings.Contains(r.log.String(), "outcome=invalid") || !strings.Contains(r.log.String(), "error=") {
				t.Errorf("got log %s", r.log)
			}
		})
	}
	t.Run("a loop", func(t *testing.T) {
		r := newRig(t, yaml, says(200, ""))
		if resp := r.get(t, "/one/1", "Via", "1.1 x, 1.1 "+r.pseudonym); resp.StatusCode != 508 || len(r.seen) != 0 {
			t.Errorf("got %d", resp.StatusCode)
		}
	})
}

func TestFallbackTemplates(t *testing.T) {
	const yaml = `
routes:
  - name: one
    match: {path: "/v1/{id}"}
    upstream: a
    breaker: {consecutive_failures: 1, open: {initial: 15s}}
    fallback:
      methods: [GET, HEAD]
      status: 203
      headers: {Content-Type: "application/vnd.x+json", X-Extra: "1", Retry-After: "9999"}
      body: '{"id":"{{.Params.id}}","why":"{{.Reason}}","circuit":"{{.Circuit}}","in":{{.RetryAfter}},"route":"{{.Route}}","req":"{{.RequestID}}"}'
`
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, yaml, says(500, "broken"))
		first := r.get(t, `/v1/a%22b%0A`, "X-Request-Id", "r1")
		if got, want := text(t, first), `{"id":"a\"b\n","why":"error","circuit":"open","in":0,"route":"one","req":"r1"}`; got != want || first.StatusCode != 203 {
			t.Errorf("got %d %s, want %s", first.StatusCode, got, want)
		}
		checkHeader(t, first.Header, map[string]string{
			"Fender-Outcome": "fallback", "Fender-Reason": "error", "Fender-Circuit": "open", "Fender-Attempts": "1",
			"Proxy-Status": "fender; received-status=500", "Retry-After": "9999", "X-Extra": "1", "Content-Type": "application/vnd.x+json", "Cache-Control": "no-store",
		})
		<-time.After(5 * time.Second)
		second := r.get(t, "/v1/1")
		checkHeader(t, second.Header, map[string]string{
			"Fender-Outcome": "fallback", "Fender-Reason": "open", "Fender-Attempts": "0", "Proxy-Status": "fender; error=destination_unavailable",
		})
		var body struct{ In int }
		if err := json.Unmarshal([]byte(text(t, second)), &body); err != nil || fmt.Sprint(body.In) != second.Header.Get("Retry-After") || body.In < 9 || body.In > 12 {
			t.Errorf("got %v, %d seconds, Retry-After %s", err, body.In, second.Header.Get("Retry-After"))
		}
		head := r.do(t.Context(), http.MethodHead, "/v1/1", "")
		if got := text(t, head); got != "" || head.Header.Get("Content-Length") == "0" {
			t.Errorf("HEAD: got body %q, Content-Length %s", got, head.Header.Get("Content-Length"))
		}
		post := r.do(t.Context(), http.MethodPost, "/v1/1", "x")
		if post.StatusCode != 503 {
			t.Errorf("POST: got %d", post.StatusCode)
		}
		checkHeader(t, post.Header, map[string]string{"Fender-Outcome": "refused", "Content-Type": "application/problem+json"})
	})
}

// What the client sees for each reason where there is no fallback.
func TestProblems(t *testing.T) {
	fails := func(err error) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) { return nil, err }
	}
	tests := []struct {
		name   string
		answer func(*http.Request) (*http.Response, error)
		status int
		reason string
		proxy  string
	}{
		{"a reset", fails(syscall.ECONNRESET), 502, "unreachable", "fender; error=connection_terminated"},
		{"nonsense", fails(errors.New("malformed HTTP response")), 502, "unreachable", "fender; error=http_protocol_error"},
		{"a timeout", func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }, 504, "timeout", "fender; error=http_response_timeout"},
		{"a body that breaks", func(r *http.Request) (*http.Response, error) {
			resp, _ := says(200, "")(r)
			resp.ContentLength, resp.Body = 9, io.NopCloser(io.MultiReader(strings.NewReader("half"), iotestErr{io.ErrUnexpectedEOF}))
			return resp, nil
		}, 502, "unreachable", "fender; received-status=200"},
		{"an error of the upstream's own", says(500, "own"), 500, "", ""},
		{"a 429 of the upstream's own", says(429, "own", "Retry-After", "7"), 429, "", ""},
		{"a 401 of the upstream's own", says(401, "own", "Www-Authenticate", "Basic"), 401, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, plainRoute, tt.answer)
				resp := r.get(t, "/")
				if resp.StatusCode != tt.status {
					t.Errorf("got %d, want %d", resp.StatusCode, tt.status)
				}
				checkHeader(t, resp.Header, map[string]string{"Fender-Reason": tt.reason, "Proxy-Status": tt.proxy})
				if body := text(t, resp); tt.reason == "" && body != "own" || strings.Contains(body, "malformed") {
					t.Errorf("got %s", body)
				}
			})
		})
	}
}

type iotestErr struct{ error }

func (e iotestErr) Read([]byte) (int, error) { return 0, e.error }

func TestPanicIsOne502(t *testing.T) {
	r := newRig(t, plainRoute, func(*http.Request) (*http.Response, error) { panic("a bug") })
	resp := r.get(t, "/")
	if resp.StatusCode != 502 || strings.Contains(text(t, resp), "bug") {
		t.Errorf("got %d", resp.StatusCode)
	}
	if log := r.log.String(); strings.Count(log, "level=ERROR") != 1 || !strings.Contains(log, "a bug") {
		t.Errorf("got log %s", log)
	}
}

func TestClientTimeout(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 3 * time.Second, "250": 250 * time.Millisecond, "0": 3 * time.Second, "-1": 3 * time.Second,
		"9000": 3 * time.Second, "1.5": 3 * time.Second, "99999999999999999999": 3 * time.Second,
	} {
		if got := clientTimeout(http.Header{"Fender-Timeout-Ms": {value}}, 3*time.Second); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
}

func TestInjectedCredentials(t *testing.T) {
	const yaml = `
upstreams:
  keyed: {url: "http://a.test", headers: {X-API-Key: k}}
  tagged: {url: "http://a.test", headers: {X-Env: prod}}
  bearer: {url: "http://127.0.0.1:1", headers: {Authorization: Bearer t}}
  lower: {url: "http://127.0.0.1:1", headers: {authorization: Bearer t}}
routes:
  - {name: keyed, match: {path: /keyed}, upstream: keyed}
  - {name: tagged, match: {path: /tagged}, upstream: tagged}
  - {name: bearer, match: {path: /bearer}, upstream: bearer}
  - {name: lower, match: {path: /lower}, upstream: lower}
`
	tests := []struct {
		target, authorization, class string
	}{
		{"/keyed", "", "unauthorized"},
		{"/keyed", "Bearer client", ""},
		{"/tagged", "", ""},
		{"/bearer", "Bearer client", "unauthorized"},
		{"/lower", "Bearer client", "unauthorized"},
	}
	for _, tt := range tests {
		r := newRig(t, strings.ReplaceAll(yaml, "http://a.test", "http://127.0.0.1:1"), says(401, ""))
		r.get(t, tt.target, "Authorization", tt.authorization)
		if log := r.log.String(); strings.Contains(log, "reason=unauthorized") != (tt.class != "") {
			t.Errorf("%s with %q: got log %s", tt.target, tt.authorization, log)
		}
	}
}

func TestMatchForExplain(t *testing.T) {
	r := newRig(t, `routes: [{name: one, match: {host: crm.test, path: "/v1/{id}"}, upstream: a}]`, nil)
	for target, want := range map[string]string{
		"http://crm.test/v1/1": "one", "http://crm.test/v2": "404: no route takes this request", "http://other/v1/1": "404: no route takes this request",
	} {
		u, _ := url.Parse(target)
		route, err := r.Match("GET", u)
		got := fmt.Sprint(err)
		if err == nil {
			got = route.Name
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", target, got, want)
		}
	}
}

func TestMetricsAreWellNamed(t *testing.T) {
	r := newRig(t, `routes: [{name: one, upstream: a, retry: {}, breaker: {}, fallback: {body: "x"}}]`, says(200, ""))
	r.get(t, "/")
	problems, err := testutil.GatherAndLint(r.registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v", problems, err)
	}
	want := `
# HELP fender_breaker_state 1 for the state the circuit breaker is in, 0 for the others.
# TYPE fender_breaker_state gauge
fender_breaker_state{route="one",state="closed"} 1
fender_breaker_state{route="one",state="forced-closed"} 0
fender_breaker_state{route="one",state="forced-open"} 0
fender_breaker_state{route="one",state="half-open"} 0
fender_breaker_state{route="one",state="open"} 0
# HELP fender_requests_total Requests answered, by what the client got. No route: route is empty.
# TYPE fender_requests_total counter
fender_requests_total{code="200",method="GET",outcome="upstream",route="one"} 1
`
	if err := testutil.GatherAndCompare(r.registry, strings.NewReader(want), "fender_breaker_state", "fender_requests_total"); err != nil {
		t.Error(err)
	}
}

func TestRequestLog(t *testing.T) {
	tests := []struct {
		log    string
		status int
		want   bool
	}{
		{"requests: all", 200, true},
		{"requests: errors", 200, false},
		{"requests: errors", 500, true},
		{"requests: none", 500, false},
		{"sample: 0", 200, false},
		{"sample: 0", 500, true},
	}
	for _, tt := range tests {
		r := newRig(t, "log: {"+tt.log+"}\n"+`routes: [{name: one, match: {path: "/v1/{id}"}, upstream: a}]`, says(tt.status, ""))
		r.get(t, "/v1/alice?token=t", "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Inin-Correlation-Id", "cid")
		log := r.log.String()
		if got := strings.Contains(log, "msg=request"); got != tt.want {
			t.Errorf("%s, %d: got %t, want %t", tt.log, tt.status, got, tt.want)
		}
		if strings.Contains(log, "alice") || strings.Contains(log, "token") {
			t.Errorf("the log names a caller: %s", log)
		}
		if tt.want && (!strings.Contains(log, "path=/v1/{id}") || !strings.Contains(log, "trace_id=4bf92f3577b34da6a3ce929d0e0e4736") || !strings.Contains(log, "correlation_id=cid")) {
			t.Errorf("got log %s", log)
		}
	}
	r := newRig(t, "log: {path: full}\n"+plainRoute, says(200, ""))
	r.get(t, "/v1/alice?token=t")
	if log := r.log.String(); !strings.Contains(log, "path=/v1/alice") || strings.Contains(log, "token") {
		t.Errorf("got log %s", log)
	}
}
