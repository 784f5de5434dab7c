package blackbox_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// A secret is a credential in a file that changes the way that a mounted secret does: what is mounted is a link to a
// directory, which is replaced by another.
type secret struct {
	dir     string
	version int
}

func newSecret(t *testing.T, content string) *secret {
	t.Helper()
	s := &secret{dir: t.TempDir()}
	s.swap(t, content)
	if err := os.Symlink(filepath.Join("..data", "credential"), s.path()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *secret) path() string { return filepath.Join(s.dir, "credential") }

// swap puts other content in the place of what there is, in one step.
func (s *secret) swap(t *testing.T, content string) {
	t.Helper()
	s.version++
	version := fmt.Sprintf("..%d", s.version)
	link := filepath.Join(s.dir, "..data")
	if err := os.Mkdir(filepath.Join(s.dir, version), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, version, "credential"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(version, link+"_tmp"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+"_tmp", link); err != nil {
		t.Fatal(err)
	}
}

// write overwrites a file where it is.
func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// knows answers "fine" to requests whose header is this value, once, and 401 to all others.
func knows(header, value string) wire.Answer {
	return func(x *wire.Exchange) {
		if !x.ReadBody() {
			return
		}
		if got := x.Request.Header[header]; len(got) != 1 || got[0] != value {
			wire.Reply(401, "not you")(x)
			return
		}
		wire.Reply(200, "fine")(x)
	}
}

// inFile is the content of a scene's file at first.
const inFile = "first+/=:€"

// A filed is a kind of credential from a file, and the header that it becomes.
type filed struct {
	kind, keys, header string
	value              func(content string) string
}

var fileds = []filed{
	{"api_key", "header: x-api-key, value_file", "X-Api-Key", func(c string) string { return c }},
	{"bearer", "token_file", "Authorization", func(c string) string { return "Bearer " + c }},
	{"basic", "username: \"ü r\", password_file", "Authorization", func(c string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte("ü r:"+c))
	}},
}

func TestCredentialsFromFiles(t *testing.T) {
	var scenes []scene
	for _, f := range fileds {
		scenes = append(scenes, f.scenes(t)...)
	}
	play(t, scenes)
}

// scenes are those of one kind, each with a file of its own.
func (f filed) scenes(t *testing.T) []scene {
	t.Helper()
	var scenes []scene
	for _, act := range []struct {
		name, route, content string
		run                  func(t *testing.T, s *stage, f filed, file *secret)
	}{
		{"in place of what the client sent", "", inFile, replacesTheClients},
		{"without the line end of the file", "", "\n" + inFile + " \r\n", replacesTheClients},
		{"as it was changed, a second later", "", inFile, followsTheFile},
		{"as it was before, while a change is of no use", "", inFile, outlastsTheFile},
		{"as it was changed, at once after a 401", "request_buffer: 8B", inFile, followsA401},
		{"not twice after a 401 if it is the same", tripping, inFile, passesA401On},
	} {
		file := newSecret(t, act.content)
		scenes = append(scenes, scene{
			name:     f.kind + " is sent " + act.name,
			upstream: fmt.Sprintf("auth: {%s: {%s: %q}}", f.kind, f.keys, file.path()),
			route:    act.route,
			run:      func(t *testing.T, s *stage) { act.run(t, s, f, file) },
		})
	}
	return scenes
}

func replacesTheClients(t *testing.T, s *stage, f filed, _ *secret) {
	s.up.Script(knows(f.header, f.value(inFile)))
	for _, fields := range [][]string{
		nil,
		{f.header + ": mine", f.header + ": mine too"},
		{"Connection: close, " + f.header},
	} {
		expect(t, s.get(t, fields...), fine)
	}
	s.expectCount(t, 3)
}

func followsTheFile(t *testing.T, s *stage, f filed, file *secret) {
	expect(t, s.get(t), expectation{status: 200, attempts: 1})
	for i, change := range []func(content string){
		func(content string) { file.swap(t, content) },
		func(content string) { write(t, file.path(), content) },
	} {
		content := fmt.Sprintf("changed %d times", i+1)
		change(content)
		changed := time.Now()
		sidecar.Await(t, "the change has arrived", func() bool {
			expect(t, s.get(t), expectation{status: 200, attempts: 1})
			return s.arrived(t).Header.Get(f.header) == f.value(content)
		})
		if took := time.Since(changed); took > 5*time.Second {
			t.Errorf("got the change after %v, want it about a second later", took)
		}
	}
}

func outlastsTheFile(t *testing.T, s *stage, f filed, file *secret) {
	s.up.Script(knows(f.header, f.value(inFile)))
	expect(t, s.get(t), fine)
	file.swap(t, " \n")
	sidecar.Await(t, "the change was seen", func() bool {
		expect(t, s.get(t), fine)
		return len(s.Lines("msg", "credential", "level", "WARN", "upstream", s.route)) > 0
	})
	if err := os.Remove(file.path()); err != nil {
		t.Fatal(err)
	}
	sidecar.Await(t, "its end was seen", func() bool {
		expect(t, s.get(t), fine)
		return len(s.Lines("msg", "credential", "level", "WARN", "upstream", s.route)) > 1
	})
}

func followsA401(t *testing.T, s *stage, f filed, file *secret) {
	s.up.Script(knows(f.header, f.value(inFile)))
	expect(t, s.get(t), fine)
	file.swap(t, "second")
	s.up.Script(knows(f.header, f.value("second")))
	begun := time.Now()
	answer := s.do(t, "POST", "12345678")
	if time.Since(begun) < 500*time.Millisecond { // else the file was due anyway
		expect(t, answer, cured)
	}
	if got := string(s.arrived(t).Body); got != "12345678" {
		t.Errorf("got the body %q of the replay, want all of it", got)
	}
	expect(t, s.get(t), fine)
}

func passesA401On(t *testing.T, s *stage, _ filed, _ *secret) {
	s.up.Script(wire.Reply(401, "not you"))
	want := notYou
	want.circuit = "open"
	expect(t, s.get(t), want)
	s.expectCount(t, 1)
}

func TestHeadersFromTheEnvironment(t *testing.T) {
	t.Parallel()
	up := wire.Listen(t)
	p := sidecar.Command{
		Binary: binary,
		Env:    []string{"FENDER_TEST_KEY=k: 1\"$x${y}"},
		Config: preamble + "upstreams: {crm: {url: " + up.URL() + ", headers: {X-Api-Key: \"${FENDER_TEST_KEY}\", Authorization: \"Key ${FENDER_TEST_KEY}\"}}}\n" +
			"routes: [{name: a, upstream: crm}]\n",
	}.Start(t)
	wire.Do(t, p.Proxy, "GET", "/", "", "X-Api-Key: mine", "x-api-key: mine too", "Authorization: Bearer mine", "Connection: X-Api-Key")
	for name, want := range map[string]string{"X-Api-Key": `k: 1"$x${y}`, "Authorization": `Key k: 1"$x${y}`} {
		if got := up.Requests()[0].Header[name]; len(got) != 1 || got[0] != want {
			t.Errorf("got %s %q, want %q alone", name, got, want)
		}
	}
}
