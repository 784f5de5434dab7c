package blackbox_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// A happening is one row of README's table: what the upstream does, and how a client comes to see it.
type happening struct {
	refuse          bool
	upstream, route string
	call            func(t *testing.T, s *stage) *wire.Response
}

// gets makes one call, to which the upstream answers so.
func gets(plays ...wire.Answer) func(*testing.T, *stage) *wire.Response {
	return func(t *testing.T, s *stage) *wire.Response {
		if len(plays) > 0 {
			s.up.Script(plays...)
		}
		return s.get(t)
	}
}

// second makes a call after another has had the upstream's first answer.
func second(plays ...wire.Answer) func(*testing.T, *stage) *wire.Response {
	return func(t *testing.T, s *stage) *wire.Response {
		s.up.Script(plays...)
		s.get(t)
		return s.get(t)
	}
}

const shortCall = "timeout: {request: 300ms}"

// happenings are those that README's table tells of, by what it says the upstream does.
var happenings = map[string]happening{
	"answers well":             {call: gets(wire.Reply(200, "theirs"))},
	"says 404":                 {call: gets(wire.Reply(404, "theirs"))},
	"fails once, then answers": {route: quick, call: gets(wire.Reply(503, "down"), wire.Reply(200, "theirs"))},
	"says 500":                 {call: gets(wire.Reply(500, "theirs"))},
	"says 200 with an error in it that a `classify` rule knows": {
		route: `classify: [{status: 200, contains: '"success":false', as: failure}]`,
		call:  gets(wire.Reply(200, `theirs {"success":false}`)),
	},
	"refuses the connection": {refuse: true, call: gets()},
	"breaks its answer off":  {call: gets(wire.Raw(wire.Head(200, "Content-Length: 100") + "theirs"))},
	"hangs":                  {route: shortCall, call: gets(wire.Silent())},
	"refuses the credentials that Fender gave it": {
		upstream: "headers: {X-Api-Key: secret}",
		call:     gets(wire.Reply(401, "theirs")),
	},
	"fails, and has answered this request before (`stale`)": {
		route: "fallback: {stale: {max_age: 1m}}",
		call:  second(wire.Reply(200, "theirs"), wire.Reply(500, "down")),
	},
	"says 429 with a `Retry-After` that fits the deadline": {
		route: quick, call: gets(wire.Reply(429, "busy", "Retry-After: 0.1"), wire.Reply(200, "theirs")),
	},
	"says 429 with one that does not": {route: quick, call: gets(wire.Reply(429, "theirs", "Retry-After: 60"))},
	"has just told another caller to slow down, for a moment": {
		call: second(wire.Reply(429, "busy", "Retry-After: 0.1"), wire.Reply(200, "theirs")),
	},
	"has just told another caller to slow down, for long": {call: second(wire.Reply(429, "busy", "Retry-After: 60"))},
	"has had all that its `rate_limit` allows": {
		upstream: "rate_limit: {requests: 1, interval: 1m}",
		call:     second(wire.Reply(200, "theirs")),
	},
	"has as many calls as `concurrency` allows": {
		route: "concurrency: {max_requests: 1}",
		call: func(t *testing.T, s *stage) *wire.Response {
			done := make(chan struct{})
			defer close(done)
			s.up.Script(wire.Held(done, wire.Reply(200, "theirs")))
			s.ask(1)
			sidecar.Await(t, "the first call is upstream", func() bool { return s.up.Count() == 1 })
			return s.get(t)
		},
	},
	"is left alone by the open breaker": {
		route: "breaker: {consecutive_failures: 1}",
		call:  second(wire.Reply(500, "down")),
	},
	"fails so much that the retry budget is spent": {
		upstream: "retry_budget: {ratio: 0, min_per_second: 0.1}",
		route:    "retry: {max_retries: 1, backoff: {initial: 1ms, max: 2ms}}",
		call:     second(wire.Reply(503, "theirs")),
	},
}

// row is a row of README's table. Where it has one value for two cases, it is the same with a fallback and without.
type row struct {
	upstream                     string
	fallback, without            string
	outcomes, reasons, countedIn []string
}

// table reads README's table of what happens when.
func table(t *testing.T) []row {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "| the upstream |")
	section, _, _ = strings.Cut(section, "\n\n")
	spans := func(cell string) []string {
		var found []string
		for _, m := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(cell, -1) {
			found = append(found, m[1])
		}
		return found
	}
	var rows []row
	for _, line := range strings.Split(section, "\n")[2:] {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if len(cells) != 6 {
			cells = strings.Split(strings.Trim(strings.ReplaceAll(line, "| |", "| - |"), "| "), " | ")
		}
		if len(cells) != 6 {
			t.Fatalf("got %d cells in %q, want 6", len(cells), line)
		}
		rows = append(rows, row{cells[0], cells[1], cells[2], spans(cells[3]), spans(cells[4]), spans(cells[5])})
	}
	return rows
}

// TestWhatHappensWhen plays every row of README's table with a fallback and without one.
func TestWhatHappensWhen(t *testing.T) {
	var scenes []scene
	rows := table(t)
	if len(rows) != len(happenings) {
		t.Errorf("got %d rows in README.md, want one for each of the %d happenings", len(rows), len(happenings))
	}
	for _, r := range rows {
		h, ok := happenings[r.upstream]
		if !ok {
			t.Errorf("got a row %q in README.md that no test plays", r.upstream)
			continue
		}
		scenes = append(scenes, r.scene(h, true))
		if r.without != "-" {
			scenes = append(scenes, r.scene(h, false))
		}
	}
	play(t, scenes)
}

func (r row) scene(h happening, fallback bool) scene {
	sc := scene{name: r.upstream + ", with a fallback", refuse: h.refuse, upstream: h.upstream, route: h.route}
	switch {
	case !fallback:
		sc.name = r.upstream + ", without a fallback"
	case !strings.Contains(h.route, "fallback:"):
		sc.route += "\nfallback: {body: ours}"
	}
	sc.run = func(t *testing.T, s *stage) {
		answer := h.call(t, s)
		expect(t, answer, expectation{status: answer.StatusCode, outcome: pick(r.outcomes, fallback), reason: reasonOf(r, answer), attempts: -1})
		r.expectContent(t, answer, fallback)
		name, labels, _ := strings.Cut(pick(r.countedIn, fallback), "{")
		pairs := []string{"route", s.route}
		for _, m := range regexp.MustCompile(`(\w+)="([^"]*)"`).FindAllStringSubmatch(labels, -1) {
			pairs = append(pairs, m[1], m[2])
		}
		sidecar.Await(t, "it is counted in "+pick(r.countedIn, fallback), func() bool { return s.Scrape(t).Sum(name, pairs...) > 0 })
	}
	return sc
}

// pick returns the first value for the case with a fallback, the last for the one without.
func pick(values []string, fallback bool) string {
	if fallback {
		return values[0]
	}
	return values[len(values)-1]
}

// reasonOf is the reason that the row gives, of which only answers of Fender's own tell.
func reasonOf(r row, answer *wire.Response) string {
	theirs := strings.HasPrefix(string(answer.Content), "theirs") && answer.Header.Get("Age") == ""
	if theirs || len(r.reasons) == 0 {
		return "-"
	}
	return r.reasons[0]
}

// expectContent compares the answer with what the row says in words.
func (r row) expectContent(t *testing.T, answer *wire.Response, fallback bool) {
	t.Helper()
	theirs := strings.HasPrefix(string(answer.Content), "theirs")
	if fallback {
		if stand := strings.HasPrefix(r.fallback, "the fallback"); stand && (string(answer.Content) != "ours" || answer.StatusCode != 200) || !stand && !theirs {
			t.Errorf("got %d %q, want %s", answer.StatusCode, clip(answer.Content), r.fallback)
		}
		if strings.Contains(r.fallback, "`Age`") == (answer.Header.Get("Age") == "") {
			t.Errorf("got Age %q, want %s", answer.Header.Get("Age"), r.fallback)
		}
		return
	}
	status, what, _ := strings.Cut(r.without, ", ")
	if strconv.Itoa(answer.StatusCode) != status {
		t.Errorf("got status %d, want %s", answer.StatusCode, r.without)
	}
	switch what {
	case "its answer", "untouched":
		if !theirs {
			t.Errorf("got %q, want %s", clip(answer.Content), r.without)
		}
	case "`Retry-After`":
		retryAfter(t, answer)
		expectProblem(t, answer)
	case "":
		field(t, answer, "Retry-After", "-")
		expectProblem(t, answer)
	default:
		t.Errorf("got %q in README.md, which no test knows", r.without)
	}
}
