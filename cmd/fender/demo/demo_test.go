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

// fast plays the schedule in about five seconds. What bounds anybody's patience
// stays long, for the sake of slow machines.
func fast() *demo {
	return &demo{
		config: []byte(strings.NewReplacer(
			"request: 3s", "request: 2s",
			"attempt: 800ms", "attempt: 400ms",
			"max_wait: 500ms", "max_wait: 100ms",
			"initial: 3s", "initial: 500ms",
			// So many callers come while one call is made again that its circuit would open.
			"breaker: {open: {initial: 1s}}", "breaker: {consecutive_failures: 0, failure_rate: null}",
		).Replace(string(document))),
		interval: 40 * time.Millisecond,
		timeout:  20 * time.Second,
		patience: 30 * time.Second,
		latency:  time.Millisecond,
		hint:     200 * time.Millisecond,
		allowed:  3000,
		limit:    time.Minute,
	}
}

// theStory are lines in the order in which they appear, though not at once
// after each other.
var theStory = []string{
	`--- 1/12  Cold start: 5 callers at once`, `genesys .* token 1 for the sidecar`,
	`caller .* 200 .* false       CLOSED        (interact|ivr|hold) +upstream      1\n`,
	`--- 2/12  Healthy`, `caller .* 200 .* false +CLOSED .* upstream      1\n`,
	`answer to caller \d+, before the outage:\n +\{"id":"\w+","status":"success",\n` +
		` +"outputs":\{"customerName":"\w+ \w+","customerTier":"\w+",\n +"isFallback":false,"conversationLastAction":"(interact|ivr|hold)"\},\n` +
		` +"metadata":\{"requestId":"caller-\d+","timestamp":"\S+","circuitState":"CLOSED"\}\}\n`,
	`--- 3/12  Genesys Cloud down`, `genesys .* 503 Service Unavailable`,
	`caller .* 200 .* \w+ \w+ +false       CLOSED        none        upstream      1\n`,
	`--- 4/12  Evicted`, `token 2 for another pod`, `token 3 for another pod.*; token 1 is evicted`,
	`genesys .* with token 1: 401 Unauthorized`, `genesys .* token 4 for the sidecar`, `genesys .* again with token 4: 200 OK`,
	`caller .* 200 .* false       CLOSED        (interact|ivr|hold) +upstream      1\n`,
	`--- 5/12  Busy`, `crm .* 429 Too Many Requests, Retry-After: 0.2`, `gate +shut: .*; next try in \S+s`,
	`caller .* 200 .* \w+ \w+ +true        CLOSED .* stale         0 +\d+s\n`,
	`gate +re-entry: `,
	`--- 6/12  Re-entry: `, `crm +request \d+, for all: 200 OK`, `crm +asked \d+ times meanwhile; \d+ callers had an answer`,
	`caller .* 200 .* false       CLOSED .* (retried       [23]|upstream      1)\n`,
	`--- 7/12  Outage`, `crm .* no answer`,
	`circuit .* closed -> open: 3 calls in a row failed; next try in \d\.\ds`,
	`--- 8/12  Open: `, `caller .* 200 .* true        OPEN .* (stale|fallback) +0`,
	`answer to caller \d+, during the outage:\n +\{"id":"\w+","status":"success",\n(.*\n) +"isFallback":true,.*\n.*"circuitState":"OPEN"\}\}\n`,
	`circuit .* open -> half-open`, `crm .* asked \d+ times meanwhile; \d+ callers had an answer`,
	`--- 9/12  Half-open: `, `circuit .* half-open -> open: the probe failed; next try in \d\.\ds`,
	`--- 10/12  Open again: `, `caller .* 200 .* null +true        OPEN .* fallback      0\n`, `circuit .* open -> half-open`,
	`--- 11/12  Half-open again: `, `circuit .* half-open -> closed`,
	`--- 12/12  Closed: `, `caller .* 200 .* \w+ \w+ +false       CLOSED .* upstream`,
	`answer to caller \d+, after the outage:\n(.*\n){2} +"isFallback":false,.*\n.*"circuitState":"CLOSED"\}\}\n`,
	`--- In the end`,
}

// callerLines are those of callers who got an answer.
var callerLines = regexp.MustCompile(`(?m)^ *\d+\.\d\ds  caller \d+ +200 .*$`)

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

	if answers := len(callerLines.FindAll(out.Bytes(), -1)); got.asked != answers {
		t.Errorf("got %d asked, want the %d answers in\n%s", got.asked, answers, &out)
	}
	if got.answered != got.asked || got.unhelped() > 0 {
		t.Errorf("got callers without an answer that they could use, want none: %+v", got)
	}
	for _, outcome := range []proxy.Outcome{proxy.OutcomeUpstream, proxy.OutcomeRetried, proxy.OutcomeStale, proxy.OutcomeFallback} {
		if got.helped[outcome] == 0 {
			t.Errorf("got nobody whose outcome was %s, want some, in\n%s", outcome, &out)
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
	if got.tokens != 2 || got.unauthorized == 0 || got.unavailable < 3 || got.without < 3 {
		t.Errorf("got %+v, want 2 tokens, after 401s and 503s, and at least 3 callers who noticed these", got)
	}
	for _, line := range callerLines.FindAllString(out.String(), -1) {
		if standIn := strings.Contains(line, "stale ") || strings.Contains(line, "fallback "); standIn != strings.Contains(line, " true ") {
			t.Errorf("got %q, want isFallback to say whether it is a stand-in", line)
		}
	}
	for _, row := range []string{
		fmt.Sprintf(`callers +%d `, got.asked), fmt.Sprintf(`stale +%d `, got.helped[proxy.OutcomeStale]),
		`refused +0 `, fmt.Sprintf(`CRM requests +%d `, got.requests), fmt.Sprintf(`turned away +%d `, got.away),
		fmt.Sprintf(`Genesys requests +%d `, got.lookups), `token fetches +2 `,
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
	out := &cue{text: "6/12", times: 2, act: cancel}
	if err := fast().run(ctx, out, false); err != nil {
		t.Errorf("got error %v, want none", err)
	}
	waitFor(t, "goroutines are left", func() bool { return runtime.NumGoroutine() <= before })
	_, second, found := strings.Cut(out.String(), "Once more")
	if !found || !strings.Contains(second, "6/12") || strings.Contains(second, "7/12") || !strings.Contains(second, "In the end") {
		t.Errorf("got a second schedule that does not end in its sixth scene with a table:\n%s", second)
	}
}

func TestACallInProgressWhenTheDemoIsStoppedIsNotCounted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := &cue{text: ": no answer", times: 1, act: cancel}
	got, err := fast().play(ctx, out)
	if err != nil {
		t.Errorf("got error %v, want none", err)
	}
	if answers := len(callerLines.FindAllString(out.String(), -1)); got.asked != answers || got.unhelped() > 0 {
		t.Errorf("got %d asked and %d without help, want %d and none in\n%s", got.asked, got.unhelped(), answers, out)
	}
}

func TestASceneThatDoesNotEndIsAnError(t *testing.T) {
	d := fast()
	d.limit = 500 * time.Millisecond
	d.config = bytes.ReplaceAll(d.config, []byte("${EXTERNAL_API_KEY}"), []byte("another key"))
	var out bytes.Buffer
	err := d.run(t.Context(), &out, true)
	if want := `the scene "Cold start: 5 callers at once, one token" did not end within 500ms`; err == nil || err.Error() != want {
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
