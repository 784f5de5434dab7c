package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy/config"
)

const minimal = `upstreams: {crm: {url: "https://crm.example.com"}}
routes: [{name: a, upstream: crm}]
`

// parse returns the configuration of a document without a problem.
func parse(t *testing.T, document string) *config.Config {
	t.Helper()
	c, err := config.Parse("config.yaml", []byte(shorthands.Replace(document)), config.Options{LookupEnv: lookupEnv})
	if err != nil {
		t.Fatalf("got\n%v\nwant no problem", err)
	}
	return c
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(minimal), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Upstreams["crm"].URL, "https://crm.example.com"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(c.SHA256) != 64 || c.SHA256 == parse(t, minimal+"\n").SHA256 || c.SHA256 != parse(t, minimal).SHA256 {
		t.Errorf("got SHA256 %q, want that of the document", c.SHA256)
	}
}

func TestLoadNoFile(t *testing.T) {
	_, err := config.Load(filepath.Join(t.TempDir(), "missing.yaml"), config.Options{})
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "read configuration: ") {
		t.Errorf("got %v", err)
	}
	if _, err := config.Load(t.TempDir(), config.Options{}); err == nil {
		t.Error("got no error for a directory")
	}
}

func TestLoadReadsFilesBesideTheDocument(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"config.yaml": minimal + "defaults: {fallback: {body_file: body.json}}\n",
		"body.json":   `{"from":"a file"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(filepath.Join(dir, "config.yaml"), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := c.Routes[0].Fallback
	if got, want := f.Content(), `{"from":"a file"}`; got != want {
		t.Errorf("got content %q, want %q", got, want)
	}
	if got, want := f.BodyFile, filepath.Join(dir, "body.json"); got != want {
		t.Errorf("got file %q, want %q", got, want)
	}
}

// TestBuiltInValues holds what a document of the two needed blocks means.
func TestBuiltInValues(t *testing.T) {
	c := parse(t, minimal)
	var want config.Config
	want.SetDefaults()
	if got := c.Listen; !reflect.DeepEqual(got, want.Listen) {
		t.Errorf("got listen %q, want %q", got, want.Listen)
	}
	if c.Log != want.Log || c.Drain != want.Drain || c.Admin != want.Admin || c.Metrics != want.Metrics {
		t.Errorf("got %+v, want the built-in values", c)
	}
	r := c.Routes[0]
	if r.Retry != nil || r.Breaker != nil || r.Concurrency != nil || r.Fallback != nil || r.Throttle == nil {
		t.Errorf("got retry %v, breaker %v, concurrency %v, fallback %v, throttle %v, want throttle only",
			r.Retry, r.Breaker, r.Concurrency, r.Fallback, r.Throttle)
	}
	if r.Mode != policy.Enforce || r.Buffer != 512*policy.KiB || r.Timeout.Attempt != r.Timeout.Request {
		t.Errorf("got policy %+v, want the built-in one", r.Policy)
	}
	u := c.Upstreams["crm"]
	if !u.HTTP2 || !u.Via || u.RetryBudget == nil || u.RateLimit != nil {
		t.Errorf("got upstream %+v, want the built-in values", u)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("got warnings\n%v", config.Problems(c.Warnings))
	}
}

func TestParseUnreadableBytes(t *testing.T) {
	for name, test := range map[string]struct{ document, want string }{
		"bytes that are not UTF-8": {"a: 1\nb: \xff", "config.yaml:2:4: not UTF-8 (the file must be plain UTF-8 text)"},
		"UTF-16":                   {"\xff\xfea\x00:\x00", "config.yaml:1:1: not UTF-8 (the file must be plain UTF-8 text)"},
		"a control character":      {"a: é\x00", "config.yaml:1:5: a control character (the file must be plain UTF-8 text)"},
		"too many bytes":           {strings.Repeat("#", 1<<20+1), "config.yaml: the file is larger than 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse("config.yaml", []byte(test.document), config.Options{})
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestParseTakes(t *testing.T) {
	for name, document := range map[string]string{
		"a byte order mark":            "\ufeff" + minimal,
		"lines that end with CR LF":    strings.ReplaceAll(minimal, "\n", "\r\n"),
		"no line end at the end":       strings.TrimSpace(minimal),
		"a document start and end":     "---\n" + minimal + "...\n",
		"null for a map":               minimal + "log:\ndefaults:\n",
		"null for a map of maps":       "upstreams: {crm: {url: https://a.example, headers: , policy: }}\nroutes: [{name: a, upstream: crm, match: , rewrite: }]\n",
		"null for a list":              "upstreams: {crm: {url: https://a.example}}\nroutes: [{name: a, upstream: crm, upgrade: , match: {methods: }}]\n",
		"an address by itself":         minimal + "listen: 127.0.0.1:0\n",
		"port 0 twice":                 minimal + "listen: [127.0.0.1:0, 127.0.0.1:0]\nmetrics: {listen: \":0\"}\n",
		"listeners that are off":       minimal + "metrics: {listen: \"\"}\nadmin: {listen: \"\"}\n",
		"an explicit tag":              minimal + "drain: !!str 5s\n",
		"an anchor, an alias, a merge": "upstreams:\n  a: &a {url: https://a.example, http2: false}\n  b: {<<: *a, url: https://b.example}\nroutes:\n- &r {name: a, upstream: a, timeout: &t {request: 1s}}\n- {<<: [*r], name: b, upstream: b, match: {path: /b}, timeout: *t}\n",
		"a 204 without a body":         minimal + "defaults: {fallback: {status: 204}}\n",
		"remote listeners by leave":    "listen: :8080\nallow_remote: true\nupstreams: {crm: {url: http://a.example, allow_plaintext: true, headers: {X-A: a}}}\nroutes: [{name: a, upstream: crm}]\n",
		"plain http without secrets":   "upstreams: {crm: {url: http://a.example}}\nroutes: [{name: a, upstream: crm}]\n",
		"secrets over loopback":        "upstreams: {crm: {url: http://127.0.0.1:9, headers: {X-A: a}}}\nroutes: [{name: a, upstream: crm}]\n",
		"shared breakers set alike":    minimal + "",
	} {
		t.Run(name, func(t *testing.T) { parse(t, document) })
	}
}

func TestParseMerge(t *testing.T) {
	c := parse(t, `
upstreams:
  a: &a {url: https://a.example, http2: false, via: false}
  b: {via: true, <<: *a, url: https://b.example}
routes: [{name: a, upstream: a}, {name: b, upstream: b, match: {path: /b}}]
`)
	if b := c.Upstreams["b"]; b.URL != "https://b.example" || b.HTTP2 || !b.Via {
		t.Errorf("got %+v, want a's http2 and b's own url and via", b)
	}
}

// TestParseAliasBombs holds that a small file can't keep us busy for long.
func TestParseAliasBombs(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("upstreams: {crm: {url: https://a.example}}\nx0: &x0 {name: a}\n")
	for i := 1; i < 40; i++ {
		fmt.Fprintf(&bomb, "x%d: &x%d {<<: [%s]}\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*x%d,", i-1), 10), ","))
	}
	bomb.WriteString("routes: [*x39]\n")
	rules := "upstreams: {crm: {url: https://a.example}}\ndefaults: {classify: [" + strings.Repeat("{status: 500, as: failure},", 3000) +
		"]}\nroutes: [&r {name: a, upstream: crm}" + strings.Repeat(",*r", 20000) + "]\n"
	for name, document := range map[string]string{"merges of merges": bomb.String(), "aliases of routes under long defaults": rules} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse("config.yaml", []byte(document), config.Options{})
			if err == nil || !strings.Contains(err.Error(), "too large when its aliases are followed") {
				t.Errorf("got %.200v", err)
			}
		})
	}
}

func TestParseEndsAfterManyProblems(t *testing.T) {
	document := minimal + "defaults: {retry: {conditions: [" + strings.Repeat("x, ", 5000) + "]}}\n"
	_, err := config.Parse("config.yaml", []byte(document), config.Options{})
	var problems config.Problems
	if !errors.As(err, &problems) || len(problems) != 1001 || problems[1000].Text != "more problems than these 1000" {
		t.Errorf("got %d problems", len(problems))
	}
}

func TestNoSecrets(t *testing.T) {
	document := []byte(`
admin: {token_file: /nowhere/admin}
upstreams:
  crm:
    url: "${CRM_URL}"
    headers: {X-Key: "${KEY}"}
    auth: {bearer: {token_file: "${DIR}/token"}}
    proxy: ${PROXY}
    tls: {ca_file: /nowhere/ca}
    dial_timeout: ${DIAL}
  "b": {url: "https://${HOST}/api"}
routes:
  - {name: a, upstream: crm, match: {methods: ["${METHOD}"]}, fallback: {body_file: /nowhere/body}}
  - {name: b, upstream: b, match: {path: /b}, timeout: {attempt: "${ATTEMPT}"}, mode: "${MODE}"}
`)
	if _, err := config.Parse("config.yaml", document, config.Options{LookupEnv: lookupEnv, NoSecrets: true}); err != nil {
		t.Errorf("got\n%v\nwant no problem", err)
	}
	_, err := config.Parse("config.yaml", document, config.Options{LookupEnv: lookupEnv})
	if got, want := strings.Count(err.Error(), "\n")+1, 12; got != want {
		t.Errorf("with secrets got %d problems, want %d:\n%v", got, want, err)
	}
	bad := bytes.Replace(document, []byte("/nowhere/ca"), []byte("testdata/empty"), 1)
	bad = bytes.Replace(bad, []byte("upstream: b"), []byte("upstream: c"), 1)
	_, err = config.Parse("config.yaml", bad, config.Options{LookupEnv: lookupEnv, NoSecrets: true})
	want := `config.yaml:9:20: upstreams.crm.tls.ca_file: the file is empty
config.yaml:14:25: routes[1] "b".upstream: unknown upstream "c" (known: b, crm)`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestOverride(t *testing.T) {
	text := func(s string) *string { return &s }
	o := config.Options{Override: config.Override{
		Listen: []string{"127.0.0.1:1"}, MetricsListen: text("127.0.0.1:2"), AdminListen: text(""), LogLevel: text("debug"), LogFormat: text("text"),
	}}
	c, err := config.Parse("config.yaml", []byte(minimal+"listen: [\"127.0.0.1:7\", \":8\"]\n"), o)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(c.Listen, c.Metrics.Listen, c.Admin.Listen, c.Log.Level, c.Log.Format)
	if want := "[127.0.0.1:1]127.0.0.1:2debugtext"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	o.Override = config.Override{Listen: []string{"127.0.0.1:1", "x"}, MetricsListen: text("y"), AdminListen: text(":3"), LogLevel: text("loud")}
	_, err = config.Parse("config.yaml", []byte(minimal+"listen: [a]\nmetrics: {listen: b}\ndrain: 1\n"), o)
	want := `config.yaml:5:8: drain: 1 has no unit (write 1s)
flag or environment: listen[1]: "x" is not an address to listen on (write "127.0.0.1:8080", "[::1]:8080" or ":8080")
flag or environment: metrics.listen: "y" is not an address to listen on (write "127.0.0.1:8080", "[::1]:8080" or ":8080")
flag or environment: admin.listen: listens beyond loopback without admin.token_file (anyone who reaches it could open circuits)
flag or environment: log.level: unknown value: "loud" (one of debug, info, warn, error)`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}
