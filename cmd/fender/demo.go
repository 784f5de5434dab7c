package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/fender-proxy/fender/cmd/fender/demo"
)

func newDemo() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo [--once]",
		Short: "Show the whole system in one process, with a CRM and a Genesys Cloud that fail",
		Long: `Show what Fender does: callers, the Data Action handler, the sidecar, and
stand-ins for a CRM and for the Genesys Cloud Platform API that fail on a
schedule, in one process on loopback. It needs no configuration and no network,
and goes on until Ctrl-C.`,
		Args: noArgs,
	}
	once := cmd.Flags().Bool("once", false, "end after one schedule, in under a minute; exit with 1 if anything went otherwise than announced")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return demo.Run(ctx, cmd.OutOrStdout(), *once)
	}
	return cmd
}
