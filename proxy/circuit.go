package proxy

import (
	"log/slog"
	"math"

	"github.com/fender-proxy/fender/policy"
)

// newBreaker returns the breaker of a route's policy: its own, or the one that
// the upstream's routes share. Routes that share one have the same settings.
func (r *route) newBreaker(l *slog.Logger) *policy.Breaker {
	b := r.policy.Breaker
	if b == nil {
		return nil
	}
	if b.Scope == policy.ScopeUpstream {
		r.upstream.sharers = append(r.upstream.sharers, r.metrics)
		if r.upstream.breaker == nil {
			r.upstream.breaker = r.upstream.newBreaker(b, l)
		}
		return r.upstream.breaker
	}
	breaker := policy.NewBreaker(*b, func(t policy.Transition) {
		r.metrics.transition(t)
		logTransition(l, t, "route", r.config.Name, "upstream", r.config.Upstream)
	})
	breaker.Reentry = r.gate
	return breaker
}

// newBreaker returns a breaker that shows on each of the routes that share it.
func (u *upstream) newBreaker(b *policy.BreakerPolicy, l *slog.Logger) *policy.Breaker {
	breaker := policy.NewBreaker(*b, func(t policy.Transition) {
		for _, m := range u.sharers {
			m.transition(t)
		}
		logTransition(l, t, "upstream", u.name, "scope", policy.ScopeUpstream)
	})
	breaker.Reentry = u.shared.Gate
	return breaker
}

// logTransition writes one line for a change of a breaker's state; for its
// opening, with what it had counted.
func logTransition(l *slog.Logger, t policy.Transition, whose ...any) {
	attrs := append(whose, "from", t.From, "to", t.To, "cause", t.Cause)
	if t.To != policy.Open {
		l.Info("circuit", attrs...)
		return
	}
	l.Warn("circuit", append(attrs,
		"calls", t.Calls, "failures", t.Failures, "failure_rate", math.Round(t.Rate*1e3)/1e3, "consecutive_failures", t.Consecutive,
		"until", t.Until, "last_error", short(t.LastError))...)
}
