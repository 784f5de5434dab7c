package blackbox_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// A scene is one case: a route and an upstream of its own in a process that it shares with the scenes of its topic.
type scene struct {
	name     string // a sentence
	refuse   bool   // the upstream refuses connections until the scene has it listen
	prefix   string // a path for the upstream's URL
	match    string // further keys of the route's match, a line each; a path here takes the place of the scene's own
	upstream string // further keys of the upstream, a line each
	route    string // further keys of the route, a line each
	run      func(t *testing.T, s *stage)
}

// A stage is what a scene plays on.
type stage struct {
	*sidecar.Process
	up    *wire.Upstream
	route string // the name of the route, and of its upstream
	path  string // a path that the route matches
}

// preamble is the head of every configuration: ports that nobody else has, and no waiting at the end.
const preamble = `
listen: ["127.0.0.1:0"]
metrics: {listen: "127.0.0.1:0"}
admin: {listen: ""}
drain: 100ms
defaults:
  timeout: {request: 30s}
`

// play runs the scenes of one topic in parallel against one process, and then sees to it that the process holds
// nothing that it did not hold before.
func play(t *testing.T, scenes []scene) {
	t.Helper()
	t.Parallel()
	stages := make([]*stage, len(scenes))
	var upstreams, routes strings.Builder
	for i, sc := range scenes {
		s := &stage{up: reserve(t, sc), route: "r" + strconv.Itoa(i), path: fmt.Sprintf("/r%d/x", i)}
		stages[i] = s
		fmt.Fprintf(&upstreams, "  %s:\n    url: %s\n%s", s.route, s.up.URL()+sc.prefix, indent(budgetless(sc.upstream), 4))
		fmt.Fprintf(&routes, "  - name: %s\n    upstream: %s\n    match:\n%s%s", s.route, s.route, indent(matching(sc, s), 6), indent(sc.route, 4))
	}
	process := start(t, preamble+"upstreams:\n"+upstreams.String()+"routes:\n"+routes.String())
	base := process.Baseline(t)
	t.Run("scene", func(t *testing.T) {
		for i, sc := range scenes {
			s := stages[i]
			s.Process = process
			t.Run(sc.name, func(t *testing.T) {
				t.Parallel()
				sc.run(t, s)
			})
		}
	})
	for _, s := range stages {
		s.up.Close()
	}
	process.AwaitBaseline(t, base)
}

func reserve(t *testing.T, sc scene) *wire.Upstream {
	t.Helper()
	if sc.refuse {
		return wire.Reserve(t)
	}
	return wire.Listen(t)
}

// matching is the match of a scene's route: everything below its own path, unless it says otherwise.
func matching(sc scene, s *stage) string {
	if strings.Contains(sc.match, "path:") {
		return sc.match
	}
	return sc.match + fmt.Sprintf("\npath: \"/%s/{rest...}\"", s.route)
}

// budgetless switches the retry budget off, for it would make one scene's count depend on how many calls it makes.
func budgetless(keys string) string {
	if strings.Contains(keys, "retry_budget") {
		return keys
	}
	return keys + "\nretry_budget: null"
}

// indent puts the lines of a YAML block below a key.
func indent(block string, columns int) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(block)) {
		b.WriteString(strings.Repeat(" ", columns) + strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}

// start runs a sidecar with a whole configuration until the test ends.
func start(t *testing.T, config string) *sidecar.Process {
	t.Helper()
	return sidecar.Command{Binary: binary, Config: config}.Start(t)
}

// get makes a GET to the scene's path.
func (s *stage) get(t *testing.T, fields ...string) *wire.Response {
	t.Helper()
	return s.do(t, "GET", "", fields...)
}

// do makes a request to the scene's path.
func (s *stage) do(t *testing.T, method, body string, fields ...string) *wire.Response {
	t.Helper()
	return wire.Do(t, s.Proxy, method, s.path, body, fields...)
}

// sum waits until the scene's share of a metric is want.
func (s *stage) sum(t *testing.T, want float64, name string, pairs ...string) {
	t.Helper()
	s.AwaitSum(t, want, name, append([]string{"route", s.route}, pairs...)...)
}

// await waits until the scene's breaker is in a state.
func (s *stage) await(t *testing.T, state string) {
	t.Helper()
	sidecar.Await(t, "the breaker is "+state, func() bool { return s.state(t) == state })
}

// state is the state of the scene's breaker, and "" where it has none.
func (s *stage) state(t *testing.T) string {
	t.Helper()
	for _, sample := range s.Scrape(t).Find("fender_breaker_state", "route", s.route) {
		if sample.Value == 1 {
			return sample.Labels["state"]
		}
	}
	return ""
}
