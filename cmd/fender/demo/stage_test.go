package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy"
	"github.com/fender-proxy/fender/proxy/config"
)

// newTestStage returns a stage that prints on out.
func newTestStage(t *testing.T, out io.Writer) *stage {
	return newStage(&printer{out: out, failed: func(err error) { t.Error(err) }}, new(crm))
}

// demoRoute returns the route of the demo's own configuration.
func demoRoute(t *testing.T) *config.Route {
	t.Helper()
	cfg, err := parse(document, "http://127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	return &cfg.Routes[0]
}

func TestTheConfigurationGivesNoWarning(t *testing.T) {
	cfg, err := parse(document, "http://127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("got warnings %v, want none", cfg.Warnings)
	}
}

// ok is an answer of the CRM's own.
var ok = answer{status: http.StatusOK, outcome: proxy.OutcomeUpstream, circuit: policy.Closed, attempts: 1}

func TestASceneEndsWithTheEventItWaitsForAndNoOther(t *testing.T) {
	var out bytes.Buffer
	s := newTestStage(t, &out)
	s.begin([]scene{
		{title: "first", until: answered(proxy.OutcomeUpstream), times: 2},
		{title: "second", fault: failing, until: circuit(policy.Open), times: 1},
	})
	retried, failed := ok, ok
	retried.outcome, failed.status = proxy.OutcomeRetried, http.StatusBadGateway
	for i, e := range []event{ok, retried, failed, crmAnswer{request: 1, status: http.StatusOK}, transition{to: policy.Open}} {
		s.report(e)
		if strings.Contains(out.String(), "second") {
			t.Fatalf("the first scene ended with event %d, a %T", i, e)
		}
	}
	s.report(ok)
	if !strings.Contains(out.String(), "2/2  second") || fault(s.crm.fault.Load()) != failing {
		t.Errorf("the second scene did not begin with its fault:\n%s", &out)
	}
	s.report(transition{to: policy.HalfOpen})
	select {
	case <-s.over:
		t.Error("the schedule was over before its last scene")
	default:
	}
	s.report(transition{to: policy.Open})
	select {
	case <-s.over:
	default:
		t.Error("the schedule was not over after its last scene")
	}
	s.report(ok)
	if got, want := s.end().asked, 5; got != want {
		t.Errorf("got %d callers counted, want %d, one of them after the last scene", got, want)
	}
	before := out.Len()
	s.report(ok)
	if out.Len() != before {
		t.Error("an event after the end had a line")
	}
}

func TestTheTableHasTheCRMsOwnCount(t *testing.T) {
	var out bytes.Buffer
	s := newTestStage(t, &out)
	s.crm.report = s.report
	s.begin([]scene{{title: "all", until: answered(proxy.OutcomeUpstream), times: 100}})
	for range 7 {
		s.crm.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v1/customers/1001", nil))
	}
	if got := s.end().requests; got != 7 || !strings.Contains(out.String(), "CRM requests      7   ") {
		t.Errorf("got %d requests, want 7 and their row in\n%s", got, &out)
	}
}

func TestALineSaysWhatWasSparedTheCRM(t *testing.T) {
	spared := regexp.MustCompile(`crm +asked (\d+ times meanwhile; \d+) callers had an answer`)
	shut, reentry := gateChange{to: policy.GateShut}, gateChange{to: policy.GateReentry}
	taken, away := crmAnswer{status: http.StatusOK}, crmAnswer{status: http.StatusTooManyRequests}
	for _, test := range []struct {
		name   string
		events []event
		want   string // empty if there is no line
	}{
		{"while the circuit was open", []event{ok, transition{to: policy.Open}, ok, ok, transition{to: policy.HalfOpen}}, "0 times meanwhile; 2"},
		{"while the gate was shut", []event{ok, away, shut, ok, ok, ok, reentry, taken, ok, taken}, "0 times meanwhile; 3"},
		{"while the gate was shut twice", []event{away, shut, ok, reentry, away, shut, ok, ok, reentry, taken}, "0 times meanwhile; 3"},
		{"the gate is still shut", []event{away, shut, ok, reentry, away, ok}, ""},
		{"the circuit has closed, and callers re-enter one by one", []event{ok, transition{to: policy.Closed}, reentry, taken, ok}, ""},
	} {
		var out bytes.Buffer
		s := newTestStage(t, &out)
		s.begin([]scene{{title: "all", until: answered(proxy.OutcomeUpstream), times: 100}})
		for _, e := range test.events {
			s.report(e)
		}
		got := ""
		if lines := spared.FindAllStringSubmatch(out.String(), -1); lines != nil {
			got = lines[len(lines)-1][1]
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestTheLogTellsOfTheCircuitAndTheGateAndNothingElse(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	until := at.Add(time.Minute)
	for _, test := range []struct {
		message string
		attrs   []any
		want    event // nil for none
	}{
		{
			"circuit", []any{"from", policy.Closed, "to", policy.Open, "until", until, "consecutive_failures", 3},
			transition{from: policy.Closed, to: policy.Open, at: at, until: until, failures: 3},
		},
		{"circuit", []any{"from", policy.Open, "to", policy.HalfOpen}, transition{from: policy.Open, to: policy.HalfOpen, at: at}},
		{"gate", []any{"state", policy.GateShut, "until", until, "why", "status 429"}, gateChange{to: policy.GateShut, at: at, until: until}},
		{"gate", []any{"state", policy.GateReentry}, gateChange{to: policy.GateReentry, at: at}},
		{"request", []any{"status", http.StatusOK}, nil},
	} {
		var got event
		record := slog.NewRecord(at, slog.LevelInfo, test.message, 0)
		record.Add(test.attrs...)
		if err := (storyLog{func(e event) { got = e }}).Handle(t.Context(), record); err != nil || got != test.want {
			t.Errorf("%s %v: got %+v, error %v, want %+v", test.message, test.attrs, got, err, test.want)
		}
	}
}

func TestNewcomersAreAskedForOnlyIfThereAreAny(t *testing.T) {
	for _, newcomers := range []bool{false, true} {
		asked := make(map[int]bool)
		for n := 1; n <= 15; n++ {
			asked[wanted(n, newcomers)] = true
		}
		for i := range customers {
			if got, want := asked[firstID+i], i < regulars || newcomers; got != want {
				t.Errorf("newcomers %v, customer %d: got asked for %v, want %v", newcomers, firstID+i, got, want)
			}
		}
	}
}

func TestACallerThatIsNotHelpedFailsTheDemo(t *testing.T) {
	fallback, stale, other, none := ok, ok, ok, ok
	fallback.outcome, stale.outcome = proxy.OutcomeFallback, proxy.OutcomeStale
	other.status, other.outcome = http.StatusServiceUnavailable, proxy.OutcomeRefused
	none.err = context.DeadlineExceeded
	for _, test := range []struct {
		name    string
		answers []answer
		want    string
	}{
		{"real answers and stand-ins", []answer{ok, fallback, stale, ok}, "<nil>"},
		{"an answer that is neither", []answer{ok, other}, "1 of 2 callers got no answer that they could use within 3s"},
		{"no answer in time", []answer{none, other, ok}, "2 of 3 callers got no answer that they could use within 3s"},
	} {
		var got tally
		for _, a := range test.answers {
			got.add(a)
		}
		if err := got.check(3 * time.Second); fmt.Sprint(err) != test.want {
			t.Errorf("%s: got error %v, want %s", test.name, err, test.want)
		}
	}
}
