package peers_test

import (
	"errors"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// What the tests of the configuration write for an upstream, a route to it, and
// a large file.
var shorthands = strings.NewReplacer(
	"@crm\n", `upstreams: {crm: {url: "https://crm.example.com"}}`+"\n",
	"@route\n", "routes: [{name: a, upstream: crm}]\n",
	"@large", "large",
)

// structural are the messages about what a document looks like by itself: keys,
// kinds of values, ranges of numbers, fixed sets.
var structural = regexp.MustCompile(`: (unknown key|must be |unknown value|.* is missing|is empty|no routes|a key without a value|` +
	`.* is not (a duration|a size|a status|a condition|a time|true or false|a whole number|a number)|.* has no unit|.* is too large|.* is text)`)

// beyond are those of them that no schema tells, or not there.
var beyond = []string{
	"stream_idle: must be above 0s and at most 24h", // the range of a text, but for zero
	"window: must be 10ms to 24h",
	"buffer: must be 0 to 64MiB",
	"client_secret is missing", // one of two keys, or merged ones
	"state is missing",
	"until is missing",
	`"${SECRET}"`,               // what a variable stands for
	"010 is not a whole number", // eight, or ten
	"5e-1 is not a number",      // it is one
	"listen: is empty",          // a list that may be left out
	"listen[4]: is empty",
	"reasons: is empty",
	"methods: is empty",
	"remove_headers[0]: is empty",
	"a key without a value", // of the key, not of its map
}

func TestSchemaRefusesWhatFenderRefuses(t *testing.T) {
	schema := compile(t)
	files, err := filepath.Glob(filepath.Join(repository, "proxy/config/testdata/*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d files, error %v", len(files), err)
	}
	located, needed := 0, map[string]bool{}
	for _, file := range files {
		for _, c := range strings.Split("\n"+read(t, strings.TrimPrefix(file, repository)), "\n=== ")[1:] {
			name, rest, _ := strings.Cut(c, "\n")
			document, messages := split(rest)
			value, err := instance(shorthands.Replace(document))
			if err != nil {
				continue // not YAML
			}
			places := placesOf(schema.Validate(value))
			for _, message := range messages {
				if !structural.MatchString(message) {
					continue
				}
				if part := partOf(message, beyond); part != "" {
					needed[part] = true
					continue
				}
				located++
				if at := pathOf(message); !places[at] {
					t.Errorf("%s: got no complaint about %q, want one as in\n%s", name, at, message)
				}
			}
		}
	}
	if located < 80 {
		t.Errorf("got %d mistakes, want 80 at least", located)
	}
	for _, part := range beyond {
		if !needed[part] {
			t.Errorf("no message has %q", part)
		}
	}
}

// split returns the document of a bad configuration and the messages it gives.
func split(text string) (document string, messages []string) {
	for line := range strings.Lines(text) {
		if message, ok := strings.CutPrefix(line, "! "); ok {
			messages = append(messages, strings.TrimSpace(message))
		} else {
			document += line
		}
	}
	return document, messages
}

// partOf returns the first of the parts that a message has, or "".
func partOf(message string, parts []string) string {
	for _, part := range parts {
		if strings.Contains(message, part) {
			return part
		}
	}
	return ""
}

var routeName = regexp.MustCompile(`^(routes\[\d+\]) "[^"]*"`)

// pathOf returns the path that a message is about; empty for the document.
func pathOf(message string) string {
	rest := strings.SplitN(message, ":", 4)[3] // FILE:LINE:COL: PATH: TEXT
	rest = routeName.ReplaceAllString(strings.TrimPrefix(rest, " "), "$1")
	path, _, found := strings.Cut(rest, ": ")
	if !found || strings.HasPrefix(rest, "unknown key") || strings.Contains(message, ":1:1: routes: no routes") {
		return ""
	}
	return path
}

// placesOf returns the paths of what a schema complains about.
func placesOf(err error) map[string]bool {
	places := map[string]bool{}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return places
	}
	var visit func(e *jsonschema.ValidationError)
	visit = func(e *jsonschema.ValidationError) {
		path := ""
		for _, segment := range e.InstanceLocation {
			if _, err := strconv.Atoi(segment); err == nil {
				path += "[" + segment + "]"
				continue
			}
			path = strings.TrimPrefix(path+"."+segment, ".")
		}
		if len(e.Causes) == 0 {
			places[path] = true
		}
		for _, cause := range e.Causes {
			visit(cause)
		}
	}
	visit(invalid)
	return places
}
