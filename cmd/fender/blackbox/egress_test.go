package blackbox_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/authority"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// An egress is a forward proxy that knows hosts which nobody else knows. It is safe for concurrent use.
type egress struct {
	*httptest.Server
	hosts map[string]string // "host:port" to where it is

	mu   sync.Mutex
	seen []string // method, target and Proxy-Authorization of each request
}

// through starts a proxy to these hosts, itself with TLS if there is a configuration for that.
func through(t *testing.T, hosts map[string]string, secure *tls.Config) *egress {
	t.Helper()
	e := &egress{hosts: hosts}
	e.Server = httptest.NewUnstartedServer(e)
	e.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure == nil {
		e.Start()
	} else {
		e.TLS = secure
		e.StartTLS()
	}
	t.Cleanup(e.Close)
	return e
}

// ServeHTTP passes on requests in absolute-form, and makes tunnels of CONNECT.
func (e *egress) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	e.seen = append(e.seen, strings.TrimSpace(r.Method+" "+r.RequestURI+" "+r.Header.Get("Proxy-Authorization")))
	e.mu.Unlock()
	address, known := e.hosts[r.Host]
	switch {
	case !known:
		http.Error(w, "no such host", http.StatusBadGateway)
	case r.Method == http.MethodConnect:
		tunnel(w, address)
	default:
		front := &httputil.ReverseProxy{Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL.Scheme, pr.Out.URL.Host = "http", address
		}}
		front.ServeHTTP(w, r)
	}
}

// tunnel joins a client with an address until one of the two ends it.
func tunnel(w http.ResponseWriter, address string) {
	there, err := net.Dial("tcp", address)
	if err != nil {
		http.Error(w, "not there", http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusOK)
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		there.Close()
		return
	}
	go func() {
		io.Copy(there, buffered)
		there.Close()
	}()
	io.Copy(here, there)
	here.Close()
}

// saw is what the proxy was asked for, each thing once, in order.
func (e *egress) saw() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	seen := slices.Clone(e.seen)
	slices.Sort(seen)
	return slices.Compact(seen)
}

// user is what a proxy is told of its user info "fender" and "pr%40xy".
const user = "Basic ZmVuZGVyOnByQHh5"

// withUser is a server's URL with user info.
func withUser(server *httptest.Server) string {
	return strings.Replace(server.URL, "://", "://fender:pr%40xy@", 1)
}

func TestRequestsGoThroughTheUpstreamsProxy(t *testing.T) {
	t.Parallel()
	ca := authority.NewCA(t)
	plain, e := wire.Listen(t), authority.Listen(t, fender, "token", 0)
	secure := serveTLS(t, shown(ca.Server("secure.invalid")), http.HandlerFunc(describe))
	proxy := through(t, map[string]string{
		"plain.invalid": plain.Addr, "login.invalid": e.Addr, "secure.invalid:443": secure.Listener.Addr().String(),
	}, nil)
	elsewhere := wire.Listen(t)
	var env []string
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		env = append(env, name+"="+elsewhere.URL())
	}
	p := sidecar.Command{
		Binary: binary,
		Env:    append(env, "NO_PROXY=*", "no_proxy=*"),
		Config: preamble + fmt.Sprintf(`
upstreams:
  plain:
    url: http://plain.invalid
    allow_plaintext: true
    proxy: %[1]q
    auth: {oauth2: {token_url: "http://login.invalid/oauth/token", client_id: fender, client_secret: s3cret}}
  secure: {url: "https://secure.invalid", proxy: %[1]q, tls: {ca_file: %[2]q}}
  direct: {url: "https://secure.invalid", tls: {ca_file: %[2]q}}
  other: {url: "https://other.invalid", proxy: %[1]q}
routes:
  - {name: plain, match: {path: /plain}, upstream: plain}
  - {name: secure, match: {path: /secure}, upstream: secure}
  - {name: direct, match: {path: /direct}, upstream: direct, timeout: {request: 5s}}
  - {name: other, match: {path: /other}, upstream: other}
`, withUser(proxy.Server), ca.File()),
	}.Start(t)

	expect(t, wire.Do(t, p.Proxy, "GET", "/plain?x=1", ""), expectation{status: 200, body: "ok", attempts: 1})
	if got := plain.Requests()[0]; got.Header.Get("Authorization") != "Bearer token-1" || got.Header.Get("Proxy-Authorization") != "" || got.Header.Get("Host") != "plain.invalid" {
		t.Errorf("got the request %q at the upstream, want it with the token and without the proxy's password", got.Head)
	}
	expect(t, wire.Do(t, p.Proxy, "GET", "/secure", ""), expectation{status: 200, body: `HTTP/2.0 to "secure.invalid" from nobody`, attempts: 1})
	expect(t, wire.Do(t, p.Proxy, "GET", "/other", ""), expectation{status: 502, reason: "unreachable", attempts: 1})
	if answer := wire.Do(t, p.Proxy, "GET", "/direct", ""); answer.StatusCode != 502 && answer.StatusCode != 504 {
		t.Errorf("got status %d without a proxy for a name that does not resolve, want 502 or 504", answer.StatusCode)
	}
	want := []string{
		"CONNECT other.invalid:443 " + user,
		"CONNECT secure.invalid:443 " + user,
		"GET http://plain.invalid/plain?x=1 " + user,
		"POST http://login.invalid/oauth/token " + user,
	}
	if got := proxy.saw(); !slices.Equal(got, want) {
		t.Errorf("got %q at the proxy, want %q", got, want)
	}
	if elsewhere.Accepted() != 0 {
		t.Errorf("got %d connections to the environment's proxy, want none", elsewhere.Accepted())
	}
}

// A proxy has a name of its own: server_name is the upstream's.
func TestTheUpstreamsProxyMayHaveTLSItself(t *testing.T) {
	t.Parallel()
	ca := authority.NewCA(t)
	secure := serveTLS(t, shown(ca.Server("crm.internal")), http.HandlerFunc(describe))
	proxy := through(t, map[string]string{"secure.invalid:443": secure.Listener.Addr().String()}, shown(ca.Server("127.0.0.1")))
	p := start(t, preamble+fmt.Sprintf(`
upstreams:
  named: {url: "https://secure.invalid", proxy: %[1]q, tls: {ca_file: %[2]q, server_name: crm.internal}}
routes: [{name: named, upstream: named}]
`, withUser(proxy.Server), ca.File()))
	expect(t, wire.Do(t, p.Proxy, "GET", "/", ""), expectation{status: 200, body: `HTTP/2.0 to "crm.internal" from nobody`, attempts: 1})
	if got, want := proxy.saw(), []string{"CONNECT secure.invalid:443 " + user}; !slices.Equal(got, want) {
		t.Errorf("got %q at the proxy, want %q", got, want)
	}
}

func TestAProxyThatIsNotThereIsAnUpstreamThatIsNot(t *testing.T) {
	t.Parallel()
	down := wire.Reserve(t)
	p := start(t, preamble+fmt.Sprintf(`
upstreams:
  crm: {url: "https://secure.invalid", proxy: "http://fender:pr%%40xy@%s"}
routes: [{name: a, upstream: crm}]
`, down.Addr))
	answer := wire.Do(t, p.Proxy, "GET", "/", "")
	expect(t, answer, expectation{status: 502, outcome: "failed", reason: "unreachable", attempts: 1, error: "error=connection_refused"})
	expectProblem(t, answer, down.Addr, "proxy", "fender:")
	p.AwaitSum(t, 1, "fender_upstream_attempts_total", "route", "a", "result", "dial")
}
