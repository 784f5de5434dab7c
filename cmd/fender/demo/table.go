package demo

import (
	"fmt"
	"time"

	"github.com/fender-proxy/fender/proxy"
)

// tally is what was counted in one schedule.
type tally struct {
	asked     int // calls that ended
	answered  int // before the caller hung up
	real      int // by the CRM
	retried   int // of these, after another try
	fallbacks int
	unasked   int // of these, without asking the CRM
	slowest   time.Duration
	upstream  int // the CRM's own count of requests
}

func (t *tally) add(a answer) {
	t.asked++
	if a.err != nil {
		return
	}
	t.answered++
	t.slowest = max(t.slowest, a.took)
	switch {
	case a.real():
		t.real++
		if a.outcome == proxy.OutcomeRetried {
			t.retried++
		}
	case a.fallback():
		t.fallbacks++
		if a.attempts == 0 {
			t.unasked++
		}
	}
}

// check returns an error if a caller was not helped within its patience.
func (t *tally) check(patience time.Duration) error {
	if helped := t.real + t.fallbacks; helped < t.asked {
		return fmt.Errorf("%d of %d callers got no answer that they could use within %v", t.asked-helped, t.asked, patience)
	}
	return nil
}

// table prints what was counted.
func (p *printer) table(t tally) {
	row := func(name string, n int, note string) {
		p.printf("    %-18s %4d   %s\n", name, n, note)
	}
	p.heading("In the end", "")
	row("asked", t.asked, "callers")
	row("answered in time", t.answered, fmt.Sprintf("the slowest after %d ms", t.slowest.Milliseconds()))
	row("  real answers", t.real, fmt.Sprintf("%d after a retry", t.retried))
	row("  fallbacks", t.fallbacks, fmt.Sprintf("%d at once, without asking the CRM", t.unasked))
	row("upstream calls", t.upstream, "counted by the CRM")
}
