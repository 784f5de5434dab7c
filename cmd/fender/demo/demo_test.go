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
)

// fast plays the schedule in about three seconds. What bounds a caller's patience
// stays long, for the sake of slow machines.
func fast() *demo {
	return &demo{
		config: []byte(strings.NewReplacer(
			"request: 2s", "request: 900ms",
			"attempt: 800ms", "attempt: 400ms",
			"initial: 4s", "initial: 500ms",
		).Replace(string(document))),
		interval: 40 * time.Millisecond,
		patience: 20 * time.Second,
		latency:  time.Millisecond,
		hint:     100 * time.Millisecond,
		limit:    time.Minute,
	}
}

// theStory are lines in the order in which they appear, though not at once
// after each other.
var theStory = []string{
	`--- 1/8  Healthy`, `caller 1 .* 200 in .* upstream  closed     Ada Lovelace, gold`,
	`--- 2/8  Busy`, `crm .* 429 Too Many Requests, Retry-After: 0.1`, `caller .* 200 in .* retried   closed     \w+ \w+, \w+`,
	`--- 3/8  Outage`, `crm .* no answer`, `caller .* 200 in .* fallback  closed     unknown\n`,
	`circuit .* closed -> open: 3 calls in a row failed; next try in \d\.\ds`,
	`--- 4/8  Open: `, `caller .* 200 in .* fallback  open       unknown; Retry-After: 1`,
	`circuit .* open -> half-open`, `crm .* asked \d+ times meanwhile; \d+ callers had an answer`,
	`--- 5/8  Half-open: `, `circuit .* half-open -> open: the probe failed; next try in \d\.\ds`,
	`--- 6/8  Open again: `, `caller .* fallback  open       unknown; Retry-After: 1`, `circuit .* open -> half-open`,
	`--- 7/8  Half-open again: `, `circuit .* half-open -> closed`,
	`--- 8/8  Closed: `, `caller .* 200 in .* upstream  closed     \w+ \w+, \w+`,
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
	if got.answered != got.asked || got.real+got.fallbacks != got.asked || got.retried > got.real || got.unasked > got.fallbacks {
		t.Errorf("the table does not add up: %+v", got)
	}
	// Each answer of the CRM's own cost a request. Beside these there were at
	// least the one with the 429, two for each of three failed calls, and a
	// probe.
	if least := got.real + 8; got.upstream < least {
		t.Errorf("got %d upstream calls, want at least %d", got.upstream, least)
	}
	for _, row := range []string{
		fmt.Sprintf(`asked +%d `, got.asked), fmt.Sprintf(`answered in time +%d `, got.answered),
		fmt.Sprintf(`real answers +%d `, got.real), fmt.Sprintf(`fallbacks +%d `, got.fallbacks),
		fmt.Sprintf(`upstream calls +%d `, got.upstream),
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
	out := &cue{text: "3/8", times: 2, act: cancel}
	if err := fast().run(ctx, out, false); err != nil {
		t.Errorf("got error %v, want none", err)
	}
	waitFor(t, "goroutines are left", func() bool { return runtime.NumGoroutine() <= before })
	_, second, found := strings.Cut(out.String(), "Once more")
	if !found || !strings.Contains(second, "3/8") || strings.Contains(second, "4/8") || !strings.Contains(second, "In the end") {
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
	if answers := strings.Count(out.String(), " 200 in "); got.asked != answers || got.real != answers {
		t.Errorf("got %d asked and %d real answers, want %d of each in\n%s", got.asked, got.real, answers, out)
	}
}

func TestASceneThatDoesNotEndIsAnError(t *testing.T) {
	d := fast()
	d.limit = time.Second
	d.config = bytes.ReplaceAll(d.config, []byte("consecutive_failures: 3"), []byte("consecutive_failures: 1000"))
	var out bytes.Buffer
	err := d.run(t.Context(), &out, true)
	if want := `the scene "Outage: the CRM hangs" did not end within 1s`; err == nil || err.Error() != want {
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
