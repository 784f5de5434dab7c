package config

import (
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// decoder reads YAML nodes into Go values. It reports every key and value that
// does not fit and goes on; a value that does not fit stays as it was.
type decoder struct {
	*report
	options Options
	// dir is what relative paths of files are relative to.
	dir string
	// at holds the place of every key and value that was read, by its path.
	at map[string]place
	// blocks holds the nodes that are read once more to merge policies.
	blocks map[string]*yaml.Node
	// values counts the nodes that were visited, by all layers.
	values  *int
	merging map[*yaml.Node]bool

	// A decoder of a layer reads what was read before once more, into a route's
	// policy: it reports nothing, and its paths begin below from.
	layer, from string
}

func newDecoder(file string, root *yaml.Node, o Options) *decoder {
	return &decoder{
		report:  &report{file: file, names: routeNames(root), bad: map[string]bool{}},
		options: o,
		dir:     filepath.Dir(file),
		at:      map[string]place{},
		blocks:  map[string]*yaml.Node{},
		values:  new(int),
		merging: map[*yaml.Node]bool{},
	}
}

// over returns a decoder that lays the block at the path from, once more, over
// what at says comes from the layers below.
func (d *decoder) over(at map[string]place, layer, from string) *decoder {
	next := *d
	next.at, next.layer, next.from = at, layer, from
	return &next
}

func (d *decoder) problem(at place, text, hint string) {
	if d.layer == "" {
		d.report.problem(at, text, hint)
	}
}

// reject reports a value that does not fit.
func (d *decoder) reject(at place, text, hint string) bool {
	if d.layer == "" {
		d.bad[at.path] = true
		d.problem(at, text, hint)
	}
	return false
}

// record remembers that the value at p.path was read, and forgets what it
// replaces: a list or null leaves nothing of an inherited one.
func (d *decoder) record(p place, replaces bool) {
	key := p.path
	if d.layer != "" {
		p.layer = d.layer
		key = strings.TrimPrefix(strings.TrimPrefix(key, d.from), ".")
	}
	if replaces && d.layer != "" {
		for other := range d.at {
			if rest, ok := strings.CutPrefix(other, key); ok && rest != "" && strings.ContainsAny(rest[:1], ".[") {
				delete(d.at, other)
			}
		}
	}
	d.at[key] = p
}

// mayQuote reports whether an error may show a value: not one that is a secret,
// nor one that may hold a user's password.
func (d *decoder) mayQuote(raw, path string) bool {
	return !holdsSecrets(path) && !strings.Contains(raw, "@")
}

// holdsSecrets reports whether the values below path may be credentials.
func holdsSecrets(path string) bool {
	for segment := range strings.SplitSeq(path, ".") {
		switch segment, _, _ = strings.Cut(segment, "["); segment {
		case "headers", "set_headers", "params", "auth", "proxy":
			return true
		}
	}
	return false
}
