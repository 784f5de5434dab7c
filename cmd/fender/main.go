// Command fender is a resilience sidecar: a reverse proxy that stands between
// a Data Action handler and the APIs it calls.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}
