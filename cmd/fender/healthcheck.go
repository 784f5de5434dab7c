package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

// healthTimeout is less than the period of any probe.
const healthTimeout = 3 * time.Second

// newHealthcheck returns a command for images without a shell or curl, in which
// a probe has to be a program.
func newHealthcheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "healthcheck [--url URL]",
		Short:   "Ask a running sidecar whether it is ready: exit code 0 if it is",
		Example: "  fender healthcheck --url http://127.0.0.1:9102",
		Args:    noArgs,
	}
	raw := cmd.Flags().String("url", "http://127.0.0.1:9102", "the metrics listener's URL; /readyz is added unless there is a path")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		target, err := readinessURL(*raw)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), healthTimeout)
		defer cancel()
		return askReady(ctx, target)
	}
	return cmd
}

// readinessURL returns the URL to ask.
func readinessURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return "", usageError{fmt.Sprintf("%q is not the URL of a metrics listener (write http://127.0.0.1:9102)", raw)}
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/readyz"
	}
	return u.String(), nil
}

// askReady asks once, without a proxy of the environment in between.
func askReady(ctx context.Context, target string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return err
	}
	transport := &http.Transport{Proxy: nil, DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("not ready: no answer within %v", healthTimeout)
	case err != nil:
		return fmt.Errorf("not ready: %w", err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s answered %d", target, resp.StatusCode)
	}
	return nil
}
