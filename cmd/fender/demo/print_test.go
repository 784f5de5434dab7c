package demo

import (
	"bytes"
	"errors"
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
	s.introduce("http://127.0.0.1:65535", "http://127.0.0.1:65535", &demo{interval: 500 * time.Millisecond, patience: 3 * time.Second})
	for _, scene := range schedule(route, time.Second) {
		s.print.heading("8/8  "+scene.title, scene.why)
	}
	s.print.columns()
	s.begin(schedule(route, time.Second))
	now := time.Now()
	for _, c := range customers {
		s.report(answer{
			caller: 99, took: 2 * time.Second, status: 200, outcome: proxy.OutcomeStale, circuit: policy.HalfOpen, attempts: 1,
			customer: c, age: "120", retryAfter: "30",
		})
		s.report(answer{caller: 99, took: 2 * time.Second, status: 200, outcome: proxy.OutcomeUpstream, circuit: policy.HalfOpen, customer: c})
	}
	s.report(gateChange{to: policy.GateShut, at: now, until: now.Add(30 * time.Second)})
	s.report(gateChange{to: policy.GateReentry})
	s.report(gateChange{to: policy.GateOpen})
	s.report(transition{from: policy.Closed, to: policy.Open, at: now, until: now.Add(30 * time.Second), failures: 3})
	s.report(answer{caller: 99, took: 2 * time.Second, status: 200, outcome: proxy.OutcomeFallback, circuit: policy.HalfOpen, retryAfter: "9", customer: customer{Name: "unknown"}})
	s.report(crmAnswer{request: 99, status: 429, retryAfter: "1"})
	s.report(crmAnswer{request: 99})
	s.report(transition{from: policy.Open, to: policy.HalfOpen})
	s.report(transition{from: policy.HalfOpen, to: policy.Open, at: now, until: now.Add(30 * time.Second)})
	s.end()
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSuffix(line, "\n")
		if n := utf8.RuneCountInString(line); n > width || n < len(line) || strings.TrimRight(line, " ") != line {
			t.Errorf("got %q of %d columns, want at most %d, all ASCII, and none of them empty at the end", line, n, width)
		}
	}
}

func TestEachEventHasItsLine(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, test := range []struct {
		event event
		want  string
	}{
		{
			answer{caller: 7, took: 26 * time.Millisecond, status: 200, outcome: proxy.OutcomeUpstream, circuit: policy.Closed, attempts: 1, customer: customers[0]},
			"caller 7: 200 in   26 ms      1  upstream  closed     Ada Lovelace",
		},
		{
			answer{caller: 8, took: 1052 * time.Millisecond, status: 200, outcome: proxy.OutcomeRetried, circuit: policy.HalfOpen, attempts: 2, customer: customers[1]},
			"caller 8: 200 in 1052 ms      2  retried   half-open  Alan Turing",
		},
		{
			answer{caller: 9, took: 400 * time.Microsecond, status: 200, outcome: proxy.OutcomeFallback, circuit: policy.Open, retryAfter: "4", customer: customer{Name: "unknown"}},
			"caller 9: 200 in   <1 ms      0  <33>fallback<0>  open       unknown                4s",
		},
		{
			answer{caller: 9, took: time.Second, status: 200, outcome: proxy.OutcomeStale, circuit: policy.Open, attempts: 3, age: "17", customer: customers[3]},
			"caller 9: 200 in 1000 ms      3  <33>stale   <0>  open       Edsger Dijkstra   17s",
		},
		{
			answer{caller: 9, took: time.Millisecond, status: 200, outcome: proxy.OutcomeStale, circuit: policy.Closed, age: "0", retryAfter: "1", customer: customers[2]},
			"caller 9: 200 in    1 ms      0  <33>stale   <0>  closed     Grace Hopper       0s  1s",
		},
		{
			answer{caller: 10, took: 3 * time.Second, err: errors.New("gone")},
			"caller 10: <31>no answer after 3000 ms: gone<0>",
		},
		{crmAnswer{request: 3}, "crm: request 3: no answer"},
		{crmAnswer{request: 4, status: 429, retryAfter: "1"}, "crm: request 4: 429 Too Many Requests, Retry-After: 1"},
		{crmAnswer{request: 4, status: 200, forAll: true}, "crm: request 4, for all: 200 OK"},
		{crmAnswer{request: 5, status: 503, probe: true}, "crm: request 5, the probe: 503 Service Unavailable"},
		{
			transition{from: policy.Closed, to: policy.Open, at: at, until: at.Add(4200 * time.Millisecond), failures: 3},
			"circuit: <31>closed -> open: 3 calls in a row failed; next try in 4.2s<0>",
		},
		{
			transition{from: policy.HalfOpen, to: policy.Open, at: at, until: at.Add(8 * time.Second)},
			"circuit: <31>half-open -> open: the probe failed; next try in 8.0s<0>",
		},
		{transition{from: policy.Open, to: policy.HalfOpen}, "circuit: <33>open -> half-open: time for a try<0>"},
		{transition{from: policy.HalfOpen, to: policy.Closed}, "circuit: <32>half-open -> closed: the CRM is asked again<0>"},
		{gateChange{to: policy.GateShut, at: at, until: at.Add(1100 * time.Millisecond)}, "gate: <31>shut: the 429 is for everybody; next try in 1.1s<0>"},
		{gateChange{to: policy.GateReentry}, "gate: <33>re-entry: one request first, more as they succeed<0>"},
		{gateChange{to: policy.GateOpen}, "gate: <32>open: everybody may ask<0>"},
		{rest{asked: 0, answered: 12}, "crm: asked 0 times meanwhile; 12 callers had an answer"},
	} {
		got := test.event.who() + ": " + escapes.ReplaceAllString(test.event.what(true), "<$1>")
		if got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestTheTableSaysWhoGotWhat(t *testing.T) {
	var out bytes.Buffer
	(&printer{out: &out}).table(tally{
		asked: 60, slowest: 2662 * time.Millisecond, requests: 31, away: 2, unasked: 30, oldest: 17,
		helped: map[proxy.Outcome]int{
			proxy.OutcomeUpstream: 20, proxy.OutcomeRetried: 1, proxy.OutcomeStale: 25, proxy.OutcomeFallback: 12,
		},
	})
	_, got, _ := strings.Cut(strings.TrimSpace(out.String()), "\n\n")
	const want = `    callers          60   asked; the slowest answer took 2662 ms
      upstream       20   got the CRM's own answer
      retried         1   got it after another try
      stale          25   got the CRM's last good answer, up to 17 s old
      fallback       12   got the configured answer: there was no last good one
      refused         2   got nothing that they could use
    CRM requests     31   with all retries; 30 callers had their answer without one
      turned away     2   429: each for all callers, not one for each of them`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
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
