package policy

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// gzipped returns text as it comes with "Content-Encoding: gzip".
func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

// noise is text that gzip makes little of.
func noise(n int) string {
	var b strings.Builder
	for x := uint32(1); b.Len() < n; x = x*1664525 + 1013904223 {
		b.WriteByte("abcdefghijklmnopqrstuvwxyz0123456789"[x>>26%36])
	}
	return b.String()
}

func TestRules(t *testing.T) {
	var (
		limitExceeded = Rule{Status: StatusRange{403, 403}, Contains: "REQUEST_LIMIT_EXCEEDED", As: AsThrottled, Wait: 30 * time.Second}
		unsuccessful  = Rule{Status: StatusRange{200, 200}, Contains: `"success":false`, As: AsFailure}
		loginPage     = Rule{Status: StatusRange{200, 299}, ContentTypeNot: "application/json", As: AsFailure}
		anyFailure    = Rule{As: AsFailure}
		marked        = Rule{Contains: "MARK", As: AsFailure}
	)
	const ruleBytes = 64 << 10
	whole := gzipped("before MARK after" + noise(2000))
	typed := func(contentType string) []string { return []string{"Content-Type", contentType} }
	zipped := []string{"Content-Encoding", "gzip"}
	tests := []struct {
		name   string
		rules  []Rule
		status int
		header []string
		body   string
		class  Class
		reason Reason
	}{
		{"a body that contains the text", []Rule{limitExceeded}, 403, nil, `[{"errorCode":"REQUEST_LIMIT_EXCEEDED"}]`, Throttled, ReasonThrottled},
		{"a body that does not", []Rule{limitExceeded}, 403, nil, `[{"errorCode":"INSUFFICIENT_ACCESS"}]`, Success, ""},
		{"the text in an answer of another status", []Rule{limitExceeded}, 400, nil, "REQUEST_LIMIT_EXCEEDED", Success, ""},
		{"the text in another case", []Rule{limitExceeded}, 403, nil, "request_limit_exceeded", Success, ""},
		{"a good status with a body that says it is not", []Rule{unsuccessful}, 200, nil, `{"success":false}`, Failure, ReasonError},
		{"a rule without a status takes them all", []Rule{marked}, 404, nil, "MARK", Failure, ReasonError},
		{"a rule without anything takes everything", []Rule{anyFailure}, 200, nil, "", Failure, ReasonError},
		{"the first status of a range", []Rule{{Status: StatusRange{200, 299}, As: AsFailure}}, 200, nil, "", Failure, ReasonError},
		{"the last status of a range", []Rule{{Status: StatusRange{200, 299}, As: AsFailure}}, 299, nil, "", Failure, ReasonError},
		{"one beyond a range", []Rule{{Status: StatusRange{200, 299}, As: AsFailure}}, 300, nil, "", Success, ""},

		{"the first rule that matches wins", []Rule{{Status: StatusRange{429, 429}, Contains: "fine", As: AsSuccess}, {Status: StatusRange{429, 429}, As: AsFailure}}, 429, nil, "fine", Success, ""},
		{"and the next one where it does not", []Rule{{Status: StatusRange{429, 429}, Contains: "fine", As: AsSuccess}, {Status: StatusRange{429, 429}, As: AsFailure}}, 429, nil, "not", Failure, ReasonError},
		{"rules come before the built-in classes: a 500 that is fine", []Rule{{Status: StatusRange{500, 500}, As: AsSuccess}}, 500, nil, "", Success, ""},
		{"a 503 that is fine although it asks to wait", []Rule{{Status: StatusRange{503, 503}, As: AsSuccess}}, 503, []string{"Retry-After", "9"}, "", Success, ""},
		{"a 429 that is a failure", []Rule{{Status: StatusRange{429, 429}, As: AsFailure}}, 429, nil, "", Failure, ReasonError},
		{"where no rule matches, the built-in classes hold", []Rule{marked}, 503, nil, "", Failure, ReasonError},

		{"another type than due", []Rule{loginPage}, 200, typed("text/html; charset=utf-8"), "<html>", Failure, ReasonError},
		{"the type that is due", []Rule{loginPage}, 200, typed("application/json"), "{}", Success, ""},
		{"the type that is due, with parameters and in another case", []Rule{loginPage}, 200, typed("Application/JSON; charset=utf-8"), "{}", Success, ""},
		{"a type that is configured in capitals", []Rule{{ContentTypeNot: "Application/JSON", As: AsFailure}}, 200, typed("application/json"), "{}", Success, ""},
		{"a broken parameter of the type that is due", []Rule{loginPage}, 200, typed("application/json; charset"), "{}", Success, ""},
		{"a type that only begins like it", []Rule{loginPage}, 200, typed("application/jsonp"), "{}", Failure, ReasonError},
		{"no type at all", []Rule{loginPage}, 200, nil, "{}", Failure, ReasonError},
		{"a 204 has no type", []Rule{loginPage}, 204, nil, "", Success, ""},
		{"an empty answer has none either", []Rule{loginPage}, 200, nil, "", Success, ""},
		{"all of a rule's fields must match", []Rule{{Status: StatusRange{200, 200}, Contains: "login", ContentTypeNot: "application/json", As: AsFailure}}, 200, typed("text/html"), "welcome", Success, ""},

		{"the text of a zipped body", []Rule{marked}, 200, zipped, whole, Failure, ReasonError},
		{"in the other spelling", []Rule{marked}, 200, []string{"Content-Encoding", "X-GZIP"}, whole, Failure, ReasonError},
		{"what is there of a zipped body that is cut off", []Rule{marked}, 200, zipped, whole[:len(whole)-200], Failure, ReasonError},
		{"a body that says it is zipped and is not", []Rule{marked}, 200, zipped, "MARK", Success, ""},
		{"an empty body that says it is zipped", []Rule{marked}, 200, zipped, "", Success, ""},
		{"a zipped body that says it is not", []Rule{marked}, 200, nil, whole, Success, ""},
		{"a coding that nobody offered", []Rule{marked}, 200, []string{"Content-Encoding", "br"}, "MARK", Success, ""},
		{"the coding that is none", []Rule{marked}, 200, []string{"Content-Encoding", "identity"}, "MARK", Failure, ReasonError},
		{"a text at the end of the first 64 KiB", []Rule{marked}, 200, nil, strings.Repeat(" ", ruleBytes-4) + "MARK", Failure, ReasonError},
		{"a text that ends behind them", []Rule{marked}, 200, nil, strings.Repeat(" ", ruleBytes-3) + "MARK", Success, ""},
		{"the same of what is unzipped", []Rule{marked}, 200, zipped, gzipped(strings.Repeat(" ", ruleBytes-4) + "MARK"), Failure, ReasonError},
		{"and behind them", []Rule{marked}, 200, zipped, gzipped(strings.Repeat(" ", ruleBytes-3) + "MARK"), Success, ""},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			r := newRig(t, func(p *Policy) { p.Retry, p.Classify = nil, tt.rules }, answers(tt.status, tt.body, tt.header...))
			body, call, err := r.get(t)
			if err != nil || call.Class != tt.class || call.Reason != tt.reason {
				t.Errorf("got %v, class %v, reason %q, want %v, %q", err, call.Class, call.Reason, tt.class, tt.reason)
			}
			if body != tt.body { // the client gets the original bytes
				t.Errorf("got a body of %d bytes, want %d as they came", len(body), len(tt.body))
			}
		})
	}
}

// A body of a few bytes can unzip to gigabytes. Only its beginning is looked at,
// and no more than that is ever made.
func TestAZipBombGoesOffInSmall(t *testing.T) {
	bomb := gzipped(strings.Repeat("\x00", 64<<20))
	header := http.Header{"Content-Encoding": {"gzip"}}
	if got := len(plainText(header, []byte(bomb))); got != 64<<10 {
		t.Errorf("got %d bytes of text, want 64 KiB", got)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	plainText(header, []byte(bomb))
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 8<<20 {
		t.Errorf("got %d bytes made of it, want less than 8 MiB", got)
	}
}

// Of an answer that streams, the rules know what was held before it had to.
func TestRulesOnAStream(t *testing.T) {
	marked := func(buffer Size) func(*Policy) {
		return func(p *Policy) {
			p.Retry, p.Buffer, p.Classify = nil, buffer, []Rule{{Contains: "MARK", As: AsThrottled, Wait: 7 * time.Second}}
		}
	}
	text := func(s string) func(context.Context) io.Reader {
		return func(context.Context) io.Reader { return strings.NewReader(s) }
	}
	long := strings.Repeat("x", 4000)
	tests := []struct {
		name   string
		buffer Size
		length int64
		body   string
		header []string
		class  Class
	}{
		{"an answer of unknown length that begins with the text", 2000, -1, "MARK" + long, nil, Throttled},
		{"one that has it behind what is held", 2000, -1, long + "MARK", nil, Success},
		{"one whose beginning is zipped", 2000, -1, gzipped("MARK" + noise(8000)), []string{"Content-Encoding", "gzip"}, Throttled},
		{"one that is too long to be held", 2000, 4004, "MARK" + long, nil, Success},
		{"events", 2000, -1, "MARK", []string{"Content-Type", "text/event-stream"}, Success},
		{"anything, where nothing is held", 0, 4, "MARK", nil, Success},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			r := newRig(t, marked(tt.buffer), answersWith(200, tt.length, text(tt.body), tt.header...))
			body, call, err := r.get(t)
			if err != nil || body != tt.body || !call.Streamed || call.Class != tt.class {
				t.Errorf("got %v, %d bytes, streamed %t, class %v, want %v", err, len(body), call.Streamed, call.Class, tt.class)
			}
			if shut := r.Gate.Snapshot().State == GateShut; shut != (tt.class == Throttled) {
				t.Errorf("got a gate that is shut %t", shut)
			}
		})
	}
	bubble(t, "a head is enough for rules that ask for no text", func(t *testing.T) {
		r := newRig(t, func(p *Policy) {
			p.Buffer, p.Classify, p.Retry.Conditions = 0, []Rule{{ContentTypeNot: "application/json", As: AsFailure}}, []Condition{OnFailure}
		}, answers(200, "<html>"), answers(200, "{}", "Content-Type", "application/json"))
		if body, call, err := r.get(t); err != nil || body != "{}" || call.Attempts != 2 {
			t.Errorf("got %q, %v, %d attempts", body, err, call.Attempts)
		}
	})
}

// What a rule calls a failure is tried again under a name of its own.
func TestTheConditionFailure(t *testing.T) {
	rule := Rule{Status: StatusRange{200, 200}, Contains: "oops", As: AsFailure}
	tests := []struct {
		name  string
		rule  Rule
		retry []Condition
		step  step
		calls int
	}{
		{"is a rule's", rule, []Condition{OnFailure}, answers(200, "oops"), 2},
		{"is no status", rule, []Condition{OnStatus(503)}, answers(200, "oops"), 1},
		{"is not that of failure_on", rule, []Condition{OnFailure}, answers(500, "oops"), 1},
		{"is not a throttled answer", Rule{Contains: "oops", As: AsThrottled}, []Condition{OnFailure}, answers(200, "oops"), 1},
		{"leaves the status a condition", Rule{Status: StatusRange{503, 503}, As: AsFailure}, []Condition{OnStatus(503)}, answers(503, "oops"), 2},
		{"of a throttled one is its status, too", Rule{Status: StatusRange{403, 403}, As: AsThrottled, Wait: time.Second}, []Condition{OnStatus(403)}, answers(403, "oops"), 2},
		{"never makes a success worth a repeat", Rule{Status: StatusRange{503, 503}, As: AsSuccess}, []Condition{OnFailure, OnStatus(503)}, answers(503, "oops"), 1},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			r := newRig(t, func(p *Policy) { p.Classify, p.Retry.Conditions = []Rule{tt.rule}, tt.retry }, tt.step, answers(200, "fine"))
			if _, call, err := r.get(t); err != nil || call.Attempts != tt.calls {
				t.Errorf("got %d attempts, %v, want %d", call.Attempts, err, tt.calls)
			}
		})
	}
}

func TestWhichPoliciesReadBodies(t *testing.T) {
	for name, tt := range map[string]struct {
		rules []Rule
		want  bool
	}{
		"none":                        {nil, false},
		"one with rules for heads":    {[]Rule{{Status: StatusRange{200, 200}, ContentTypeNot: "text/plain"}}, false},
		"one with a text among them":  {[]Rule{{}, {Contains: "x"}}, true},
		"the same in another's shoes": {slices.Repeat([]Rule{{Contains: "x"}}, 3), true},
	} {
		if got := (&Policy{Classify: tt.rules}).ReadsBodies(); got != tt.want {
			t.Errorf("%s: got %t, want %t", name, got, tt.want)
		}
	}
}
