package config

import (
	"maps"
	"slices"
	"strings"
)

// check finds what is wrong with a decoded configuration as a whole. What
// depends on a value that did not decode is left alone.
type check struct {
	*decoder
	c         *Config
	listeners []listener
	// routes are the indexes of those whose names were seen.
	routes map[string]int
}

func newCheck(d *decoder, c *Config) *check {
	return &check{decoder: d, c: c, routes: map[string]int{}}
}

func (k *check) run() {
	k.checkListeners()
	k.checkAdmin()
	k.checkLog()
	for _, name := range slices.Sorted(maps.Keys(k.c.Upstreams)) {
		k.checkUpstream(name)
	}
	k.checkRemote()
	if len(k.c.Routes) == 0 {
		k.top().fault("routes", "no routes", "each names its match and its upstream")
	}
	for i := range k.c.Routes {
		k.checkRoute(i)
	}
	k.checkMatches()
	k.checkShared()
	k.warnUnused()
}

// section is a part of the document whose keys are checked together: a block,
// or the effective policy of a route.
type section struct {
	*check
	// at holds the places of the keys; base is the section's path in it.
	at   map[string]place
	base string
	// sources are the paths of the blocks that the section was read from.
	sources []string
}

func (k *check) top() section { return k.section("") }

// section returns the block at a path of the document.
func (k *check) section(path string) section {
	return section{check: k, at: k.at, base: path, sources: []string{path}}
}

// policy returns the effective policy of route i.
func (k *check) policy(i int) section {
	r := &k.c.Routes[i]
	return section{check: k, at: r.origins, sources: []string{
		"defaults", join(join("upstreams", r.Upstream), "policy"), element("routes", i),
	}}
}

// place returns where a key of the section is written, or else what would hold
// it.
func (s section) place(key string) place {
	wanted := below(s.base, key)
	for path := wanted; ; path = parentOf(path) {
		if p, ok := s.at[path]; ok {
			p.path = below(p.path, strings.TrimPrefix(wanted[len(path):], "."))
			return p
		}
		if path == "" {
			return place{path: wanted}
		}
	}
}

// wrote reports whether the key is written in the document.
func (s section) wrote(key string) bool {
	_, ok := s.at[below(s.base, key)]
	return ok
}

// sound reports whether nothing is wrong with the values of the keys so far.
func (s section) sound(keys ...string) bool {
	for _, key := range keys {
		for _, source := range s.sources {
			if s.isBad(below(source, key)) {
				return false
			}
		}
	}
	return true
}

// fault reports what is wrong with the value of a key; also names the keys that
// it depends on.
func (s section) fault(key, text, hint string, also ...string) {
	if s.sound(key) && s.sound(also...) {
		s.problem(s.place(key), text, hint)
	}
}

// doubt is a warning about the value of a key.
func (s section) doubt(key, text, hint string, also ...string) {
	if s.sound(key) && s.sound(also...) {
		s.warn(s.place(key), text, hint)
	}
}

// require reports a key that is missing or empty, and whether it is there.
func (s section) require(key, value, hint string) bool {
	switch {
	case value != "":
		return true
	case s.wrote(key):
		s.fault(key, "is empty", hint)
	case s.sound(key):
		s.problem(s.place(""), key+" is missing", hint)
	}
	return false
}

// say quotes the value of a key as it is written, if it may be shown.
func (s section) say(key string) string {
	p := s.place(key)
	if !s.wrote(key) || !s.mayQuote(p.raw, p.path) {
		return "the value"
	}
	return quote(p.raw)
}

// plain reports whether the value of a key is shown by an error that quotes it:
// neither secret nor from a variable.
func (s section) plain(key string) bool {
	p := s.place(key)
	return s.mayQuote(p.raw, p.path) && !strings.Contains(p.raw, "${")
}

func (k *check) checkAdmin() {
	s := k.section("admin")
	k.checkFile(s, "token_file", k.c.Admin.TokenFile)
	if l, ok := parseListener("admin.listen", k.c.Admin.Listen); ok && !l.loopback() && k.c.Admin.TokenFile == "" {
		s.fault("listen", "listens beyond loopback without admin.token_file", "anyone who reaches it could open circuits", "token_file")
	}
}

func (k *check) checkLog() {
	s := k.section("log")
	for _, one := range []struct {
		key, value string
		known      []string
	}{
		{"level", k.c.Log.Level, []string{"debug", "info", "warn", "error"}},
		{"format", k.c.Log.Format, []string{"json", "text"}},
	} {
		if !slices.Contains(one.known, one.value) {
			s.fault(one.key, "unknown value: "+s.say(one.key), "one of "+strings.Join(one.known, ", "))
		}
	}
}
