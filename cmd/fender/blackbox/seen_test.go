package blackbox_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

func TestSeen(t *testing.T) {
	play(t, []scene{
		{
			name:  "every series of a route is there before its first call, save those with a code",
			route: tripping + standIn + quick,
			run: func(t *testing.T, s *stage) {
				m := s.Scrape(t)
				for _, name := range []string{
					"fender_requests_in_flight", "fender_upstream_attempts_total", "fender_upstream_attempt_duration_seconds_count", "fender_retries_total",
					"fender_retries_skipped_total", "fender_fallbacks_total", "fender_breaker_state",
					"fender_breaker_transitions_total", "fender_request_duration_seconds_count", "fender_route_info",
				} {
					if len(m.Find(name, "route", s.route)) == 0 {
						t.Errorf("got no series of %s, want them from the start", name)
					}
				}
				if got := m.Sum("fender_route_info", "route", s.route, "upstream", s.route, "mode", "enforce"); got != 1 {
					t.Errorf("got fender_route_info %v, want 1", got)
				}
				if len(m.Find("fender_build_info")) != 1 || len(m.Find("fender_config_info")) != 1 {
					t.Error("got no fender_build_info or no fender_config_info, want one each")
				}
				wants := map[string][]string{
					"result": {"2xx", "3xx", "401", "4xx", "5xx", "throttled", "timeout", "dns", "dial", "tls", "reset", "canceled"},
				}
				for _, want := range wants["result"] {
					if len(m.Find("fender_upstream_attempts_total", "route", s.route, "result", want)) != 1 {
						t.Errorf("got no series for result %q, want one", want)
					}
				}
				for _, want := range []string{"budget", "method", "body", "deadline", "max_hint", "breaker"} {
					if len(m.Find("fender_retries_skipped_total", "route", s.route, "reason", want)) != 1 {
						t.Errorf("got no series for skipped reason %q, want one", want)
					}
				}
				for _, want := range []string{"closed", "open", "half-open", "forced-open", "forced-closed"} {
					if len(m.Find("fender_breaker_state", "route", s.route, "state", want)) != 1 {
						t.Errorf("got no series for state %q, want one", want)
					}
				}
				for _, want := range []string{"open", "throttled", "overloaded", "timeout", "unreachable", "unauthorized", "error"} {
					if len(m.Find("fender_fallbacks_total", "route", s.route, "reason", want, "source", "static")) != 1 {
						t.Errorf("got no series for fallback reason %q, want one", want)
					}
				}
			},
		},
		{
			name: "a call is counted once in all that count it",
			run: func(t *testing.T, s *stage) {
				s.get(t)
				s.sum(t, 1, "fender_requests_total", "method", "GET", "code", "200", "outcome", "upstream")
				s.sum(t, 1, "fender_request_duration_seconds_count", "outcome", "upstream")
				s.sum(t, 1, "fender_upstream_attempts_total", "result", "2xx")
				s.sum(t, 1, "fender_upstream_attempts_total")
				s.sum(t, 1, "fender_upstream_attempt_duration_seconds_count")
				s.sum(t, 0, "fender_requests_in_flight")
			},
		},
		{
			name: "each result of an attempt has its name",
			run: func(t *testing.T, s *stage) {
				results := map[int]string{200: "2xx", 302: "3xx", 401: "401", 404: "4xx", 500: "5xx"}
				for status, result := range results {
					s.up.Script(wire.Reply(status, ""))
					s.get(t)
					s.sum(t, 1, "fender_upstream_attempts_total", "result", result)
				}
				s.up.Script(wire.Reset(""))
				s.do(t, "POST", "order")
				s.sum(t, 1, "fender_upstream_attempts_total", "result", "reset")
				s.sum(t, 6, "fender_upstream_attempts_total")
			},
		},
		{
			name: "a call in flight is seen",
			run: func(t *testing.T, s *stage) {
				released := make(chan struct{})
				s.up.Script(wire.Held(released, wire.Reply(200, "")))
				answers := s.ask(3)
				s.sum(t, 3, "fender_requests_in_flight")
				close(released)
				for range 3 {
					one(t, answers)
				}
				s.sum(t, 0, "fender_requests_in_flight")
			},
		},
		{
			name:  "a call is one line of the log",
			match: "path: \"/log/{id}\"",
			route: tripping + quick,
			run: func(t *testing.T, s *stage) {
				s.path = "/log/customer-4711?token=query-4711"
				s.up.Script(wire.Reply(503, ""), wire.Reply(200, "fine"))
				s.get(t, "X-Request-Id: line-1", "ININ-Correlation-Id: corr-1", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
				line := s.AwaitLine(t, "msg", "request", "request_id", "line-1")
				wants := map[string]string{
					"level": "INFO", "route": s.route, "upstream": s.route, "method": "GET", "path": "/log/{id}", "status": "200", "upstream_status": "200",
					"outcome": "retried", "attempts": "2", "circuit": "closed", "correlation_id": "corr-1", "trace_id": "0af7651916cd43dd8448eb211c80319c",
				}
				for key, want := range wants {
					if got := line.Text(key); got != want {
						t.Errorf("got %s %q in the log, want %q", key, got, want)
					}
				}
				for _, key := range []string{"time", "duration_ms", "upstream_ms", "wait_ms"} {
					if _, ok := line[key]; !ok {
						t.Errorf("got no %s in line %v, want one", key, line)
					}
				}
				if got := len(s.Lines("msg", "request", "request_id", "line-1")); got != 1 {
					t.Errorf("got %d lines, want 1", got)
				}
				if strings.Contains(s.Log(), "4711") {
					t.Error("got a caller's data in the log, want the route's pattern alone")
				}
			},
		},
		{
			name:  "a change of state is a line, and a warning when it opens",
			route: "breaker: {consecutive_failures: 1, open: {initial: 200ms, max: 200ms}}",
			run: func(t *testing.T, s *stage) {
				s.fail(t, 1)
				s.await(t, "half-open")
				s.up.Script(wire.Reply(200, "fine"))
				s.get(t)
				s.get(t)
				s.await(t, "closed")
				states := map[string]bool{}
				for _, line := range s.Lines("route", s.route) {
					if line.Text("msg") == "request" {
						continue
					}
					states[line.Text("to")] = true
					if to, level := line.Text("to"), line.Text("level"); (to == "open") != (level == "WARN") {
						t.Errorf("got level %s for a change to %q, want WARN for open alone", level, to)
					}
				}
				for _, want := range []string{"open", "half-open", "closed"} {
					if !states[want] {
						t.Errorf("got no line of a change to %s, want one", want)
					}
				}
			},
		},
	})
}

func TestTheMetricsListener(t *testing.T) {
	t.Parallel()
	up := wire.Reserve(t)
	p := start(t, preamble+"upstreams: {crm: {url: \""+up.URL()+"\"}}\nroutes: [{name: a, match: {path: /a}, upstream: crm}]\n")
	tests := []struct {
		method, target string
		want           []int
	}{
		{"GET", "/healthz", []int{200}},
		{"HEAD", "/healthz", []int{200}},
		{"GET", "/readyz", []int{200}}, // whatever the upstream does
		{"GET", "/metrics", []int{200}},
		{"POST", "/metrics", []int{405, 404, 400}},
		{"DELETE", "/readyz", []int{405, 404, 400}},
		{"GET", "/a", []int{404}},
		{"GET", "/debug/pprof/", []int{404}},
		{"GET", "/config", []int{404}},
	}
	for _, test := range tests {
		answer := wire.Do(t, p.Metrics, test.method, test.target, "")
		if !slices.Contains(test.want, answer.StatusCode) {
			t.Errorf("got status %d for %s %s, want one of %v", answer.StatusCode, test.method, test.target, test.want)
		}
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		if got := wire.Do(t, p.Proxy, http.MethodGet, path, "").StatusCode; got != 404 {
			t.Errorf("got status %d for %s at the proxy's own port, want 404", got, path)
		}
	}
}
