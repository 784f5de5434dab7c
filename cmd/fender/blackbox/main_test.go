// Package blackbox_test drives the built binary over sockets, between a raw client and a scripted upstream that counts
// what it saw. It knows nothing of the code: a case says what goes in, what comes out, and what the metrics and the log
// tell of it.
package blackbox_test

import (
	"flag"
	"os"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
)

// binary is the sidecar under test.
var binary string

// TestMain is the only caller of os.Exit.
func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	if !set("test.parallel") {
		// Nearly every case waits for a timeout rather than for a processor.
		flag.Set("test.parallel", "16")
	}
	return sidecar.Main(m, &binary)
}

// set reports whether a flag was given on the command line.
func set(name string) bool {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	return given
}
