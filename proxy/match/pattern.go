package match

import (
	"fmt"
	"slices"
	"strings"
)

// Pattern is the path pattern of a route. The zero value is the empty pattern,
// which matches every path. A Pattern is immutable.
type Pattern struct {
	text     string
	segments []segment
}

// segment is one piece of a pattern: a literal's text, or a parameter's name.
type segment struct {
	kind kind
	text string
}

// kind orders segments from the most to the least specific.
type kind uint8

const (
	literal kind = iota
	param        // {name}
	rest         // {name...}
)

// ParsePattern reads a path pattern. Literals are written decoded: "/a b" and
// not "/a%20b". They may hold every character but those that end a path or mean
// something here: NUL, "?", "#", "{" and "}", and nothing that [ParseTarget]
// refuses. A "%" stands for itself; followed by two hexadecimal digits it is an
// error, since it was meant as an escape.
func ParsePattern(s string) (Pattern, error) {
	p := Pattern{text: s}
	if s == "" {
		return p, nil
	}
	if s[0] != '/' {
		return Pattern{}, fmt.Errorf(`pattern %q: must start with "/"`, s)
	}
	if i := strings.IndexAny(s, "?#\x00"); i >= 0 {
		return Pattern{}, fmt.Errorf("pattern %q: %q is not part of a path", s, s[i])
	}
	for text := range strings.SplitSeq(s[1:], "/") {
		if p.endsInRest() {
			return Pattern{}, fmt.Errorf("pattern %q: {%s...} must be the last segment", s, p.last().text)
		}
		seg, err := parseSegment(text)
		if err != nil {
			return Pattern{}, fmt.Errorf("pattern %q: %w", s, err)
		}
		if seg.kind != literal && slices.Contains(p.Params(), seg.text) {
			return Pattern{}, fmt.Errorf("pattern %q: parameter %q is there twice", s, seg.text)
		}
		p.segments = append(p.segments, seg)
	}
	return p, nil
}

func parseSegment(text string) (segment, error) {
	if !strings.ContainsAny(text, "{}") {
		return segment{literal, text}, checkLiteral(text)
	}
	name, opened := strings.CutPrefix(text, "{")
	name, closed := strings.CutSuffix(name, "}")
	if !opened || !closed || strings.ContainsAny(name, "{}") {
		return segment{}, fmt.Errorf("segment %q: a parameter is a whole segment, {name} or {name...}", text)
	}
	seg := segment{param, name}
	if name, ok := strings.CutSuffix(name, "..."); ok {
		seg = segment{rest, name}
	}
	if !validName(seg.text) {
		return segment{}, fmt.Errorf("segment %q: a parameter's name is letters, digits and _, not a digit first", text)
	}
	return seg, nil
}

// checkLiteral refuses what no accepted path can match, or what was likely
// meant otherwise.
func checkLiteral(text string) error {
	if hasDotPiece(text) {
		return fmt.Errorf(`segment %q: paths with "." or ".." are refused before they are matched`, text)
	}
	for i := range len(text) {
		if text[i] != '%' {
			continue
		}
		if _, ok := unhex(text[i:]); ok {
			return fmt.Errorf("segment %q: literals are written decoded, without %q", text, text[i:i+len("%XX")])
		}
	}
	return nil
}

// validName reports whether a template can say {{.Params.name}}.
func validName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '_' && !isLetter(c) && (i == 0 || !isDigit(c)) {
			return false
		}
	}
	return name != ""
}

// String returns the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Params returns the names of the parameters, from the left.
func (p Pattern) Params() []string {
	var names []string
	for _, seg := range p.segments {
		if seg.kind != literal {
			names = append(names, seg.text)
		}
	}
	return names
}

// values returns the parameters' values in a path that the pattern matches.
func (p Pattern) values(path []string) map[string]string {
	var values map[string]string
	for i, seg := range p.segments {
		if seg.kind == literal {
			continue
		}
		if values == nil {
			values = make(map[string]string)
		}
		values[seg.text] = path[i]
		if seg.kind == rest {
			values[seg.text] = strings.Join(path[i:], "/")
		}
	}
	return values
}

func (p Pattern) endsInRest() bool {
	return len(p.segments) > 0 && p.last().kind == rest
}

func (p Pattern) last() segment { return p.segments[len(p.segments)-1] }
