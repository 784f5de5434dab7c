package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fender-proxy/fender/proxy/config"
)

func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Validate a configuration; open nothing",
		Args:  noArgs,
	}
	settings := newSettings(cmd.Flags())
	strict := cmd.Flags().Bool("strict", false, "fail on warnings too")
	noSecrets := cmd.Flags().Bool("no-secrets", false, "do without the secrets of the environment and of files")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := settings.load(config.Options{NoSecrets: *noSecrets})
		if err != nil {
			return err
		}
		for _, warning := range cfg.Warnings {
			fmt.Fprintln(cmd.ErrOrStderr(), "warning:", warning)
		}
		if *strict && len(cfg.Warnings) > 0 {
			return fmt.Errorf("--strict: there are warnings: %d", len(cfg.Warnings))
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: ok (%d routes, %d upstreams)\n",
			settings.file(), len(cfg.Routes), len(cfg.Upstreams))
		return nil
	}
	return cmd
}
