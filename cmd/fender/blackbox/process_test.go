package blackbox_test

import (
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

func TestTheNameInViaIsRandomPerProcess(t *testing.T) {
	t.Parallel()
	up := wire.Listen(t)
	config := preamble + "upstreams: {crm: {url: \"" + up.URL() + "\"}}\nroutes: [{name: a, upstream: crm}]\n"
	for range 2 {
		p := start(t, config)
		wire.Do(t, p.Proxy, "GET", "/", "")
	}
	requests := up.Requests()
	if a, b := requests[0].Header.Get("Via"), requests[1].Header.Get("Via"); a == b {
		t.Errorf("got Via %q from two processes, want one name each", a)
	}
}

// TestTheEnvironmentsProxyIsIgnored has an upstream that is not to be had but through the proxy of the environment, which
// is never used for loopback addresses.
func TestTheEnvironmentsProxyIsIgnored(t *testing.T) {
	t.Parallel()
	egress := wire.Listen(t)
	var env []string
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		env = append(env, name+"="+egress.URL())
	}
	p := sidecar.Command{
		Binary: binary,
		Env:    append(env, "NO_PROXY=", "no_proxy="),
		Config: preamble + `
upstreams:
  plain: {url: "http://fender.invalid"}
  secure: {url: "https://fender.invalid"}
routes:
  - {name: plain, match: {path: /plain}, upstream: plain, timeout: {request: 5s}}
  - {name: secure, match: {path: /secure}, upstream: secure, timeout: {request: 5s}}
`,
	}.Start(t)
	for _, path := range []string{"/plain", "/secure"} {
		if answer := wire.Do(t, p.Proxy, "GET", path, ""); answer.StatusCode != 502 && answer.StatusCode != 504 {
			t.Errorf("got status %d for a name that does not resolve, want 502 or 504", answer.StatusCode)
		}
	}
	if egress.Accepted() != 0 {
		t.Errorf("got %d connections to the environment's proxy, want none", egress.Accepted())
	}
}
