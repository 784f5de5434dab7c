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
				s.doubt(element("fallback.methods", i), "a "+statusClass(f.Status)+" fallback makes a "+s.methodName(element("fallback.methods", i), "write")+" look done",
					"give it a status of 500 or more", "fallback.status")
			}
		}
	}
}

// methodName returns a method as it is written, or a word for one that comes from
// a variable.
func (s section) methodName(key, word string) string {
	if s.plain(key) && s.place(key).raw != "" {
		return s.place(key).raw
	}
	return word
}

func statusClass(status int) string { return string(rune('0'+status/100)) + "xx" }

// warnStale warns of last good answers that cannot be known again, because their
// requests' bodies are not.
func (k *check) warnStale(s section, r *Route) {
	if r.Fallback.Stale.MaxAge == 0 || r.RequestBuffer > 0 {
		return
	}
	for i, method := range r.Fallback.Stale.Methods {
		if method != "GET" && method != "HEAD" {
			key := element("fallback.stale.methods", i)
			s.doubt(key, "request_buffer is 0, so no answer to a "+s.methodName(key, "request")+" is kept", "", "request_buffer")
		}
	}
}

// warnClassify warns of rules that look into bodies that are never held.
func (k *check) warnClassify(s section, r *Route) {
	for i, rule := range r.Classify {
		if rule.Contains != "" && r.Buffer == 0 {
			s.doubt(element("classify", i)+".contains", "buffer is 0, so answers are never looked into", "", "buffer")
		}
	}
}

// warnQueue warns of a queue before a limit that is off.
func (s section) warnQueue(maxRequests, maxPending int) {
	if maxRequests == 0 && maxPending > 0 {
		s.doubt("concurrency.max_pending", "without max_requests nobody waits", "", "concurrency.max_requests")
	}
}

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
