package config

import (
	"maps"
	"slices"

	"github.com/fender-proxy/fender/policy"
)

// warnRetry warns of retries that time does not allow.
func (k *check) warnRetry(s section, r *Route) {
	retry := r.Retry
	if retry.MaxRetries == 0 {
		return
	}
	if slices.Contains(retry.Conditions, policy.OnTimeout) && r.Timeout.Attempt >= r.Timeout.Request {
		s.doubt(s.cause("timeout.attempt", "timeout.request", "retry"), "an attempt may last as long as the request, so none is repeated on timeout",
			"set timeout.attempt to less than timeout.request", "timeout.request", "timeout.attempt", "retry.conditions")
	}
	if s.wrote("retry.max_hint") && retry.MaxHint >= r.Timeout.Request {
		s.doubt("retry.max_hint", "no shorter than timeout.request, so such a hint is never waited for", "", "timeout.request")
	}
	if s.wrote("retry.min_attempt") && retry.MinAttempt >= r.Timeout.Request {
		s.doubt("retry.min_attempt", "no shorter than timeout.request, so nothing is repeated", "", "timeout.request")
	}
}

// warnFallback warns of a fallback that misleads its readers.
func (k *check) warnFallback(s section, f *Fallback) {
	if f.Status < 300 {
		for i, method := range f.Methods {
			if method != "GET" && method != "HEAD" {
				s.doubt(element("fallback.methods", i), "a "+statusClass(f.Status)+" fallback makes a "+s.methodName(i)+" look done",
					"give it a status of 500 or more", "fallback.status")
			}
		}
	}
}

func (s section) methodName(i int) string {
	if key := element("fallback.methods", i); s.plain(key) && s.place(key).raw != "" {
		return s.place(key).raw
	}
	return "write"
}

func statusClass(status int) string { return string(rune('0'+status/100)) + "xx" }

// warnUnused warns of upstreams without a route.
func (k *check) warnUnused() {
	used := map[string]bool{}
	for i, r := range k.c.Routes {
		used[r.Upstream] = true
		if !k.section(element("routes", i)).sound("upstream") {
			return // it may be the one
		}
	}
	for _, name := range slices.Sorted(maps.Keys(k.c.Upstreams)) {
		if !used[name] {
			k.section(join("upstreams", name)).doubt("", "no route uses this upstream", "")
		}
	}
}
