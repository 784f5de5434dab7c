package demo

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/fender-proxy/fender/policy"
)

// storyLog is the sidecar's log. Of all its lines only the circuits' and the
// gates' are part of the story.
type storyLog struct {
	report func(event)
	attrs  []slog.Attr // of every line
}

// Enabled implements [slog.Handler].
func (storyLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle implements [slog.Handler].
func (s storyLog) Handle(_ context.Context, r slog.Record) error {
	attrs := make(map[string]slog.Value, r.NumAttrs()+len(s.attrs))
	for _, a := range s.attrs {
		attrs[a.Key] = a.Value
	}
	r.Attrs(func(a slog.Attr) bool {
		attrs[a.Key] = a.Value
		return true
	})
	upstream := attrs["upstream"].String()
	until, _ := attrs["until"].Any().(time.Time) // only some have it
	switch r.Message {
	case "circuit":
		failures, _ := attrs["consecutive_failures"].Any().(int64)
		s.report(transition{
			upstream: upstream, from: policy.State(attrs["from"].String()), to: policy.State(attrs["to"].String()),
			at: r.Time, until: until, failures: int(failures),
		})
	case "gate":
		s.report(gateChange{upstream: upstream, to: policy.GateState(attrs["state"].String()), at: r.Time, until: until})
	}
	return nil
}

// WithAttrs implements [slog.Handler].
func (s storyLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	s.attrs = append(slices.Clip(s.attrs), attrs...)
	return s
}

// WithGroup implements [slog.Handler]. The sidecar has no groups.
func (s storyLog) WithGroup(string) slog.Handler { return s }
