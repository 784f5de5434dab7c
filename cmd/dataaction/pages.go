package main

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// newPages returns the handler of everything: /healthz and /metrics, for reading
// only, and the action for the rest.
//
// The probe asks nobody. A CRM that is down is what the sidecar is there for, and
// no reason to restart this process or to send callers away.
func newPages(action http.Handler, registry *prometheus.Registry, logger *slog.Logger) http.Handler {
	pages := map[string]http.Handler{
		"/healthz": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("Cache-Control", "no-store")
			_, _ = w.Write([]byte("ok\n"))
		}),
		"/metrics": promhttp.HandlerFor(registry, promhttp.HandlerOpts{
			ErrorLog:            slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
			EnableOpenMetrics:   true,
			MaxRequestsInFlight: 8,
			Timeout:             5 * time.Second,
		}),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, found := pages[r.URL.Path]
		switch {
		case !found:
			action.ServeHTTP(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		default:
			page.ServeHTTP(w, r)
		}
	})
}
