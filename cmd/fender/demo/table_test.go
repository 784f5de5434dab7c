package demo

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/proxy"
)

func TestTheTableSaysWhoGotWhat(t *testing.T) {
	var out bytes.Buffer
	(&printer{out: &out}).table(tally{
		asked: 60, slowest: 2662 * time.Millisecond, requests: 31, away: 2, unasked: 30, oldest: 17,
		helped: map[proxy.Outcome]int{
			proxy.OutcomeUpstream: 20, proxy.OutcomeRetried: 1, proxy.OutcomeStale: 25, proxy.OutcomeFallback: 12,
		},
		lookups: 67, without: 4, unavailable: 5, unauthorized: 3, tokens: 2,
	})
	_, got, _ := strings.Cut(strings.TrimSpace(out.String()), "\n\n")
	const want = `    callers             60   asked; the slowest answer took 2662 ms
      upstream          20   got the CRM's own answer
      retried            1   got it after another try
      stale             25   got the CRM's last good answer, up to 17 s old
      fallback          12   got the configured answer: there was no last good one
      refused            2   got nothing that they could use
    CRM requests        31   with all retries; 30 callers had their answer without one
      turned away        2   429: each for all callers, not one for each of them
    Genesys requests    67   with all retries; 4 callers did without the conversation's last action
      unavailable        5   503: the CRM's part of the answer is as ever
      unauthorized       3   401: sent again with a new token, and no caller noticed
    token fetches        2   by the sidecar: at the cold start and after the eviction, for all callers`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWhatWasNotAsAnnouncedFailsTheDemo(t *testing.T) {
	fallback, stale := got(proxy.OutcomeFallback, "OPEN", nil), got(proxy.OutcomeStale, "OPEN", nil)
	other, refused, none := ok, ok, ok
	other.status, other.action.Status = http.StatusInternalServerError, "error"
	refused.call.outcome = proxy.OutcomeRefused
	none.err = context.DeadlineExceeded
	for _, test := range []struct {
		name    string
		answers []answer
		tokens  int
		want    string
	}{
		{"real answers and stand-ins", []answer{ok, fallback, stale, ok}, 2, "<nil>"},
		{"an answer that is neither", []answer{ok, other, ok, refused}, 2, "2 of 4 callers got no answer that they could use within 3s"},
		{"no answer in time", []answer{none, other, ok}, 2, "2 of 3 callers got no answer that they could use within 3s"},
		{"a token for each caller", []answer{ok, ok, ok}, 3, "the sidecar fetched 3 tokens, want 2"},
	} {
		counted := tally{tokens: test.tokens}
		for _, a := range test.answers {
			counted.add(a)
		}
		if err := counted.check(3 * time.Second); fmt.Sprint(err) != test.want {
			t.Errorf("%s: got error %v, want %s", test.name, err, test.want)
		}
	}
}
