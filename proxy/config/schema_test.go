package config

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// written is the schema as its readers see it.
type written map[string]any

func writtenSchema(t *testing.T) written {
	t.Helper()
	var b bytes.Buffer
	if err := WriteSchema(&b); err != nil {
		t.Fatal(err)
	}
	var w written
	if err := json.Unmarshal(b.Bytes(), &w); err != nil {
		t.Fatal(err)
	}
	return w
}

// follow returns a part of the schema, or the definition that it refers to.
func (w written) follow(t *testing.T, part any) written {
	t.Helper()
	object, ok := part.(map[string]any)
	if !ok {
		t.Fatalf("got %v, want a schema", part)
	}
	ref, ok := object["$ref"].(string)
	if !ok {
		return object
	}
	return w.follow(t, w["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")])
}

// at returns the schema of the map at a generic path, as that of [walk].
func (w written) at(t *testing.T, path string) written {
	t.Helper()
	node := w
	for segment := range strings.SplitSeq(path, ".") {
		key, list := strings.CutSuffix(segment, "[]")
		switch {
		case path == "":
			return node
		case key == "*":
			node = w.follow(t, node["additionalProperties"])
		default:
			node = w.follow(t, node["properties"].(map[string]any)[key])
		}
		if list {
			node = w.follow(t, node["items"])
		}
	}
	return node
}

// TestSchemaHasEveryKey holds that the schema knows each key of the document at
// its place, with a description, and no other.
func TestSchemaHasEveryKey(t *testing.T) {
	w := writtenSchema(t)
	keys := map[string][]string{}
	walk(reflect.TypeFor[Config](), "", func(container string, f field) {
		keys[container] = append(keys[container], f.key)
		if descriptions[f.name()] == "" {
			t.Errorf("%s has no description", f.name())
		}
	})
	for container, want := range keys {
		node := w.at(t, container)
		slices.Sort(want)
		if got := slices.Sorted(maps.Keys(node["properties"].(map[string]any))); !slices.Equal(got, want) {
			t.Errorf("%q: got keys %q, want %q", container, got, want)
		}
		if node["additionalProperties"] != false {
			t.Errorf("%q takes keys that are unknown", container)
		}
	}
}

// TestSchemaTablesNameFields holds that the tables of the schema name fields
// that there are, and that no struct is both a block that may be null and one
// that may not: it is defined once.
func TestSchemaTablesNameFields(t *testing.T) {
	names, pointers, values, withRequired := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	walk(reflect.TypeFor[Config](), "", func(_ string, f field) {
		names[f.name()] = true
		if required[f.name()] {
			withRequired[f.owner] = true
		}
		inner := f.typ
		for inner.Kind() == reflect.Map || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Pointer {
			pointers[inner.Elem().Name()] = true
		} else {
			values[inner.Name()] = true
		}
	})
	for _, table := range [][]string{
		slices.Collect(maps.Keys(required)), slices.Collect(maps.Keys(choices)), slices.Collect(maps.Keys(descriptions)),
	} {
		for _, name := range table {
			if !names[name] {
				t.Errorf("there is no field %s", name)
			}
		}
	}
	for name := range withRequired {
		if pointers[name] && values[name] {
			t.Errorf("%s is needed in one place and may be null in another", name)
		}
	}
}

// TestSchemaDefinitionsAreUsed holds that every reference has its definition,
// and every definition its reference, with nothing but remarks beside it.
func TestSchemaDefinitionsAreUsed(t *testing.T) {
	w := writtenSchema(t)
	used := map[string]bool{}
	var visit func(part any)
	visit = func(part any) {
		switch part := part.(type) {
		case []any:
			for _, element := range part {
				visit(element)
			}
		case map[string]any:
			if ref, ok := part["$ref"].(string); ok {
				used[strings.TrimPrefix(ref, "#/$defs/")] = true
				for key := range part {
					if key != "$ref" && key != "description" && key != "default" {
						t.Errorf("%s has %s beside it", ref, key)
					}
				}
			}
			for _, value := range part {
				visit(value)
			}
		}
	}
	visit(map[string]any(w))
	got, want := slices.Sorted(maps.Keys(w["$defs"].(map[string]any))), slices.Sorted(maps.Keys(used))
	if !slices.Equal(got, want) {
		t.Errorf("got definitions %q, want those that are used: %q", got, want)
	}
}

func TestSchemaIsAlwaysTheSame(t *testing.T) {
	var first, second bytes.Buffer
	if err := WriteSchema(&first); err != nil {
		t.Fatal(err)
	}
	if err := WriteSchema(&second); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() {
		t.Errorf("got\n%s\nand then\n%s", &first, &second)
	}
}

// TestSchemaDefaultsAreWhatIsBuiltIn reads each default as if it were written in
// a document: it is the value that the key has without it.
func TestSchemaDefaultsAreWhatIsBuiltIn(t *testing.T) {
	w := writtenSchema(t)
	found := 0
	var visit func(path string, v reflect.Value)
	visit = func(path string, v reflect.Value) {
		for _, f := range fieldsOf(v.Type()) {
			at, builtIn := strings.TrimPrefix(path+"."+f.key, "."), v.FieldByIndex(f.index)
			property := w.at(t, path)["properties"].(map[string]any)[f.key].(map[string]any)
			if text, ok := property["default"]; ok {
				found++
				if got := decoded(t, text, f); !reflect.DeepEqual(got.Interface(), builtIn.Interface()) {
					t.Errorf("%s: got %v from the default %v, want %v", at, got, text, builtIn)
				}
			}
			inner := f.typ
			switch {
			case isScalar(inner):
			case inner.Kind() == reflect.Struct:
				visit(at, builtIn)
			case inner.Kind() == reflect.Pointer:
				visit(at, newValue(inner.Elem()))
			case structIn(inner.Elem()) == nil:
			case inner.Kind() == reflect.Map:
				visit(at+".*", newValue(inner.Elem()))
			default:
				visit(at+"[]", newValue(inner.Elem()))
			}
		}
	}
	visit("", newValue(reflect.TypeFor[Config]()))
	if found < 100 {
		t.Errorf("got %d defaults, want at least 100", found)
	}
}

// decoded returns what the decoder makes of a value in a field.
func decoded(t *testing.T, value any, f field) reflect.Value {
	t.Helper()
	data, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	v := reflect.New(f.typ).Elem()
	d := newDecoder("default", doc.Content[0], Options{LookupEnv: noEnv})
	d.decode(doc.Content[0], v, place{path: f.key}, f)
	d.checkBound(v, place{path: f.key}, f)
	if len(d.problems) > 0 {
		t.Errorf("%s: %v", f.name(), d.problems)
	}
	return v
}
