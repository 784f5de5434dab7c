package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/fender-proxy/fender/policy"
)

// warnRetry warns of retries that time does not allow.
func (k *check) warnRetry(s section, r *Route) {
	retry := r.Retry
	if retry.MaxRetries == 0 || r.Mode == policy.Passthrough {
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
	if r.Fallback.Stale.MaxAge == 0 {
		return
	}
	for i, name := range r.Fallback.Stale.Vary {
		if strings.EqualFold(name, "Cookie") {
			s.doubt(element("fallback.stale.vary", i), "nothing is kept of what requests with a Cookie got", "")
		}
	}
	if r.RequestBuffer > 0 {
		return
	}
	for i, method := range r.Fallback.Stale.Methods {
		if method != "GET" && method != "HEAD" {
			key := element("fallback.stale.methods", i)
			s.doubt(key, "request_buffer is 0, so no answer to a "+s.methodName(key, "request")+" is kept", "", "request_buffer")
		}
	}
}

// warnClassify warns of rules that look into bodies that are never held, or speak
// of a gate that is not there.
func (k *check) warnClassify(s section, r *Route) {
	failures := false
	for i, rule := range r.Classify {
		at := element("classify", i)
		failures = failures || rule.As == policy.AsFailure
		if rule.Contains != "" && r.Buffer == 0 {
			s.doubt(at+".contains", "buffer is 0, so answers are never looked into", "", "buffer")
		}
		if r.Throttle == nil && rule.Scope != "" {
			s.doubt(at+".scope", "throttle is null, so there is no gate", "", "throttle")
		}
	}
	if r.Retry != nil && !failures {
		if i := slices.Index(r.Retry.Conditions, policy.OnFailure); i >= 0 {
			s.doubt(element("retry.conditions", i), "no rule of classify calls an answer a failure", "", "classify")
		}
	}
}

// warnTimes warns of times that timeout.request, or another time, cuts short.
func (k *check) warnTimes(s section, r *Route) {
	if b := r.Breaker; b != nil {
		if b.HalfOpen.Timeout > r.Timeout.Request {
			s.doubt("breaker.half_open.timeout", "longer than timeout.request, which ends a probe too", "", "timeout.request")
		}
		if b.SlowCalls != nil && b.SlowCalls.Duration > r.Timeout.Request {
			s.doubt(s.cause("breaker.slow_calls.duration", "timeout.request", "breaker.slow_calls"), "longer than timeout.request, so no call is ever slow", "", "timeout.request")
		}
	}
	if t := r.Throttle; t != nil && t.DefaultWait > t.Max {
		s.doubt(s.cause("throttle.default_wait", "throttle.max"), "default_wait is longer than max, which ends it", "", "throttle.max", "throttle.default_wait")
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
