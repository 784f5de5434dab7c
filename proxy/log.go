package proxy

import (
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy/config"
)

// requestLog writes a line for each request that the configuration wants one
// for. It is safe for concurrent use.
type requestLog struct {
	logger *slog.Logger
	config config.Log
}

func newRequestLog(l *slog.Logger, c config.Log) *requestLog { return &requestLog{l, c} }

// wants reports whether an exchange gets a line. Errors are never sampled away.
func (l *requestLog) wants(x *exchange) bool {
	isError := x.outcome != OutcomeUpstream && x.outcome != OutcomeRetried || x.status >= http.StatusInternalServerError
	switch {
	case l.config.Requests == config.LogNone:
		return false
	case isError:
		return true
	case l.config.Requests == config.LogErrors:
		return false
	}
	return l.config.Sample >= 1 || rand.Float64() < l.config.Sample
}

// request writes an exchange's line.
func (l *requestLog) request(x *exchange, took time.Duration) {
	ctx := x.request.Context()
	if !l.wants(x) || !l.logger.Enabled(ctx, slog.LevelInfo) {
		return
	}
	attrs := make([]slog.Attr, 0, 24)
	attrs = append(attrs,
		slog.String("route", x.routeName()),
		slog.String("method", short(x.request.Method)),
		slog.String("path", short(l.path(x))),
		slog.Int("status", x.status),
		slog.String("outcome", string(x.outcome)),
		slog.Float64("duration_ms", ms(took)),
		slog.String("request_id", x.requestID),
	)
	attrs = append(attrs, callAttrs(x)...)
	if x.refusal != "" {
		attrs = append(attrs, slog.String("error", short(x.refusal)))
	}
	if id := x.request.Header.Get("ININ-Correlation-Id"); id != "" {
		attrs = append(attrs, slog.String("correlation_id", short(id)))
	}
	if id := traceID(x.request.Header.Get("Traceparent")); id != "" {
		attrs = append(attrs, slog.String("trace_id", id))
	}
	l.logger.LogAttrs(ctx, slog.LevelInfo, "request", attrs...)
}

// callAttrs are what is known of a request that took a route. What is zero says
// nothing and is left out.
func callAttrs(x *exchange) []slog.Attr {
	if x.call == nil {
		return nil
	}
	c := x.call
	attrs := []slog.Attr{
		slog.String("upstream", x.route.config.Upstream),
		slog.Int("attempts", c.Attempts),
	}
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	duration := func(key string, d time.Duration) {
		if d > 0 {
			attrs = append(attrs, slog.Float64(key, ms(d)))
		}
	}
	if c.UpstreamStatus != 0 {
		attrs = append(attrs, slog.Int("upstream_status", c.UpstreamStatus))
	}
	text("reason", string(c.Reason))
	text("circuit", string(c.Circuit))
	duration("upstream_ms", c.Upstream)
	duration("wait_ms", c.Wait)
	duration("hint_ms", c.Hint)
	text("observed", join(c.Observed))
	if c.Streamed {
		attrs = append(attrs, slog.Bool("streamed", true))
	}
	if x.aborted {
		attrs = append(attrs, slog.Bool("aborted", true))
	}
	if c.Err != nil {
		text("error", short(c.Err.Error()))
	}
	return attrs
}

// path is the route's pattern: a caller's path may tell who called.
func (l *requestLog) path(x *exchange) string {
	switch {
	case l.config.Path == config.LogFull:
		return x.request.URL.EscapedPath()
	case x.route == nil:
		return ""
	}
	return x.route.config.Match.Path
}

// short cuts what others have a say in.
func short(text string) string {
	const most = 256
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// traceID returns the trace id of a traceparent (W3C Trace Context, 3.2).
func traceID(traceparent string) string {
	parts := strings.Split(traceparent, "-")
	if len(parts) < 4 || len(parts[1]) != 32 {
		return ""
	}
	return parts[1]
}

// join lists the parts of a policy, separated by commas.
func join(parts []policy.Refuser) string {
	var b strings.Builder
	for i, part := range parts {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(string(part))
	}
	return b.String()
}
