package enrichment

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The targets of lookups.
const (
	crmTarget     = "crm"
	genesysTarget = "genesys"
)

// statuses are those that a request can end with.
var statuses = []int{
	http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized, http.StatusNotFound,
	http.StatusMethodNotAllowed, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge,
	http.StatusUnsupportedMediaType, statusClientGone, http.StatusInternalServerError,
}

// metrics are the handler's series. All of them exist from the start.
type metrics struct {
	requests map[int]prometheus.Counter
	duration prometheus.Histogram
	inFlight prometheus.Gauge
	lookups  map[string]map[result]prometheus.Counter
}

// newMetrics makes the series and registers them, unless reg is nil.
func newMetrics(reg prometheus.Registerer) *metrics {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "dataaction_requests_total",
		Help: "Requests, by the status of their answer; 499: the client left.",
	}, []string{"status"})
	lookups := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "dataaction_lookups_total",
		Help: "Lookups through the sidecar, by whom was asked and what came of it.",
	}, []string{"target", "result"})
	m := &metrics{
		requests: map[int]prometheus.Counter{},
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:                            "dataaction_request_duration_seconds",
			Help:                            "Time from a request's head to the end of its answer.",
			Buckets:                         []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 3, 5, 10},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  160,
			NativeHistogramMinResetDuration: time.Hour,
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "dataaction_requests_in_flight",
			Help: "Requests that are being handled.",
		}),
		lookups: map[string]map[result]prometheus.Counter{crmTarget: {}, genesysTarget: {}},
	}
	for _, status := range statuses {
		m.requests[status] = requests.WithLabelValues(strconv.Itoa(status))
	}
	for target, counters := range m.lookups {
		for _, r := range results {
			counters[r] = lookups.WithLabelValues(target, string(r))
		}
	}
	if reg != nil {
		reg.MustRegister(requests, lookups, m.duration, m.inFlight)
	}
	return m
}

// record counts an exchange.
func (m *metrics) record(x *exchange) {
	m.requests[x.status].Inc()
	m.duration.Observe(time.Since(x.began).Seconds())
}
