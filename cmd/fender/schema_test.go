package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestSchemaPrintsOneJSONDocument(t *testing.T) {
	code, stdout, stderr := fender(t, "schema")
	if code != exitOK || stderr != "" {
		t.Fatalf("got exit code %d, stderr %q", code, stderr)
	}
	var schema struct {
		Schema     string                     `json:"$schema"`
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal([]byte(stdout), &schema); err != nil {
		t.Fatal(err)
	}
	if got, want := schema.Schema, "https://json-schema.org/draft/2020-12/schema"; got != want {
		t.Errorf("got $schema %q, want %q", got, want)
	}
	if schema.Properties["routes"] == nil || !strings.HasSuffix(stdout, "}\n") {
		t.Errorf("got %.200s …, want the configuration's schema and a line end", stdout)
	}
}

func TestSchemaTakesNoArguments(t *testing.T) {
	for _, args := range []string{"schema config.yaml", "schema --config config.yaml"} {
		if code, stdout, _ := fender(t, strings.Fields(args)...); code != exitUsage || stdout != "" {
			t.Errorf("fender %s: got exit code %d, stdout %q, want %d", args, code, stdout, exitUsage)
		}
	}
}

// A schema that could not be written is no success: a full disk would leave half
// of one.
func TestSchemaThatCanNotBeWrittenFails(t *testing.T) {
	var stderr bytes.Buffer
	if code := run(t.Context(), []string{"schema"}, full{}, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "disk full") {
		t.Errorf("got exit code %d, stderr %q, want %d and the reason", code, &stderr, exitFailed)
	}
}

// full is a file on a disk that is full.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }
