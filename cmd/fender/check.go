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
		Args:  cobra.NoArgs,
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
			return fmt.Errorf("--strict: %s", count(len(cfg.Warnings), "warning"))
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: ok (%s, %s)\n", settings.file(),
			count(len(cfg.Routes), "route"), count(len(cfg.Upstreams), "upstream"))
		return nil
	}
	return cmd
}

// count returns n things: "1 route", "2 routes".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
