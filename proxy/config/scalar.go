package config

import (
	"encoding"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fender-proxy/fender/policy"
	"gopkg.in/yaml.v3"
)

// decodeScalar reads a scalar, its variables expanded, into v.
func (d *decoder) decodeScalar(n *yaml.Node, v reflect.Value, p place, f field) bool {
	want := wanted(v.Type())
	switch {
	case n.Kind != yaml.ScalarNode:
		return d.reject(p, "must be "+want+", not "+kindOf(n), "")
	case isNull(n):
		hint := "leave the key out for its built-in value"
		if strings.HasSuffix(p.path, "]") {
			hint = ""
		}
		return d.reject(p, "must be "+want+", not null", hint)
	}
	text, unset, err := expand(n.Value, d.lookup)
	if err != nil {
		return d.reject(p, err.Error(), `write "$$" for a dollar sign`)
	}
	if len(unset) > 0 && d.options.NoSecrets {
		// What it will be is not known, so nothing that depends on it is checked.
		d.bad[p.path] = true
		if t := v.Type(); t == secretType || t.Kind() == reflect.String {
			d.set(v, text, f)
		}
		d.record(p, false)
		return true
	}
	for _, name := range unset {
		d.reject(p, "variable "+name+" is not set", "set it, or write ${"+name+":-default}")
	}
	if len(unset) > 0 {
		return false
	}
	tag := n.Tag
	if text != n.Value {
		tag = "" // a variable may stand for a value of any kind
	}
	if complaint, hint := d.read(v, text, tag, f); complaint != "" {
		value := "the value"
		if d.mayQuote(n.Value, p.path) && v.Type() != secretType {
			value = quote(n.Value)
			if n.Tag != "!!str" {
				value = n.Value
			}
		}
		if value != text {
			// The hint may show the text itself: not if it is a secret, or comes
			// from a variable.
			hint = strings.NewReplacer(": TEXT", "", `: "TEXT"`, "", "TEXTs", "it with a unit, as in 3s").Replace(hint)
		}
		hint = strings.ReplaceAll(hint, "TEXT", text)
		return d.reject(p, strings.ReplaceAll(complaint, "VALUE", value), hint)
	}
	d.record(p, false)
	return true
}

func (d *decoder) lookup(name string) (string, bool) { return d.options.LookupEnv(name) }

// wanted says what a scalar of the type is.
func wanted(t reflect.Type) string {
	switch t {
	case durationType:
		return "a duration"
	case timeType:
		return "a time"
	case reflect.TypeFor[policy.Size]():
		return "a size"
	case reflect.TypeFor[policy.StatusRange]():
		return "a status"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	}
	return "text"
}

var (
	wholeNumber   = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
	decimalNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)
)

// read sets v to text, which was tagged by YAML, or is of any kind if the tag is
// empty. It returns what is wrong, with VALUE for the text as it was written,
// and what to do about it, with TEXT for the text itself.
func (d *decoder) read(v reflect.Value, text, tag string, f field) (complaint, hint string) {
	number := tag == "!!int" || tag == "!!float"
	switch t := v.Type(); {
	case t == durationType:
		return readDuration(v, text)
	case t == timeType:
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return "VALUE is not a time", "write 2026-12-01T04:00:00Z"
		}
		v.Set(reflect.ValueOf(at))
		return "", ""
	case t == secretType || t == reflect.TypeFor[string]():
		switch {
		case number && f.key == "listen":
			return "must be text", `write "127.0.0.1:TEXT" or ":TEXT"`
		case number || tag == "!!bool":
			return "must be text", `put it in quotes: "TEXT"`
		}
		d.set(v, text, f)
		return "", ""
	case v.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return "VALUE is not true or false", ""
		}
		if tag != "" && tag != "!!bool" {
			return "VALUE is text", "write it without quotes"
		}
		v.SetBool(text == "true")
		return "", ""
	case v.Kind() == reflect.Int && t.PkgPath() == "":
		return readInt(v, text, tag)
	case v.Kind() == reflect.Float64:
		return readFloat(v, text, tag)
	}
	if number && !decimalNumber.MatchString(text) {
		return "VALUE is not a plain decimal number", ""
	}
	return readText(v, text)
}

// set sets a text or secret. The path of a file is relative to the document's
// directory.
func (d *decoder) set(v reflect.Value, text string, f field) {
	if v.Type() == secretType {
		v.Set(reflect.ValueOf(NewSecret(text)))
		return
	}
	if strings.HasSuffix(f.key, "_file") && text != "" && !filepath.IsAbs(text) {
		text = filepath.Join(d.dir, text)
	}
	v.SetString(text)
}

func readDuration(v reflect.Value, text string) (complaint, hint string) {
	if wholeNumber.MatchString(text) {
		return "VALUE has no unit", "write TEXTs"
	}
	duration, err := time.ParseDuration(text)
	if err != nil {
		return "VALUE is not a duration", "write 250ms, 3s or 1m30s"
	}
	v.SetInt(int64(duration))
	return "", ""
}

func readInt(v reflect.Value, text, tag string) (complaint, hint string) {
	if tag == "!!str" && wholeNumber.MatchString(text) {
		return "VALUE is text", "write it without quotes"
	}
	n, err := strconv.Atoi(text)
	if !wholeNumber.MatchString(text) {
		return "VALUE is not a whole number", "write it in plain digits"
	}
	if err != nil {
		return "VALUE is too large", ""
	}
	v.SetInt(int64(n))
	return "", ""
}

func readFloat(v reflect.Value, text, tag string) (complaint, hint string) {
	if tag == "!!str" && decimalNumber.MatchString(text) {
		return "VALUE is text", "write it without quotes"
	}
	n, err := strconv.ParseFloat(text, 64)
	if !decimalNumber.MatchString(text) || err != nil {
		return "VALUE is not a number", "write it as 0.5"
	}
	v.SetFloat(n)
	return "", ""
}

// readText reads a type that knows its own text. Its errors end with a hint in
// parentheses and do not quote the text.
func readText(v reflect.Value, text string) (complaint, hint string) {
	read, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr())
	if !ok {
		return "a " + v.Type().String() + " can't be configured", ""
	}
	err := read.UnmarshalText([]byte(text))
	if err == nil {
		return "", ""
	}
	complaint, hint, _ = strings.Cut(err.Error(), " (")
	hint = strings.TrimSuffix(hint, ")")
	if strings.HasPrefix(complaint, "not ") {
		return "VALUE is " + complaint, hint
	}
	return complaint + ": VALUE", hint
}
