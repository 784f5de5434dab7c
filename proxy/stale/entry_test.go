package stale

import (
	"bytes"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Any header comes back as it was, whatever its bytes, and its size is known
// before it is encoded. Names and values are the parts of a text between \n.
func FuzzEntry(f *testing.F) {
	f.Add("Content-Type\nX-A\n\nX-A", "application/json\n\n\xff\x00\n b ", []byte("{}"), "17")
	f.Add("", "", []byte{}, "")
	f.Add("A\nB\nC\nD\nE\nF\nG\nH\nI\nJ", "1", []byte("x"), "4294967296")
	f.Add(strings.Repeat("n", 200), strings.Repeat("v", 70000), bytes.Repeat([]byte("b"), 70000), "99999")
	f.Fuzz(func(t *testing.T, names, values string, body []byte, age string) {
		h, want := http.Header{}, http.Header{}
		lines := strings.Split(values, "\n")
		for i, name := range strings.Split(names, "\n") {
			h[name] = append(h[name], lines[i%len(lines):]...)
		}
		for name := range h {
			if !isLeftOut(name, h["Connection"]) {
				want[name] = h[name]
			}
		}
		h["Age"] = []string{age}
		l := newLines(h)
		content := l.encode(body)
		if got := int64(len(content)); got != l.size()+int64(len(body)) {
			t.Errorf("got %d bytes, want %d and %d of the body", got, l.size(), len(body))
		}
		got := decode(content)
		if !reflect.DeepEqual(got.Header, want) {
			t.Errorf("got header %q, want %q", got.Header, want)
		}
		if !bytes.Equal(got.Body, body) {
			t.Errorf("got body %q, want %q", got.Body, body)
		}
		if want := time.Duration(parseAge(h["Age"])) * time.Second; got.Age != want || got.Age < 0 {
			t.Errorf("got age %v, want %v", got.Age, want)
		}
	})
}
