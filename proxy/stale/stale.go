// Package stale keeps the last good answers of an upstream, to be given again
// when it has no better one.
//
// An answer is kept if it has status 200 and nothing forbids it: no Set-Cookie,
// no Vary on a header that is outside the key, and none of the Cache-Control
// directives no-store, private, no-cache, must-revalidate and proxy-revalidate
// (RFC 9111, 4.2.4 and 5.2.2). Any other answer takes the place of what was
// kept before it: a customer who has been deleted does not come back when the
// upstream fails, once it has said so.
package stale

import (
	"net/http"
	"net/textproto"
	"slices"
	"time"
)

// Options say what is kept, and for how long.
type Options struct {
	// MaxAge is how long an answer is kept; 0 keeps none.
	MaxAge time.Duration
	// MaxSize bounds the memory of all that is kept, in bytes. Beyond it, what
	// has not been used for the longest time goes.
	MaxSize int64
	// Vary are headers that the upstream's answers depend on, besides
	// Accept-Encoding and Authorization, which are always looked at.
	Vary []string
	// Identifies reports whether callers may be known by a header, which is
	// looked at too then. It may be nil.
	Identifies func(name string) bool
	// Methods are those of the requests whose answers are kept.
	Methods []string
	// IgnoreCacheControl keeps answers, without their Set-Cookie, whatever they
	// and their requests say against it. A request with a Cookie still has
	// nothing kept for it.
	IgnoreCacheControl bool
}

// Store keeps the last good answers of one route. It is safe for concurrent
// use.
type Store struct {
	options Options
	// vary are the headers in the key, canonical and sorted.
	vary  []string
	start time.Time
	shelf shelf
}

// Answer is an answer that was good when it came.
type Answer struct {
	// Header is the caller's own. It has no Age and nothing hop-by-hop.
	Header http.Header
	// Body is shared and must not be changed.
	Body []byte
	// Age is the time since the answer was made: since it came, and what it
	// said itself.
	Age time.Duration
}

// New returns an empty Store.
func New(o Options) *Store {
	s := &Store{options: o, start: time.Now(), shelf: shelf{limit: o.MaxSize}}
	for _, name := range append([]string{"Accept-Encoding", "Authorization"}, o.Vary...) {
		s.vary = append(s.vary, textproto.CanonicalMIMEHeaderKey(name))
	}
	slices.Sort(s.vary)
	s.vary = slices.Compact(s.vary)
	return s
}

// Put takes note of the upstream's whole answer to a request. It keeps the
// answer if it may, else it drops what it had for such requests; a 304 says
// that nothing has changed, and changes nothing. The Store does not hold on to
// h and body.
func (s *Store) Put(k Key, status int, h http.Header, body []byte) {
	if status == http.StatusNotModified {
		return
	}
	if !s.mayKeep(status, h) {
		s.shelf.drop(k)
		return
	}
	lines := newLines(h)
	if lines.size()+int64(len(body)) > s.options.MaxSize {
		s.shelf.drop(k)
		return
	}
	s.shelf.put(&entry{key: k, content: lines.encode(body), since: time.Since(s.start)})
}

// Get returns the last good answer for such requests, and whether there is one
// that is young enough.
func (s *Store) Get(k Key) (Answer, bool) {
	now := time.Since(s.start)
	content, since, ok := s.shelf.get(k, now-s.options.MaxAge)
	if !ok {
		return Answer{}, false
	}
	answer := decode(content)
	answer.Age += max(0, now-since) // it may have come in between
	return answer, true
}

// Drop forgets what is kept for such requests.
func (s *Store) Drop(k Key) { s.shelf.drop(k) }
