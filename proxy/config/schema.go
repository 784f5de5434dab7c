package config

import (
	"encoding/json"
	"io"
	"reflect"
)

// schema is a JSON Schema (draft 2020-12), or a part of one. Beside "$ref" it
// has nothing but remarks: editors drop other keys there.
type schema struct {
	Schema      string `json:"$schema,omitempty"`
	ID          string `json:"$id,omitempty"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	// Default is a JSON value; nil if there is none, json.RawMessage for null.
	Default any    `json:"default,omitempty"`
	Ref     string `json:"$ref,omitempty"`

	Type    kinds     `json:"type,omitempty"`
	Enum    []string  `json:"enum,omitempty"`
	AnyOf   []*schema `json:"anyOf,omitempty"`
	Pattern string    `json:"pattern,omitempty"`
	// PatternErrorMessage is what editors say in place of the pattern.
	PatternErrorMessage string   `json:"patternErrorMessage,omitempty"`
	MinLength           int      `json:"minLength,omitempty"`
	Minimum             *float64 `json:"minimum,omitempty"`
	ExclusiveMinimum    *float64 `json:"exclusiveMinimum,omitempty"`
	Maximum             *float64 `json:"maximum,omitempty"`

	MinItems int     `json:"minItems,omitempty"`
	Items    *schema `json:"items,omitempty"`

	MinProperties int                `json:"minProperties,omitempty"`
	Required      []string           `json:"required,omitempty"`
	Properties    map[string]*schema `json:"properties,omitempty"`
	// AdditionalProperties is false, or the schema of a map's values.
	AdditionalProperties any `json:"additionalProperties,omitempty"`

	Defs map[string]*schema `json:"$defs,omitempty"`
}

// kinds are the types of JSON values that a schema takes. What an editor
// proposes is the first.
type kinds []string

// MarshalJSON writes a single kind by itself.
func (k kinds) MarshalJSON() ([]byte, error) {
	if len(k) == 1 {
		return json.Marshal(k[0])
	}
	return json.Marshal([]string(k))
}

// WriteSchema writes the JSON Schema of the configuration: the keys that are
// known, the values that they take and what is built in, as far as a document
// can be judged key by key. It takes every document that [Load] takes. The error
// is that of w.
func WriteSchema(w io.Writer) error {
	defs := definitions{}
	root := defs.object(newValue(reflect.TypeFor[Config]()))
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.ID = "https://github.com/fender-proxy/fender/config.schema.json"
	root.Title = "Fender's configuration"
	root.Description = `Every key is documented in config.example.yaml. "fender check" knows more than this schema: ` +
		"what depends on other keys, on files and on variables."
	root.Defs = defs
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(root)
}

// definitions are the schemas of the types that have been met, by their names.
type definitions map[string]*schema

// define returns a reference to the definition of that name, which is made when
// it is met for the first time.
func (d definitions) define(name string, make func() *schema) *schema {
	if d[name] == nil {
		d[name] = &schema{} // met already, should it contain itself
		d[name] = make()
	}
	return &schema{Ref: "#/$defs/" + name}
}

// object returns the schema of a struct; v has its built-in values.
func (d definitions) object(v reflect.Value) *schema {
	s := &schema{Type: kinds{"object"}, Properties: map[string]*schema{}, AdditionalProperties: false}
	for _, f := range fieldsOf(v.Type()) {
		builtIn := v.FieldByIndex(f.index)
		p := d.value(builtIn, f)
		if required[f.name()] {
			s.Required = append(s.Required, f.key)
			p.require()
		}
		p.remark(f, builtIn)
		s.Properties[f.key] = p
	}
	return s
}

// block returns a reference to the schema of a struct. Null is a block without
// keys, or, where a pointer may point to it, one that is off.
func (d definitions) block(v reflect.Value, pointer bool) *schema {
	return d.define(v.Type().Name(), func() *schema {
		s := d.object(v)
		if pointer || len(s.Required) == 0 {
			s.Type = append(s.Type, "null")
		}
		return s
	})
}

// value returns the schema of a field, or of a part of one; v has its built-in
// value.
func (d definitions) value(v reflect.Value, f field) *schema {
	t := v.Type()
	switch {
	case isScalar(t):
		return d.scalar(t, f)
	case t.Kind() == reflect.Pointer:
		return d.block(newValue(t.Elem()), true)
	case t.Kind() == reflect.Struct:
		return d.block(v, false)
	}
	element := d.value(newValue(t.Elem()), f)
	if t.Kind() == reflect.Map {
		return &schema{Type: kinds{"object", "null"}, AdditionalProperties: element}
	}
	list := &schema{Type: kinds{"array", "null"}, Items: element}
	if f.scalar { // an element by itself: a text
		list.Type = append(list.Type, element.Type...)
	}
	return list
}

// require narrows s to values that are not empty.
func (s *schema) require() {
	if len(s.Type) == 0 {
		return
	}
	switch s.Type[0] {
	case "string":
		s.MinLength = 1
	case "array":
		s.Type, s.MinItems = kinds{"array"}, 1
	case "object":
		s.Type, s.MinProperties = kinds{"object"}, 1
	}
}

// required are the keys that must be there, and not empty, wherever the block is
// that they belong to. It can't be said of policies, which are merged.
var required = map[string]bool{
	"Config.upstreams": true,
	"Config.routes":    true,
	"Route.name":       true,
	"Route.upstream":   true,
	"Rule.as":          true,
	"Hint.header":      true,

	"Upstream.url":        true,
	"APIKey.header":       true,
	"APIKey.value_file":   true,
	"Bearer.token_file":   true,
	"Basic.username":      true,
	"Basic.password_file": true,
	"OAuth2.token_url":    true,
	"OAuth2.client_id":    true,
	"RateLimit.requests":  true,
}
