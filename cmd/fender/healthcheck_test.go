package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealthcheckAsksWhetherTheSidecarIsReady(t *testing.T) {
	asked := ""
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Path
		w.WriteHeader(status)
	}))
	defer server.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, test := range []struct {
		url, path string
		status    int
		code      int
		says      string
	}{
		{server.URL, "/readyz", 200, exitOK, ""},
		{server.URL + "/", "/readyz", 200, exitOK, ""},
		{server.URL + "/healthz", "/healthz", 200, exitOK, ""},
		{server.URL, "/readyz", 503, exitFailed, "not ready: " + server.URL + "/readyz answered 503"},
		{server.URL, "/readyz", 307, exitFailed, "answered 307"},
		{gone.URL, "", 0, exitFailed, "not ready: dial tcp"},
		{"127.0.0.1:9102", "", 0, exitUsage, "is not the URL of a metrics listener"},
		{"https://127.0.0.1", "", 0, exitUsage, "is not the URL of a metrics listener"},
	} {
		asked, status = "", test.status
		code, stdout, stderr := fender(t, "healthcheck", "--url", test.url)
		if code != test.code || asked != test.path || stdout != "" || !strings.Contains(stderr, test.says) || test.says == "" && stderr != "" {
			t.Errorf("%s: got exit code %d, %q asked, stdout %q, stderr %q, want %d, %q and %q", test.url, code, asked, stdout, stderr, test.code, test.path, test.says)
		}
	}
}
