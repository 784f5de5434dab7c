package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/proxy/config"
)

// explained returns the settings of the first route at the paths, a line each.
func explained(c *config.Config, paths ...string) string {
	var lines []string
	for _, path := range paths {
		for _, s := range c.Routes[0].Explain() {
			if s.Path == path || strings.HasPrefix(s.Path, path+".") {
				lines = append(lines, fmt.Sprintf("%s: %s (%s)", s.Path, s.Value, s.Origin))
			}
		}
	}
	return strings.Join(lines, "\n")
}

func TestMerge(t *testing.T) {
	tests := map[string]struct {
		defaults, upstream, route string
		paths                     string
		want                      string
	}{
		"nobody says anything": {
			paths: "mode timeout retry breaker concurrency fallback classify",
			want: `mode: enforce (built in)
timeout.request: 3s (built in)
timeout.attempt: 3s (built in)
timeout.stream_idle: 1m (built in)
retry: null (built in)
breaker: null (built in)
concurrency: null (built in)
fallback: null (built in)
classify: [] (built in)`,
		},
		"the upstream goes over the defaults, the route over both": {
			defaults: "timeout: {request: 9s, attempt: 8s, stream_idle: 7s}",
			upstream: "timeout: {attempt: 6s, stream_idle: 5s}",
			route:    "timeout: {stream_idle: 4s}",
			paths:    "timeout",
			want: `timeout.request: 9s (defaults)
timeout.attempt: 6s (upstream)
timeout.stream_idle: 4s (route)`,
		},
		"an empty map turns a block on": {
			route: "concurrency: {}",
			paths: "concurrency",
			want: `concurrency.max_requests: 256 (built in)
concurrency.max_pending: 0 (built in)`,
		},
		"a block that is on below stays so": {
			defaults: "concurrency: {max_requests: 7}",
			upstream: "concurrency: {}",
			route:    "concurrency: {max_pending: 8}",
			paths:    "concurrency",
			want: `concurrency.max_requests: 7 (defaults)
concurrency.max_pending: 8 (route)`,
		},
		"null turns a block off": {
			defaults: "retry: {max_retries: 1}",
			route:    "retry: null",
			paths:    "retry",
			want:     "retry: null (route)",
		},
		"null turns the gate off": {
			upstream: "throttle: null",
			paths:    "throttle",
			want:     "throttle: null (upstream)",
		},
		"a map over null turns a block on again with what is built in": {
			defaults: "concurrency: {max_requests: 7, max_pending: 8}",
			upstream: "concurrency: null",
			route:    "concurrency: {max_pending: 9}",
			paths:    "concurrency",
			want: `concurrency.max_requests: 256 (built in)
concurrency.max_pending: 9 (route)`,
		},
		"null turns one rule off and leaves the block on": {
			defaults: "breaker: {consecutive_failures: 3, failure_rate: {min_calls: 3}}",
			route:    "breaker: {failure_rate: null}",
			paths:    "breaker.consecutive_failures breaker.failure_rate",
			want: `breaker.consecutive_failures: 3 (defaults)
breaker.failure_rate: null (route)`,
		},
		"null for a block that can't be off changes nothing": {
			defaults: "timeout: {request: 1s}",
			route:    "timeout: null",
			paths:    "timeout.request",
			want:     "timeout.request: 1s (defaults)",
		},
		"lists replace": {
			defaults: "classify: [{status: 403, as: throttled, wait: 90s}, {status: 200-299, contains: 'no: way', as: failure}]\nretry: {methods: [GET, PUT], conditions: [connect, 503]}",
			route:    "classify: [{content_type_not: application/json, as: failure}]\nretry: {methods: [POST], conditions: []}",
			paths:    "classify retry.methods retry.conditions",
			want: `classify: [{content_type_not: application/json, as: failure}] (route)
retry.methods: [POST] (route)
retry.conditions: [] (route)`,
		},
		"maps merge": {
			defaults: "fallback: {headers: {X-A: a, X-B: b}, body: x}",
			upstream: "fallback: {status: 503, headers: {X-B: c}}",
			route:    "fallback: {headers: {X-C: 'd: e'}}",
			paths:    "fallback.headers fallback.status fallback.body",
			want: `fallback.headers.X-A: a (defaults)
fallback.headers.X-B: c (upstream)
fallback.headers.X-C: 'd: e' (route)
fallback.status: 503 (upstream)
fallback.body: x (defaults)`,
		},
		"every kind of value is written as it is configured": {
			defaults: "breaker: {failure_rate: {threshold: 0.25}, override: {state: open, until: 2026-12-01T04:00:00Z, reason: maintenance}}\nclassify: [{status: 403, as: throttled, wait: 90s}]\nbuffer: 1000B\nrequest_buffer: 0\nfallback: {body: \"it's\\n\"}",
			paths:    "breaker.failure_rate.threshold breaker.override classify buffer request_buffer fallback.body",
			want: `breaker.failure_rate.threshold: 0.25 (defaults)
breaker.override.state: open (defaults)
breaker.override.until: 2026-12-01T04:00:00Z (defaults)
breaker.override.reason: maintenance (defaults)
classify: [{status: 403, as: throttled, wait: 1m30s}] (defaults)
buffer: 1000B (defaults)
request_buffer: 0 (defaults)
fallback.body: "it's\n" (defaults)`,
		},
		"what comes from a variable is not shown": {
			defaults: "fallback: {body: '${SECRET}', headers: {X-A: 'a ${SECRET}'}}\nclassify: [{contains: '${SECRET}', as: failure}]\ntimeout: {request: '${D}'}\nretry: {max_retries: '${N}', methods: ['${UNSET:-GET}']}",
			paths:    "fallback.body fallback.headers classify timeout.request retry.max_retries retry.methods",
			want: `fallback.body: '${SECRET}' (defaults)
fallback.headers.X-A: 'a ${SECRET}' (defaults)
classify: [{contains: '${SECRET}', as: failure}] (defaults)
timeout.request: '${D}' (defaults)
retry.max_retries: '${N}' (defaults)
retry.methods: ['${UNSET:-GET}'] (defaults)`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			indent := func(block, by string) string { return strings.ReplaceAll("\n"+block, "\n", "\n"+by) }
			c := parse(t, "defaults:"+indent(test.defaults, "  ")+
				"\nupstreams:\n  crm:\n    url: https://a.example\n    policy:"+indent(test.upstream, "      ")+
				"\nroutes:\n  - name: a\n    upstream: crm"+indent(test.route, "    ")+"\n")
			if got := explained(c, strings.Fields(test.paths)...); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestMergeSharesNothing holds that a route can't be changed through another.
func TestMergeSharesNothing(t *testing.T) {
	c := parse(t, `
@crm
defaults: {retry: {methods: [GET, PUT]}, fallback: {body: x, headers: {X-A: a}}}
routes: [{name: a, upstream: crm, match: {path: /a}}, {name: b, upstream: crm, match: {path: /b}}]
`)
	a, b := c.Routes[0], c.Routes[1]
	a.Retry.Methods[0] = "POST"
	a.Fallback.Headers["X-A"] = "b"
	if !slices.Equal(b.Retry.Methods, []string{"GET", "PUT"}) || b.Fallback.Headers["X-A"] != "a" {
		t.Errorf("got %v and %v, want those of the defaults", b.Retry.Methods, b.Fallback.Headers)
	}
}

// TestExplainIsComplete holds that every key of a policy is explained, in the
// order of the example.
func TestExplainIsComplete(t *testing.T) {
	c := parse(t, "@crm\n@route\ndefaults: {retry: {}, breaker: {slow_calls: {}, override: {state: open, until: 2026-12-01T04:00:00Z}}, concurrency: {}, fallback: {body: x}}\n")
	var got []string
	for _, s := range c.Routes[0].Explain() {
		got = append(got, s.Path)
	}
	want := strings.Fields(`mode max_request_body request_buffer buffer classify
		timeout.request timeout.attempt timeout.stream_idle
		retry.max_retries retry.conditions retry.methods retry.unsafe_on_429 retry.backoff.initial retry.backoff.max
		retry.max_hint retry.min_attempt retry.idempotency_key.header retry.idempotency_key.generate
		breaker.scope breaker.failure_on breaker.consecutive_failures
		breaker.failure_rate.threshold breaker.failure_rate.min_calls breaker.failure_rate.window
		breaker.slow_calls.duration breaker.slow_calls.threshold breaker.open.initial breaker.open.max
		breaker.half_open.probes breaker.half_open.successes breaker.half_open.timeout
		breaker.override.state breaker.override.until breaker.override.reason
		throttle.statuses throttle.hints throttle.default_wait throttle.max_wait throttle.max_pending throttle.max throttle.scope
		concurrency.max_requests concurrency.max_pending
		fallback.reasons fallback.methods fallback.status fallback.headers fallback.body fallback.body_file
		fallback.stale.max_age fallback.stale.max_size fallback.stale.vary fallback.stale.methods fallback.stale.ignore_cache_control`)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}
