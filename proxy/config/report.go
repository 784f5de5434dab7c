package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// maxProblems bounds a report, so that a hostile file can't make a huge one.
const maxProblems = 1000

// report collects what is wrong with a document, and worth a remark.
type report struct {
	file string
	// names are the routes' names as they are written.
	names    []string
	problems Problems
	warnings Problems
	// bad holds the paths that have a problem, or a value that is not known, so
	// that nothing that only follows from it is reported too.
	bad map[string]bool
}

// place is where a value comes from.
type place struct {
	line, col int
	// path is the key path under which the value is written; for a value that a
	// route inherits it begins with defaults or upstreams.
	path string
	// raw is a scalar's text before expansion.
	raw string
	// layer is the part of the document that gave a route's policy the value.
	layer string
}

func (r *report) problem(at place, text, hint string) {
	if len(r.problems) > maxProblems {
		return
	}
	p := r.at(at, text, hint)
	if len(r.problems) == maxProblems {
		p = Problem{File: r.file, Text: "more problems than these " + strconv.Itoa(maxProblems)}
	}
	r.problems = append(r.problems, p)
}

func (r *report) warn(at place, text, hint string) {
	r.warnings = append(r.warnings, r.at(at, text, hint))
}

func (r *report) at(at place, text, hint string) Problem {
	if at.layer == layerOverride {
		return Problem{File: "flag or environment", Path: at.path, Text: text, Hint: hint}
	}
	return Problem{File: r.file, Line: at.line, Col: at.col, Path: r.show(at.path), Text: text, Hint: hint}
}

// isBad reports whether path, or what holds it, has a problem already.
func (r *report) isBad(path string) bool {
	for ; path != ""; path = parentOf(path) {
		if r.bad[path] {
			return true
		}
	}
	return r.bad[""]
}

// show adds a route's name to a path that begins with its number.
func (r *report) show(path string) string {
	rest, ok := strings.CutPrefix(path, "routes[")
	if !ok {
		return path
	}
	number, tail, _ := strings.Cut(rest, "]")
	i, err := strconv.Atoi(number)
	if err != nil || i >= len(r.names) || r.names[i] == "" {
		return path
	}
	return "routes[" + number + "] " + quote(r.names[i]) + tail
}

// inOrder returns problems in the order of the file, each once: what is wrong in
// one place is said once, however many routes inherit it.
func inOrder(problems Problems) Problems {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		if (a.Line == 0) != (b.Line == 0) {
			return cmp.Compare(b.Line, a.Line)
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	type said struct {
		line, col  int
		path, text string
	}
	seen := map[said]bool{}
	return slices.DeleteFunc(problems, func(p Problem) bool {
		key := said{p.Line, p.Col, p.Path, p.Text}
		if p.Line > 0 {
			key.path = ""
		}
		defer func() { seen[key] = true }()
		return seen[key]
	})
}

// join returns the path of a key in the map at path.
func join(path, key string) string { return below(path, segment(key)) }

// segment returns a key as it stands in a path.
func segment(key string) string {
	if !isVariableName(strings.ReplaceAll("_"+key, "-", "_")) {
		return quote(key)
	}
	return key
}

// below returns the path of key, which may have several parts, below base.
func below(base, key string) string {
	switch {
	case base == "":
		return key
	case key == "", key[0] == '[':
		return base + key
	}
	return base + "." + key
}

// element returns the path of an element of the list at path.
func element(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// parentOf returns the path of what holds path.
func parentOf(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

// quote quotes a text of the file, shortened if it is long.
func quote(s string) string {
	const most = 60
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "…"
	}
	return strconv.Quote(s)
}
