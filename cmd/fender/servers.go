package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// The servers' names in the log.
const (
	proxyServer   = "proxy"
	metricsServer = "metrics"
)

const (
	// headLimit is the longest request head; net/http adds headSlop.
	headLimit = 64 << 10
	headSlop  = 4 << 10
	// quietTime is how long nobody must have been there for a drain to end
	// early.
	quietTime = 500 * time.Millisecond
	// graceTime is what the last answers have beyond their requests' own time,
	// cutTime is the time for what is cut off at the end to come home.
	graceTime = 500 * time.Millisecond
	cutTime   = 250 * time.Millisecond
)

// errInterrupted is the end of a stop that was not waited for.
var errInterrupted = errors.New("a second signal: requests in progress were cut off")

// A server is an HTTP server with the listeners it serves.
type server struct {
	*http.Server
	name      string
	listeners []net.Listener
	accepting sync.WaitGroup
}

// newServer returns a server of HTTP/1 that bounds what any client may take.
// What its handler may take is the handler's business.
func newServer(name string, handler http.Handler, listeners []net.Listener, logger *slog.Logger) *server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &server{
		Server: &http.Server{
			Handler:           handler,
			Protocols:         protocols,
			ReadHeaderTimeout: 5 * time.Second,
			IdleTimeout:       90 * time.Second,
			MaxHeaderBytes:    headLimit - headSlop,
			ErrorLog:          newServerLog(logger, name),
			// OPTIONS * too is the handler's to answer.
			DisableGeneralOptionsHandler: true,
		},
		name:      name,
		listeners: listeners,
	}
}

// start serves the listeners until they are closed. Broken, which must have
// room, is told of one that breaks by itself.
func (s *server) start(logger *slog.Logger, broken chan<- error) {
	for _, listener := range s.listeners {
		logger.Info("listening", "server", s.name, "addr", listener.Addr().String())
		s.accepting.Go(func() {
			err := s.Serve(listener)
			if !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
				broken <- fmt.Errorf("serve %s on %s: %w", s.name, listener.Addr(), err)
			}
		})
	}
}

// stopAccepting closes the listeners. When it returns every connection that
// was accepted is known to the server.
func (s *server) stopAccepting() {
	closeAll(s.listeners)
	s.accepting.Wait()
}

// servers are the process's HTTP servers between the first request and the
// last.
type servers struct {
	proxy       *server
	metrics     *server // nil if it is off
	connections *connections
	// drain is how long requests are still taken after the signal, finish how
	// long those in progress then have.
	drain, finish time.Duration
	logger        *slog.Logger
	// cut ends the context of every request.
	cut context.CancelFunc
}

// newServers returns the servers that serve handler on listeners. To stop them
// takes at most drain, longest (a request's time) and a second. Requests have
// the values of ctx, but not its end.
func newServers(ctx context.Context, handler http.Handler, listeners []net.Listener, drain, longest time.Duration, logger *slog.Logger) *servers {
	ctx, cut := context.WithCancel(context.WithoutCancel(ctx))
	connections := newConnections()
	proxy := newServer(proxyServer, connections.handler(handler), listeners, logger)
	proxy.ConnState = connections.track
	proxy.BaseContext = func(net.Listener) context.Context { return ctx }
	return &servers{
		proxy:       proxy,
		connections: connections,
		drain:       drain,
		finish:      longest + graceTime,
		logger:      logger,
		cut:         cut,
	}
}

// observe adds the server for scrapes and probes. Its answers are small and
// its own, so that it can bound them.
func (s *servers) observe(handler http.Handler, listeners []net.Listener) {
	s.metrics = newServer(metricsServer, handler, listeners, s.logger)
	s.metrics.ReadTimeout = 5 * time.Second
	s.metrics.WriteTimeout = 30 * time.Second
}

// serve serves until a signal or the end of ctx, then stops as stop says. It
// fails if a listener breaks, and at once on a second signal. When it returns,
// no listener is open and nothing of the servers runs, save a request that did
// not come home within a moment of being cut off.
func (s *servers) serve(ctx context.Context, signals <-chan os.Signal) error {
	all := []*server{s.proxy}
	if s.metrics != nil {
		all = append(all, s.metrics)
	}
	broken := make(chan error, len(s.proxy.listeners)+1)
	for _, server := range all {
		server.start(s.logger, broken)
	}
	defer func() {
		s.cut()
		for _, server := range all {
			_ = server.Close()
			server.accepting.Wait()
		}
	}()

	select {
	case err := <-broken:
		return err
	case signal := <-signals:
		s.logger.Info("stopping", "signal", signal.String(), "drain", s.drain.String())
	case <-ctx.Done():
		s.logger.Info("stopping", "drain", s.drain.String())
	}
	ctx, interrupt := context.WithCancel(context.WithoutCancel(ctx))
	defer interrupt()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.stop(ctx)
	}()
	select {
	case <-stopped:
		s.logger.Info("stopped")
		return nil
	case <-signals:
		interrupt()
		<-stopped
		return errInterrupted
	}
}

// stop lets the proxy's clients leave. For the time of the drain everything is
// served, and the answers ask to leave; then, or when nobody has been there for
// a moment, nothing new is accepted, silent connections are closed and the
// requests in progress finish within the finish time; what then remains,
// streams and tunnels, is cut off. The end of ctx ends every wait.
func (s *servers) stop(ctx context.Context) {
	s.connections.leave()
	draining, cancel := context.WithTimeout(ctx, s.drain)
	defer cancel()
	s.connections.wait(draining, quietTime)

	s.proxy.stopAccepting()
	s.connections.closeSilent()
	finishing, cancel := context.WithTimeout(ctx, s.finish)
	defer cancel()
	if err := s.proxy.Shutdown(finishing); err != nil {
		s.logger.Warn("cutting off what is still in progress")
	}

	s.cut()
	_ = s.proxy.Close()
	cutting, cancel := context.WithTimeout(ctx, cutTime)
	defer cancel()
	s.connections.wait(cutting, 0)
}
