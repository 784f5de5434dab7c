package config

import (
	"encoding"
	"reflect"
	"strings"

	"github.com/fender-proxy/fender/policy"
)

// The patterns of texts, in what the regular expressions of Go and of
// ECMAScript have in common. Any value may come from a variable.
const (
	variablePattern = `\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}`

	unit            = `(ns|us|[µμ]s|ms|s|m|h)`
	timePattern     = `([0-9]+(\.[0-9]*)?|\.[0-9]+)` + unit
	someTimePattern = `([0-9]*[1-9][0-9]*(\.[0-9]*)?|[0-9]*\.[0-9]*[1-9][0-9]*)` + unit

	statusPattern = `[1-5][0-9][0-9]`
	datePattern   = `[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})`
)

func orVariable(pattern string) string { return "^" + pattern + "$|" + variablePattern }

// scalars are the schemas of scalars that don't depend on the field. Those above
// zero are for fields whose bounds leave zero out.
var scalars = definitions{
	"variable": {
		Type: kinds{"string"}, Pattern: variablePattern,
		PatternErrorMessage: `not a variable (write "${NAME}")`,
	},
	"boolean": {
		Type: kinds{"boolean", "string"}, Pattern: variablePattern,
		PatternErrorMessage: "must be true or false, without quotes",
	},
	"duration": {
		Type: kinds{"string"}, Pattern: orVariable(`\+?(` + timePattern + ")+"),
		PatternErrorMessage: "not a duration (write 250ms, 3s or 1m30s)",
	},
	"duration_above_zero": {
		Type: kinds{"string"}, Pattern: orVariable(`\+?(` + timePattern + ")*" + someTimePattern + "(" + timePattern + ")*"),
		PatternErrorMessage: "not a duration above 0s (write 250ms, 3s or 1m30s)",
	},
	"size": {
		AnyOf: []*schema{
			{
				Type: kinds{"string"}, Pattern: orVariable("(0|[0-9]+(B|KiB|MiB|GiB))"),
				PatternErrorMessage: "not a size (write 64KiB, 1MiB or 0)",
			},
			{Type: kinds{"integer"}, Minimum: new(0.0), Maximum: new(0.0)},
		},
	},
	"size_above_zero": {
		Type: kinds{"string"}, Pattern: orVariable("[0-9]*[1-9][0-9]*(B|KiB|MiB|GiB)"),
		PatternErrorMessage: "not a size above 0 (write 64KiB or 1MiB)",
	},
	"status": {
		Type: kinds{"integer", "string"}, Pattern: orVariable(statusPattern + "(-" + statusPattern + ")?"),
		PatternErrorMessage: `not a status (write 503 or "500-599", from 100 to 599)`,
		Minimum:             new(100.0), Maximum: new(599.0),
	},
	"time": {
		Type: kinds{"string"}, Pattern: orVariable(datePattern),
		PatternErrorMessage: "not a time (write 2026-12-01T04:00:00Z)",
	},
}

// known returns a reference to one of scalars.
func (d definitions) known(name string) *schema {
	return d.define(name, func() *schema { return scalars[name] })
}

// scalar returns the schema of a scalar type in a field.
func (d definitions) scalar(t reflect.Type, f field) *schema {
	size := ""
	if f.aboveZero() {
		size = "_above_zero"
	}
	switch t {
	case durationType:
		return d.known("duration" + size)
	case reflect.TypeFor[policy.Size]():
		return d.known("size" + size)
	case timeType:
		return d.known("time")
	case reflect.TypeFor[policy.StatusRange]():
		return d.known("status")
	case reflect.TypeFor[policy.Condition]():
		return d.define(t.Name(), func() *schema {
			return &schema{AnyOf: []*schema{{Enum: valuesOf(t)}, d.known("status")}}
		})
	case secretType, reflect.TypeFor[string]():
		return d.text(choices[f.name()])
	}
	switch t.Kind() {
	case reflect.Bool:
		return d.known("boolean")
	case reflect.Int:
		return number("integer", "must be a whole number, without quotes", f)
	case reflect.Float64:
		return number("number", "must be a number, without quotes", f)
	}
	return d.define(t.Name(), func() *schema { return d.text(valuesOf(t)) })
}

// text returns the schema of a text that is one of the values; of any text if
// there are none.
func (d definitions) text(values []string) *schema {
	if len(values) == 0 {
		return &schema{Type: kinds{"string"}}
	}
	return &schema{AnyOf: []*schema{{Enum: values}, d.known("variable")}}
}

// number returns the schema of a number within the bounds of its field.
func number(kind, complaint string, f field) *schema {
	s := &schema{Type: kinds{kind, "string"}, Pattern: variablePattern, PatternErrorMessage: complaint}
	b, ok := bounds[f.name()]
	switch {
	case !ok:
		return s
	case b.above:
		s.ExclusiveMinimum = &b.low
	default:
		s.Minimum = &b.low
	}
	s.Maximum = &b.high
	return s
}

// aboveZero reports whether the bounds of a field leave zero out.
func (f field) aboveZero() bool {
	b := bounds[f.name()]
	return b.above || b.low > 0
}

// choices are the values of texts that have no type of their own.
var choices = map[string][]string{
	"Log.level":  {"debug", "info", "warn", "error"},
	"Log.format": {"json", "text"},
}

// valuesOf returns the texts of a type that reads a fixed set, as its error
// lists them.
func valuesOf(t reflect.Type) []string {
	read, ok := reflect.TypeAssert[encoding.TextUnmarshaler](reflect.New(t))
	if !ok {
		return nil
	}
	err := read.UnmarshalText(nil)
	if err == nil {
		return nil
	}
	_, list, _ := strings.Cut(strings.TrimSuffix(err.Error(), ")"), "(one of ")
	var values []string
	for value := range strings.SplitSeq(list, ", ") {
		if read.UnmarshalText([]byte(value)) == nil {
			values = append(values, value)
		}
	}
	return values
}
