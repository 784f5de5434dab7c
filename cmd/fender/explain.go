package main

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/fender-proxy/fender/proxy"
	"github.com/fender-proxy/fender/proxy/config"
)

func newExplain() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "explain --config FILE METHOD URL",
		Short:   "Show the route that a request takes, and its effective policy",
		Example: "  fender explain --config config.yaml GET /v1/customers/42",
		Args:    methodAndURL,
	}
	settings := newSettings(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		method := args[0]
		target, err := parseTarget(args[1])
		if err != nil {
			return err
		}
		cfg, err := settings.load(config.Options{NoSecrets: true})
		if err != nil {
			return err
		}
		route, err := match(cfg, method, target)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, target.Redacted(), err)
		}
		return explain(cmd.OutOrStdout(), cfg, route)
	}
	return cmd
}

// methodAndURL takes the two arguments of a request line.
func methodAndURL(_ *cobra.Command, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("a METHOD and a URL are needed, got %d arguments (such as GET /v1/customers/42)", len(args))
	}
	return nil
}

// parseTarget reads a request's target: a path, with or without a query, or a
// URL whose host is the Host that the client sends.
func parseTarget(raw string) (*url.URL, error) {
	target, err := url.ParseRequestURI(raw)
	if err != nil || target.Scheme == "" && !strings.HasPrefix(raw, "/") {
		return nil, usageError{fmt.Sprintf("%q is no request target (write a path, or a URL with its host)", raw)}
	}
	return target, nil
}

// match returns the route that cfg has for a request. It opens nothing, and does
// without the certificates, which may be elsewhere.
func match(cfg *config.Config, method string, target *url.URL) (*config.Route, error) {
	bare := *cfg
	bare.Upstreams = maps.Clone(cfg.Upstreams)
	for name, upstream := range bare.Upstreams {
		upstream.TLS = config.TLS{}
		bare.Upstreams[name] = upstream
	}
	p, err := proxy.New(&bare, proxy.Options{
		Logger:  slog.New(slog.DiscardHandler),
		Metrics: proxy.NewMetrics(prometheus.NewRegistry()),
	})
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return p.Match(method, target)
}

// explain prints the route and, aligned, each of its settings with its origin.
func explain(w io.Writer, cfg *config.Config, route *config.Route) error {
	fmt.Fprintf(w, "route     %s %s\n", route.Name, cmp.Or(route.Match.Path, "(any path)"))
	upstream := cfg.Upstreams[route.Upstream]
	fmt.Fprintf(w, "upstream  %s %s\n", route.Upstream, upstream.URL)
	fmt.Fprintf(w, "shared    %s\n\n", shared(upstream))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PATH\tORIGIN\tVALUE")
	for _, s := range route.Explain() {
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.Path, s.Origin, s.Value)
	}
	return table.Flush()
}

// shared says what bounds the upstream's routes together.
func shared(u config.Upstream) string {
	concurrency, rate, budget := "no concurrency limit", "no rate limit", "no retry budget"
	if c := u.Concurrency; c.MaxRequests > 0 {
		concurrency = fmt.Sprintf("%d in flight and %d pending", c.MaxRequests, c.MaxPending)
	}
	if r := u.RateLimit; r != nil {
		rate = fmt.Sprintf("%d requests per %s, %d at once", r.Requests, r.Interval, cmp.Or(r.Burst, r.Requests))
	}
	if b := u.RetryBudget; b != nil {
		budget = fmt.Sprintf("retries for %g of the calls and %g a second", b.Ratio, b.MinPerSecond)
	}
	return strings.Join([]string{concurrency, rate, budget}, "; ")
}
