package match

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// parseHost returns a route's host in the form in which it is compared.
func parseHost(host string) (string, error) {
	if host == "" {
		return "", nil
	}
	text := host
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		text = host[1 : len(host)-1]
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.String(), nil
	}
	if err := checkHost(host); err != nil {
		return "", fmt.Errorf("%q: %w", host, err)
	}
	return string(appendHost(nil, host)), nil
}

func checkHost(host string) error {
	switch {
	case strings.Contains(host, "://"), strings.Contains(host, "/"):
		return errors.New("a host is a name or an address, not a URL")
	case strings.Contains(host, "*"):
		return errors.New("there are no wildcards; without a host a route takes all")
	case strings.Contains(host, ":"):
		return errors.New("hosts are compared without port")
	case strings.Trim(host, ".") == "":
		return errors.New("no name")
	}
	for i := range len(host) {
		if c := host[i]; c >= 0x80 {
			return errors.New("write an international name in its xn-- form")
		} else if !isLetter(c) && !isDigit(c) && strings.IndexByte("-._", c) < 0 {
			return fmt.Errorf("%q is not allowed in a host", c)
		}
	}
	return nil
}

// appendHost appends a Host header's value as it is compared: without port,
// brackets and the final dot, in lower case, addresses in their shortest form.
func appendHost(b []byte, host string) []byte {
	if bracketed, ok := strings.CutPrefix(host, "["); ok {
		host, _, _ = strings.Cut(bracketed, "]")
	} else {
		host, _, _ = strings.Cut(host, ":")
	}
	if strings.Contains(host, ":") {
		if addr, err := netip.ParseAddr(host); err == nil {
			return addr.AppendTo(b)
		}
	}
	host = strings.TrimSuffix(host, ".")
	for i := range len(host) {
		c := host[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}
