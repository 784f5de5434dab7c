package peers_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
)

// binary is the sidecar under test.
var binary string

// TestMain is the only caller of os.Exit.
func TestMain(m *testing.M) { os.Exit(sidecar.Main(m, &binary)) }

// start runs a sidecar in front of one upstream. Routes is the YAML list of routes, which name the upstream peer.
func start(t *testing.T, upstream, routes string) *sidecar.Process {
	t.Helper()
	return sidecar.Command{Binary: binary, Config: fmt.Sprintf(`
listen: ["127.0.0.1:0"]
metrics: {listen: "127.0.0.1:0"}
admin: {listen: ""}
drain: 100ms
upstreams: {peer: {url: %q}}
routes:
%s`, upstream, routes)}.Start(t)
}
