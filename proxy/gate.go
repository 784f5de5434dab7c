package proxy

import (
	"log/slog"
	"sync"
	"time"

	"github.com/fender-proxy/fender/policy"
)

// gateQuiet is how long a gate that shuts again and again, because the upstream
// stays busy, is not reported again.
const gateQuiet = 30 * time.Second

// newGate returns a gate that reports its changes with the attributes of whose
// gate it is.
func newGate(l *slog.Logger, whose ...any) *policy.Gate {
	return policy.NewGate((&gateLog{logger: l.With(whose...)}).changed)
}

// gateLog writes a line for a gate's changes, but not for each of a series.
type gateLog struct {
	logger *slog.Logger

	mu      sync.Mutex
	told    time.Time // when it was last reported shut
	repeats int       // that were not
}

// changed reports a change. An upstream that stays busy may shut its gate every
// second: to an operator that is one event.
func (g *gateLog) changed(c policy.GateChange) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case c.To != policy.GateShut:
		if g.repeats == 0 {
			g.logger.Info("gate", "state", c.To)
		}
	case c.At.Sub(g.told) < gateQuiet:
		g.repeats++
	default:
		g.logger.Warn("gate", "state", c.To, "until", c.Until, "why", short(c.Why), "repeats", g.repeats)
		g.told, g.repeats = c.At, 0
	}
}
