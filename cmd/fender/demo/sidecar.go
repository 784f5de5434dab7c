package demo

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy"
	"github.com/fender-proxy/fender/proxy/config"
)

// sidecar is the real proxy behind a listener.
type sidecar struct {
	*server
	proxy *proxy.Proxy
	route *config.Route
}

// parse reads a configuration, in which ${CRM_URL} is crmURL.
func parse(document []byte, crmURL string) (*config.Config, error) {
	return config.Parse("demo.yaml", document, config.Options{LookupEnv: func(name string) (string, bool) {
		return crmURL, name == "CRM_URL"
	}})
}

// startSidecar serves the first address of a configuration. Changes of the
// circuit's state are reported.
func startSidecar(ctx context.Context, document []byte, crmURL string, report func(event)) (*sidecar, error) {
	cfg, err := parse(document, crmURL)
	if err != nil {
		return nil, err
	}
	p, err := proxy.New(cfg, proxy.Options{
		Logger:  slog.New(circuitLog{report}),
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
	return &sidecar{server: serve(l, p), proxy: p, route: &cfg.Routes[0]}, nil
}

func (s *sidecar) close() {
	s.server.close()
	s.proxy.Close()
}

// circuitLog is the sidecar's log. Of all its lines only the circuit's are part
// of the story.
type circuitLog struct{ report func(event) }

func (circuitLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (c circuitLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "circuit" {
		return nil
	}
	t := transition{at: r.Time}
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "from":
			t.from = policy.State(a.Value.String())
		case "to":
			t.to = policy.State(a.Value.String())
		case "until":
			t.until = a.Value.Time()
		case "consecutive_failures":
			t.failures = int(a.Value.Int64())
		}
		return true
	})
	c.report(t)
	return nil
}

func (c circuitLog) WithAttrs([]slog.Attr) slog.Handler { return c }
func (c circuitLog) WithGroup(string) slog.Handler      { return c }
