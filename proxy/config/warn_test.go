package config_test

import (
	"testing"

	"github.com/fender-proxy/fender/proxy/config"
)

func TestWarnings(t *testing.T) {
	tests := map[string]struct{ document, want string }{
		"a retry on timeout that has no time": {
			"@crm\nroutes: [{name: a, upstream: crm, timeout: {request: 2s, attempt: 2s}, retry: {}}]",
			`config.yaml:2:67: routes[0] "a".timeout.attempt: an attempt may last as long as the request, so none is repeated on timeout (set timeout.attempt to less than timeout.request)`,
		},
		"a retry on timeout with the built-in attempt": {
			"@crm\nroutes: [{name: a, upstream: crm, retry: {}}]",
			`config.yaml:2:42: routes[0] "a".retry: an attempt may last as long as the request, so none is repeated on timeout (set timeout.attempt to less than timeout.request)`,
		},
		"a retry of the defaults is said once": {
			"@crm\ndefaults: {retry: {}}\nroutes: [{name: a, upstream: crm, match: {path: /a}}, {name: b, upstream: crm, match: {path: /b}}]",
			`config.yaml:2:19: defaults.retry: an attempt may last as long as the request, so none is repeated on timeout (set timeout.attempt to less than timeout.request)`,
		},
		"a retry that does not wait for timeouts": {
			"@crm\nroutes: [{name: a, upstream: crm, retry: {conditions: [503]}}]", "",
		},
		"no retries at all": {
			"@crm\nroutes: [{name: a, upstream: crm, retry: {max_retries: 0}}]", "",
		},
		"waits that end after the request": {
			"@crm\nroutes: [{name: a, upstream: crm, timeout: {request: 2s, attempt: 1s}, retry: {max_hint: 2s, min_attempt: 3s}}]",
			`config.yaml:2:90: routes[0] "a".retry.max_hint: no shorter than timeout.request, so such a hint is never waited for
config.yaml:2:107: routes[0] "a".retry.min_attempt: no shorter than timeout.request, so nothing is repeated`,
		},
		"built-in waits that end after the request": {
			"@crm\nroutes: [{name: a, upstream: crm, timeout: {request: 500ms, attempt: 100ms}, retry: {}}]", "",
		},
		"a gate's wait that ends after the request": {
			"@crm\nroutes: [{name: a, upstream: crm, throttle: {max_wait: 3s}}]",
			`config.yaml:2:56: routes[0] "a".throttle.max_wait: no shorter than timeout.request, which ends the wait`,
		},
		"rules that look into bodies that are never held": {
			"@crm\nroutes: [{name: a, upstream: crm, buffer: 0, classify: [{status: 500, as: failure}, {contains: x, as: failure}]}]",
			`config.yaml:2:96: routes[0] "a".classify[1].contains: buffer is 0, so answers are never looked into`,
		},
		"a rule that shuts a gate that is not there": {
			"@crm\nroutes: [{name: a, upstream: crm, throttle: null, classify: [{status: 403, as: throttled, scope: upstream}]}]",
			`config.yaml:2:98: routes[0] "a".classify[0].scope: throttle is null, so there is no gate`,
		},
		"a condition that nothing meets": {
			"@crm\nroutes: [{name: a, upstream: crm, timeout: {attempt: 1s}, retry: {conditions: [503, failure]}}]",
			`config.yaml:2:85: routes[0] "a".retry.conditions[1]: no rule of classify calls an answer a failure`,
		},
		"times that others cut short": {
			`@crm
routes:
  - name: a
    upstream: crm
    timeout: {request: 2s}
    breaker: {slow_calls: {duration: 3s}, half_open: {timeout: 4s}}
    throttle: {default_wait: 2s, max: 1s}`,
			`config.yaml:6:38: routes[0] "a".breaker.slow_calls.duration: longer than timeout.request, so no call is ever slow
config.yaml:6:64: routes[0] "a".breaker.half_open.timeout: longer than timeout.request, which ends a probe too
config.yaml:7:30: routes[0] "a".throttle.default_wait: default_wait is longer than max, which ends it`,
		},
		"last good answers that vary by cookies": {
			"@crm\nroutes: [{name: a, upstream: crm, fallback: {stale: {max_age: 1h, vary: [X-Role, Cookie]}}}]",
			`config.yaml:2:82: routes[0] "a".fallback.stale.vary[1]: nothing is kept of what requests with a Cookie got`,
		},
		"retries of a route that is passed through": {
			"@crm\nroutes: [{name: a, upstream: crm, mode: passthrough, retry: {}}]", "",
		},
		"a queue without a limit": {
			"upstreams: {crm: {url: https://a.example, concurrency: {max_pending: 3}}}\nroutes: [{name: a, upstream: crm, concurrency: {max_requests: 0, max_pending: 2}}]",
			`config.yaml:1:70: upstreams.crm.concurrency.max_pending: without max_requests nobody waits
config.yaml:2:79: routes[0] "a".concurrency.max_pending: without max_requests nobody waits`,
		},
		"last good answers to bodies that are never held": {
			"@crm\nroutes: [{name: a, upstream: crm, request_buffer: 0, fallback: {stale: {max_age: 1h, methods: [GET, POST]}}}]",
			`config.yaml:2:101: routes[0] "a".fallback.stale.methods[1]: request_buffer is 0, so no answer to a POST is kept`,
		},
		"a fallback that makes writes look done": {
			"@crm\nroutes: [{name: a, upstream: crm, fallback: {body: x, methods: [GET, POST]}}]",
			`config.yaml:2:70: routes[0] "a".fallback.methods[1]: a 2xx fallback makes a POST look done (give it a status of 500 or more)`,
		},
		"a fallback for writes that does not": {
			"@crm\nroutes: [{name: a, upstream: crm, fallback: {body: x, status: 503, methods: [GET, POST]}}]", "",
		},
		"a body that is not the JSON it says": {
			"@crm\nroutes: [{name: a, upstream: crm, match: {path: '/{id}'}, fallback: {headers: {content-type: application/problem+json}, body: '{\"id\":{{.Params.id}}}'}}]",
			`config.yaml:2:127: routes[0] "a".fallback.body: is not valid JSON, as its Content-Type says`,
		},
		"a body that is JSON once it is rendered": {
			"@crm\nroutes: [{name: a, upstream: crm, match: {path: '/{id}'}, fallback: {headers: {Content-Type: application/json; charset=utf-8}, body: '{\"id\":\"{{.Params.id}}\",\"after\":{{.RetryAfter}}}'}}]", "",
		},
		"an upstream that is not verified": {
			"upstreams: {crm: {url: https://a.example, tls: {insecure_skip_verify: true}}}\n@route",
			`config.yaml:1:71: upstreams.crm.tls.insecure_skip_verify: whoever answers is believed to be the upstream (set ca_file instead)`,
		},
		"an upstream that no route uses": {
			"upstreams: {crm: {url: https://a.example}, old: {url: https://b.example}}\n@route",
			`config.yaml:1:49: upstreams.old: no route uses this upstream`,
		},
		"a breaker that never opens": {
			"@crm\nroutes: [{name: a, upstream: crm, breaker: {consecutive_failures: 0, failure_rate: null}}]",
			`config.yaml:2:44: routes[0] "a".breaker: no rule is left that opens it`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := parse(t, test.document+"\n")
			if got := config.Problems(c.Warnings).Error(); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestNotYetInForce(t *testing.T) {
	tests := map[string]struct{ document, want string }{
		"in a process": {
			"admin: {listen: 127.0.0.1:1, token_file: testdata/secret, pprof: true}\n@crm\n@route",
			`config.yaml:1:9: admin.listen: not yet in force
config.yaml:1:30: admin.token_file: not yet in force
config.yaml:1:59: admin.pprof: not yet in force`,
		},
		"in a policy, once at its own place": {
			`@crm
defaults:
  breaker: {override: {state: open, until: 2026-12-01T04:00:00Z}}
routes:
  - {name: a, upstream: crm, match: {path: /a}}
  - {name: b, upstream: crm, match: {path: /b}}`,
			`config.yaml:3:13: defaults.breaker.override: not yet in force`,
		},
		"nothing for what is off or built in": {
			`admin: {listen: "", pprof: false}
upstreams:
  crm:
    url: https://a.example
defaults:
  breaker: {override: null}
@route`,
			"",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := parse(t, test.document+"\n")
			if got := config.Problems(c.Warnings).Error(); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}
