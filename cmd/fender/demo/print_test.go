package demo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy"
)

// The output is read in CI logs and in terminals.
func TestNoLineIsTooWideOrMoreThanASCII(t *testing.T) {
	var out bytes.Buffer
	s := newTestStage(t, &out)
	route := demoRoute(t)
	d := &demo{interval: 500 * time.Millisecond}
	const url = "http://127.0.0.1:65535"
	s.introduce(d, addresses{url, url, url, url})
	scenes := schedule(route, time.Second)
	for _, scene := range scenes {
		s.print.heading("12/12  "+scene.title, scene.why)
	}
	s.begin(scenes)
	now := time.Now()
	for i, c := range customers {
		a := got(proxy.OutcomeStale, "HALF_OPEN", &c.Name)
		a.caller, a.took = 99, 2*time.Second
		a.call.age = "999"
		a.body = fmt.Sprintf(`{"id":"%026d","status":"success","outputs":{"customerName":%q,"customerTier":%q,`+
			`"isFallback":false,"conversationLastAction":"interact"},`+
			`"metadata":{"requestId":"caller-99","timestamp":"2026-01-02T03:04:05.678Z","circuitState":"HALF_OPEN"}}`, i, c.Name, c.Tier)
		s.report(a)
		s.print.show(a, "before the outage")
	}
	for _, upstream := range []string{theCRM, "genesys"} {
		s.report(gateChange{upstream: upstream, to: policy.GateShut, at: now, until: now.Add(30 * time.Second)})
		s.report(gateChange{upstream: upstream, to: policy.GateReentry})
		s.report(gateChange{upstream: upstream, to: policy.GateOpen})
		s.report(transition{upstream: upstream, from: policy.Closed, to: policy.Open, at: now, until: now.Add(30 * time.Second), failures: 3})
		s.report(transition{upstream: upstream, from: policy.Open, to: policy.HalfOpen})
		s.report(transition{upstream: upstream, from: policy.HalfOpen, to: policy.Open, at: now, until: now.Add(30 * time.Second)})
	}
	s.report(got(proxy.OutcomeFallback, "HALF_OPEN", nil))
	s.report(crmAnswer{request: 99, status: 429, retryAfter: "1"})
	s.report(crmAnswer{request: 99})
	s.report(tokenGiven{number: 99, to: anotherPod, life: 48 * time.Hour, evicted: 98})
	s.report(genesysAnswer{caller: 99, token: 99, status: 401})
	s.report(genesysAnswer{caller: 99, token: 99, status: 429, retryAfter: "60"})
	s.end()
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSuffix(line, "\n")
		if n := utf8.RuneCountInString(line); n > width || n < len(line) || strings.TrimRight(line, " ") != line {
			t.Errorf("got %q of %d columns, want at most %d, all ASCII, and none of them empty at the end", line, n, width)
		}
	}
}

// The lines of the callers are a table.
func TestTheColumnsHaveTheirNamesAboveThem(t *testing.T) {
	var out bytes.Buffer
	p := &printer{out: &out, start: time.Now()}
	p.columns()
	a := got(proxy.OutcomeStale, "CLOSED", &customers[0].Name)
	a.call.age = "7"
	p.event(a)
	lines := strings.Split(out.String(), "\n")
	names, line := lines[1], lines[2]
	for name, value := range map[string]string{
		"who": "caller", "answer": "200", "customerName": "Ada Lovelace", "isFallback": "true",
		"circuitState": "CLOSED", "lastAction": "interact", "outcome": "stale",
	} {
		if got, want := strings.Index(line, value), strings.Index(names, name); got != want {
			t.Errorf("got %q in column %d, want %d, below %q:\n%s", value, got, want, name, &out)
		}
	}
	if len(names) != len("   time")+len(line)-len("  0.00s") {
		t.Errorf("got an age that does not end where its column's name does:\n%s", &out)
	}
}

func TestEachEventHasItsLine(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	answered := func(caller int, took time.Duration, a answer, age string, attempts int) answer {
		a.caller, a.took, a.call.age, a.call.attempts = caller, took, age, attempts
		return a
	}
	ada, alan, edsger := &customers[0].Name, &customers[1].Name, &customers[3].Name
	for _, test := range []struct {
		event event
		want  string
	}{
		{
			answered(7, 26*time.Millisecond, got(proxy.OutcomeUpstream, "CLOSED", ada), "", 1),
			"caller 7: 200   26 ms  Ada Lovelace     false       CLOSED        interact    upstream      1",
		},
		{
			answered(8, 1052*time.Millisecond, got(proxy.OutcomeRetried, "HALF_OPEN", alan), "", 2),
			"caller 8: 200 1052 ms  Alan Turing      false       HALF_OPEN     interact    retried       2",
		},
		{
			answered(9, 400*time.Microsecond, got(proxy.OutcomeFallback, "OPEN", nil), "", 0),
			"caller 9: 200   <1 ms  null             <33>true      <0>  OPEN          interact    <33>fallback<0>      0",
		},
		{
			answered(9, time.Second, got(proxy.OutcomeStale, "OPEN", edsger), "17", 3),
			"caller 9: 200 1000 ms  Edsger Dijkstra  <33>true      <0>  OPEN          interact    <33>stale   <0>      3  17s",
		},
		{
			answer{caller: 10, took: 3 * time.Second, err: errors.New("gone")},
			"caller 10: <31>no answer after 3000 ms: gone<0>",
		},
		{crmAnswer{request: 3}, "crm: request 3: no answer"},
		{crmAnswer{request: 4, status: 429, retryAfter: "1"}, "crm: request 4: 429 Too Many Requests, Retry-After: 1"},
		{crmAnswer{request: 4, status: 200, forAll: true}, "crm: request 4, for all: 200 OK"},
		{crmAnswer{request: 5, status: 503, probe: true}, "crm: request 5, the probe: 503 Service Unavailable"},
		{genesysAnswer{caller: 7, status: 503}, "genesys: asked for caller 7: 503 Service Unavailable"},
		{genesysAnswer{caller: 7, token: 1, status: 401}, "genesys: <31>asked for caller 7 with token 1: 401 Unauthorized<0>"},
		{genesysAnswer{caller: 7, token: 4, status: 200, again: true}, "genesys: asked for caller 7 again with token 4: 200 OK"},
		{
			genesysAnswer{caller: 7, token: 4, status: 429, retryAfter: "42"},
			"genesys: asked for caller 7 with token 4: 429 Too Many Requests, Retry-After: 42",
		},
		{tokenGiven{number: 1, to: theSidecar, life: 24 * time.Hour}, "genesys: <32>token 1 for the sidecar, good for 24 h<0>"},
		{
			tokenGiven{number: 3, to: anotherPod, life: time.Hour, evicted: 1},
			"genesys: token 3 for another pod, good for 1 h; token 1 is evicted",
		},
		{
			transition{upstream: theCRM, from: policy.Closed, to: policy.Open, at: at, until: at.Add(4200 * time.Millisecond), failures: 3},
			"circuit: <31>closed -> open: 3 calls in a row failed; next try in 4.2s<0>",
		},
		{
			transition{upstream: theCRM, from: policy.HalfOpen, to: policy.Open, at: at, until: at.Add(8 * time.Second)},
			"circuit: <31>half-open -> open: the probe failed; next try in 8.0s<0>",
		},
		{transition{upstream: theCRM, from: policy.Open, to: policy.HalfOpen}, "circuit: <33>open -> half-open: time for a try<0>"},
		{transition{upstream: "genesys", from: policy.HalfOpen, to: policy.Closed}, "circuit: <32>genesys: half-open -> closed: all may ask again<0>"},
		{
			gateChange{upstream: theCRM, to: policy.GateShut, at: at, until: at.Add(1100 * time.Millisecond)},
			"gate: <31>shut: the 429 is for everybody; next try in 1.1s<0>",
		},
		{gateChange{upstream: theCRM, to: policy.GateReentry}, "gate: <33>re-entry: one request first, more as they succeed<0>"},
		{gateChange{upstream: "genesys", to: policy.GateOpen}, "gate: <32>genesys: open: everybody may ask<0>"},
		{rest{asked: 0, answered: 12}, "crm: asked 0 times meanwhile; 12 callers had an answer"},
	} {
		got := test.event.who() + ": " + escapes.ReplaceAllString(test.event.what(true), "<$1>")
		if got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestTheDataActionsAnswerIsShownInAFewLines(t *testing.T) {
	const body = `{"id":"1","status":"success","outputs":{"customerName":"Ada Lovelace","customerTier":"gold",` +
		`"isFallback":false,"conversationLastAction":"ivr"},"metadata":{"requestId":"caller-6","circuitState":"CLOSED"}}`
	var out bytes.Buffer
	(&printer{out: &out}).show(answer{caller: 6, body: body}, "before the outage")
	const want = `
    The Data Action's answer to caller 6, before the outage:
    {"id":"1","status":"success",
     "outputs":{"customerName":"Ada Lovelace","customerTier":"gold",
                "isFallback":false,"conversationLastAction":"ivr"},
     "metadata":{"requestId":"caller-6","circuitState":"CLOSED"}}

`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

// escapes are the codes for colours.
var escapes = regexp.MustCompile(`\x1b\[(\d+)m`)

func TestOnlyATerminalGetsColour(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a character device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	for _, test := range []struct {
		name          string
		noColor, term string
		out           io.Writer
		want          colour
	}{
		{"a terminal", "", "xterm", device, true},
		{"a terminal whose user wants none", "1", "xterm", device, false},
		{"a terminal that knows none", "", "dumb", device, false},
		{"a file", "", "xterm", file, false},
		{"a writer that is no file", "", "xterm", new(bytes.Buffer), false},
	} {
		t.Setenv("NO_COLOR", test.noColor)
		t.Setenv("TERM", test.term)
		if got := colourful(test.out); got != test.want {
			t.Errorf("%s: got colour %v, want %v", test.name, got, test.want)
		}
	}
}
