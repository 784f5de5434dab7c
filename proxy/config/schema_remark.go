package config

import (
	"encoding/json"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// remark adds what an editor shows about a key: what it is for, its range and
// its built-in value.
func (s *schema) remark(f field, builtIn reflect.Value) {
	sentences := []string{descriptions[f.name()]}
	if text := sayRange(f); text != "" {
		sentences = append(sentences, text)
	}
	if !required[f.name()] && f.hasBuiltIn(builtIn) {
		text := sayBuiltIn(builtIn)
		s.Default = jsonOf(text)
		sentences = append(sentences, "Built in: "+text+".")
	}
	s.Description = strings.TrimSpace(strings.Join(sentences, " "))
}

func sayRange(f field) string {
	b, ok := bounds[f.name()]
	switch low, high := sayNumber(b.low, f.typ), sayNumber(b.high, f.typ); {
	case !ok:
		return ""
	case b.above:
		return "Above " + low + ", at most " + high + "."
	default:
		return "From " + low + " to " + high + "."
	}
}

// hasBuiltIn reports whether v is a value that could be written in the field's
// stead: not a block, whose keys have their own, nor nothing at all.
func (f field) hasBuiltIn(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Bool, reflect.Pointer:
		return true
	case reflect.Int, reflect.Int64, reflect.Float64:
		return !v.IsZero() || !f.aboveZero()
	case reflect.Struct:
		return isScalar(v.Type()) && !v.IsZero()
	}
	return !v.IsZero()
}

// sayBuiltIn writes a value as it is configured.
func sayBuiltIn(v reflect.Value) string {
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		return "{}"
	}
	return (&Route{}).format("", v)
}

// jsonOf returns a value as it is configured for a [schema]. Text that is not
// YAML stands for itself.
func jsonOf(text string) any {
	var value any
	if yaml.Unmarshal([]byte(text), &value) != nil {
		return text
	}
	if value == nil {
		return json.RawMessage("null")
	}
	return value
}
