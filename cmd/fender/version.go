package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the linker: -X main.version=… -X main.revision=…
var version, revision string

// A build is what the binary says about itself.
type build struct{ version, revision, goVersion string }

// buildOf returns what the linker stamped, else what the go command recorded,
// else "unknown". Info may be nil.
func buildOf(version, revision string, info *debug.BuildInfo) build {
	b := build{version: version, revision: revision, goVersion: runtime.Version()}
	if info != nil {
		b.version = cmp.Or(b.version, info.Main.Version)
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.revision = cmp.Or(b.revision, s.Value)
			}
		}
	}
	b.version = cmp.Or(b.version, "unknown")
	b.revision = cmp.Or(b.revision, "unknown")
	return b
}

// thisBuild returns the running binary's build.
func thisBuild() build {
	info, _ := debug.ReadBuildInfo()
	return buildOf(version, revision, info)
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the revision, Go's version and the platform",
		Args:  noArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			b := thisBuild()
			fmt.Fprintf(cmd.OutOrStdout(), "fender %s\nrevision %s\n%s\n%s/%s\n",
				b.version, b.revision, b.goVersion, runtime.GOOS, runtime.GOARCH)
		},
	}
}
