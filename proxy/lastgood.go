package proxy

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy/config"
	"github.com/fender-proxy/fender/proxy/stale"
)

// newLastGood returns the store of a route's last good answers, nil if it keeps
// none. No two callers with credentials of their own share one, whatever header
// they are in.
func newLastGood(r *config.Route) *stale.Store {
	c := r.Fallback.Stale
	if c.MaxAge == 0 {
		return nil
	}
	idempotencyKey := "Idempotency-Key" // of each request another, and nobody's credential
	if r.Retry != nil && r.Retry.IdempotencyKey.Header != "" {
		idempotencyKey = r.Retry.IdempotencyKey.Header
	}
	return stale.New(stale.Options{
		MaxAge: c.MaxAge, MaxSize: int64(c.MaxSize), Vary: c.Vary, Methods: c.Methods,
		Identifies: func(name string) bool {
			return isCredential(name) && !strings.EqualFold(name, idempotencyKey)
		},
		IgnoreCacheControl: c.IgnoreCacheControl,
	})
}

// lastGoodKey returns the store and the key of the exchange's request, and
// whether answers to it are kept.
func (x *exchange) lastGoodKey() (s *stale.Store, k stale.Key, ok bool) {
	f := x.route.fallback
	if f == nil || f.lastGood == nil {
		return nil, k, false
	}
	body, ok := x.call.Body.Held()
	if !ok {
		return nil, k, false
	}
	k, ok = f.lastGood.Key(x.request, body)
	return f.lastGood, k, ok
}

// remember keeps the upstream's answer for a time of need, or forgets the one
// before it if this one cannot be kept.
func (x *exchange) remember(resp *http.Response) {
	if x.call.Class != policy.Success {
		return
	}
	s, k, ok := x.lastGoodKey()
	if !ok {
		return
	}
	if body, whole := policy.Held(resp); whole && len(resp.Trailer) == 0 {
		s.Put(k, resp.StatusCode, resp.Header, body)
	} else {
		s.Drop(k)
	}
}

// recall looks for the last good answer to the request.
func (x *exchange) recall() *stale.Answer {
	s, k, ok := x.lastGoodKey()
	if !ok {
		return nil
	}
	if answer, ok := s.Get(k); ok {
		return &answer
	}
	return nil
}

// answerAgain answers with the last good answer (RFC 5861, 4).
func (x *exchange) answerAgain(a *stale.Answer) {
	x.outcome = OutcomeStale
	x.route.metrics.fallback(x.call.Reason, sourceStale)
	h := x.Header()
	maps.Copy(h, a.Header)
	x.explain()
	age := int(a.Age.Seconds())
	h.Set("Age", strconv.Itoa(age))
	h.Add("Cache-Status", cacheStatus(x.call, age))
	x.write(http.StatusOK, a.Body)
}

// cacheStatus says where an answer comes from (RFC 9211): from the cache without
// asking, or because asking was of no use.
func cacheStatus(call *policy.Call, age int) string {
	switch {
	case call.Attempts == 0:
		return fmt.Sprintf("fender; hit; ttl=-%d", age)
	case call.UpstreamStatus == 0:
		return fmt.Sprintf("fender; fwd=stale; ttl=-%d", age)
	}
	return fmt.Sprintf("fender; fwd=stale; fwd-status=%d; ttl=-%d", call.UpstreamStatus, age)
}
