package enrichment

import (
	"context"
	"log/slog"
	"time"
)

// log writes the line of an exchange. It names nobody: no contact, no
// conversation, nothing that the APIs said.
func (h *Handler) log(ctx context.Context, x *exchange) {
	if !h.logger.Enabled(ctx, slog.LevelInfo) {
		return
	}
	attrs := []slog.Attr{
		slog.Int("status", x.status),
		slog.Float64("duration_ms", float64(time.Since(x.began).Microseconds())/1e3),
		slog.String("id", x.id),
		slog.String("request_id", x.caller.requestID),
	}
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	text("correlation_id", x.caller.correlationID)
	text("trace_id", x.caller.traceID())
	if x.problem != nil {
		text("error", x.problem.code)
	}
	for _, lookup := range []struct {
		target string
		reply
	}{{crmTarget, x.customer.reply}, {genesysTarget, x.conversation.reply}} {
		if lookup.result == "" {
			continue
		}
		text(lookup.target, string(lookup.result))
		if lookup.status != 0 {
			attrs = append(attrs, slog.Int(lookup.target+"_status", lookup.status))
		}
		if lookup.circuit != "" {
			text(lookup.target+"_circuit", lookup.circuitState())
		}
		if consists(lookup.reason, alphanumerics) {
			text(lookup.target+"_reason", lookup.reason)
		}
		if lookup.err != nil {
			text(lookup.target+"_error", lookup.err.Error())
		}
	}
	h.logger.LogAttrs(ctx, slog.LevelInfo, "request", attrs...)
}
