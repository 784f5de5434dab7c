package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/fender-proxy/fender/cmd/dataaction/enrichment"
)

// The process's exit codes.
const (
	exitOK = iota
	exitFailure
	exitUsage
)

const usage = `dataaction takes no arguments. It reads its environment: CRM_BASE_URL and
GENESYS_BASE_URL (required), LISTEN, TIMEOUT, DATA_ACTION_TOKEN.
`

// run serves as the environment says until the process is told to stop, and
// returns its exit code.
func run(ctx context.Context, args []string, lookup func(string) (string, bool), stderr io.Writer) int {
	if len(args) > 0 {
		_, _ = io.WriteString(stderr, usage)
		return exitUsage
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	// A log that nobody reads any more must not stop what it tells of.
	signal.Ignore(syscall.SIGPIPE)

	logger := slog.New(slog.NewJSONHandler(stderr, nil))
	e, err := readEnvironment(lookup)
	if err == nil {
		err = serve(ctx, e, logger, signals)
	}
	if err != nil {
		logger.Error("stopped", "error", err)
		return exitFailure
	}
	logger.Info("stopped")
	return exitOK
}

// serve serves what the environment asks for until a signal comes or ctx ends.
func serve(ctx context.Context, e environment, logger *slog.Logger, signals <-chan os.Signal) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", e.listen)
	if err != nil {
		return fmt.Errorf("LISTEN: %w", err)
	}
	if e.token == "" {
		logger.Warn("anybody who gets here may ask: DATA_ACTION_TOKEN is not set")
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	action := enrichment.New(enrichment.Config{
		CRM:        e.crm,
		Genesys:    e.genesys,
		Timeout:    e.timeout,
		Token:      e.token,
		Logger:     logger,
		Registerer: registry,
	})
	defer action.Close()
	server := newServer(newPages(action, registry, logger), e.timeout, logger)
	return server.serve(ctx, listener, signals)
}
