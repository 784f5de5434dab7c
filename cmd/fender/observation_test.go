package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestObservationAnswersItsThreePagesForReadingOnly(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{Name: "answer", Help: "The answer."}, func() float64 { return 42 }))
	handler := newObservation(registry, slog.New(slog.DiscardHandler))
	for _, test := range []struct {
		method, target string
		status         int
		body           string
	}{
		{http.MethodGet, "/healthz", http.StatusOK, "ok\n"},
		{http.MethodHead, "/healthz", http.StatusOK, ""},
		{http.MethodGet, "/readyz", http.StatusOK, "ok\n"},
		{http.MethodGet, "/readyz?verbose", http.StatusOK, "ok\n"},
		{http.MethodGet, "/metrics", http.StatusOK, "answer 42\n"},
		{http.MethodPost, "/metrics", http.StatusMethodNotAllowed, "method not allowed\n"},
		{http.MethodDelete, "/readyz", http.StatusMethodNotAllowed, "method not allowed\n"},
		{http.MethodGet, "/", http.StatusNotFound, ""},
		{http.MethodGet, "/metrics/", http.StatusNotFound, ""},
		{http.MethodGet, "//metrics", http.StatusNotFound, ""},
		{http.MethodPost, "/nowhere", http.StatusNotFound, ""},
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(test.method, test.target, nil))
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.body) {
			t.Errorf("%s %s: got %d %q, want %d with %q", test.method, test.target, w.Code, w.Body, test.status, test.body)
		}
		if got, want := w.Header().Get("Allow"), "GET, HEAD"; w.Code == http.StatusMethodNotAllowed && got != want {
			t.Errorf("%s %s: got Allow %q, want %q", test.method, test.target, got, want)
		}
	}
}

func TestMetricsSpeakOpenMetricsToWhoAsks(t *testing.T) {
	handler := newObservation(prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if got, want := w.Header().Get("Content-Type"), "application/openmetrics-text; version=1.0.0"; !strings.HasPrefix(got, want) {
		t.Errorf("got Content-Type %q, want %q", got, want)
	}
}
