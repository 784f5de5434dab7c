package demo

import (
	"context"
	"log/slog"
	"time"

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
// circuit's and the gate's state are reported.
func startSidecar(ctx context.Context, document []byte, crmURL string, report func(event)) (*sidecar, error) {
	cfg, err := parse(document, crmURL)
	if err != nil {
		return nil, err
	}
	p, err := proxy.New(cfg, proxy.Options{
		Logger:  slog.New(storyLog{report}),
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

// storyLog is the sidecar's log. Of all its lines only the circuit's and the
// gate's are part of the story.
type storyLog struct{ report func(event) }

func (storyLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (s storyLog) Handle(_ context.Context, r slog.Record) error {
	attrs := make(map[string]slog.Value, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		attrs[a.Key] = a.Value
		return true
	})
	until, _ := attrs["until"].Any().(time.Time) // only some have it
	switch r.Message {
	case "circuit":
		failures, _ := attrs["consecutive_failures"].Any().(int64)
		s.report(transition{
			from: policy.State(attrs["from"].String()), to: policy.State(attrs["to"].String()),
			at: r.Time, until: until, failures: int(failures),
		})
	case "gate":
		s.report(gateChange{to: policy.GateState(attrs["state"].String()), at: r.Time, until: until})
	}
	return nil
}

func (s storyLog) WithAttrs([]slog.Attr) slog.Handler { return s }
func (s storyLog) WithGroup(string) slog.Handler      { return s }
