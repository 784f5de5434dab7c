package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// Options say how a document is read. The zero value is that of a process that
// starts.
type Options struct {
	// LookupEnv returns an environment variable; nil is [os.LookupEnv].
	LookupEnv func(name string) (string, bool)
	// NoSecrets accepts variables that are not set and files that are not there,
	// to check a document where its secrets are not. The configuration is then
	// not fit to be run.
	NoSecrets bool
	// Override replaces process settings before they are checked.
	Override Override
}

// Override holds the process settings that flags and the environment may give
// in the document's stead; nil leaves a setting as it is.
type Override struct {
	Listen                     []string
	MetricsListen, AdminListen *string
	LogLevel, LogFormat        *string
}

// Load reads the document at path. The error is [Problems] if the document is
// wrong, else that of reading the file.
func Load(path string, o Options) (*Config, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, data, o)
}

// Parse reads the document data. The file is its name in problems, and its
// directory that of relative paths in it. The error is [Problems]: everything
// that is wrong, in the order of the file.
func Parse(file string, data []byte, o Options) (*Config, error) {
	root, problem := parseYAML(file, data)
	if problem != nil {
		return nil, Problems{*problem}
	}
	if o.LookupEnv == nil {
		o.LookupEnv = os.LookupEnv
	}
	d := newDecoder(file, root, o)
	c := &Config{}
	c.SetDefaults()
	d.decode(root, reflect.ValueOf(c).Elem(), placeOf(root, ""), field{})
	d.override(c)
	d.merge(c)
	if d.exhausted() {
		d.problem(placeOf(root, ""), "the document is too large when its aliases are followed", "")
	} else {
		newCheck(d, c).run()
	}
	if len(d.problems) > 0 {
		return nil, inOrder(d.problems)
	}
	sum := sha256.Sum256(data)
	c.SHA256 = hex.EncodeToString(sum[:])
	c.Warnings = inOrder(d.warnings)
	return c, nil
}

// routeNames returns the names of the routes as they are written, so that paths
// can show them.
func routeNames(root *yaml.Node) []string {
	var names []string
	for _, route := range contentOf(root, "routes") {
		name := ""
		if route.Kind == yaml.AliasNode {
			route = route.Alias
		}
		for i := 0; i+1 < len(route.Content); i += 2 {
			if value := route.Content[i+1]; route.Content[i].Value == "name" && value.Kind == yaml.ScalarNode {
				name = value.Value
			}
		}
		names = append(names, name)
	}
	return names
}

// contentOf returns the elements of the list under a key of the root.
func contentOf(root *yaml.Node, key string) []*yaml.Node {
	for i := 0; root.Kind == yaml.MappingNode && i+1 < len(root.Content); i += 2 {
		value := root.Content[i+1]
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		if root.Content[i].Value == key && value.Kind == yaml.SequenceNode {
			return value.Content
		}
	}
	return nil
}

// override puts the settings of flags and the environment in place.
func (d *decoder) override(c *Config) {
	o := d.options.Override
	replaced := func(key, value string) {
		for path := range d.at {
			if path == key || parentOf(path) == key {
				delete(d.at, path)
			}
		}
		d.at[key] = place{path: key, raw: value, layer: layerOverride}
	}
	if o.Listen != nil {
		c.Listen = o.Listen
		replaced("listen", strings.Join(o.Listen, ","))
		for i, address := range o.Listen {
			if key := element("listen", i); len(o.Listen) > 1 {
				d.at[key] = place{path: key, raw: address, layer: layerOverride}
			}
		}
	}
	for _, s := range []struct {
		key   string
		value *string
		field *string
	}{
		{"metrics.listen", o.MetricsListen, &c.Metrics.Listen},
		{"admin.listen", o.AdminListen, &c.Admin.Listen},
		{"log.level", o.LogLevel, &c.Log.Level},
		{"log.format", o.LogFormat, &c.Log.Format},
	} {
		if s.value != nil {
			*s.field = *s.value
			replaced(s.key, *s.value)
		}
	}
}
