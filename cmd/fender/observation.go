package main

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// newObservation returns the handler of the metrics listener: /metrics,
// /healthz and /readyz, for reading only, and nothing else.
//
// Both probes say 200 whenever they are asked: the process answers, and this
// listener is served only after every other one is open. Neither depends on an
// upstream, nor on the drain: who calls through Fender may still need it.
func newObservation(registry *prometheus.Registry, logger *slog.Logger) http.Handler {
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write([]byte("ok\n"))
	})
	pages := map[string]http.Handler{
		"/healthz": ok,
		"/readyz":  ok,
		"/metrics": promhttp.HandlerFor(registry, promhttp.HandlerOpts{
			ErrorLog:            newServerLog(logger, metricsServer),
			EnableOpenMetrics:   true,
			MaxRequestsInFlight: 8,
			Timeout:             10 * time.Second,
		}),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, found := pages[r.URL.Path]
		switch {
		case !found:
			http.NotFound(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		default:
			page.ServeHTTP(w, r)
		}
	})
}
