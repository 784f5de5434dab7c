package peers_test

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
)

// repository is the way from here to where README.md and the main module are.
const repository = "../../../.."

// compile returns the schema that the sidecar prints.
func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	got := sidecar.Run(t, binary, nil, "schema")
	if got.Code != 0 {
		t.Fatalf("got exit code %d, stderr %s", got.Code, got.Stderr)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(got.Stdout))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("fender.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("fender.schema.json") // checked against the draft's own schema
	if err != nil {
		t.Fatal(err)
	}
	if schema.DraftVersion != 2020 {
		t.Errorf("got draft %d, want 2020", schema.DraftVersion)
	}
	return schema
}

// instance returns a document as an editor hands it to a schema: in YAML 1.2 a
// time is text.
func instance(document string) (any, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(document), &doc); err != nil {
		return nil, err
	}
	var retag func(n *yaml.Node)
	retag = func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!timestamp" {
			n.Tag = "!!str"
		}
		for _, child := range n.Content {
			retag(child)
		}
	}
	retag(&doc)
	var value any
	err := doc.Decode(&value)
	return value, err
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(repository, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestSchemaTakesWhatWeShow holds the documents that users begin with against the
// schema.
func TestSchemaTakesWhatWeShow(t *testing.T) {
	schema := compile(t)
	example := read(t, "config.example.yaml")
	_, readme, _ := strings.Cut(read(t, "README.md"), "\n```yaml\n")
	readme, _, _ = strings.Cut(readme, "\n```\n")
	_, manifest, _ := strings.Cut(read(t, "deploy/sidecar.yaml"), "  fender.yaml: |\n")
	manifest, _, _ = strings.Cut(manifest, "\n---\n")
	// All that a comment without a blank after its # holds, but the reference to
	// another upstream's credentials.
	uncommented := regexp.MustCompile(`(?m)^( *)#([^ \n#])`).ReplaceAllString(example, "$1$2")
	uncommented = strings.Replace(uncommented, "oauth2: {} ", "", 1)
	for name, document := range map[string]string{
		"config.example.yaml":                     example,
		"config.example.yaml with its comments":   uncommented,
		"deploy/example/fender.yaml":              read(t, "deploy/example/fender.yaml"),
		"deploy/sidecar.yaml":                     strings.ReplaceAll("\n"+manifest, "\n    ", "\n"),
		"the README's":                            readme,
		"the demo's":                              read(t, "cmd/fender/demo/demo.yaml"),
		"what is turned off":                      "upstreams: {a: {url: a, rate_limit: null, retry_budget: null}}\ndefaults: {retry: null, throttle: null}\nroutes: [{name: a, upstream: a, breaker: {failure_rate: null, override: null}}]\n",
		"a variable for each kind of value":       "upstreams: {a: {url: \"${U}\", http2: \"${B:-true}\"}}\ndrain: ${D}\nlog: {level: \"${L}\", sample: \"${N}\"}\nroutes: [{name: a, upstream: a, mode: \"${M}\", buffer: \"${K}KiB\", retry: {max_retries: \"${N:-3}\", conditions: [\"${C}\"]}}]\n",
		"an override that an upstream completes":  "upstreams: {a: {url: a, policy: {breaker: {override: {until: 2026-12-01T04:00:00Z}}}}}\ndefaults: {breaker: {override: {state: open}}}\nroutes: [{name: a, upstream: a}]\n",
		"an address by itself, sizes of zero":     "listen: 127.0.0.1:0\nupstreams: {a: {url: a}}\nroutes: [{name: a, upstream: a, buffer: 0, request_buffer: \"0\"}]\n",
		"a block of nothing but comments is null": "log:\n  # nothing\nupstreams: {a: {url: a, tls: }}\nroutes: [{name: a, upstream: a, rewrite: }]\n",
	} {
		t.Run(name, func(t *testing.T) {
			value, err := instance(document)
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(value); err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestSchemaTakesWhatFenderTakes holds that no editor complains of a document
// that Fender takes: of all texts in the tests, the configurations without a
// mistake.
func TestSchemaTakesWhatFenderTakes(t *testing.T) {
	t.Parallel()
	schema := compile(t)
	prompt := []string{"GORACE=atexit_sleep_ms=0"} // it has no race to tell of
	taken := 0
	for _, document := range slices.Concat(texts(t, "proxy/config"), texts(t, "cmd/fender"), texts(t, "cmd/fender/blackbox")) {
		document = shorthands.Replace(document)
		value, err := instance(document)
		if m, ok := value.(map[string]any); err != nil || !ok || m["routes"] == nil {
			continue
		}
		file := sidecar.WriteConfig(t, document)
		if sidecar.Run(t, binary, prompt, "check", "--no-secrets", "--config", file).Code != 0 {
			continue
		}
		taken++
		if err := schema.Validate(value); err != nil {
			t.Errorf("got %v of\n%s", err, document)
		}
	}
	if taken < 40 {
		t.Errorf("got %d documents, want 40 at least", taken)
	}
}

// texts returns the texts in the tests of a package: literals, and what is put
// together from them and constants.
func texts(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(repository, dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d files in %s, error %v", len(files), dir, err)
	}
	constants := map[string]string{}
	var found []string
	var parsed []*ast.File
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	for range 2 { // a constant may be made of another that comes later
		for _, f := range parsed {
			ast.Inspect(f, func(n ast.Node) bool {
				if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Names) == len(spec.Values) {
					for i, name := range spec.Names {
						if text, ok := textOf(spec.Values[i], constants); ok {
							constants[name.Name] = text
						}
					}
				}
				return true
			})
		}
	}
	for _, f := range parsed {
		ast.Inspect(f, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			text, ok := textOf(e, constants)
			if ok {
				found = append(found, text)
			}
			return !ok
		})
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// textOf returns the text of a constant expression.
func textOf(e ast.Expr, constants map[string]string) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		return constant.StringVal(constant.MakeFromLiteral(e.Value, e.Kind, 0)), true
	case *ast.Ident:
		text, ok := constants[e.Name]
		return text, ok
	case *ast.BinaryExpr:
		x, okX := textOf(e.X, constants)
		y, okY := textOf(e.Y, constants)
		return x + y, okX && okY && e.Op == token.ADD
	}
	return "", false
}
