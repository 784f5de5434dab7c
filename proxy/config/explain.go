package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setting is one value of a route's effective policy.
type Setting struct {
	// Path is the key below the route: retry.backoff.initial.
	Path string
	// Value is written as it is configured; secrets are redacted.
	Value string
	// Origin is where it comes from: route, upstream, defaults or built in.
	Origin string
}

// Explain returns the route's effective policy value by value, in the order of
// the documentation. A block that is off is one value, null.
func (r *Route) Explain() []Setting {
	return r.explain(nil, reflect.ValueOf(r.Policy), "")
}

func (r *Route) explain(settings []Setting, v reflect.Value, path string) []Setting {
	for _, f := range fieldsOf(v.Type()) {
		fv, at := v.FieldByIndex(f.index), join(path, f.key)
		if fv.Kind() == reflect.Pointer && !fv.IsNil() {
			fv = fv.Elem()
		}
		switch {
		case fv.Kind() == reflect.Struct && !isScalar(fv.Type()):
			settings = r.explain(settings, fv, at)
		case fv.Kind() == reflect.Map && fv.Len() > 0:
			for _, key := range slices.Sorted(maps.Keys(fv.Interface().(map[string]string))) {
				settings = append(settings, r.setting(join(at, key), fv.MapIndex(reflect.ValueOf(key))))
			}
		default:
			settings = append(settings, r.setting(at, fv))
		}
	}
	return settings
}

func (r *Route) setting(path string, v reflect.Value) Setting {
	s := Setting{Path: path, Value: r.format(path, v), Origin: layerBuiltIn}
	if from, ok := r.origins[path]; ok {
		s.Origin = from.layer
	}
	return s
}

// format writes the value at path as it is configured. Of a value that comes
// from a variable the reference is written: what it stands for may be a secret.
func (r *Route) format(path string, v reflect.Value) string {
	if raw := r.origins[path].raw; strings.Contains(raw, "${") {
		return formatText(raw)
	}
	switch value := v.Interface().(type) {
	case time.Duration:
		return sayDuration(value)
	case time.Time:
		return value.Format(time.RFC3339)
	case fmt.Stringer:
		return formatText(value.String())
	}
	switch v.Kind() {
	case reflect.Slice:
		elements := make([]string, v.Len())
		for i := range elements {
			elements[i] = r.format(element(path, i), v.Index(i))
		}
		return "[" + strings.Join(elements, ", ") + "]"
	case reflect.Struct:
		return r.formatStruct(path, v)
	case reflect.String:
		return formatText(v.String())
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case reflect.Pointer: // an open one is formatted by what it points to
		return "null"
	case reflect.Map: // nor is there an entry
		return "{}"
	}
	return fmt.Sprint(v.Interface())
}

// formatStruct writes an element of a list, without what is not set.
func (r *Route) formatStruct(path string, v reflect.Value) string {
	var parts []string
	for _, f := range fieldsOf(v.Type()) {
		if fv := v.FieldByIndex(f.index); !fv.IsZero() {
			parts = append(parts, f.key+": "+r.format(join(path, f.key), fv))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

var plainText = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._/;=+-]*$`)

// formatText quotes a text unless it is plain.
func formatText(s string) string {
	if plainText.MatchString(s) && !strings.HasSuffix(s, " ") {
		return s
	}
	if !strings.ContainsAny(s, "'\n\r\t") && s != "" {
		return "'" + s + "'"
	}
	return strconv.Quote(s)
}

// sayDuration writes a duration without the zero units of its String.
func sayDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
