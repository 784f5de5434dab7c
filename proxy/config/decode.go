package config

import (
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// decode reads n into v, which has been given its built-in values or those of
// the layers below.
func (d *decoder) decode(n *yaml.Node, v reflect.Value, p place, f field) bool {
	if d.exhausted() {
		return false
	}
	if n.Style&yaml.TaggedStyle != 0 && !slices.Contains(coreTags, n.Tag) {
		return d.reject(p, "a YAML tag is not understood here", "quote a value that begins with !")
	}
	switch {
	case v.Kind() == reflect.Pointer:
		return d.decodePointer(n, v, p, f)
	case isScalar(v.Type()):
		return d.decodeScalar(n, v, p, f)
	case v.Kind() == reflect.Struct:
		return d.decodeStruct(n, v, p)
	case v.Kind() == reflect.Map:
		return d.decodeMap(n, v, p, f)
	default:
		return d.decodeList(n, v, p, f)
	}
}

var coreTags = []string{"!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq", "!!timestamp"}

// decodePointer reads a block that is off as null and on as a map.
func (d *decoder) decodePointer(n *yaml.Node, v reflect.Value, p place, f field) bool {
	if isNull(n) {
		d.record(p, true)
		v.SetZero()
		return true
	}
	block := newValue(v.Type().Elem()).Addr()
	if !v.IsNil() {
		block.Elem().Set(v.Elem())
	}
	if !d.decode(n, block.Elem(), p, f) {
		return false
	}
	v.Set(block)
	return true
}

func (d *decoder) decodeStruct(n *yaml.Node, v reflect.Value, p place) bool {
	if !d.expect(n, yaml.MappingNode, "a map", p) {
		return false
	}
	d.record(p, false)
	switch v.Type() {
	case reflect.TypeFor[Policy](), reflect.TypeFor[Route]():
		if d.layer == "" {
			d.blocks[p.path] = n
		}
	}
	for _, e := range d.entries(n, p.path) {
		f, ok := fieldNamed(v.Type(), e.key)
		if !ok {
			d.unknownKey(e, v.Type(), p.path)
			continue
		}
		at := e.place(join(p.path, f.key))
		fv := v.FieldByIndex(f.index)
		before := fv.Interface()
		if d.decode(e.node, fv, at, f) && d.layer == "" {
			d.checkBound(fv, at, f)
			d.checkInForce(fv, before, placeOf(e.name, at.path), f)
		}
	}
	return true
}

func (d *decoder) unknownKey(e entry, t reflect.Type, path string) {
	if d.layer != "" {
		return
	}
	hint, meant := unknownHint(e.key, t)
	key := d.sayKey(e.key, path)
	if meant != "" {
		key = " " + quote(e.key)
		d.bad[join(path, meant)] = true
	}
	d.problem(placeOf(e.name, path), "unknown key"+key, hint)
}

// decodeMap reads a map over the one that is there.
func (d *decoder) decodeMap(n *yaml.Node, v reflect.Value, p place, f field) bool {
	if !d.expect(n, yaml.MappingNode, "a map", p) {
		return false
	}
	d.record(p, false)
	merged := reflect.MakeMap(v.Type())
	for it := v.MapRange(); it.Next(); {
		merged.SetMapIndex(it.Key(), it.Value())
	}
	for _, e := range d.entries(n, p.path) {
		value := newValue(v.Type().Elem())
		if isScalar(value.Type()) && isNull(e.node) {
			// The key alone may be a misplaced secret, so it is not shown.
			d.problem(e.place(p.path), "a key without a value", "")
			continue
		}
		at := e.place(join(p.path, e.key))
		if d.decode(e.node, value, at, f) || value.Kind() == reflect.Struct {
			merged.SetMapIndex(reflect.ValueOf(e.key), value)
		}
	}
	v.Set(merged)
	return true
}

// decodeList reads a list in the place of the one that is there.
func (d *decoder) decodeList(n *yaml.Node, v reflect.Value, p place, f field) bool {
	nodes := n.Content
	single := f.scalar && n.Kind == yaml.ScalarNode && !isNull(n)
	if single {
		nodes = []*yaml.Node{n}
	} else if !d.expect(n, yaml.SequenceNode, "a list", p) {
		return false
	}
	d.record(p, true)
	list := reflect.MakeSlice(v.Type(), 0, min(len(nodes), 64))
	whole := true
	for i, node := range nodes {
		if d.exhausted() {
			return false
		}
		node = d.follow(node)
		at := placeOf(node, p.path)
		if !single {
			at.path = element(p.path, i)
		}
		value := newValue(v.Type().Elem())
		whole = d.decode(node, value, at, f) && whole
		list = reflect.Append(list, value)
	}
	if !whole && isScalar(v.Type().Elem()) {
		return false
	}
	v.Set(list)
	return true
}

// expect reports whether n is of the kind; null is an empty one.
func (d *decoder) expect(n *yaml.Node, kind yaml.Kind, want string, p place) bool {
	if n.Kind == kind || isNull(n) {
		return true
	}
	hint := ""
	if kind == yaml.SequenceNode && n.Kind == yaml.ScalarNode && d.mayQuote(n.Value, p.path) && !strings.ContainsAny(n.Value, "\n") {
		hint = "write [" + n.Value + "]"
	}
	return d.reject(p, "must be "+want+", not "+kindOf(n), hint)
}
