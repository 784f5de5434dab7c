package config

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const planted = "s3cret-4fd1"

// TestNoVariableIsEverShown puts a variable in the place of each value of the
// example, one after the other and whatever its type, and looks for its value in
// all that can be read afterwards.
func TestNoVariableIsEverShown(t *testing.T) {
	for _, value := range []string{"https://" + planted + ".example/?" + planted, "{{." + planted + "/{\n"} {
		lookup := func(string) (string, bool) { return value, true }
		forEachScalar(t, func(root *yaml.Node, path string, n *yaml.Node) {
			n.SetString("${SECRET}")
			checkShown(t, root, path, n, planted, lookup)
		})
	}
}

// TestNoCredentialIsEverShown puts a credential into the document itself: right
// and wrong, wherever credentials belong.
func TestNoCredentialIsEverShown(t *testing.T) {
	text := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: planted}
	values := []yaml.Node{
		*text,
		{Kind: yaml.ScalarNode, Value: planted, Style: yaml.TaggedStyle, Tag: "!" + planted},
		{Kind: yaml.ScalarNode, Tag: "!!str", Value: "${" + planted},
		{Kind: yaml.ScalarNode, Tag: "!!str", Value: planted + "\r\n"},
		{Kind: yaml.ScalarNode, Tag: "!!str", Value: "https://u:" + planted + "@a.example:x"},
		{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{text}},
		{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{text, text}},
		{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{text, text, text, text}},
	}
	for i := range values {
		forEachScalar(t, func(root *yaml.Node, path string, n *yaml.Node) {
			if holdsSecrets(path) {
				*n = values[i]
				checkShown(t, root, path, n, planted, noEnv)
			}
		})
	}
}

// forEachScalar calls visit for each value of the example, that in comments too,
// with its path, and puts it back.
func forEachScalar(t *testing.T, visit func(root *yaml.Node, path string, n *yaml.Node)) {
	t.Helper()
	root, problem := parseYAML("config.yaml", compact(t))
	if problem != nil {
		t.Fatal(problem)
	}
	var walk func(n *yaml.Node, path string)
	walk = func(n *yaml.Node, path string) {
		switch n.Kind {
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				walk(n.Content[i+1], join(path, n.Content[i].Value))
			}
		case yaml.SequenceNode:
			for i, child := range n.Content {
				walk(child, element(path, i))
			}
		default:
			before := *n
			visit(root, path, n)
			*n = before
		}
	}
	walk(root, "")
}

// compact returns the example, with its settings in comments in force, without
// its other comments and what keeps it from loading: alternatives that exclude
// each other, files that are not there.
func compact(t *testing.T) []byte {
	t.Helper()
	comment := regexp.MustCompile(`(^| +)# .*`)
	alternative := regexp.MustCompile(`^\s*$|body_file:|_file: /|oauth2: {}|Authorization`)
	var kept []string
	for line := range strings.SplitSeq(string(uncomment(t)), "\n") {
		if line = comment.ReplaceAllString(line, ""); !alternative.MatchString(line) {
			kept = append(kept, line)
		}
	}
	data := []byte(strings.Join(kept, "\n"))
	if _, err := Parse("config.yaml", data, Options{LookupEnv: func(string) (string, bool) { return "x", true }}); err != nil {
		t.Fatal(err)
	}
	return data
}

func checkShown(t *testing.T, root *yaml.Node, path string, n *yaml.Node, secret string, lookup func(string) (string, bool)) {
	t.Helper()
	data, err := yaml.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse("config.yaml", data, Options{LookupEnv: lookup})
	shown := fmt.Sprint(err)
	if c != nil {
		shown += Problems(c.Warnings).Error()
		for i := range c.Routes {
			shown += fmt.Sprint(c.Routes[i].Explain())
		}
		shown += fmt.Sprintf("%v %+v %#v", c.Upstreams["crm"].Headers, c.Upstreams["crm"].Headers, c.Upstreams["crm"].Headers)
	}
	if strings.Contains(shown, secret) {
		t.Errorf("with %q at %s:\n%s", n.Value, path, shown)
	}
}
