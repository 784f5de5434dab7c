package config

import (
	"maps"
	"net/textproto"
	"slices"
	"strings"
)

func (k *check) checkAuth(s section, u Upstream) {
	a := u.Auth
	var set []string
	for _, kind := range []struct {
		key string
		on  bool
	}{{"api_key", a.APIKey != nil}, {"bearer", a.Bearer != nil}, {"basic", a.Basic != nil}, {"oauth2", a.OAuth2 != nil}} {
		if kind.on {
			set = append(set, kind.key)
		}
	}
	switch {
	case len(set) == 0:
		s.fault("auth", "has no credential", "one of api_key, bearer, basic, oauth2", "auth.api_key", "auth.bearer", "auth.basic", "auth.oauth2")
	case len(set) > 1:
		s.fault("auth."+set[1], "auth has "+set[0]+" already", "an upstream has one credential")
	}
	header := "Authorization"
	if a.APIKey != nil {
		header = a.APIKey.Header
		p := k.section(s.base + ".auth.api_key")
		p.require("header", header, "")
		p.checkHeaderName("header", header)
		k.requireFile(p, "value_file", a.APIKey.ValueFile)
	}
	if a.Bearer != nil {
		k.requireFile(k.section(s.base+".auth.bearer"), "token_file", a.Bearer.TokenFile)
	}
	if a.Basic != nil {
		p := k.section(s.base + ".auth.basic")
		if p.require("username", a.Basic.Username, "") && strings.ContainsAny(a.Basic.Username, ":\r\n") {
			p.fault("username", "has a colon or a line break", "")
		}
		k.requireFile(p, "password_file", a.Basic.PasswordFile)
	}
	if a.OAuth2 != nil {
		k.checkOAuth2(k.section(s.base+".auth.oauth2"), a.OAuth2, u.AllowPlaintext)
	}
	for name := range u.Headers {
		if len(set) > 0 && textproto.CanonicalMIMEHeaderKey(name) == textproto.CanonicalMIMEHeaderKey(header) {
			s.fault(join("headers", name), "auth."+set[0]+" sets this header too", "")
		}
	}
}

func (k *check) checkOAuth2(s section, o *OAuth2, allowPlaintext bool) {
	if s.require("token_url", o.TokenURL, "write https://login.example.com/oauth/token") {
		u, ok := s.checkURL("token_url", o.TokenURL)
		if ok && u.Scheme == "http" && !isLoopback(u.Hostname()) && !allowPlaintext {
			s.fault("token_url", "credentials would cross the network unencrypted", "use https, or set the upstream's allow_plaintext: true")
		}
	}
	s.require("client_id", o.ClientID, "")
	secret := o.ClientSecret.Reveal() != ""
	switch {
	case secret && o.ClientSecretFile != "":
		s.fault("client_secret_file", "there is a client_secret already", "one of the two", "client_secret")
	case !secret && o.ClientSecretFile == "":
		if s.sound("client_secret_file") {
			s.require("client_secret", "", "or client_secret_file")
		}
	}
	k.checkFile(s, "client_secret_file", o.ClientSecretFile)
	for i, scope := range o.Scopes {
		if scope == "" || strings.ContainsAny(scope, " \t\r\n\"\\") {
			s.fault(element("scopes", i), "is not a scope", "one scope an element, without blanks")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Params)) {
		switch name {
		case "grant_type", "client_id", "client_secret", "scope":
			s.fault(join("params", name), "Fender sends this field itself", "")
		}
	}
}
