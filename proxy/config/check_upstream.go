package config

import (
	"net/url"
	"strconv"
	"strings"
)

// hasCredentials reports whether Fender gives the upstream something that its
// clients don't have.
func (u *Upstream) hasCredentials() bool {
	return len(u.Headers) > 0 || u.Auth != nil && *u.Auth != Auth{}
}

func (k *check) checkUpstream(name string) {
	u := k.c.Upstreams[name]
	s := k.section(join("upstreams", name))
	if !isName(name, "_.ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		s.problem(s.place(""), "the upstream's name is not one of letters, digits, -, _ and .", "")
	}
	if s.require("url", u.URL, "write https://api.example.com") {
		k.checkUpstreamURL(s, u)
	}
	checkHeaders(s, "headers", u.Headers, Secret.Reveal)
	for header, value := range u.Headers {
		if value.Reveal() == "" {
			s.fault(join("headers", header), "the value is empty", "is the variable set?")
		}
	}
	if u.Auth != nil {
		k.checkAuth(s, u)
	}
	k.checkTLS(s, u.TLS)
	tokens := u.Auth != nil && u.Auth.OAuth2 != nil && strings.HasPrefix(u.Auth.OAuth2.TokenURL, "https:")
	if u.TLS != (TLS{}) && strings.HasPrefix(u.URL, "http:") && !tokens {
		s.doubt("tls", "the upstream's url is http, which has none", "", "url")
	}
	if proxy := u.Proxy.Reveal(); proxy != "" {
		if p, err := url.Parse(proxy); err != nil || p.Scheme != "http" && p.Scheme != "https" || p.Hostname() == "" {
			s.fault("proxy", "not the URL of a proxy", "write http://proxy.example.com:3128")
		}
	}
	s.warnQueue(u.Concurrency.MaxRequests, u.Concurrency.MaxPending)
	if u.RateLimit != nil && !s.wrote("rate_limit.requests") {
		s.fault("rate_limit", "requests is missing", "the number per interval", "rate_limit.requests")
	}
}

// checkUpstreamURL checks an upstream's URL. Only its raw text is ever shown,
// and not even that if it has a user's name in it.
func (k *check) checkUpstreamURL(s section, u Upstream) {
	parsed, ok := s.checkURL("url", u.URL)
	if !ok {
		return
	}
	switch {
	case parsed.RawQuery != "" || parsed.ForceQuery:
		s.fault("url", "has a query", "a path here is a prefix; the query is the request's own")
		return
	case parsed.Scheme == "http" && !isLoopback(parsed.Hostname()) && u.hasCredentials() && !u.AllowPlaintext:
		s.fault("url", "credentials would cross the network unencrypted", "use https, or set allow_plaintext: true", "allow_plaintext")
	}
	for _, l := range k.listeners {
		if l.serves(parsed.Hostname(), portOf(parsed)) && k.top().sound(l.path) {
			s.fault("url", "Fender itself listens there: "+l.path, "requests would go round in circles")
			return
		}
	}
}

// checkURL reports what is not the URL of an HTTP server.
func (s section) checkURL(key, text string) (*url.URL, bool) {
	const example = "write https://api.example.com"
	u, err := url.Parse(text)
	switch {
	case err != nil:
		s.fault(key, s.say(key)+" is not a URL", example)
	case u.Scheme != "http" && u.Scheme != "https":
		s.fault(key, s.say(key)+" has neither http:// nor https://", example)
	case u.User != nil:
		s.fault(key, "has a user name or password", "credentials belong in auth or headers")
	case !isHost(u.Hostname()):
		s.fault(key, s.say(key)+" has no host", example)
	case portOf(u) < 1 || portOf(u) > 65535:
		s.fault(key, s.say(key)+" has a port that is none", "1 to 65535")
	case u.Fragment != "" || strings.Contains(text, "#"):
		s.fault(key, "has a fragment", "cut it off at the #")
	default:
		return u, true
	}
	return nil, false
}

func portOf(u *url.URL) int {
	if u.Port() == "" {
		return map[string]int{"http": 80, "https": 443}[u.Scheme]
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return 0
	}
	return port
}

// isName reports whether s is a name of at most 63 lower case letters, digits,
// hyphens and the other characters.
func isName(s, others string) bool {
	return s != "" && len(s) <= 63 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-"+others) == ""
}
