package main

import (
	"github.com/spf13/cobra"

	"github.com/fender-proxy/fender/proxy/config"
)

func newSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration, for editors",
		Long: `Print the JSON Schema (draft 2020-12) of the configuration.

Editors with the YAML language server complete, explain and check a file that
begins with this line; the path is relative to the file:

  # yaml-language-server: $schema=fender.schema.json`,
		Example: "  fender schema > fender.schema.json",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return config.WriteSchema(cmd.OutOrStdout()) },
	}
}
