package enrichment

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// participant is one with one session of segments, written "type start end" with
// clock times of one day; "-" stands for a time that is missing.
func participant(segments ...string) string {
	var b strings.Builder
	for _, text := range segments {
		fields := strings.Fields(text)
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"segmentType":%q`, fields[0])
		for i, key := range []string{"segmentStart", "segmentEnd"} {
			if fields[i+1] != "-" {
				fmt.Fprintf(&b, `,%q:"2026-11-23T%s.000Z"`, key, fields[i+1])
			}
		}
		b.WriteByte('}')
	}
	return `{"purpose":"x","sessions":[{"segments":[` + b.String() + `]}]}`
}

func TestTheLastActionIsTheSegmentThatBeganLast(t *testing.T) {
	customer := participant("interact 10:00:00 10:09:00")
	for _, test := range []struct {
		name, body, want string
	}{
		{"one", `{"participants":[` + participant("interact 10:00:00 10:01:00") + `]}`, "interact"},
		{"in the flow, while the call goes on", `{"participants":[` + participant("interact 10:00:00 -") + `,` + participant("ivr 10:00:01 -") + `]}`, "ivr"},
		{"the wrap-up, though the customer hung up later", `{"participants":[` +
			participant("alert 10:01:00 10:01:05", "interact 10:01:05 10:08:00", "wrapup 10:08:00 10:08:30") + `,` + customer + `]}`, "wrapup"},
		{"in whatever order they are listed", `{"participants":[` + participant("wrapup 10:08:00 10:08:30", "hold 10:02:00 10:03:00") + `,` + customer + `]}`, "wrapup"},
		{"over all sessions", `{"participants":[{"sessions":[{"segments":[]},{},{"segments":[{"segmentType":"dialing","segmentStart":"2026-11-23T10:00:00.000Z"}]}]}]}`, "dialing"},
		{"of two that began together, the one that ended later", `{"participants":[` + participant("interact 10:00:00 10:02:00", "system 10:00:00 10:00:00") + `]}`, "interact"},
		{"of two that began together, the one that goes on", `{"participants":[` + participant("interact 10:00:00 -", "system 10:00:00 10:00:00") + `]}`, "interact"},
		{"of two at the same time, the later in the document", `{"participants":[` + participant("alert 10:00:00 10:00:00", "interact 10:00:00 10:00:00") + `]}`, "interact"},
		{"of two that both go on, the later in the document", `{"participants":[` + participant("alert 10:00:00 -", "interact 10:00:00 -") + `]}`, "interact"},
		{"one without a time is the earliest", `{"participants":[` + participant("alert 10:00:00 10:00:01", "interact - -") + `]}`, "alert"},
		{"a time of another zone is the same time", `{"participants":[{"sessions":[{"segments":[
			{"segmentType":"alert","segmentStart":"2026-11-23T12:00:00+02:00"},{"segmentType":"interact","segmentStart":"2026-11-23T10:30:00Z"}]}]}]}`, "interact"},
		{"a time that cannot be read", `{"participants":[{"sessions":[{"segments":[{"segmentType":"alert","segmentStart":"noon","segmentEnd":7}]}]}]}`, "alert"},
		{"a segment without a type", `{"participants":[{"sessions":[{"segments":[{"segmentStart":"2026-11-23T10:00:00Z"}]}]}]}`, "none"},
		{"no segments", `{"participants":[{"sessions":[]}]}`, "none"},
		{"nulls", `{"participants":[{"sessions":[{"segments":[null]},null]},null]}`, "none"},
		{"an empty object", `{}`, "none"},
		{"another answer", `{"participants":{}}`, "none"},
		{"no JSON", `<html>`, "none"},
		{"null", `null`, "none"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := conversation{reply: reply{result: resultOK, body: []byte(test.body)}}
			c.read()
			if got := c.action(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestALookupOfAConversationNeverFailsTheAction(t *testing.T) {
	for _, test := range []struct {
		name    string
		genesys http.HandlerFunc
		result  result
		want    string
	}{
		{"a conversation", says(200, aCall, "Fender-Outcome", "upstream"), resultOK, "interact"},
		{"the last good answer", says(200, aCall, "Fender-Outcome", "stale"), resultStale, "interact"},
		{"a stand-in", says(200, `{}`, "Fender-Outcome", "fallback", "Fender-Circuit", "open"), resultFallback, "none"},
		{"no such conversation", says(404, `{}`, "Fender-Outcome", "upstream"), resultNotFound, "none"},
		{"an open circuit", says(503, `{}`, "Fender-Outcome", "refused", "Fender-Circuit", "open"), resultFailed, "none"},
		{"no permission", says(403, `{"code":"missing.permissions"}`), resultFailed, "none"},
		{"a broken connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, resultUnreachable, "none"},
		{"half an answer", says(200, `{"part`, "Content-Length", "100"), resultUnreachable, "none"},
		{"no JSON", says(200, `<html>`), resultMalformed, "none"},
		{"an answer without an end", says(200, aCall+strings.Repeat(" ", maxReply)), resultMalformed, "none"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t, Config{}, says(200, ada, "Fender-Outcome", "upstream", "Fender-Circuit", "closed"), test.genesys)
			got := s.ask(t, both)
			want := `{"customerName":"Ada Lovelace","customerTier":"gold","isFallback":false,"conversationLastAction":"` + test.want + `"}`
			if got.status != 200 || rawOutputs(t, got) != want || got.Metadata["circuitState"] != "CLOSED" {
				t.Errorf("got %d %s, want 200 %s CLOSED", got.status, got.text, want)
			}
			if n := s.lookups(genesysTarget, test.result); n != 1 {
				t.Errorf("got %v lookups with result %s, want 1", n, test.result)
			}
		})
	}
}

func TestAnUnknownCustomersConversationIsToldAllTheSame(t *testing.T) {
	s := newStage(t, Config{}, says(404, ``, "Fender-Outcome", "upstream"), says(200, aCall))
	want := `{"customerName":null,"customerTier":null,"isFallback":false,"conversationLastAction":"interact"}`
	if got := s.ask(t, both); got.status != 200 || rawOutputs(t, got) != want {
		t.Errorf("got %d %s, want 200 %s", got.status, got.text, want)
	}
}
