package demo

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// server is an HTTP server with its one listener.
type server struct {
	http   *http.Server
	url    string
	served chan struct{} // closed when no connection is accepted any more
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp", address)
}

// startServer serves a free port until close is called.
func startServer(ctx context.Context, h http.Handler) (*server, error) {
	l, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return serve(l, h), nil
}

// serve serves a listener, which it takes over, until close is called.
func serve(l net.Listener, h http.Handler) *server {
	s := &server{
		http: &http.Server{
			Handler:           h,
			ReadHeaderTimeout: 5 * time.Second,
			ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		},
		url:    "http://" + l.Addr().String(),
		served: make(chan struct{}),
	}
	go func() {
		defer close(s.served)
		_ = s.http.Serve(l) // if it breaks, the callers' lines tell
	}()
	return s
}

// close cuts off what is still in progress.
func (s *server) close() {
	_ = s.http.Close()
	<-s.served
}
