package demo

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fender-proxy/fender/proxy"
	"github.com/fender-proxy/fender/proxy/config"
)

// sidecar is the real proxy behind a listener.
type sidecar struct {
	*server
	proxy *proxy.Proxy
	route *config.Route // the CRM's
}

// parse reads a configuration, whose variables are those of the environment.
func parse(document []byte, environment map[string]string) (*config.Config, error) {
	return config.Parse("demo.yaml", document, config.Options{LookupEnv: func(name string) (string, bool) {
		value, ok := environment[name]
		return value, ok
	}})
}

// startSidecar serves the first address of a configuration, whose first route is
// the CRM's. Its answers on that route and the changes of its circuits' and gates'
// states are reported.
func startSidecar(ctx context.Context, document []byte, environment map[string]string, report func(event)) (*sidecar, error) {
	cfg, err := parse(document, environment)
	if err != nil {
		return nil, err
	}
	p, err := proxy.New(cfg, proxy.Options{
		Logger:  slog.New(storyLog{report: report}),
		Metrics: proxy.NewMetrics(prometheus.NewRegistry()),
	})
	if err != nil {
		return nil, err
	}
	l, err := listen(ctx, cfg.Listen[0])
	if err != nil {
		p.Close()
		return nil, err
	}
	return &sidecar{serve(l, overhear(p, report)), p, &cfg.Routes[0]}, nil
}

func (s *sidecar) close() {
	s.server.close()
	s.proxy.Close()
}

// overhear reports what the sidecar tells the handler of each call of the CRM,
// before it does: a flow gets less than that.
func overhear(sidecar http.Handler, report func(event)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, customersPath) {
			w = overheard{w, func(h http.Header) { report(newCRMCall(callerOf(r.Header), h)) }}
		}
		sidecar.ServeHTTP(w, r)
	})
}

// overheard tells of an answer's header before it is sent.
type overheard struct {
	http.ResponseWriter
	tell func(http.Header)
}

// WriteHeader implements [http.ResponseWriter].
func (o overheard) WriteHeader(status int) {
	o.tell(o.Header())
	o.ResponseWriter.WriteHeader(status)
}

// Unwrap returns the underlying writer, for [http.ResponseController].
func (o overheard) Unwrap() http.ResponseWriter { return o.ResponseWriter }

func newCRMCall(caller int, h http.Header) crmCall {
	c := crmCall{caller: caller, outcome: proxy.Outcome(h.Get("Fender-Outcome")), age: h.Get("Age")}
	c.attempts, _ = strconv.Atoi(h.Get("Fender-Attempts"))
	return c
}
