package config

import (
	"encoding"
	"reflect"
	"strings"
	"sync"
	"time"
)

// field is one key of a struct in the document.
type field struct {
	key string
	// owner is the name of the struct type that declares the field.
	owner string
	index []int
	typ   reflect.Type
	// scalar lets a single scalar stand for a list of one.
	scalar bool
}

// name identifies the field in the tables of bounds and of keys not yet in
// force: RetryPolicy.max_retries.
func (f field) name() string { return f.owner + "." + f.key }

var fieldCache sync.Map // reflect.Type → []field

// fieldsOf returns the keys of a struct type in the order of its declaration,
// those of inlined structs in their place.
func fieldsOf(t reflect.Type) []field {
	if cached, ok := fieldCache.Load(t); ok {
		return cached.([]field)
	}
	var fields []field
	for i := range t.NumField() {
		sf := t.Field(i)
		key, option, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		switch {
		case option == "inline":
			for _, f := range fieldsOf(sf.Type) {
				f.index = append([]int{i}, f.index...)
				fields = append(fields, f)
			}
		case key != "" && key != "-":
			fields = append(fields, field{
				key: key, owner: t.Name(), index: []int{i}, typ: sf.Type, scalar: option == "scalar",
			})
		}
	}
	fieldCache.Store(t, fields)
	return fields
}

// fieldNamed returns the field of a struct type with the key.
func fieldNamed(t reflect.Type, key string) (field, bool) {
	for _, f := range fieldsOf(t) {
		if f.key == key {
			return f, true
		}
	}
	return field{}, false
}

// walk calls visit for every key that can be reached from the struct type t, in
// document order. The container is the generic path of the map that holds the
// key: "" at the top, "upstreams.*", "routes[].retry.backoff".
func walk(t reflect.Type, container string, visit func(container string, f field)) {
	for _, f := range fieldsOf(t) {
		visit(container, f)
		path := strings.TrimPrefix(container+"."+f.key, ".")
		inner := f.typ
		for {
			switch {
			case isScalar(inner):
			case inner.Kind() == reflect.Pointer:
				inner = inner.Elem()
				continue
			case inner.Kind() == reflect.Map:
				inner, path = inner.Elem(), path+".*"
				continue
			case inner.Kind() == reflect.Slice:
				inner, path = inner.Elem(), path+"[]"
				continue
			case inner.Kind() == reflect.Struct:
				walk(inner, path, visit)
			}
			break
		}
	}
}

var (
	durationType  = reflect.TypeFor[time.Duration]()
	timeType      = reflect.TypeFor[time.Time]()
	secretType    = reflect.TypeFor[Secret]()
	unmarshalType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// isScalar reports whether a value of type t is written as one scalar.
func isScalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		return true
	case reflect.Pointer:
		return false
	default:
		return reflect.PointerTo(t).Implements(unmarshalType)
	}
}

// newValue returns a settable value of type t that has its built-in values.
func newValue(t reflect.Type) reflect.Value {
	v := reflect.New(t)
	if d, ok := reflect.TypeAssert[interface{ SetDefaults() }](v); ok {
		d.SetDefaults()
	}
	return v.Elem()
}
