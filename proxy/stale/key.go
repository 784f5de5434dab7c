package stale

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"slices"
	"strings"
)

// Key stands for all requests that the same answer is good for.
type Key [sha256.Size]byte

// Key returns the key of a request as its client sent it, with its whole body,
// and whether answers are kept for such requests at all: none are if the method
// is not among those of the options, for a request with Cookie, of which we
// don't know whose it is, with Range, or with Cache-Control: no-store.
//
// In the key are method, host in any case, path and query byte for byte, the
// body, and each line of the headers that the answers vary by or callers are
// known by.
func (s *Store) Key(r *http.Request, body []byte) (Key, bool) {
	if !s.keepsFor(r) {
		return Key{}, false
	}
	target := r.RequestURI
	if target == "" {
		target = r.URL.RequestURI()
	}
	var array [512]byte
	b := appendString(array[:0], r.Method)
	b = appendString(b, strings.ToLower(r.Host))
	b = appendString(b, target)
	for _, name := range s.names(r.Header) {
		b = appendString(b, name)
		b = binary.AppendUvarint(b, uint64(len(r.Header[name])))
		for _, line := range r.Header[name] {
			b = appendString(b, line)
		}
	}
	hash := sha256.Sum256(body)
	return sha256.Sum256(append(b, hash[:]...)), true
}

// names returns the headers that are in the key of a request: always those that
// answers vary by, and those of its own by which its caller may be known.
func (s *Store) names(h http.Header) []string {
	names := s.vary
	if s.options.Identifies == nil {
		return names
	}
	for name := range h {
		if s.options.Identifies(name) && !slices.Contains(s.vary, name) {
			names = append(slices.Clip(names), name)
		}
	}
	slices.Sort(names[len(s.vary):])
	return names
}

// keepsFor reports whether answers to such requests are kept.
func (s *Store) keepsFor(r *http.Request) bool {
	if s.options.MaxAge <= 0 || !slices.Contains(s.options.Methods, r.Method) {
		return false
	}
	if len(r.Header["Cookie"]) > 0 || len(r.Header["Range"]) > 0 {
		return false
	}
	return s.options.IgnoreCacheControl || !hasDirective(r.Header["Cache-Control"], "no-store")
}

// appendString appends s and its length, so that two lists of strings never
// give the same bytes.
func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
