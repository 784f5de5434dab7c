package blackbox_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/authority"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// A client certificate lives for hours in some clusters. The one that replaces it in its file is shown on the
// connections that are made when those before are too old; in the middle of a change the one before holds.
func TestAClientCertificateIsReadAgainWithTheNextConnections(t *testing.T) {
	t.Parallel()
	ca := authority.NewCA(t)
	certFile, keyFile := ca.Client("first")
	server := serveTLS(t, &tls.Config{
		Certificates: []tls.Certificate{ca.Server("127.0.0.1")}, ClientCAs: ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert,
	}, http.HandlerFunc(describe))
	p := start(t, preamble+fmt.Sprintf(`upstreams:
  crm: {url: %q, max_connection_age: 50ms, tls: {ca_file: %q, cert_file: %q, key_file: %q}}
routes: [{name: a, upstream: crm}]
`, server.URL, ca.File(), certFile, keyFile))
	await := func(who string) {
		t.Helper()
		sidecar.Await(t, "the upstream knows "+who, func() bool {
			return string(wire.Do(t, p.Proxy, "GET", "/", "").Content) == `HTTP/2.0 to "" from `+who
		})
	}
	await("first")
	if err := os.WriteFile(keyFile, []byte("half a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	sidecar.Await(t, "a warning", func() bool {
		wire.Do(t, p.Proxy, "GET", "/", "")
		return len(p.Lines("msg", "credential", "upstream", "crm")) > 0
	})
	await("first")
	nextCert, nextKey := ca.Client("second")
	for from, to := range map[string]string{nextCert: certFile, nextKey: keyFile} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	await("second")
}

// What an upstream need not prove, an endpoint that is sent the client's secret must.
func TestASecretGoesToNobodyUnverified(t *testing.T) {
	t.Parallel()
	login := serveTLS(t, shown(authority.SelfSigned(t, "127.0.0.1")), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the secret was sent to an endpoint that nobody knows")
	}))
	up := serveTLS(t, shown(authority.SelfSigned(t, "127.0.0.1")), http.HandlerFunc(describe))
	p := start(t, preamble+fmt.Sprintf(`upstreams:
  crm:
    url: %q
    tls: {insecure_skip_verify: true}
    auth: {oauth2: {token_url: %q, client_id: a, client_secret: b}}
routes: [{name: a, upstream: crm}]
`, up.URL, login.URL))
	expect(t, wire.Do(t, p.Proxy, "GET", "/", ""), expectation{status: 502, outcome: "refused", reason: "unauthorized", attempts: 0})
}
