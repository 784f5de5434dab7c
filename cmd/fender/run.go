package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"github.com/fender-proxy/fender/proxy"
	"github.com/fender-proxy/fender/proxy/config"
)

func newRun() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: "Serve until SIGTERM or SIGINT",
		Long: `Serve until SIGTERM or SIGINT; a second signal ends the process at once.

A flag comes before the environment (--log-level before FENDER_LOG_LEVEL), the
environment before the file, the file before what is built in.`,
		Args: noArgs,
	}
	settings := newSettings(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runSidecar(cmd, settings) }
	return cmd
}

// runSidecar serves as the settings and their file say, until the process is
// told to stop.
func runSidecar(cmd *cobra.Command, settings *settings) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)

	cfg, err := settings.load(config.Options{})
	if err != nil {
		return err
	}
	// A log that nobody reads, or that nobody can write to any more, must not
	// stop what it tells of.
	signal.Ignore(syscall.SIGPIPE)
	queue := newLogQueue(cmd.ErrOrStderr(), cfg.Log)
	defer queue.Close()
	logger := newLogger(queue, cfg.Log)
	// net/http has things to say without being asked, such as an upstream's
	// bytes on an idle connection. They go where the rest goes.
	slog.SetLogLoggerLevel(slog.LevelDebug)
	slog.SetDefault(logger)
	for _, warning := range cfg.Warnings {
		logger.Warn("configuration", "warning", warning.String())
	}
	err = sidecar(cmd.Context(), cfg, logger, signals)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errInterrupted):
		logger.Warn("stopped", "error", err)
	default:
		logger.Error("stopped", "error", err)
	}
	return errLogged
}

// sidecar serves cfg until a signal comes or ctx ends.
func sidecar(ctx context.Context, cfg *config.Config, logger *slog.Logger, signals <-chan os.Signal) error {
	registry, metrics := newMetrics(cfg)
	handler, err := proxy.New(cfg, proxy.Options{Logger: logger, Metrics: metrics})
	if err != nil {
		return err
	}
	defer handler.Close()
	servers, err := open(ctx, cfg, handler, registry, logger)
	if err != nil {
		return err
	}
	return servers.serve(ctx, signals)
}

// newMetrics returns a registry with the process's own metrics and the proxy's.
func newMetrics(cfg *config.Config) (*prometheus.Registry, *proxy.Metrics) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	metrics := proxy.NewMetrics(registry)
	b := thisBuild()
	metrics.SetBuildInfo(b.version, b.revision, b.goVersion)
	metrics.SetConfig(cfg.SHA256)
	return registry, metrics
}

// open opens the listeners of cfg, all or none, and returns their servers.
func open(ctx context.Context, cfg *config.Config, handler http.Handler, registry *prometheus.Registry, logger *slog.Logger) (*servers, error) {
	listen := new(net.ListenConfig).Listen
	listeners, err := listenAll(ctx, listen, cfg.Listen, logger)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	servers := newServers(ctx, handler, listeners, cfg.Drain, longestRequest(cfg), logger)
	if cfg.Metrics.Listen == "" {
		return servers, nil
	}
	listeners, err = listenAll(ctx, listen, []string{cfg.Metrics.Listen}, logger)
	if err != nil {
		closeAll(servers.proxy.listeners)
		return nil, fmt.Errorf("metrics: %w", err)
	}
	servers.observe(newObservation(registry, logger), listeners)
	return servers, nil
}

// longestRequest returns the longest timeout.request of all routes.
func longestRequest(cfg *config.Config) time.Duration {
	var longest time.Duration
	for _, route := range cfg.Routes {
		longest = max(longest, route.Timeout.Request)
	}
	return longest
}
