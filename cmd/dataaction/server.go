package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	// readTime is how long a client has for a request's head, and for the whole
	// of a request that is not for the action.
	readTime = 5 * time.Second
	// writeTime is how long a client has to take an answer.
	writeTime = 5 * time.Second
	// graceTime is what a stop takes at most beyond the time for an answer.
	graceTime = time.Second
)

// errInterrupted is the end of a stop that was not waited for.
var errInterrupted = errors.New("a second signal: requests in progress were cut off")

// A server serves one listener. It bounds what any client may take.
type server struct {
	http *http.Server
	// finish is how long requests in progress have at the end.
	finish time.Duration
	logger *slog.Logger
}

// newServer returns a server of a handler whose answers take at most timeout.
func newServer(handler http.Handler, timeout time.Duration, logger *slog.Logger) *server {
	return &server{
		http: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: readTime,
			ReadTimeout:       readTime,
			WriteTimeout:      timeout + writeTime,
			IdleTimeout:       90 * time.Second,
			MaxHeaderBytes:    32 << 10,
			ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		},
		finish: timeout + graceTime,
		logger: logger,
	}
}

// serve serves the listener, which it closes, until a signal or the end of ctx;
// then it stops as stop says. It fails if the listener breaks, and at once on a second
// signal.
func (s *server) serve(ctx context.Context, listener net.Listener, signals <-chan os.Signal) error {
	broken := make(chan error, 1)
	s.logger.Info("listening", "addr", listener.Addr().String())
	go func() { broken <- s.http.Serve(listener) }()
	defer s.http.Close()

	select {
	case err := <-broken:
		return fmt.Errorf("serve: %w", err)
	case signal := <-signals:
		s.logger.Info("stopping", "signal", signal.String())
	case <-ctx.Done():
		s.logger.Info("stopping")
	}
	return s.stop(context.WithoutCancel(ctx), signals)
}

// stop accepts nothing new and lets requests in progress finish within their
// time. What is left then has no request to lose: a client that is silent, or does not
// read.
func (s *server) stop(ctx context.Context, signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(ctx, s.finish)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- s.http.Shutdown(ctx) }()
	select {
	case err := <-stopped:
		if errors.Is(err, context.DeadlineExceeded) {
			s.logger.Warn("cutting off what is still in progress")
			return nil
		}
		return err
	case <-signals:
		return errInterrupted
	}
}
