package blackbox_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
)

// repository is the way from here to where README.md and the module are.
const repository = "../../.."

// block is one fenced block of README.md.
type block struct{ kind, text string }

func readme(t *testing.T) []block {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	for _, m := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, block{m[1], m[2]})
	}
	return blocks
}

// TestReadme runs every block of README.md: the yaml block is fender.yaml, the console blocks are typed one line after the
// other and print what they show, and the sh blocks are commands.
func TestReadme(t *testing.T) {
	t.Parallel()
	reader := &reader{dir: t.TempDir()}
	kinds := map[string]int{}
	for _, b := range readme(t) {
		kinds[b.kind]++
		switch b.kind {
		case "yaml":
			reader.write(t, "fender.yaml", b.text)
		case "console":
			reader.console(t, b.text)
		case "sh":
			reader.command(t, b.text)
		default:
			t.Errorf("no test runs a block of kind %q:\n%s", b.kind, b.text)
		}
	}
	if kinds["yaml"] != 1 || kinds["console"] < 4 || kinds["sh"] != 2 {
		t.Errorf("got blocks %v, want one yaml, four console and two sh at least", kinds)
	}
}

// reader is somebody who does what README.md says.
type reader struct {
	dir     string
	sidecar *sidecar.Process
}

func (r *reader) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// console types the lines that begin with "$ " and compares what they print with the lines below.
func (r *reader) console(t *testing.T, text string) {
	t.Helper()
	for _, step := range strings.Split("\n"+text, "\n$ ")[1:] {
		line, want, _ := strings.Cut(step, "\n")
		if got := steady(r.do(t, line)); got != steady(strings.TrimSuffix(want, "\n")) {
			t.Errorf("$ %s\ngot:\n%s\nwant:\n%s", line, got, steady(want))
		}
	}
}

// do runs one line and returns what it prints. The reader's machine has the ports free; this one may not, so the sidecar
// is started on others.
func (r *reader) do(t *testing.T, line string) string {
	t.Helper()
	switch line {
	case "go build ./cmd/fender":
		out := filepath.Join(r.dir, "fender")
		return r.run(t, repository, "go build -o "+out+" ./cmd/fender")
	case "./fender run --config fender.yaml &":
		config, err := os.ReadFile(filepath.Join(r.dir, "fender.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		r.sidecar = sidecar.Command{
			Binary: filepath.Join(r.dir, "fender"),
			Config: string(config),
			Args:   []string{"--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"},
		}.Start(t)
		return ""
	}
	if r.sidecar != nil {
		line = strings.NewReplacer("127.0.0.1:8080", r.sidecar.Proxy, "127.0.0.1:9102", r.sidecar.Metrics).Replace(line)
	}
	return r.run(t, r.dir, strings.ReplaceAll(line, "curl -i", "curl -si"))
}

// run runs a line in a shell and returns what it prints, on both streams.
func (r *reader) run(t *testing.T, dir, line string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-c", line)
	cmd.Dir = dir
	out, _ := cmd.CombinedOutput() // a check that finds mistakes exits 1
	return string(bytes.TrimSuffix(bytes.ReplaceAll(out, []byte("\r\n"), []byte("\n")), []byte("\n")))
}

// command runs an sh block. The one that passes the tests is running already.
func (r *reader) command(t *testing.T, text string) {
	t.Helper()
	switch text {
	case "make test\n":
		makefile, err := os.ReadFile(filepath.Join(repository, "Makefile"))
		if err != nil || !bytes.Contains(makefile, []byte("\ntest:")) || !bytes.Contains(makefile, []byte("go test -race -shuffle=on ./...")) {
			t.Errorf("got %v, want a Makefile whose test runs every test", err)
		}
	case "go run ./cmd/fender demo --once\n":
		cmd := exec.CommandContext(t.Context(), binary, "demo", "--once")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("the demo: %v\n%s", err, out)
		}
	default:
		t.Errorf("no test runs %q", text)
	}
}

// steady replaces what differs from run to run.
func steady(text string) string {
	for pattern, constant := range map[string]string{
		`(?m)^Date: .*$`:                  "Date: now",
		`(?m)^X-Request-Id: [0-9a-f]{32}`: "X-Request-Id: new",
		`(?m)^Retry-After: 1[3-7]$`:       "Retry-After: about 15",
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, constant)
	}
	return text
}
