package config

import (
	"fmt"
	"strconv"

	"gopkg.in/yaml.v3"
)

// maxValues bounds the values that are read, aliases followed and policies merged,
// so that a small file can't keep us busy for long.
const maxValues = 400_000

// entry is one key of a map with its value, aliases followed.
type entry struct {
	key        string
	name, node *yaml.Node
}

// place is that of the entry's value, or of its key if the value is left out.
func (e entry) place(path string) place {
	p := placeOf(e.node, path)
	if e.node.Kind == yaml.ScalarNode && e.node.Value == "" && e.node.Style == 0 {
		p.line, p.col = e.name.Line, e.name.Column
	}
	return p
}

func placeOf(n *yaml.Node, path string) place {
	p := place{line: n.Line, col: n.Column, path: path}
	if n.Kind == yaml.ScalarNode {
		p.raw = n.Value
	}
	return p
}

// follow returns the node that n stands for, counting it.
func (d *decoder) follow(n *yaml.Node) *yaml.Node {
	*d.values++
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// exhausted reports whether the document is too large to go on.
func (d *decoder) exhausted() bool { return *d.values > maxValues }

// entries returns the keys of the map n in the order of the file; those merged
// in by << come last, unless the map has the key itself.
func (d *decoder) entries(n *yaml.Node, path string) []entry {
	if d.merging[n] {
		d.problem(placeOf(n, path), "a map that is merged into itself", "")
		return nil
	}
	d.merging[n] = true
	defer delete(d.merging, n)

	var own []entry
	var merged *yaml.Node
	first := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content) && !d.exhausted(); i += 2 {
		name := d.follow(n.Content[i])
		node := d.follow(n.Content[i+1])
		at := placeOf(name, path)
		if name.Kind != yaml.ScalarNode || isNull(name) {
			d.problem(at, "a key that is not text", "")
			continue
		}
		if earlier := first[name.Value]; earlier != nil {
			d.problem(at, "duplicate key"+d.sayKey(name.Value, path), "first on line "+strconv.Itoa(earlier.Line))
			continue
		}
		first[name.Value] = name
		if name.Tag == "!!merge" {
			merged = node
			continue
		}
		own = append(own, entry{name.Value, name, node})
	}
	if merged == nil {
		return own
	}
	for _, e := range d.mergedEntries(merged, path) {
		if first[e.key] == nil {
			first[e.key] = e.name
			own = append(own, e)
		}
	}
	return own
}

// mergedEntries returns the keys of the value of a << key: a map, or a list of
// maps, the earlier of which win.
func (d *decoder) mergedEntries(n *yaml.Node, path string) []entry {
	maps := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		maps = n.Content
	}
	var all []entry
	for _, m := range maps {
		if d.exhausted() {
			return nil
		}
		if m = d.follow(m); m.Kind != yaml.MappingNode {
			d.problem(placeOf(m, path), `"<<" needs a map`, "")
			continue
		}
		all = append(all, d.entries(m, path)...)
	}
	return all
}

// sayKey quotes a key of the map at path, unless it may be a secret that was
// written in the wrong place.
func (d *decoder) sayKey(key, path string) string {
	if holdsSecrets(path) && len(containers()[key]) == 0 {
		return ""
	}
	return fmt.Sprintf(" %s", quote(key))
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// kindOf says what a node is.
func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a map"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "null"
	case n.Tag == "!!int", n.Tag == "!!float":
		return "a number"
	case n.Tag == "!!bool":
		return "true or false"
	}
	return "text"
}
