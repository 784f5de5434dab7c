package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

const example = "../../config.example.yaml"

// TestTablesNameFields holds that the tables of bounds and of keys not yet in
// force name fields that there are, and that every number has its bounds.
func TestTablesNameFields(t *testing.T) {
	fields := map[string]field{}
	walk(reflect.TypeFor[Config](), "", func(_ string, f field) { fields[f.name()] = f })
	for name := range bounds {
		if _, ok := fields[name]; !ok {
			t.Errorf("bounds: there is no field %s", name)
		}
	}
	for name := range notYet {
		if _, ok := fields[name]; !ok {
			t.Errorf("notYet: there is no field %s", name)
		}
	}
	for name, f := range fields {
		number := f.typ == durationType || f.typ.Kind() == reflect.Int || f.typ.Kind() == reflect.Float64
		if _, ok := bounds[name]; number && !ok {
			t.Errorf("%s has no bounds", name)
		}
	}
}

// TestBuiltInValuesAreInBounds holds that what is built in could be configured.
func TestBuiltInValuesAreInBounds(t *testing.T) {
	walk(reflect.TypeFor[Config](), "", func(container string, f field) {
		inner := structIn(f.typ)
		if inner == nil {
			return
		}
		v := newValue(inner)
		for _, g := range fieldsOf(inner) {
			// Zero is set by nobody: it is completed, or has to be configured.
			fv := v.FieldByIndex(g.index)
			if b, ok := bounds[g.name()]; ok && !fv.IsZero() {
				d := &decoder{report: &report{bad: map[string]bool{}}}
				d.checkBound(fv, place{}, g)
				if len(d.problems) > 0 {
					t.Errorf("%s.%s.%s: %v is not in %v", container, f.key, g.key, fv, b)
				}
			}
		}
	})
}

// TestEveryKeyIsSnakeCase holds that no key is one that YAML 1.1 takes for a
// boolean, nor in another style.
func TestEveryKeyIsSnakeCase(t *testing.T) {
	snake := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	walk(reflect.TypeFor[Config](), "", func(container string, f field) {
		switch {
		case !snake.MatchString(f.key):
			t.Errorf("%s.%s is not in snake case", container, f.key)
		case strings.Contains(" y n yes no on off true false null ", " "+f.key+" "):
			t.Errorf("%s.%s is a boolean to YAML 1.1", container, f.key)
		}
	})
}

// TestExampleNamesEveryKey holds that the example documents every key, if only
// in a comment.
func TestExampleNamesEveryKey(t *testing.T) {
	at := settingsOf(t, uncomment(t))
	policies := regexp.MustCompile(`^(defaults|upstreams\.\*\.policy)(\.|$)`)
	walk(reflect.TypeFor[Config](), "", func(container string, f field) {
		if policies.MatchString(container) {
			return // documented with the routes
		}
		if path := strings.TrimPrefix(container+"."+f.key, "."); !at[path] {
			t.Errorf("config.example.yaml does not name %s", path)
		}
	})
}

// TestExampleSettingsInCommentsAreValid holds that a setting in a comment works
// when its # is taken away.
func TestExampleSettingsInCommentsAreValid(t *testing.T) {
	_, err := Parse("config.example.yaml", uncomment(t), Options{NoSecrets: true, LookupEnv: noEnv})
	var got []string
	if err != nil {
		got = strings.Split(err.Error(), "\n")
	}
	want := []string{ // the alternatives that exclude each other
		"upstreams.crm.auth.bearer: auth has api_key already",
		"upstreams.crm.auth.oauth2: token_url is missing",
		"upstreams.crm.auth.oauth2: client_id is missing",
		"upstreams.crm.auth.oauth2: client_secret is missing",
		"upstreams.crm.headers.X-API-Key: auth.api_key sets this header too",
		"upstreams.genesys.headers.Authorization: auth.oauth2 sets this header too",
		"upstreams.genesys.auth.oauth2.client_secret_file: there is a client_secret already",
		"fallback.body_file: body and body_file are both given",
	}
	for _, line := range got {
		known := false
		for _, w := range want {
			known = known || strings.Contains(line, w)
		}
		if !known {
			t.Errorf("got %s", line)
		}
	}
}

func noEnv(string) (string, bool) { return "", false }

// uncomment returns the example with its settings in comments in force: the
// lines whose # has no blank after it.
func uncomment(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^( *)#([^ \n#])`).ReplaceAll(data, []byte("$1$2"))
}

// settingsOf returns the generic paths of the keys in a document.
func settingsOf(t *testing.T, data []byte) map[string]bool {
	t.Helper()
	root, problem := parseYAML("config.example.yaml", data)
	if problem != nil {
		t.Fatal(problem)
	}
	d := newDecoder("config.example.yaml", root, Options{NoSecrets: true, LookupEnv: noEnv})
	var c Config
	c.SetDefaults()
	d.decode(root, reflect.ValueOf(&c).Elem(), placeOf(root, ""), field{})
	at := map[string]bool{}
	for path := range d.at {
		path = regexp.MustCompile(`\[\d+\]`).ReplaceAllString(path, "[]")
		at[regexp.MustCompile(`^upstreams\.[a-z]+`).ReplaceAllString(path, "upstreams.*")] = true
	}
	return at
}
