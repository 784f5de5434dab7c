package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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
	if got := s.end().upstream; got != 7 || !strings.Contains(out.String(), "upstream calls        7   counted by the CRM") {
		t.Errorf("got %d upstream calls, want 7 and their row in\n%s", got, &out)
	}
}

func TestACallerThatIsNotHelpedFailsTheDemo(t *testing.T) {
	fallback, other, none := ok, ok, ok
	fallback.outcome = proxy.OutcomeFallback
	other.status, other.outcome = http.StatusServiceUnavailable, proxy.OutcomeRefused
	none.err = context.DeadlineExceeded
	for _, test := range []struct {
		name    string
		answers []answer
		want    string
	}{
		{"real answers and fallbacks", []answer{ok, fallback, ok}, "<nil>"},
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
