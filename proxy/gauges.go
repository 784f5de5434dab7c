package proxy

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fender-proxy/fender/policy"
)

// gauges are the series that are read when they are scraped: what gates and
// budgets hold at that moment. It shows the routes of one proxy at a time.
type gauges struct {
	proxy atomic.Pointer[Proxy]

	remaining, shuts, shutTime, budget, expiry *prometheus.Desc
}

func newGauges() *gauges {
	desc := func(name, help, label string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{label}, nil)
	}
	return &gauges{
		remaining: desc("fender_throttle_gate_remaining_seconds", "Time until the throttle gate opens; 0 if it is not shut.", "route"),
		shuts:     desc("fender_throttle_gate_shut_total", "Times that the throttle gate was shut.", "route"),
		shutTime:  desc("fender_throttle_gate_shut_seconds_total", "Time that the throttle gate has been shut.", "route"),
		budget:    desc("fender_retry_budget_remaining", "Retries that the budget allows now.", "upstream"),
		expiry:    desc("fender_oauth2_token_expiry_timestamp_seconds", "When the present token expires; 0 if there is none, or it does not.", "upstream"),
	}
}

// Describe implements [prometheus.Collector].
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.remaining, g.shuts, g.shutTime, g.budget, g.expiry} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector]. A route obeys two gates, its own and
// its upstream's: it is held back until the later one opens.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	p := g.proxy.Load()
	if p == nil {
		return
	}
	send := func(d *prometheus.Desc, t prometheus.ValueType, value float64, label string) {
		ch <- prometheus.MustNewConstMetric(d, t, value, label)
	}
	for _, r := range p.routes {
		if r.gate == nil {
			continue
		}
		own, shared := r.gate.Snapshot(), r.upstream.shared.Gate.Snapshot()
		send(g.remaining, prometheus.GaugeValue, max(remaining(own), remaining(shared)), r.config.Name)
		send(g.shuts, prometheus.CounterValue, float64(own.Shuts+shared.Shuts), r.config.Name)
		send(g.shutTime, prometheus.CounterValue, (own.ShutTime + shared.ShutTime).Seconds(), r.config.Name)
	}
	for name, u := range p.upstreams {
		if u.shared.Budget != nil {
			send(g.budget, prometheus.GaugeValue, float64(u.shared.Budget.Remaining()), name)
		}
		if u.config.Auth != nil && u.config.Auth.OAuth2 != nil {
			send(g.expiry, prometheus.GaugeValue, timestamp(u.credentials.Expires()), name)
		}
	}
}

func remaining(g policy.GateSnapshot) float64 {
	if g.Until.IsZero() {
		return 0
	}
	return max(time.Until(g.Until), 0).Seconds()
}

// timestamp returns a moment in Unix seconds, 0 for none.
func timestamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1e3
}
