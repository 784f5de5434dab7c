package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fender-proxy/fender/proxy/match"
)

func (k *check) checkRoute(i int) {
	r := &k.c.Routes[i]
	s := k.section(element("routes", i))
	if s.require("name", r.Name, "") {
		k.checkRouteName(s, i)
	}
	if s.require("upstream", r.Upstream, "one of the keys of upstreams") {
		k.checkRouteUpstream(s, r.Upstream)
	}
	s.checkMethods("match.methods", r.Match.Methods)
	k.checkRewrite(s, r)
	for n, token := range r.Upgrade {
		at := element("upgrade", n)
		switch {
		case strings.EqualFold(token, "h2c"):
			s.fault(at, "h2c is never let through", "")
		case !isToken(strings.Replace(token, "/", "", 1)):
			s.fault(at, s.say(at)+" is not an upgrade token", "write websocket")
		}
	}
	k.checkPolicy(i)
}

func (k *check) checkRouteName(s section, i int) {
	name := k.c.Routes[i].Name
	if !isName(name, "") {
		s.fault("name", s.say("name")+" is not a name", "up to 63 of a-z, 0-9 and -")
	}
	if earlier, ok := k.routes[name]; ok {
		s.fault("name", "the name of "+element("routes", earlier)+" too", "names are unique")
		return
	}
	k.routes[name] = i
}

func (k *check) checkRouteUpstream(s section, name string) {
	if _, ok := k.c.Upstreams[name]; ok || k.isBad("upstreams") {
		return
	}
	names := slices.Sorted(maps.Keys(k.c.Upstreams))
	hint := "known: " + strings.Join(names, ", ")
	if near, _ := nearest(name, names); near != "" {
		hint = `did you mean "` + near + `"?`
	} else if len(names) == 0 {
		hint = "there are no upstreams"
	} else if len(names) > 8 {
		hint = ""
	}
	s.fault("upstream", "unknown upstream "+s.say("upstream"), hint)
}

func (k *check) checkRewrite(s section, r *Route) {
	checkHeaders(s, "rewrite.set_headers", r.Rewrite.SetHeaders, Secret.Reveal)
	for n, name := range r.Rewrite.RemoveHeaders {
		key := element("rewrite.remove_headers", n)
		if name == "" {
			s.fault(key, "is empty", "")
		}
		s.checkHeaderName(key, name)
	}
	prefix := r.Rewrite.StripPrefix
	switch {
	case prefix == "":
	case !strings.HasPrefix(prefix, "/") || strings.HasSuffix(prefix, "/") || strings.ContainsAny(prefix, "?#{}"):
		s.fault("rewrite.strip_prefix", s.say("rewrite.strip_prefix")+" is not the beginning of a path", "write /crm")
	case r.Match.Path != "" && !strings.HasPrefix(r.Match.Path+"/", prefix+"/"):
		s.fault("rewrite.strip_prefix", "match.path does not begin with "+s.say("rewrite.strip_prefix"), "", "match.path")
	}
}

// checkMatches reports routes that can take no request, or the same ones as
// another. The route table knows.
func (k *check) checkMatches() {
	var routes []match.Route
	var indexes []int
	for i, r := range k.c.Routes {
		if !k.section(element("routes", i)).sound("match", "match.methods", "match.host", "match.path", "match.headers") || k.badBelow(i) {
			continue
		}
		indexes = append(indexes, i)
		routes = append(routes, match.Route{
			Methods: r.Match.Methods, Host: r.Match.Host, Path: r.Match.Path, Headers: r.Match.Headers,
		})
	}
	_, err := match.NewTable(routes)
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	for _, err := range errs {
		var conflict *match.ConflictError
		var wrong *match.RouteError
		switch {
		case errors.As(err, &conflict):
			first := element("routes", indexes[conflict.A])
			k.section(element("routes", indexes[conflict.B])).fault("match",
				"takes the same requests as "+k.show(first), fmt.Sprintf("line %d", k.at[first].line))
		case errors.As(err, &wrong):
			k.reportMatch(indexes[wrong.Route], wrong)
		}
	}
}

// badBelow reports whether an element of a route's lists and maps of matches did
// not decode.
func (k *check) badBelow(i int) bool {
	prefix := element("routes", i) + ".match."
	for path := range k.bad {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

func (k *check) reportMatch(i int, wrong *match.RouteError) {
	if wrong.Key == "methods" {
		return // reported with its place in the list
	}
	s := k.section(element("routes", i))
	key := "match." + wrong.Key
	if wrong.Key == "headers" {
		for _, name := range slices.Sorted(maps.Keys(k.c.Routes[i].Match.Headers)) {
			header := join(key, name)
			if strings.Contains(wrong.Error(), fmt.Sprintf("%q: ", name)) {
				key = header
			}
		}
		s.fault(key, "no request has such a header", "a name with its exact value")
		return
	}
	if !s.plain(key) {
		s.fault(key, s.say(key)+" can't be matched", "")
		return
	}
	text := strings.TrimPrefix(wrong.Err.Error(), "pattern ")
	s.fault(key, text, "")
}
