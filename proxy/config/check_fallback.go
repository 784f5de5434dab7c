package config

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/fender-proxy/fender/proxy/match"
)

func (k *check) checkFallback(s section, r *Route) {
	f := r.Fallback
	s.checkMethods("fallback.methods", f.Methods)
	s.checkMethods("fallback.stale.methods", f.Stale.Methods)
	checkHeaders(s, "fallback.headers", f.Headers, func(v string) string { return v })
	for i, name := range f.Stale.Vary {
		if key := element("fallback.stale.vary", i); !isToken(name) {
			s.fault(key, s.say(key)+" is not a header's name", "letters, digits and -")
		}
	}
	if len(f.Reasons) == 0 {
		s.fault("fallback.reasons", "is empty", "without a reason it is never given")
	}
	if len(f.Methods) == 0 && f.Stale.MaxAge == 0 {
		s.fault("fallback.methods", "is empty", "without a method it is never given")
	}
	if len(f.Stale.Methods) == 0 && f.Stale.MaxAge > 0 {
		s.fault("fallback.stale.methods", "is empty", "without a method nothing is kept")
	}
	k.checkContent(s, r)
	k.warnFallback(s, f)
}

// checkContent checks what a fallback serves, and prepares it.
func (k *check) checkContent(s section, r *Route) {
	f := r.Fallback
	switch {
	case f.Body != "" && f.BodyFile != "":
		s.fault(s.cause("fallback.body_file", "fallback.body"), "body and body_file are both given", "one of the two", "fallback.body")
		return
	case f.Body == "" && f.BodyFile == "":
		if !f.bodiless() && f.Stale.MaxAge == 0 {
			s.fault("fallback", "has nothing to serve", "give body, body_file or stale.max_age",
				"fallback.body", "fallback.body_file", "fallback.stale", "fallback.stale.max_age", "fallback.status")
		}
		return
	case f.bodiless():
		s.fault("fallback.status", "an answer with this status has no body", "leave the body out, or take 200", "fallback.body", "fallback.body_file")
		return
	}
	key := "fallback.body"
	f.content = f.Body
	if f.BodyFile != "" {
		key = "fallback.body_file"
		content, ok := k.readFile(s, key, f.BodyFile)
		if !ok {
			return
		}
		f.content = string(content)
	}
	if len(f.content) > maxFile {
		s.fault(key, "is larger than 64 KiB", "")
		return
	}
	if !s.sound(key) {
		return
	}
	pattern, err := match.ParsePattern(r.Match.Path)
	known := err == nil && !k.isBad(s.sources[2]+".match.path")
	k.checkTemplate(s, key, r, pattern.Params(), known)
}

// checkTemplate tries out a body. The parameters of the route's path are known
// unless there is something wrong with it.
func (k *check) checkTemplate(s section, key string, r *Route, params []string, known bool) {
	f := r.Fallback
	// What is expanded from a variable is never shown.
	shown := s.plain(key) || f.BodyFile != ""
	complain := func(text string, err error) {
		if shown {
			text += ": " + err.Error()
		}
		s.fault(key, text, "")
	}
	t, err := parseTemplate(f.content)
	if err != nil {
		complain("is not a valid template", err)
		return
	}
	body := []byte(f.content)
	if t != nil {
		if !known {
			return
		}
		for _, param := range paramsOf(t) {
			if !slices.Contains(params, param) {
				complain("not a parameter of the path of "+k.show(s.sources[2]), errors.New(param))
				return
			}
		}
		if body, err = renderSample(t, r.Name, params); err != nil {
			complain("can't be rendered", errors.New(templateError(err)))
			return
		}
	}
	if f.isJSON() && !json.Valid(body) {
		s.doubt(key, "is not valid JSON, as its Content-Type says", "")
	}
}
