package enrichment

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestTheTutorialsRequestGetsTheTutorialsAnswer: the shape that flows were built on,
// to the byte, save what differs from answer to answer.
func TestTheTutorialsRequestGetsTheTutorialsAnswer(t *testing.T) {
	const golden = `{"id":"ID","status":"success","outputs":{"customerName":"Ada Lovelace","customerTier":"gold","isFallback":false,"conversationLastAction":"interact"},"metadata":{"requestId":"req-7","timestamp":"TIME","circuitState":"CLOSED"}}` + "\n"
	s := newStage(t, Config{},
		says(200, ada, "Fender-Circuit", "closed", "Fender-Outcome", "upstream"),
		says(200, aCall, "Fender-Circuit", "closed", "Fender-Outcome", "upstream"))

	got := s.ask(t, `{
		"inputs": {"contactId": "1001", "conversationId": "c-1"},
		"metadata": {"requestId": "req-7", "flowId": "f", "organizationId": "o"}
	}`)

	if got.status != 200 {
		t.Errorf("got status %d, want 200", got.status)
	}
	if !regexp.MustCompile(`^[A-Z2-7]{26}$`).MatchString(got.ID) {
		t.Errorf("got id %q, want a random one", got.ID)
	}
	when, err := time.Parse("2006-01-02T15:04:05.000Z", got.Metadata["timestamp"])
	if err != nil || time.Since(when).Abs() > patience {
		t.Errorf("got timestamp %q, want now, in milliseconds and UTC", got.Metadata["timestamp"])
	}
	text := strings.NewReplacer(got.ID, "ID", got.Metadata["timestamp"], "TIME").Replace(got.text)
	if text != golden {
		t.Errorf("got  %s\nwant %s", text, golden)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "X-Request-Id": "req-7",
	} {
		if value := got.header.Get(name); value != want {
			t.Errorf("got %s: %q, want %q", name, value, want)
		}
	}
	for target, want := range map[*api]string{
		s.crm: "/v1/customers/1001", s.genesys: "/api/v2/analytics/conversations/c-1/details",
	} {
		seen := target.requests()
		if len(seen) != 1 || seen[0].Method != "GET" || seen[0].RequestURI != want {
			t.Errorf("got requests %v, want one GET %s", seen, want)
		}
	}
}

func TestAnAnswerSaysWhatTheCRMSaidAndWhoSpokeForIt(t *testing.T) {
	const (
		notice = `{"id":"fallback","name":"Service Unavailable","tier":"unknown","_circuit_breaker":true}`
		known  = `{"customerName":"Ada Lovelace","customerTier":"gold","isFallback":false,"conversationLastAction":"none"}`
		known2 = `{"customerName":"Ada Lovelace","customerTier":"gold","isFallback":true,"conversationLastAction":"none"}`
		nobody = `{"customerName":null,"customerTier":null,"isFallback":false,"conversationLastAction":"none"}`
	)
	for _, test := range []struct {
		name    string
		status  int
		body    string
		headers []string
		outputs string // {} for a 500
		circuit string
	}{
		{"a customer, without a sidecar", 200, ada, nil, known, "CLOSED"},
		{"a customer, after retries", 200, ada, []string{"Fender-Outcome", "retried", "Fender-Circuit", "half-open"}, known, "HALF_OPEN"},
		{"a customer, while the breaker is forced closed", 200, ada, []string{"Fender-Outcome", "upstream", "Fender-Circuit", "forced-closed"}, known, "CLOSED"},
		{"a customer, with a circuit that nobody knows", 200, ada, []string{"Fender-Circuit", "ajar"}, known, "CLOSED"},
		{"the last good answer has the customer's name", 200, ada, []string{"Fender-Outcome", "stale", "Fender-Circuit", "open"}, known2, "OPEN"},
		{"a stand-in's name is nobody's", 200, notice, []string{"Fender-Outcome", "fallback", "Fender-Circuit", "open"},
			`{"customerName":null,"customerTier":"unknown","isFallback":true,"conversationLastAction":"none"}`, "OPEN"},
		{"a stand-in's name is nobody's, marked or not", 200, ada, []string{"Fender-Outcome", "fallback", "Fender-Circuit", "forced-open"},
			`{"customerName":null,"customerTier":"gold","isFallback":true,"conversationLastAction":"none"}`, "OPEN"},
		{"a customer with half an entry", 200, `{"name":"Ada & <Co>","tier":null}`, nil,
			`{"customerName":"Ada & <Co>","customerTier":null,"isFallback":false,"conversationLastAction":"none"}`, "CLOSED"},
		{"an unknown customer", 404, `{"error":"no such customer"}`, []string{"Fender-Outcome", "upstream"}, nobody, "CLOSED"},
		{"an unknown customer, after retries", 404, ``, []string{"Fender-Outcome", "retried"}, nobody, "CLOSED"},
		{"an unknown customer, without a sidecar", 404, ``, nil, nobody, "CLOSED"},
		{"an unknown customer behind another proxy", 404, ``, []string{"Proxy-Status", "cdn; received-status=404"}, nobody, "CLOSED"},

		{"no route in the sidecar is no unknown customer", 404, `{}`, []string{"Proxy-Status", "fender; error=http_request_error"}, `{}`, "CLOSED"},
		{"a stand-in with status 404 is no unknown customer", 404, `{}`, []string{"Fender-Outcome", "fallback"}, `{}`, "CLOSED"},
		{"an open circuit without a fallback", 503, `{}`, []string{"Fender-Outcome", "refused", "Fender-Circuit", "open"}, `{}`, "OPEN"},
		{"a fallback that says it failed", 503, notice, []string{"Fender-Outcome", "fallback", "Fender-Circuit", "closed"}, `{}`, "CLOSED"},
		{"a CRM in trouble", 500, `oops: customer 1001`, []string{"Fender-Outcome", "upstream", "Fender-Circuit", "closed"}, `{}`, "CLOSED"},
		{"a CRM that does not let us in", 403, ``, nil, `{}`, "CLOSED"},
		{"a redirect is not followed", 302, ``, []string{"Location", "/elsewhere"}, `{}`, "CLOSED"},
		{"an answer without a body", 204, ``, nil, `{}`, "CLOSED"},
		{"an answer that is no JSON", 200, `<html>log in</html>`, nil, `{}`, "CLOSED"},
		{"an answer that is null", 200, `null`, nil, `{}`, "CLOSED"},
		{"an answer that is a list", 200, `[` + ada + `]`, nil, `{}`, "CLOSED"},
		{"an answer with a name of another type", 200, `{"name":{"first":"Ada"}}`, nil, `{}`, "CLOSED"},
		{"an answer with more behind it", 200, ada + `{}`, nil, `{}`, "CLOSED"},
		{"an answer without an end", 200, `{"name":"` + strings.Repeat("a", maxReply) + `"}`, nil, `{}`, "CLOSED"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t, Config{}, says(test.status, test.body, test.headers...), says(200, aCall))
			got := s.ask(t, `{"contactId":"1001"}`)
			status, word := 200, "success"
			if test.outputs == "{}" {
				status, word = 500, "error"
			}
			outputs := rawOutputs(t, got)
			if got.status != status || got.Status != word || outputs != test.outputs {
				t.Errorf("got %d %s %s\nwant %d %s %s", got.status, got.Status, outputs, status, word, test.outputs)
			}
			if circuit := got.Metadata["circuitState"]; circuit != test.circuit {
				t.Errorf("got circuitState %q, want %q", circuit, test.circuit)
			}
			if status == 500 && (got.Error.Code == "" || strings.Contains(got.text, "1001")) {
				t.Errorf("got %s, want a reason without what the CRM said", got.text)
			}
			if seen := len(s.crm.requests()); seen != 1 {
				t.Errorf("got %d requests to the CRM, want 1", seen)
			}
			if seen := len(s.genesys.requests()); seen != 0 {
				t.Errorf("got %d requests to Genesys Cloud, want none without a conversationId", seen)
			}
		})
	}
}

// rawOutputs returns the outputs of an answer as they were sent.
func rawOutputs(t *testing.T, got received) string {
	t.Helper()
	var raw struct{ Outputs json.RawMessage }
	if err := json.Unmarshal([]byte(got.text), &raw); err != nil {
		t.Fatal(err)
	}
	return string(raw.Outputs)
}
