package config

import "reflect"

// The layers that a setting may come from, from the bottom to the top.
const (
	layerBuiltIn  = "built in"
	layerDefaults = "defaults"
	layerUpstream = "upstream"
	layerRoute    = "route"
	// layerOverride is a flag or the environment.
	layerOverride = "override"
)

// merge gives each route its effective policy: the built-in one, overlaid with
// the defaults, the policy of its upstream and its own keys. A layer is laid
// over another by decoding it into the same struct, so that maps merge, lists
// replace, and null turns off. What is wrong with a layer was reported when it
// was read for the first time.
func (d *decoder) merge(c *Config) {
	for i := range c.Routes {
		if d.exhausted() {
			return
		}
		route := &c.Routes[i]
		own := element("routes", i)
		var merged Policy
		merged.SetDefaults()
		route.origins = map[string]place{}
		for _, l := range []struct{ layer, path string }{
			{layerDefaults, "defaults"},
			{layerUpstream, join(join("upstreams", route.Upstream), "policy")},
			{layerRoute, own},
		} {
			node := d.blocks[l.path]
			if node == nil {
				continue
			}
			layer := d.over(route.origins, l.layer, l.path)
			layer.decode(node, reflect.ValueOf(&merged).Elem(), placeOf(node, l.path), field{})
		}
		merged.Complete()
		route.Policy = merged
	}
}
