package blackbox_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/authority"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// A secure is an https upstream and the way to it.
type secure struct {
	name     string // a sentence
	server   *tls.Config
	upstream string // keys of the upstream beside its URL, a line each
	route    string // keys of the route, a line each
	want     string // what the upstream says of the connection, or what the log says of its failure
}

// serveTLS starts a server that speaks HTTP/2 and HTTP/1.1. It is closed when the test ends.
func serveTLS(t *testing.T, config *tls.Config, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.TLS = config
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// describe answers with what the server knows of the connection.
func describe(w http.ResponseWriter, r *http.Request) {
	client := "nobody"
	if len(r.TLS.PeerCertificates) > 0 {
		client = r.TLS.PeerCertificates[0].Subject.CommonName
	}
	fmt.Fprintf(w, "%s to %q from %s", r.Proto, r.TLS.ServerName, client)
}

// shown is what a server shows to its clients.
func shown(certificate tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate}}
}

// playSecure makes one call on each way to an upstream, in one process.
func playSecure(t *testing.T, ways []secure, look func(t *testing.T, s *stage, way secure)) {
	t.Helper()
	t.Parallel()
	var upstreams, routes strings.Builder
	for i, way := range ways {
		server := serveTLS(t, way.server, http.HandlerFunc(describe))
		fmt.Fprintf(&upstreams, "  r%d:\n    url: %s\n%s", i, server.URL, indent(way.upstream, 4))
		fmt.Fprintf(&routes, "  - name: r%d\n    upstream: r%d\n    match: {path: /r%d}\n%s", i, i, i, indent(way.route, 4))
	}
	p := start(t, preamble+"upstreams:\n"+upstreams.String()+"routes:\n"+routes.String())
	t.Run("way", func(t *testing.T) {
		for i, way := range ways {
			t.Run(way.name, func(t *testing.T) {
				t.Parallel()
				name := "r" + strconv.Itoa(i)
				look(t, &stage{Process: p, route: name, path: "/" + name}, way)
			})
		}
	})
}

func TestAnUpstreamWithTLS(t *testing.T) {
	ca := authority.NewCA(t)
	certFile, keyFile := ca.Client("fender")
	known := fmt.Sprintf("ca_file: %q, cert_file: %q, key_file: %q", ca.File(), certFile, keyFile)
	here, there := shown(ca.Server("127.0.0.1")), shown(ca.Server("crm.internal"))
	strict := &tls.Config{Certificates: here.Certificates, ClientCAs: ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert}
	strict12 := strict.Clone()
	strict12.MaxVersion = tls.VersionTLS12
	playSecure(t, []secure{
		{
			name: "of a private authority is spoken to in HTTP/2", server: here,
			upstream: fmt.Sprintf("tls: {ca_file: %q}", ca.File()), want: `HTTP/2.0 to "" from nobody`,
		},
		{
			name: "is spoken to in HTTP/1.1 without http2", server: here,
			upstream: fmt.Sprintf("tls: {ca_file: %q}\nhttp2: false", ca.File()), want: `HTTP/1.1 to "" from nobody`,
		},
		{
			name: "is known by server_name", server: there,
			upstream: fmt.Sprintf("tls: {ca_file: %q, server_name: crm.internal}", ca.File()), want: `HTTP/2.0 to "crm.internal" from nobody`,
		},
		{
			name: "is shown the client certificate in HTTP/2", server: strict,
			upstream: "tls: {" + known + "}", want: `HTTP/2.0 to "" from fender`,
		},
		{
			name: "is shown the client certificate in HTTP/1.1", server: strict,
			upstream: "tls: {" + known + "}\nhttp2: false", want: `HTTP/1.1 to "" from fender`,
		},
		{
			name: "is shown the client certificate in TLS 1.2", server: strict12,
			upstream: "tls: {" + known + "}", want: `HTTP/2.0 to "" from fender`,
		},
	}, func(t *testing.T, s *stage, way secure) {
		for range 2 {
			expect(t, s.get(t), expectation{status: 200, body: way.want, outcome: "upstream", attempts: 1})
		}
	})
}

func TestAnUpstreamThatIsNotTheOne(t *testing.T) {
	ca := authority.NewCA(t)
	trusting := fmt.Sprintf("tls: {ca_file: %q", ca.File())
	playSecure(t, []secure{
		{
			name: "by a certificate for another name", server: shown(ca.Server("other.internal")), route: tripping,
			upstream: trusting + ", server_name: crm.internal}", want: "valid for other.internal, not crm.internal",
		},
		{
			name: "by a certificate for a name instead of its address", server: shown(ca.Server("other.internal")), route: tripping,
			upstream: trusting + "}", want: "127.0.0.1",
		},
		{
			name: "by a certificate that has expired", server: shown(ca.Expired("127.0.0.1")), route: tripping,
			upstream: trusting + "}", want: "certificate has expired",
		},
		{
			name: "by a certificate that it signed itself", server: shown(authority.SelfSigned(t, "127.0.0.1")), route: tripping,
			upstream: trusting + "}", want: "unknown authority",
		},
		{
			name: "by a certificate of another authority", server: shown(authority.NewCA(t).Server("127.0.0.1")), route: tripping,
			upstream: trusting + "}\nhttp2: false", want: "unknown authority",
		},
		{
			name: "by a private authority where the public ones are trusted", server: shown(ca.Server("127.0.0.1")), route: tripping,
			want: "unknown authority",
		},
	}, func(t *testing.T, s *stage, way secure) {
		answer := s.get(t)
		expect(t, answer, expectation{status: 502, outcome: "failed", reason: "unreachable", circuit: "open", attempts: 1, error: "error=tls_certificate_error"})
		expectProblem(t, answer, "x509", "internal", "127.0.0.1")
		s.sum(t, 1, "fender_upstream_attempts_total", "result", "tls")
		s.expectTold(t, way.want)
	})
}

func TestAnUpstreamThatBreaksTheHandshakeOff(t *testing.T) {
	ca := authority.NewCA(t)
	server := shown(ca.Server("127.0.0.1"))
	demanding := &tls.Config{Certificates: server.Certificates, ClientCAs: ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert}
	demanding12, old := demanding.Clone(), server.Clone()
	demanding12.MaxVersion = tls.VersionTLS12
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	trusting := fmt.Sprintf("tls: {ca_file: %q}", ca.File())
	const lost = "broken pipe|connection reset"
	playSecure(t, []secure{
		// In TLS 1.3 the server's word comes after the client's handshake is done: the client may have lost the connection
		// by writing to it before it has read that.
		{name: "for want of a client certificate in HTTP/2", server: demanding, upstream: trusting, route: tripping, want: "certificate required|client conn could not be established|" + lost},
		{name: "for want of a client certificate in HTTP/1.1", server: demanding, upstream: trusting + "\nhttp2: false", route: tripping, want: "certificate required|" + lost},
		{name: "for want of a client certificate in TLS 1.2", server: demanding12, upstream: trusting, route: tripping, want: "handshake failure"},
		{name: "for want of a version that is still good", server: old, upstream: trusting, route: tripping, want: "version"},
	}, func(t *testing.T, s *stage, way secure) {
		answer := s.get(t)
		expect(t, answer, expectation{status: 502, outcome: "failed", reason: "unreachable", circuit: "open", attempts: -1})
		expectProblem(t, answer, "certificate", "version", "127.0.0.1")
		s.expectTold(t, way.want)
	})
}

// expectTold looks for what the log line of the scene's only call says went wrong.
func (s *stage) expectTold(t *testing.T, want string) {
	t.Helper()
	line := s.AwaitLine(t, "msg", "request", "route", s.route)
	if !slices.ContainsFunc(strings.Split(want, "|"), func(want string) bool { return strings.Contains(line.Text("error"), want) }) {
		t.Errorf("got the error %q in the log, want %q in it", line.Text("error"), want)
	}
}

func TestAnUpstreamThatIsBelievedUnseen(t *testing.T) {
	playSecure(t, []secure{{
		name: "answers", server: shown(authority.SelfSigned(t, "other.internal")),
		upstream: "tls: {insecure_skip_verify: true}", want: `HTTP/2.0 to "" from nobody`,
	}}, func(t *testing.T, s *stage, way secure) {
		expect(t, s.get(t), expectation{status: 200, body: way.want, attempts: 1})
		warned := false
		for _, line := range s.Lines("level", "WARN") {
			warned = warned || strings.Contains(fmt.Sprint(line), "insecure_skip_verify")
		}
		if !warned {
			t.Errorf("got no warning of insecure_skip_verify at start; the log:\n%s", s.Log())
		}
	})
}

// The endpoint's name is its own: server_name is the upstream's.
func TestATokenEndpointWithTLS(t *testing.T) {
	t.Parallel()
	ca := authority.NewCA(t)
	certFile, keyFile := ca.Client("fender")
	up, e := wire.Listen(t), authority.Listen(t, fender, "token", 0)
	to, err := url.Parse(e.URL())
	if err != nil {
		t.Fatal(err)
	}
	front := httputil.NewSingleHostReverseProxy(to)
	config := func(server *tls.Config, keys string) string {
		login := serveTLS(t, server, front)
		return preamble + "upstreams:\n  crm:\n    url: " + up.URL() + "\n    tls: {" + keys + "}\n" +
			indent(strings.Replace(oauth2(e, fender, ""), e.URL(), login.URL, 1), 4) + "routes: [{name: a, upstream: crm}]\n"
	}
	strict := &tls.Config{Certificates: shown(ca.Server("127.0.0.1")).Certificates, ClientCAs: ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert}

	p := start(t, config(strict, fmt.Sprintf("ca_file: %q, cert_file: %q, key_file: %q, server_name: crm.internal", ca.File(), certFile, keyFile)))
	expect(t, wire.Do(t, p.Proxy, "GET", "/", ""), expectation{status: 200, attempts: 1})
	if got := up.Requests()[0].Header.Get("Authorization"); got != "Bearer token-1" {
		t.Errorf("got Authorization %q, want the token", got)
	}

	p = start(t, config(shown(ca.Expired("127.0.0.1")), fmt.Sprintf("ca_file: %q", ca.File())))
	expect(t, wire.Do(t, p.Proxy, "GET", "/", ""), tokenless)
	if line := p.AwaitLine(t, "msg", "token", "upstream", "crm"); !strings.Contains(line.Text("error"), "expired") {
		t.Errorf("got the log line %v, want it to tell that the endpoint's certificate has expired", line)
	}
}

func TestTLSFilesThatAreOfNoUseAreToldAtOnce(t *testing.T) {
	t.Parallel()
	file := sidecar.WriteConfig(t, "no certificate")
	config := func(keys string) string {
		return sidecar.WriteConfig(t, preamble+"upstreams: {crm: {url: \"https://127.0.0.1:9\", tls: {"+keys+"}}}\nroutes: [{name: a, upstream: crm}]\n")
	}
	for _, keys := range []string{fmt.Sprintf("ca_file: %q", file), fmt.Sprintf("cert_file: %q, key_file: %q", file, file)} {
		path := config(keys)
		for _, name := range []string{"check", "run"} {
			got := command(t, name, "--config", path)
			expectCode(t, got, 1)
			expectHas(t, got.Stdout+got.Stderr, "tls")
		}
	}
}
