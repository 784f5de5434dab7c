package credential

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy/config"
)

// keyFile is a key in a file, and the source that reads it.
type keyFile struct {
	Source
	t    *testing.T
	path string
	log  *logged
}

func newKeyFile(t *testing.T, content string) *keyFile {
	t.Helper()
	k := &keyFile{t: t, path: filepath.Join(t.TempDir(), "key"), log: new(logged)}
	k.write(content)
	k.Source = New(&config.Auth{APIKey: &config.APIKey{Header: "x-api-key", ValueFile: k.path}}, Options{Logger: k.log.logger()})
	return k
}

// write gives the file other content. It is a new file, as most tools make it,
// so that no file system's idea of time matters.
func (k *keyFile) write(content string) {
	k.t.Helper()
	next := k.path + ".next"
	if err := os.WriteFile(next, []byte(content), 0o600); err != nil {
		k.t.Fatal(err)
	}
	if err := os.Rename(next, k.path); err != nil {
		k.t.Fatal(err)
	}
}

func (k *keyFile) get() (string, policy.Grant, error) {
	h := http.Header{}
	grant, err := k.Authorize(k.t.Context(), time.Now(), h)
	return h.Get("X-Api-Key"), grant, err
}

func (k *keyFile) want(want string) {
	k.t.Helper()
	if got, _, err := k.get(); got != want || err != nil {
		k.t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// wantLines checks how many lines are logged, and that the last has a text.
func (k *keyFile) wantLines(n int, text string) {
	k.t.Helper()
	log := k.log.String()
	lines := strings.Split(strings.TrimSpace(log), "\n")
	if got := strings.Count(log, "msg=credential"); got != n || !strings.Contains(lines[len(lines)-1], text) {
		k.t.Errorf("got %d lines, want %d, the last of them with %q:\n%s", got, n, text, log)
	}
}

func TestWhatAFileGivesToWhichHeader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("pässword: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name         string
		auth         config.Auth
		header, want string
	}{
		{"a key", config.Auth{APIKey: &config.APIKey{Header: "x-api-key", ValueFile: path}}, "X-Api-Key", "pässword: 1"},
		{"a token", config.Auth{Bearer: &config.Bearer{TokenFile: path}}, "Authorization", "Bearer pässword: 1"},
		{"a password", config.Auth{Basic: &config.Basic{Username: "üser", PasswordFile: path}}, "Authorization", "Basic w7xzZXI6cMOkc3N3b3JkOiAx"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := New(&tt.auth, Options{Logger: new(logged).logger()})
			h := http.Header{tt.header: {"the client's", "and another"}}
			if _, err := s.Authorize(t.Context(), time.Now(), h); err != nil {
				t.Fatal(err)
			}
			if got := h.Values(tt.header); len(got) != 1 || got[0] != tt.want || s.Header() != tt.header {
				t.Errorf("got %s: %q, want %s: %q alone", s.Header(), got, tt.header, tt.want)
			}
			if !s.Expires().IsZero() {
				t.Errorf("got one that expires at %v", s.Expires())
			}
		})
	}
	t.Run("nothing, if none is asked for", func(t *testing.T) {
		for _, a := range []*config.Auth{nil, {}} {
			if s := New(a, Options{}); s != nil {
				t.Errorf("got %v, want none", s)
			}
		}
	})
}

func TestWhatMayBeInAFile(t *testing.T) {
	tests := []struct {
		name, content string
		want          string // empty: it is refused
		why           string
	}{
		{name: "a line", content: "k3y", want: "k3y"},
		{name: "a line with its end", content: "k3y\n", want: "k3y"},
		{name: "a line with an end of Windows", content: "k3y\r\n", want: "k3y"},
		{name: "a line among blanks", content: "\n  k3y \t\n\n", want: "k3y"},
		{name: "a line with a blank in it", content: "k3 y", want: "k3 y"},
		{name: "64 KiB", content: strings.Repeat("k", 64<<10), want: strings.Repeat("k", 64<<10)},
		{name: "nothing", content: "", why: "the file is empty"},
		{name: "blanks", content: " \r\n\t", why: "the file is empty"},
		{name: "two lines", content: "k3y\nk4y", why: "more than one line"},
		{name: "a header of its own", content: "k3y\r\nX-Admin: 1", why: "more than one line"},
		{name: "a NUL", content: "k3\x00y", why: "control character"},
		{name: "a sign that no header takes", content: "k3\x1by", why: "control character"},
		{name: "more than 64 KiB", content: strings.Repeat("k", 64<<10+1), why: "larger than 64 KiB"},
	}
	for _, tt := range tests {
		bubble(t, tt.name+" from the start", func(t *testing.T) {
			k := newKeyFile(t, tt.content)
			got, grant, err := k.get()
			if got != tt.want || (err == nil) != (tt.want != "") || (grant == nil) != (err != nil) {
				t.Fatalf("got %q, %v, want %q", got, err, tt.want)
			}
			if err != nil && (!strings.Contains(err.Error(), tt.why) || got != "") {
				t.Errorf("got %q, %v, want that it is %q", got, err, tt.why)
			}
			if err != nil {
				k.wantLines(1, tt.why)
			}
		})
		if tt.want != "" {
			continue
		}
		bubble(t, tt.name+" later keeps what was there", func(t *testing.T) {
			k := newKeyFile(t, "first")
			k.want("first")
			k.write(tt.content)
			for range 10 { // it is said once
				pass(recheck)
				k.want("first")
			}
			k.wantLines(1, tt.why)
			k.write("second")
			pass(recheck)
			k.want("second")
			k.wantLines(2, "level=INFO")
		})
	}
}
