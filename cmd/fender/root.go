package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/fender-proxy/fender/proxy/config"
)

// The exit codes of the process.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// A usageError is a command line that was understood too late to be refused by
// the flag parser.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// errLogged is a failure that the log has told already, in the log's own form.
var errLogged = errors.New("failed, as logged")

// run executes the command line args and returns the exit code: 0 if all went
// well, 1 if the command failed, 2 if the command line was wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var began bool
	root := newRoot() //nolint:contextcheck // cobra hands ctx to the commands
	root.PersistentPreRun = func(*cobra.Command, []string) { began = true }
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)

	command, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errLogged):
		return exitFailed
	}
	if problems := (config.Problems)(nil); errors.As(err, &problems) {
		fmt.Fprintln(stderr, problems)
		return exitFailed
	}
	fmt.Fprintln(stderr, "fender:", err)
	// What cobra refuses by itself, it refuses before the command begins.
	if usage := (usageError{}); began && !errors.As(err, &usage) {
		return exitFailed
	}
	fmt.Fprintf(stderr, "Run %q for usage.\n", command.CommandPath()+" --help")
	return exitUsage
}

// newRoot returns the command tree. Without a command's name it is run.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "fender",
		Short:         "A resilience sidecar between a Data Action handler and the APIs it calls",
		Args:          unknownCommand,
		Version:       thisBuild().version,
		SilenceErrors: true,
		SilenceUsage:  true,

		SuggestionsMinimumDistance: 2,
		CompletionOptions:          cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	settings := newSettings(root.Flags())
	root.RunE = func(cmd *cobra.Command, _ []string) error { return runSidecar(cmd, settings) }
	root.AddCommand(newRun(), newCheck(), newExplain(), newDemo(), newHealthcheck(), newSchema(), newVersion())
	root.SetHelpCommand(newHelp())
	root.SetVersionTemplate("fender {{.Version}}\n")
	return root
}

// noArgs refuses every argument; most often it is a file's name.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no argument, got %q (a configuration is named by --config FILE)", cmd.CommandPath(), args[0])
	}
	return nil
}

// unknownCommand refuses every argument: the root takes only commands.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("unknown command %q (did you mean %q?)", args[0], near[0])
	}
	return fmt.Errorf("unknown command %q", args[0])
}

// newHelp returns the help command. Cobra's own exits with 0 on a command that
// does not exist.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show what a command does",
		RunE: func(cmd *cobra.Command, args []string) error {
			topic, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usageError{fmt.Sprintf("unknown command %q", args[len(args)-len(rest)])}
			}
			return topic.Help()
		},
	}
}
