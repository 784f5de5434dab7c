package config

import (
	"cmp"
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a configuration, or worth a remark.
// It never holds a secret.
type Problem struct {
	// File, Line and Col are the place; Line is 0 if it has none.
	File      string
	Line, Col int
	// Path is the key as a reader finds it: routes[1] "crm-lookup".
	Path string
	// Text says what is wrong, Hint what to do about it; Hint may be empty.
	Text, Hint string
}

// String returns the problem as one line: FILE:LINE:COL: PATH: text (hint).
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, cmp.Or(p.Col, 1))
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Text)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Problems are all that is wrong with a configuration, in the order of the file.
type Problems []Problem

// Error returns the problems, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}
