package config

import (
	"fmt"
	"mime"
	"reflect"
	"strings"
	"time"

	"github.com/fender-proxy/fender/policy"
)

// checkPolicy checks the effective policy of a route.
func (k *check) checkPolicy(i int) {
	r := &k.c.Routes[i]
	s := k.policy(i)
	k.checkTimeout(s, r)
	k.checkClassify(s, r.Classify)
	k.warnClassify(s, r)
	k.warnTimes(s, r)
	if r.Retry != nil {
		k.checkRetry(s, r)
	}
	if r.Breaker != nil {
		k.checkBreaker(s, r.Breaker)
	}
	if r.Throttle != nil {
		k.checkThrottle(s, r)
	}
	if c := r.Concurrency; c != nil {
		s.warnQueue(c.MaxRequests, c.MaxPending)
	}
	if r.Fallback != nil {
		k.checkFallback(s, r)
		k.warnStale(s, r)
	}
}

func (k *check) checkTimeout(s section, r *Route) {
	if r.Timeout.Attempt > r.Timeout.Request {
		s.tooLong("timeout.attempt", "timeout.request", r.Timeout.Request)
	}
}

// tooLong reports that the duration of one key exceeds that of another, limit,
// at whichever was written last.
func (s section) tooLong(key, limit string, most time.Duration) {
	at := s.cause(key, limit)
	other := limit
	if at == limit {
		other = key
	}
	hint := ""
	switch here, there := s.at[at], s.at[other]; {
	case !s.wrote(other):
		hint = other + " is " + sayDuration(most) + " unless it is set"
	case here.layer != there.layer:
		hint = fmt.Sprintf("%s is on line %d", other, there.line)
	}
	_, short, _ := strings.Cut(key, ".")
	s.fault(at, short+" is longer than "+strings.TrimPrefix(limit, strings.TrimSuffix(key, short)), hint, key, limit)
}

func (k *check) checkClassify(s section, rules []policy.Rule) {
	for i, rule := range rules {
		at := element("classify", i)
		if rule.As == "" {
			s.fault(at, "as is missing", "success, failure or throttled", at+".as")
		}
		if rule.Status == (policy.StatusRange{}) && rule.Contains == "" && rule.ContentTypeNot == "" {
			s.fault(at, "matches every answer", "give status, contains or content_type_not", at+".status", at+".contains", at+".content_type_not")
		}
		if rule.ContentTypeNot != "" && !isMediaType(rule.ContentTypeNot) {
			s.fault(at+".content_type_not", s.say(at+".content_type_not")+" is not a media type", "write application/json, without parameters")
		}
		if rule.As != policy.AsThrottled && (rule.Wait != 0 || rule.Scope != "") {
			s.fault(at, "wait and scope are for throttled answers", "as: throttled", at+".as")
		}
	}
}

// isMediaType reports whether s is a media type without parameters (RFC 9110,
// 8.3.1).
func isMediaType(s string) bool {
	media, _, err := mime.ParseMediaType(s)
	return err == nil && strings.EqualFold(media, s) && strings.Contains(media, "/")
}

func (k *check) checkRetry(s section, r *Route) {
	retry := r.Retry
	s.checkMethods("retry.methods", retry.Methods)
	if retry.Backoff.Initial > retry.Backoff.Max {
		s.tooLong("retry.backoff.initial", "retry.backoff.max", retry.Backoff.Max)
	}
	key := retry.IdempotencyKey
	s.checkHeaderName("retry.idempotency_key.header", key.Header)
	if key.Generate && key.Header == "" {
		s.fault("retry.idempotency_key.generate", "needs idempotency_key.header", "", "retry.idempotency_key.header")
	}
	k.warnRetry(s, r)
}

// cause returns the key that was written last: in the route before its upstream's
// policy before the defaults, the first of several.
func (s section) cause(keys ...string) string {
	for _, layer := range []string{layerRoute, layerUpstream, layerDefaults} {
		for _, key := range keys {
			if p, ok := s.at[key]; ok && p.layer == layer {
				return key
			}
		}
	}
	return keys[0]
}

func (k *check) checkBreaker(s section, b *policy.BreakerPolicy) {
	if b.Open.Initial > b.Open.Max {
		s.tooLong("breaker.open.initial", "breaker.open.max", b.Open.Max)
	}
	if o := b.Override; o != nil {
		if o.State == "" {
			s.fault("breaker.override", "state is missing", "open or closed", "breaker.override.state")
		}
		if o.Until.IsZero() {
			s.fault("breaker.override", "until is missing", "a time such as 2026-12-01T04:00:00Z; no override is for ever", "breaker.override.until")
		}
	}
	if b.ConsecutiveFailures == 0 && b.FailureRate == nil && b.SlowCalls == nil && b.Override == nil {
		s.doubt("breaker", "no rule is left that opens it", "", "breaker.consecutive_failures", "breaker.failure_rate", "breaker.slow_calls")
	}
}

func (k *check) checkThrottle(s section, r *Route) {
	for i, hint := range r.Throttle.Hints {
		at := element("throttle.hints", i)
		if hint.Header == "" {
			s.fault(at, "header is missing", "", at+".header")
		}
		if hint.Header != "" && !isToken(hint.Header) {
			s.fault(at+".header", s.say(at+".header")+" is not a header's name", "letters, digits and -")
		}
	}
	if s.wrote("throttle.max_wait") && r.Throttle.MaxWait >= r.Timeout.Request {
		s.doubt("throttle.max_wait", "no shorter than timeout.request, which ends the wait", "", "timeout.request")
	}
}

// checkShared reports routes that share the breaker or gate of an upstream but
// want it set differently.
func (k *check) checkShared() {
	breakers, gates := map[string]int{}, map[string]int{}
	for i := range k.c.Routes {
		r := &k.c.Routes[i]
		if r.Breaker != nil && r.Breaker.Scope == policy.ScopeUpstream {
			k.checkSame(i, breakers, "breaker", func(r *Route) any { return *r.Breaker })
		}
		if r.Throttle != nil && r.Throttle.Scope == policy.ScopeUpstream {
			k.checkSame(i, gates, "throttle", func(r *Route) any { return *r.Throttle })
		}
	}
}

// checkSame compares a block of route i with that of the first route that shares
// it, by upstream.
func (k *check) checkSame(i int, first map[string]int, block string, settings func(*Route) any) {
	r := &k.c.Routes[i]
	earlier, ok := first[r.Upstream]
	if !ok {
		first[r.Upstream] = i
		return
	}
	key := difference(reflect.ValueOf(settings(r)), reflect.ValueOf(settings(&k.c.Routes[earlier])))
	if key == "" {
		return
	}
	hint := "scope: upstream shares the " + sharedName[block] + " among its routes"
	s, other := k.policy(i), k.policy(earlier)
	if key == "half_open.timeout" && !s.wrote("breaker.half_open.timeout") {
		hint = "it is timeout.attempt unless it is set"
	}
	if !other.sound(block, block+"."+key) {
		return
	}
	at := block + "." + key
	if !s.wrote(at) {
		at = block + ".scope"
	}
	p := s.place(at)
	if p.path == other.place(at).path { // inherited by both: the cause is elsewhere
		p = k.section(element("routes", i)).place("")
		p.path = below(p.path, at)
	}
	if s.sound(block, at) {
		k.problem(p, key+" differs from that of "+k.show(element("routes", earlier)), hint)
	}
}

var sharedName = map[string]string{"breaker": "breaker", "throttle": "gate"}

// difference returns the key of the first leaf in which two structs of one type
// differ, or "".
func difference(a, b reflect.Value) string {
	for _, f := range fieldsOf(a.Type()) {
		x, y := a.FieldByIndex(f.index), b.FieldByIndex(f.index)
		if reflect.DeepEqual(x.Interface(), y.Interface()) {
			continue
		}
		if x.Kind() == reflect.Pointer && !x.IsNil() && !y.IsNil() {
			x, y = x.Elem(), y.Elem()
		}
		if x.Kind() == reflect.Struct && !isScalar(x.Type()) {
			return f.key + "." + difference(x, y)
		}
		return f.key
	}
	return ""
}
