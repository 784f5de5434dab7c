package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/proxy"
)

// fast plays the schedule in about four seconds. What bounds a caller's patience
// stays long, for the sake of slow machines.
func fast() *demo {
	return &demo{
		config: []byte(strings.NewReplacer(
			"request: 3s", "request: 2s",
			"attempt: 800ms", "attempt: 400ms",
			"max_wait: 500ms", "max_wait: 100ms",
			"initial: 3s", "initial: 500ms",
		).Replace(string(document))),
		interval: 40 * time.Millisecond,
		patience: 20 * time.Second,
		latency:  time.Millisecond,
		hint:     200 * time.Millisecond,
		limit:    time.Minute,
	}
}

// theStory are lines in the order in which they appear, though not at once
// after each other.
var theStory = []string{
	`--- 1/9  Healthy`, `caller 1 .* 200 in .* 1  upstream  closed     Ada Lovelace\n`,
	`--- 2/9  Busy`, `crm .* 429 Too Many Requests, Retry-After: 0.2`, `gate +shut: .*; next try in \S+s`,
	`caller .* 200 in .* 0  stale     closed     \w+ \w+ +\d+s  1s\n`,
	`gate +re-entry: `,
	`--- 3/9  Re-entry: `, `crm +request \d+, for all: 200 OK`, `crm +asked \d+ times meanwhile; \d+ callers had an answer`,
	`caller .* 200 in .* [23]  retried   closed     \w+ \w+\n`,
	`caller .* 200 in .* 1  upstream  closed     \w+ \w+\n`,
	`--- 4/9  Outage`, `crm .* no answer`,
	`circuit .* closed -> open: 3 calls in a row failed; next try in \d\.\ds`,
	`--- 5/9  Open: `, `caller .* 0  (stale|fallback)  +open  .*  1s\n`,
	`circuit .* open -> half-open`, `crm .* asked \d+ times meanwhile; \d+ callers had an answer`,
	`--- 6/9  Half-open: `, `circuit .* half-open -> open: the probe failed; next try in \d\.\ds`,
	`--- 7/9  Open again: `, `caller .* 0  fallback  open       unknown +1s\n`, `circuit .* open -> half-open`,
	`--- 8/9  Half-open again: `, `circuit .* half-open -> closed`,
	`--- 9/9  Closed: `, `caller .* 200 in .* upstream  closed     \w+ \w+\n`,
	`--- In the end`,
}

func TestTheScheduleTellsItsStoryAndAddsUp(t *testing.T) {
	before := runtime.NumGoroutine()
	var out bytes.Buffer
	got, err := fast().play(t.Context(), &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	waitFor(t, "goroutines are left", func() bool { return runtime.NumGoroutine() <= before })

	rest := out.Bytes()
	for _, line := range theStory {
		at := regexp.MustCompile(line).FindIndex(rest)
		if at == nil {
			t.Fatalf("no %q where it belongs in\n%s", line, &out)
		}
		rest = rest[at[1]:]
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("the text has colours, and is for no terminal:\n%s", &out)
	}

	if answers := len(regexp.MustCompile(`(?m)s  caller \d+ +200 in`).FindAll(out.Bytes(), -1)); got.asked != answers {
		t.Errorf("got %d asked, want the %d answers in\n%s", got.asked, answers, &out)
	}
	if got.answered != got.asked || got.unhelped() > 0 {
		t.Errorf("got callers without an answer that they could use, want none: %+v", got)
	}
	for _, outcome := range []proxy.Outcome{proxy.OutcomeUpstream, proxy.OutcomeRetried, proxy.OutcomeStale, proxy.OutcomeFallback} {
		if got.helped[outcome] == 0 {
			t.Errorf("got nobody whose outcome was %s, want some: %+v", outcome, got)
		}
	}
	if got.requests >= got.asked {
		t.Errorf("got %d requests to the CRM, want fewer than the %d callers", got.requests, got.asked)
	}
	// Each answer of the CRM's own cost a request. Beside these there were at
	// least two with a 429, one for each of three failed calls, and a probe.
	own := got.helped[proxy.OutcomeUpstream] + got.helped[proxy.OutcomeRetried]
	if least := own + 6; got.requests < least || got.away < 2 {
		t.Errorf("got %d requests to the CRM, %d turned away, want at least %d and 2", got.requests, got.away, least)
	}
	for _, row := range []string{
		fmt.Sprintf(`callers +%d `, got.asked), fmt.Sprintf(`stale +%d `, got.helped[proxy.OutcomeStale]),
		`refused +0 `, fmt.Sprintf(`CRM requests +%d `, got.requests), fmt.Sprintf(`turned away +%d `, got.away),
	} {
		if !regexp.MustCompile(row).Match(rest) {
			t.Errorf("no row %q in\n%s", row, rest)
		}
	}
}

// cue is a writer that acts when a text has been written often enough.
type cue struct {
	bytes.Buffer
	text  string
	times int
	act   func()
}

func (c *cue) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(c.text)) {
		if c.times--; c.times == 0 {
			c.act()
		}
	}
	return c.Buffer.Write(b)
}

func TestTheScheduleRepeatsUntilItIsStopped(t *testing.T) {
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	out := &cue{text: "3/9", times: 2, act: cancel}
	if err := fast().run(ctx, out, false); err != nil {
		t.Errorf("got error %v, want none", err)
	}
	waitFor(t, "goroutines are left", func() bool { return runtime.NumGoroutine() <= before })
	_, second, found := strings.Cut(out.String(), "Once more")
	if !found || !strings.Contains(second, "3/9") || strings.Contains(second, "4/9") || !strings.Contains(second, "In the end") {
		t.Errorf("got a second schedule that does not end in its third scene with a table:\n%s", second)
	}
}

func TestACallInProgressWhenTheDemoIsStoppedIsNotCounted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := &cue{text: ": no answer", times: 1, act: cancel}
	got, err := fast().play(ctx, out)
	if err != nil {
		t.Errorf("got error %v, want none", err)
	}
	if answers := strings.Count(out.String(), " 200 in "); got.asked != answers || got.unhelped() > 0 {
		t.Errorf("got %d asked and %d without help, want %d and none in\n%s", got.asked, got.unhelped(), answers, out)
	}
}

func TestASceneThatDoesNotEndIsAnError(t *testing.T) {
	d := fast()
	d.limit = 2 * time.Second
	d.config = bytes.ReplaceAll(d.config, []byte("consecutive_failures: 3"), []byte("consecutive_failures: 0\n      failure_rate: null"))
	var out bytes.Buffer
	err := d.run(t.Context(), &out, true)
	if want := `the scene "Outage: the CRM hangs" did not end within 2s`; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}

var errBroken = errors.New("a broken pipe")

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestAWriterThatBreaksEndsTheDemo(t *testing.T) {
	if err := fast().run(t.Context(), brokenWriter{}, false); !errors.Is(err, errBroken) {
		t.Errorf("got error %v, want %v", err, errBroken)
	}
}

func TestAConfigurationThatIsWrongIsAnError(t *testing.T) {
	d := fast()
	d.config = []byte("routes: 1\n")
	if err := d.run(t.Context(), new(bytes.Buffer), true); err == nil || !strings.Contains(err.Error(), "demo.yaml:1:9: ") {
		t.Errorf("got error %v, want the place", err)
	}
}

// waitFor returns when condition holds.
func waitFor(t *testing.T, complaint string, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(10 * time.Second)
	for !condition() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatal(complaint)
		}
	}
}
