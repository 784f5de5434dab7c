package enrichment

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestWhoAsksIsPassedOnIfItIsHarmless(t *testing.T) {
	long := strings.Repeat("x", maxID)
	for _, test := range []struct {
		name, header, value string
		want                string // "" for none, "new" for a new one
	}{
		{"a request id", "X-Request-Id", "req_1.A-b", "req_1.A-b"},
		{"a request id of 128 characters", "X-Request-Id", long, long},
		{"a request id that is too long", "X-Request-Id", long + "x", "new"},
		{"a request id with a space", "X-Request-Id", "a b", "new"},
		{"a request id with a quote", "X-Request-Id", `a"b`, "new"},
		{"no request id", "X-Request-Id", "", "new"},
		{"a correlation id", "Inin-Correlation-Id", "8f2c:1/2", "8f2c:1/2"},
		{"a correlation id with a space", "Inin-Correlation-Id", "a b", ""},
		{"a correlation id that is too long", "Inin-Correlation-Id", long + "x", ""},
		{"a correlation id beyond ASCII", "Inin-Correlation-Id", "ä", ""},
		{"a trace", "Traceparent", trace, trace},
		{"a trace that is none", "Traceparent", "00-0AF7-b7ad-01", ""},
		{"a trace's state without a trace", "Tracestate", "a=1", ""},
		{"credentials", "Authorization", "Bearer x", ""},
		{"cookies", "Cookie", "a=b", ""},
		{"a timeout", "Fender-Timeout-Ms", "1", ""},
		{"an organization", "Inin-Organization-Id", "o", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t, Config{}, says(200, ada), says(200, aCall))
			r := newAction(t, s.URL, both)
			if test.value != "" {
				r.Header.Set(test.header, test.value)
			}
			answer := s.send(t, r)
			ids := map[string]bool{answer.Metadata["requestId"]: true, answer.header.Get("X-Request-Id"): true}
			for _, lookup := range append(s.crm.requests(), s.genesys.requests()...) {
				ids[lookup.Header.Get("X-Request-Id")] = true
				got := lookup.Header.Get(test.header)
				if isNew := len(got) == 26 && got != test.value; test.want == "new" && isNew {
					continue
				}
				if got != test.want {
					t.Errorf("got %s: %q, want %q", test.header, got, test.want)
				}
			}
			if len(ids) != 1 {
				t.Errorf("got request ids %v, want one in all places", ids)
			}
		})
	}
}

func TestATracesStateGoesWithIt(t *testing.T) {
	s := newStage(t, Config{}, says(200, ada), says(200, aCall))
	r := newAction(t, s.URL, both)
	r.Header.Set("Traceparent", trace)
	r.Header["Tracestate"] = []string{"a=1", "b=2"}
	s.send(t, r)
	if got := s.crm.requests()[0].Header.Get("Tracestate"); got != "a=1,b=2" {
		t.Errorf("got %q, want both members", got)
	}
}

func TestAHeadersRequestIDComesBeforeTheEnvelopes(t *testing.T) {
	s := newStage(t, Config{}, says(200, ada), says(200, aCall))
	r := newAction(t, s.URL, `{"inputs":{"contactId":"1"},"metadata":{"requestId":"body"}}`)
	r.Header.Set("X-Request-Id", "header")
	if got := s.send(t, r).Metadata["requestId"]; got != "header" {
		t.Errorf("got %q, want the header's", got)
	}
	got := s.ask(t, `{"inputs":{"contactId":"1"},"metadata":{"requestId":"a b"}}`).Metadata["requestId"]
	if len(got) != 26 {
		t.Errorf("got %q, want a new one", got)
	}
}

// TestNoCustomerIsNamed: neither line nor series holds anything of who called,
// whatever the APIs do.
func TestNoCustomerIsNamed(t *testing.T) {
	for name, crm := range map[string]http.HandlerFunc{
		"found":       says(200, `{"name":"PLANTED","tier":"PLANTED"}`, "Fender-Outcome", "stale", "Fender-Circuit", "open"),
		"wrong type":  says(200, `{"name":12345678901}`),
		"no JSON":     says(200, `PLANTED`),
		"failed":      says(500, `PLANTED`, "Fender-Reason", "PLANTED!", "Fender-Circuit", "PLANTED", "Proxy-Status", "PLANTED"),
		"redirected":  says(302, ``, "Location", "http://PLANTED.test/"),
		"half a body": says(200, `{"name":"PLANTED"`, "Content-Length", "100"),
		"half a head": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Write([]byte("HTTP/1.1 PLANTED\r\n\r\n"))
			conn.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, Config{Token: "PLANTED"}, crm, says(200, `{"participants":"PLANTED"}`))
			for _, body := range []string{
				`{"contactId":"PLANTED","conversationId":"PLANTED"}`, `{"contactId":"PLANTED/"}`, `{"PLANTED`,
			} {
				r := newAction(t, s.URL, body)
				r.Header.Set("Authorization", "Bearer PLANTED")
				s.send(t, r)
			}
			s.Close()
			families, err := s.registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			var told strings.Builder
			told.WriteString(s.log.String())
			for _, family := range families {
				told.WriteString(family.String())
			}
			for _, planted := range []string{"PLANTED", "12345678901"} {
				if strings.Contains(told.String(), planted) {
					t.Errorf("got %s, want no %s", told.String(), planted)
				}
			}
		})
	}
}

func TestARequestIsOneLine(t *testing.T) {
	s := newStage(t, Config{},
		says(200, ada, "Fender-Outcome", "fallback", "Fender-Circuit", "open", "Fender-Reason", "throttled"),
		says(503, `{}`))
	r := newAction(t, s.URL, both)
	r.Header.Set("Inin-Correlation-Id", "corr-1")
	r.Header.Set("Traceparent", trace)
	answer := s.send(t, r)
	s.Close()
	var line map[string]any
	if err := json.Unmarshal([]byte(s.log.String()), &line); err != nil {
		t.Fatalf("got %q, want one line of JSON: %v", s.log.String(), err)
	}
	for key, want := range map[string]any{
		"msg": "request", "level": "INFO", "status": 200.0, "id": answer.ID, "request_id": answer.Metadata["requestId"],
		"correlation_id": "corr-1", "trace_id": "0af7651916cd43dd8448eb211c80319c",
		"crm": "fallback", "crm_status": 200.0, "crm_circuit": "OPEN", "crm_reason": "throttled",
		"genesys": "failed", "genesys_status": 503.0,
	} {
		if line[key] != want {
			t.Errorf("got %s %v, want %v", key, line[key], want)
		}
	}
	if _, ok := line["duration_ms"].(float64); !ok {
		t.Errorf("got duration_ms %v, want a number", line["duration_ms"])
	}
}

func TestEverySeriesExistsFromTheStart(t *testing.T) {
	s := newStage(t, Config{}, says(200, ada), says(200, aCall))
	for name, want := range map[string]int{
		"dataaction_requests_total": len(statuses), "dataaction_lookups_total": 2 * len(results),
		"dataaction_request_duration_seconds": 1, "dataaction_requests_in_flight": 1,
	} {
		got, err := testutil.GatherAndCount(s.registry, name)
		if err != nil || got != want {
			t.Errorf("got %d series %s, %v, want %d", got, name, err, want)
		}
	}
	problems, err := testutil.GatherAndLint(s.registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v, want no complaint", problems, err)
	}
}

func TestRequestsAreCountedByStatus(t *testing.T) {
	s := newStage(t, Config{}, says(200, ada), says(200, aCall))
	s.ask(t, both)
	s.ask(t, `{}`)
	s.ask(t, `{}`)
	s.Close()
	for status, want := range map[int]float64{200: 1, 400: 2, 500: 0} {
		if got := testutil.ToFloat64(s.handler.metrics.requests[status]); got != want {
			t.Errorf("got %v requests with status %d, want %v", got, status, want)
		}
	}
	if got := testutil.ToFloat64(s.handler.metrics.inFlight); got != 0 {
		t.Errorf("got %v in flight, want none", got)
	}
}
