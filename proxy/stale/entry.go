package stale

import (
	"encoding/binary"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An answer is kept as one run of bytes, because a header of small strings
// would take several times the memory, and nobody could say how much:
//
//	age in seconds, count of values, length of the names and values
//	for each name: length, name, count of its values
//	    for each of them: length, value
//	body
//
// where numbers are uvarints.

// lines is what of an answer's header is kept.
type lines struct {
	header http.Header
	names  []string
	age    uint64 // in seconds
	values int
	length int // of the names and values as they are encoded
}

// newLines chooses from an answer's header what is kept.
func newLines(h http.Header) lines {
	l := lines{header: h, names: make([]string, 0, len(h)), age: parseAge(h["Age"])}
	for name, values := range h {
		if isLeftOut(name, h["Connection"]) {
			continue
		}
		l.names = append(l.names, name)
		l.values += len(values)
		l.length += stringLen(name) + uvarintLen(uint64(len(values)))
		for _, value := range values {
			l.length += stringLen(value)
		}
	}
	return l
}

// isLeftOut reports whether a header is not kept: those of the one connection
// that the answer came over (RFC 9110, 7.6.1), those that Fender itself makes,
// and cookies, which are their caller's.
func isLeftOut(name string, connection []string) bool {
	switch name {
	case "Age", "Set-Cookie",
		"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Connection",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	if strings.HasPrefix(name, "Fender-") {
		return true
	}
	for _, line := range connection {
		for option := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(option, " \t"), name) {
				return true
			}
		}
	}
	return false
}

// parseAge returns the seconds that the first value of an Age gives, 0 if it is
// not valid (RFC 9111, 1.2.2 and 5.1).
func parseAge(lines []string) uint64 {
	if len(lines) == 0 {
		return 0
	}
	first, _, _ := strings.Cut(lines[0], ",")
	first = strings.Trim(first, " \t")
	if first == "" || strings.Trim(first, "0123456789") != "" {
		return 0
	}
	age, err := strconv.ParseUint(first, 10, 64)
	if err != nil || age > math.MaxInt32 {
		return math.MaxInt32
	}
	return age
}

// size is the least that an answer takes without its body, in bytes.
func (l lines) size() int64 {
	return int64(uvarintLen(l.age) + uvarintLen(uint64(l.values)) + uvarintLen(uint64(l.length)) + l.length)
}

// encode returns the answer with this body as it is kept. The capacity is all
// that the allocator gives for the length, so that it can be counted.
func (l lines) encode(body []byte) []byte {
	b := slices.Grow([]byte(nil), int(l.size())+len(body))
	b = binary.AppendUvarint(b, l.age)
	b = binary.AppendUvarint(b, uint64(l.values))
	b = binary.AppendUvarint(b, uint64(l.length))
	for _, name := range l.names {
		b = appendString(b, name)
		b = binary.AppendUvarint(b, uint64(len(l.header[name])))
		for _, value := range l.header[name] {
			b = appendString(b, value)
		}
	}
	return append(b, body...)
}

// decode returns the answer that was kept as b. Names and values share one
// string, and the values one array; the body is that of b.
func decode(b []byte) Answer {
	r := reader{b: b}
	age, values, length := r.uvarint(), r.uvarint(), r.uvarint()
	body := b[r.at+length:]
	r = reader{b: b[r.at : r.at+length], s: string(b[r.at : r.at+length])}
	header, array := make(http.Header), make([]string, 0, values)
	for r.at < length {
		name, first := r.string(), len(array)
		for range r.uvarint() {
			array = append(array, r.string())
		}
		header[name] = array[first:len(array):len(array)]
	}
	return Answer{Header: header, Body: slices.Clip(body), Age: time.Duration(age) * time.Second}
}

// reader reads what encode wrote.
type reader struct {
	b  []byte
	s  string // the same
	at int
}

func (r *reader) uvarint() int {
	n, size := binary.Uvarint(r.b[r.at:])
	r.at += size
	return int(n)
}

func (r *reader) string() string {
	n := r.uvarint()
	r.at += n
	return r.s[r.at-n : r.at]
}

func stringLen(s string) int { return uvarintLen(uint64(len(s))) + len(s) }

func uvarintLen(n uint64) int {
	var array [binary.MaxVarintLen64]byte
	return binary.PutUvarint(array[:], n)
}
