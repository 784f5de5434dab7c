package config

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// listener is an address that Fender listens on.
type listener struct {
	path, host string
	port       int
}

// parseListener reads HOST:PORT; the host may be empty.
func parseListener(path, address string) (listener, bool) {
	host, number, err := net.SplitHostPort(address)
	if err != nil {
		return listener{}, false
	}
	port, err := strconv.ParseUint(number, 10, 16)
	if err != nil || host != "" && !isHost(host) {
		return listener{}, false
	}
	return listener{path, strings.ToLower(host), int(port)}, true
}

// isHost reports whether s can be the name or address of a host.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == ""
}

func (l listener) loopback() bool { return isLoopback(l.host) }

// isLoopback reports whether only this host, or this pod, reaches host.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return strings.EqualFold(host, "localhost")
	}
	return addr.Unmap().IsLoopback()
}

// covers returns the address families that listening on host takes.
func covers(host string) (v4, v6, all bool) {
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "":
		return true, true, true
	case err != nil:
		return true, true, false
	case addr.Is4():
		return true, false, addr.IsUnspecified()
	default:
		return addr.IsUnspecified() || addr.Is4In6(), true, addr.IsUnspecified()
	}
}

// collides reports whether l and other can't both be listened on.
func (l listener) collides(other listener) bool {
	if l.port != other.port || l.port == 0 {
		return false
	}
	v4, v6, all := covers(l.host)
	otherV4, otherV6, otherAll := covers(other.host)
	return l.host == other.host || (all || otherAll) && (v4 && otherV4 || v6 && otherV6)
}

// serves reports whether a call to host and port would reach l.
func (l listener) serves(host string, port int) bool {
	if l.port != port || l.port == 0 {
		return false
	}
	_, _, all := covers(l.host)
	addr, err := netip.ParseAddr(host)
	near := isLoopback(host) || err == nil && addr.IsUnspecified()
	return strings.EqualFold(l.host, host) || near && (all || l.loopback())
}

func (k *check) checkListeners() {
	top := k.top()
	if len(k.c.Listen) == 0 {
		top.fault("listen", "is empty", "the proxy needs an address")
	}
	for i, address := range k.c.Listen {
		key := element("listen", i)
		if !top.wrote(key) && len(k.c.Listen) == 1 {
			key = "listen"
		}
		k.checkListener(key, address)
	}
	if k.c.Metrics.Listen != "" {
		k.checkListener("metrics.listen", k.c.Metrics.Listen)
	}
	if k.c.Admin.Listen != "" {
		k.checkListener("admin.listen", k.c.Admin.Listen)
	}
}

func (k *check) checkListener(key, address string) {
	s := k.top()
	if address == "" {
		s.fault(key, "is empty", "the proxy needs an address")
		return
	}
	l, ok := parseListener(key, address)
	if !ok {
		s.fault(key, s.say(key)+" is not an address to listen on", `write "127.0.0.1:8080", "[::1]:8080" or ":8080"`)
		return
	}
	for _, other := range k.listeners {
		if l.collides(other) {
			at, rival := key, other.path
			if !s.wrote(at) && s.wrote(rival) {
				at, rival = rival, at
			}
			s.fault(at, "the same address as "+rival, "", rival)
			return
		}
	}
	k.listeners = append(k.listeners, l)
}

// checkRemote reports a proxy that lends its upstreams' credentials to others
// than its own pod.
func (k *check) checkRemote() {
	if k.c.AllowRemote || !k.sharesCredentials() {
		return
	}
	for _, l := range k.listeners {
		if strings.HasPrefix(l.path, "listen") && !l.loopback() {
			k.top().fault(l.path, "listens beyond loopback although upstreams get credentials",
				"listen on 127.0.0.1, or set allow_remote: true", "allow_remote")
		}
	}
}

func (k *check) sharesCredentials() bool {
	for _, u := range k.c.Upstreams {
		if u.hasCredentials() || u.TLS.CertFile != "" {
			return true
		}
	}
	return false
}
