package config

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/policy"
	"gopkg.in/yaml.v3"
)

func TestSchemaListsTheValuesOfFixedSets(t *testing.T) {
	for path, want := range map[string]string{
		"log.level":                          "debug info warn error",
		"log.format":                         "json text",
		"log.requests":                       "all errors none",
		"log.path":                           "pattern full",
		"upstreams.*.auth.oauth2.auth_style": "header body",
		"defaults.mode":                      "enforce observe passthrough",
		"defaults.breaker.scope":             "route upstream",
		"defaults.breaker.override.state":    "open closed",
		"defaults.retry.conditions[]":        "connect reset timeout failure",
		"defaults.classify[].as":             "success failure throttled",
		"defaults.throttle.hints[].format":   "auto seconds epoch-seconds epoch-ms http-date",
		"defaults.fallback.reasons[]":        "open throttled overloaded timeout unreachable unauthorized error",
	} {
		var got []string
		alternatives, _ := writtenSchema(t).at(t, path)["anyOf"].([]any)
		for _, alternative := range alternatives {
			values, _ := alternative.(map[string]any)["enum"].([]any)
			for _, value := range values {
				got = append(got, value.(string))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got values %q, want %s", path, got, want)
		}
	}
}

// TestSchemaKnowsEveryScalar holds that a type which reads its own text is not
// taken for one that reads any text.
func TestSchemaKnowsEveryScalar(t *testing.T) {
	walk(reflect.TypeFor[Config](), "", func(container string, f field) {
		inner := f.typ
		for !isScalar(inner) && inner.Kind() != reflect.Struct {
			inner = inner.Elem()
		}
		if !isScalar(inner) || inner == secretType || inner == reflect.TypeFor[string]() {
			return
		}
		d := definitions{}
		s := d.scalar(inner, f)
		if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
			s = d[name]
		}
		if s.Pattern == "" && s.AnyOf == nil {
			t.Errorf("%s.%s: any text is taken for a %s", container, f.key, inner)
		}
	})
}

// TestChoicesAreThoseOfTheChecks asks the checks for the values they know.
func TestChoicesAreThoseOfTheChecks(t *testing.T) {
	for name, want := range choices {
		key := strings.ToLower(strings.Replace(name, ".", ": {", 1)) + ": unheard-of}"
		_, err := Parse("config.yaml", []byte(key), Options{LookupEnv: noEnv})
		if hint := "(one of " + strings.Join(want, ", ") + ")"; err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: got %v, want %s in it", name, err, hint)
		}
	}
}

// TestRequiredKeysAreThoseOfTheChecks takes each of the required keys away, and
// leaves its value empty, in a document that has them all.
func TestRequiredKeysAreThoseOfTheChecks(t *testing.T) {
	const document = `
upstreams:
  a: {url: https://a.example, auth: {api_key: {header: X-Key, value_file: a}}, rate_limit: {requests: 1}}
  b: {url: https://b.example, auth: {bearer: {token_file: a}}}
  c: {url: https://c.example, auth: {basic: {username: u, password_file: a}}}
  d: {url: https://d.example, auth: {oauth2: {token_url: https://d.example, client_id: a, client_secret: a}}}
routes:
  - {name: r, upstream: a, classify: [{status: 403, as: failure}], throttle: {hints: [{header: X-Wait}]}}
`
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(document), &root); err != nil {
		t.Fatal(err)
	}
	verdict := func() error {
		data, err := yaml.Marshal(&root)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Parse("config.yaml", data, Options{LookupEnv: noEnv, NoSecrets: true})
		return err
	}
	if err := verdict(); err != nil {
		t.Fatal(err)
	}
	tried := map[string]bool{}
	refuse := func(f field, how string) {
		tried[f.name()] = true
		if verdict() == nil {
			t.Errorf("%s may be %s", f.name(), how)
		}
	}
	var visit func(n *yaml.Node, typ reflect.Type)
	visit = func(n *yaml.Node, typ reflect.Type) {
		for _, child := range n.Content {
			if kind := typ.Kind(); kind == reflect.Map || kind == reflect.Slice {
				visit(child, typ.Elem())
			}
		}
		if typ = structIn(typ); typ == nil {
			return
		}
		for i := 0; i < len(n.Content); i += 2 {
			f, _ := fieldNamed(typ, n.Content[i].Value)
			visit(n.Content[i+1], f.typ)
			if !required[f.name()] {
				continue
			}
			all, value := n.Content, *n.Content[i+1]
			n.Content = slices.Delete(slices.Clone(all), i, i+2)
			refuse(f, "left out")
			n.Content = all
			n.Content[i+1].Content, n.Content[i+1].Value, n.Content[i+1].Style = nil, "", yaml.DoubleQuotedStyle
			refuse(f, "empty")
			*n.Content[i+1] = value
		}
	}
	visit(root.Content[0], reflect.TypeFor[Config]())
	for name := range required {
		if !tried[name] {
			t.Errorf("%s is not in the document", name)
		}
	}
}

// TestPatternsAreWhatTheDecoderReads holds the patterns against the decoder.
func TestPatternsAreWhatTheDecoderReads(t *testing.T) {
	texts := []string{
		"", "0", "1", "0s", "3s", "250ms", "1m30s", "1.5h", ".5s", "1.s", "+3s", "3", "s", ".s", "1 day", "3s ", "1h2", "0h0m0s", "0.0s", "0.01s", "0m1s",
		"1us", "1µs", "1μs", "1ns", "1d", "64KiB", "1MiB", "2GiB", "512B", "0B", "00KiB", "10KiB", "64kb", "64K", "1.5MiB", "KiB", "0KiB",
		"100", "503", "599", "500-599", "99", "600", "5xx", "500-", "-599", "500-600", "503 ",
		"2026-12-01T04:00:00Z", "2026-12-01T04:00:00+01:00", "2026-12-01T04:00:00.5Z", "2026-12-01", "2026-12-01 04:00:00", "tomorrow",
	}
	for name, reads := range map[string]struct {
		typ  reflect.Type
		zero bool
	}{
		"duration":            {durationType, true},
		"duration_above_zero": {durationType, false},
		"size":                {reflect.TypeFor[policy.Size](), true},
		"size_above_zero":     {reflect.TypeFor[policy.Size](), false},
		"status":              {reflect.TypeFor[policy.StatusRange](), true},
		"time":                {timeType, true},
	} {
		s := scalars[name]
		if len(s.AnyOf) > 0 {
			s = s.AnyOf[0]
		}
		pattern := regexp.MustCompile(s.Pattern)
		for _, text := range texts {
			v := reflect.New(reads.typ).Elem()
			complaint, _ := new(decoder).read(v, text, "!!str", field{})
			if got, want := pattern.MatchString(text), complaint == "" && (reads.zero || !v.IsZero()); got != want {
				t.Errorf("%s %q: got %v, want %v", name, text, got, want)
			}
		}
		for _, variable := range []string{"${A}", "${a_1:-3s}s", "${_:-}"} {
			if !pattern.MatchString(variable) {
				t.Errorf("%s: %s is not taken", name, variable)
			}
		}
		for _, none := range []string{"$", "$$", "${", "${1}", "${A", "{A}", "${A-b}"} {
			if pattern.MatchString(none) {
				t.Errorf("%s: %s is taken for a variable", name, none)
			}
		}
	}
}
