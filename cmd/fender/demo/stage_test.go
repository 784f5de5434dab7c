package demo

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy"
	"github.com/fender-proxy/fender/proxy/config"
)

// newTestStage returns a stage that prints on out.
func newTestStage(t *testing.T, out io.Writer) *stage {
	return newStage(&printer{out: out, failed: func(err error) { t.Error(err) }}, new(crm), new(genesys))
}

// environment has what the demo's own configuration wants.
var environment = map[string]string{
	"CRM_URL":               "http://127.0.0.1:9",
	"EXTERNAL_API_KEY":      "key",
	"GENESYS_URL":           "http://127.0.0.1:10",
	"GENESYS_LOGIN_URL":     "http://127.0.0.1:10",
	"GENESYS_CLIENT_ID":     "id",
	"GENESYS_CLIENT_SECRET": "secret",
}

// demoRoute returns the route of the demo's own configuration.
func demoRoute(t *testing.T) *config.Route {
	t.Helper()
	cfg, err := parse(document, environment)
	if err != nil {
		t.Fatal(err)
	}
	return &cfg.Routes[0]
}

func TestTheConfigurationGivesNoWarning(t *testing.T) {
	cfg, err := parse(document, environment)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("got warnings %v, want none", cfg.Warnings)
	}
}

// got returns an answer with an outcome, after one try. A nil name is not known.
func got(outcome proxy.Outcome, circuitState string, name *string) answer {
	a := answer{status: http.StatusOK, call: crmCall{outcome: outcome, attempts: 1}}
	a.action.Status = "success"
	a.action.Outputs.CustomerName = name
	a.action.Outputs.IsFallback = outcome == proxy.OutcomeStale || outcome == proxy.OutcomeFallback
	a.action.Outputs.ConversationLastAction = "interact"
	a.action.Metadata.CircuitState = circuitState
	return a
}

// ok is an answer of the CRM's own.
var ok = got(proxy.OutcomeUpstream, "CLOSED", &customers[0].Name)

func TestASceneEndsWithTheEventItWaitsForAndNoOther(t *testing.T) {
	var out bytes.Buffer
	s := newTestStage(t, &out)
	s.begin([]scene{
		{title: "first", until: answered(answer.real), times: 2},
		{title: "second", fault: failing, until: circuit(policy.Open), times: 1},
	})
	stale, failed := got(proxy.OutcomeStale, "CLOSED", nil), ok
	failed.status = http.StatusBadGateway
	for i, e := range []event{ok, stale, failed, crmAnswer{request: 1, status: http.StatusOK}, transition{upstream: theCRM, to: policy.Open}} {
		s.report(e)
		if strings.Contains(out.String(), "second") {
			t.Fatalf("the first scene ended with event %d, a %T", i, e)
		}
	}
	s.report(ok)
	if !strings.Contains(out.String(), "2/2  second") || fault(s.crm.fault.Load()) != failing {
		t.Errorf("the second scene did not begin with its fault:\n%s", &out)
	}
	s.report(transition{upstream: theCRM, to: policy.HalfOpen})
	s.report(transition{upstream: "genesys", to: policy.Open})
	select {
	case <-s.over:
		t.Error("the schedule was over before its last scene")
	default:
	}
	s.report(transition{upstream: theCRM, to: policy.Open})
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
	s.begin([]scene{{title: "all", until: answered(answer.real), times: 100}})
	for range 7 {
		s.crm.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v1/customers/1001", nil))
	}
	if got := s.end().requests; got != 7 || !strings.Contains(out.String(), "CRM requests         7   ") {
		t.Errorf("got %d requests, want 7 and their row in\n%s", got, &out)
	}
}

func TestALineSaysWhatWasSparedTheCRM(t *testing.T) {
	spared := regexp.MustCompile(`crm +asked (\d+ times meanwhile; \d+) callers had an answer`)
	shut, reentry := gateChange{upstream: theCRM, to: policy.GateShut}, gateChange{upstream: theCRM, to: policy.GateReentry}
	taken, away := crmAnswer{status: http.StatusOK}, crmAnswer{status: http.StatusTooManyRequests}
	for _, test := range []struct {
		name   string
		events []event
		want   string // empty if there is no line
	}{
		{"while the circuit was open", []event{ok, transition{upstream: theCRM, to: policy.Open}, ok, ok, transition{upstream: theCRM, to: policy.HalfOpen}}, "0 times meanwhile; 2"},
		{"while the gate was shut", []event{ok, away, shut, ok, ok, ok, reentry, taken, ok, taken}, "0 times meanwhile; 3"},
		{"while the gate was shut twice", []event{away, shut, ok, reentry, away, shut, ok, ok, reentry, taken}, "0 times meanwhile; 3"},
		{"the gate is still shut", []event{away, shut, ok, reentry, away, ok}, ""},
		{"the circuit has closed, and callers re-enter one by one", []event{ok, transition{upstream: theCRM, to: policy.Closed}, reentry, taken, ok}, ""},
	} {
		var out bytes.Buffer
		s := newTestStage(t, &out)
		s.begin([]scene{{title: "all", until: answered(answer.real), times: 100}})
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

func TestACallersLineSaysWhatTheSidecarDidForIt(t *testing.T) {
	var out bytes.Buffer
	s := newTestStage(t, &out)
	s.begin([]scene{{title: "all", until: answered(answer.real), times: 2}})
	s.report(crmCall{caller: 2, outcome: proxy.OutcomeRetried, attempts: 3})
	s.report(crmCall{caller: 1, outcome: proxy.OutcomeStale, age: "5"})
	for _, caller := range []int{1, 2} {
		a := ok
		a.caller, a.call = caller, crmCall{}
		s.report(a)
	}
	for _, line := range []string{`caller 1 .* stale +0   5s\n`, `caller 2 .* retried +3\n`} {
		if !regexp.MustCompile(line).Match(out.Bytes()) {
			t.Errorf("got no line %q in\n%s", line, &out)
		}
	}
	if got := s.end(); got.helped[proxy.OutcomeStale] != 1 || got.helped[proxy.OutcomeRetried] != 1 || got.unasked != 1 || got.oldest != 5 {
		t.Errorf("got %+v, want one stale answer without a try, and a retried one", got)
	}
}

func TestACallThatIsRepeatedWithANewTokenHasItsLines(t *testing.T) {
	var out bytes.Buffer
	s := newTestStage(t, &out)
	s.begin([]scene{{title: "all", until: answered(answer.real), times: 1}})
	for _, a := range []genesysAnswer{
		{caller: 1, token: 1, status: http.StatusOK},
		{caller: 2, token: 1, status: http.StatusUnauthorized},
		{caller: 3, token: 2, status: http.StatusOK},
		{caller: 2, token: 2, status: http.StatusOK},
	} {
		s.report(a)
	}
	_, told, _ := strings.Cut(out.String(), "lastAction")
	lines := regexp.MustCompile(`genesys +(.*)\n`).FindAllStringSubmatch(told, -1)
	if len(lines) != 2 || lines[0][1] != "asked for caller 2 with token 1: 401 Unauthorized" ||
		lines[1][1] != "asked for caller 2 again with token 2: 200 OK" {
		t.Errorf("got lines %q, want those of caller 2", lines)
	}
}

func TestACrowdComesOnceAtTheBeginningOfItsScene(t *testing.T) {
	s := newTestStage(t, io.Discard)
	s.begin([]scene{
		{title: "a crowd", crowd: 3, until: answered(answer.real), times: 1},
		{title: "none", until: answered(answer.real), times: 1},
	})
	for i, want := range []int{3, 1, 1} {
		if now, got := s.arrive(); got != want || now.title != "a crowd" {
			t.Errorf("%d: got %d callers in %q, want %d", i, got, now.title, want)
		}
	}
	s.report(ok)
	if now, got := s.arrive(); got != 1 || now.title != "none" {
		t.Errorf("got %d callers in %q, want 1 in the next scene", got, now.title)
	}
}

func TestTheAnswerThatIsDueIsShownOnce(t *testing.T) {
	var out bytes.Buffer
	s := newTestStage(t, &out)
	s.begin([]scene{
		{title: "one", until: circuit(policy.Open), times: 1, shows: &showing{"then", answer.standIn}},
		{title: "two", until: circuit(policy.Open), times: 1},
	})
	s.report(ok)
	s.report(transition{upstream: theCRM, to: policy.Open})
	if strings.Contains(out.String(), "then:") {
		t.Errorf("got an answer shown, want none of those:\n%s", &out)
	}
	for range 2 {
		s.report(got(proxy.OutcomeStale, "OPEN", nil))
	}
	if got := strings.Count(out.String(), "then:"); got != 1 {
		t.Errorf("got %d answers shown, want one, in the next scene:\n%s", got, &out)
	}
}
