package config

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// maxDocument bounds a document, in bytes: what a ConfigMap can hold.
const maxDocument = 1 << 20

// parseYAML returns the root node of the one document in data, or the one thing
// that keeps it from being read.
func parseYAML(file string, data []byte) (*yaml.Node, *Problem) {
	problem := func(line, col int, text, hint string) (*yaml.Node, *Problem) {
		return nil, &Problem{File: file, Line: line, Col: col, Text: text, Hint: hint}
	}
	if len(data) > maxDocument {
		return problem(0, 0, "the file is larger than 1 MiB", "")
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if at, text := firstUnreadable(data); at >= 0 {
		line, col := position(data, at)
		return problem(line, col, text, "the file must be plain UTF-8 text")
	}
	docs, err := documents(data)
	switch {
	case err != nil:
		line, col, text, hint := explainSyntax(data, err)
		return problem(line, col, text, hint)
	case len(docs) == 0 || len(docs) == 1 && isNull(docs[0]):
		return problem(1, 1, "the file is empty", "it needs upstreams and routes; see config.example.yaml")
	case len(docs) > 1:
		return problem(docs[1].Line, docs[1].Column, "a second document begins here", `the configuration is one document; remove the "---"`)
	}
	return docs[0], nil
}

// documents returns the root nodes of the documents in data, of at most two.
// The YAML package is not maintained any more, so a panic of its is an error.
func documents(data []byte) (roots []*yaml.Node, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("this is not valid YAML")
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for len(roots) < 2 {
		var doc yaml.Node
		if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
			return roots, nil
		} else if err != nil {
			return nil, err
		}
		roots = append(roots, doc.Content[0])
	}
	return roots, nil
}

// firstUnreadable returns the offset of the first byte that no YAML may hold, or
// -1.
func firstUnreadable(data []byte) (offset int, text string) {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return i, "not UTF-8"
		case r != '\t' && r != '\n' && r != '\r' && unicode.IsControl(r):
			return i, "a control character"
		}
		i += size
	}
	return -1, ""
}

func position(data []byte, offset int) (line, col int) {
	before := data[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1
}

// explainSyntax turns an error of the YAML package into a place and a text that
// help. The package's own line is often off by one, or that where the enclosing
// block began, or missing; so the line is found by asking up to which line the
// file can still be read. No text of the file is quoted: it may be a secret.
func explainSyntax(data []byte, err error) (line, col int, text, hint string) {
	text = strings.TrimPrefix(err.Error(), "yaml: ")
	if number, rest, ok := strings.Cut(strings.TrimPrefix(text, "line "), ": "); ok && len(number) < 8 {
		text = rest
	}
	if name, ok := strings.CutPrefix(text, "unknown anchor '"); ok {
		name = strings.TrimSuffix(name, "' referenced")
		line, col = position(data, max(bytes.Index(data, []byte("*"+name)), 0))
		return line, col, "an alias without its anchor", "quote a value that begins with *"
	}
	line = unreadableLine(data)
	source := bytes.Split(data, []byte("\n"))[line-1]
	indent := source[:len(source)-len(bytes.TrimLeft(source, " \t"))]
	if tab := bytes.IndexByte(indent, '\t'); tab >= 0 {
		return line, tab + 1, "a tab in the indentation", "indent with spaces"
	}
	return line, len(indent) + 1, "not valid YAML: " + text, syntaxHint(text, string(source))
}

func syntaxHint(text, source string) string {
	switch {
	case strings.Contains(source, "${") && strings.ContainsAny(source, "{["):
		return `inside { } and [ ] quote a "${VARIABLE}"`
	case strings.Contains(text, "mapping values are not allowed"):
		return `check the indentation; quote a value that holds ": "`
	case strings.Contains(text, "cannot start any token"):
		return "quote a value that begins with @, % or `"
	case strings.Contains(text, "could not find expected ':'"):
		return `a key is followed by ": "`
	case strings.Contains(text, "unexpected end of stream"):
		return "a quote is not closed"
	case strings.Contains(text, "']'"), strings.Contains(text, "'}'"):
		return "a [ or { is not closed, or a comma is missing"
	case strings.Contains(text, "did not find expected"):
		return "check the indentation and the quotes"
	}
	return ""
}

// unreadableLine returns the first line from which on data is not readable: the
// one after the longest readable beginning. Beginnings that end inside a list or
// text of several lines are not readable although longer ones are, so that a
// boundary that is found by halving is followed up for some lines.
func unreadableLine(data []byte) int {
	var ends []int
	for i, b := range data {
		if b == '\n' || i == len(data)-1 {
			ends = append(ends, i+1)
		}
	}
	readable := func(lines int) bool {
		if lines == 0 {
			return true
		}
		_, err := documents(data[:ends[lines-1]])
		return err == nil
	}
	good, bad := 0, len(ends)
	for good+1 < bad {
		middle := (good + bad) / 2
		if readable(middle) {
			good = middle
			continue
		}
		bad = middle
		for longer := middle + 1; longer < min(middle+24, len(ends)); longer++ {
			if readable(longer) {
				good, bad = longer, len(ends)
				break
			}
		}
	}
	return good + 1
}
