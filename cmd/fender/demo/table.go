package demo

import (
	"fmt"
	"strconv"
	"time"

	"github.com/fender-proxy/fender/proxy"
)

// tally is what was counted in one schedule.
type tally struct {
	asked    int                   // calls that ended
	answered int                   // before the caller hung up
	helped   map[proxy.Outcome]int // those with an answer that the caller could use
	unasked  int                   // of those, without asking the CRM
	slowest  time.Duration
	without  int // of those, without the conversation's last action
	oldest   int // age of a last good answer, in seconds
	requests int // the CRM's own count
	away     int // of these, answered 429

	lookups      int // Genesys Cloud's own count of requests, but for those of tokens
	unauthorized int // of these, answered 401
	unavailable  int // of these, answered 503
	tokens       int // given to the sidecar
}

func (t *tally) add(a answer) {
	t.asked++
	if a.err != nil {
		return
	}
	t.answered++
	t.slowest = max(t.slowest, a.took)
	if !a.real() && !a.standIn() {
		return
	}
	if t.helped == nil {
		t.helped = make(map[proxy.Outcome]int)
	}
	t.helped[a.call.outcome]++
	if a.call.attempts == 0 {
		t.unasked++
	}
	if a.withoutAction() {
		t.without++
	}
	if age, err := strconv.Atoi(a.call.age); err == nil {
		t.oldest = max(t.oldest, age)
	}
}

// unhelped is how many callers got nothing that they could use.
func (t *tally) unhelped() int {
	n := t.asked
	for _, helped := range t.helped {
		n -= helped
	}
	return n
}

// wantedTokens is how many tokens the sidecar needs: at the cold start, and after
// the eviction.
const wantedTokens = 2

// check returns an error if a caller was not helped within its patience, or the
// sidecar has not fetched just the tokens that it needed.
func (t *tally) check(patience time.Duration) error {
	if n := t.unhelped(); n > 0 {
		return fmt.Errorf("%d of %d callers got no answer that they could use within %v", n, t.asked, patience)
	}
	if t.tokens != wantedTokens {
		return fmt.Errorf("the sidecar fetched %d tokens, want %d", t.tokens, wantedTokens)
	}
	return nil
}

// table prints what was counted.
func (p *printer) table(t tally) {
	row := func(name string, n int, note string) {
		p.printf("    %-16s  %4d   %s\n", name, n, note)
	}
	p.heading("In the end", "")
	row("callers", t.asked, fmt.Sprintf("asked; the slowest answer took %d ms", t.slowest.Milliseconds()))
	row("  upstream", t.helped[proxy.OutcomeUpstream], "got the CRM's own answer")
	row("  retried", t.helped[proxy.OutcomeRetried], "got it after another try")
	row("  stale", t.helped[proxy.OutcomeStale], fmt.Sprintf("got the CRM's last good answer, up to %d s old", t.oldest))
	row("  fallback", t.helped[proxy.OutcomeFallback], "got the configured answer: there was no last good one")
	row("  refused", t.unhelped(), "got nothing that they could use")
	row("CRM requests", t.requests, fmt.Sprintf("with all retries; %d callers had their answer without one", t.unasked))
	row("  turned away", t.away, "429: each for all callers, not one for each of them")
	row("Genesys requests", t.lookups, fmt.Sprintf("with all retries; %d callers did without the conversation's last action", t.without))
	row("  unavailable", t.unavailable, "503: the CRM's part of the answer is as ever")
	row("  unauthorized", t.unauthorized, "401: sent again with a new token, and no caller noticed")
	row("token fetches", t.tokens, "by the sidecar: at the cold start and after the eviction, for all callers")
}
