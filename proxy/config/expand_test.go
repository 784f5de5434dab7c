package config

import (
	"fmt"
	"testing"
)

func TestExpand(t *testing.T) {
	variables := map[string]string{"A": "a", "EMPTY": "", "YAML": "x: [1, 2]", "NEST": "${A}", "_9": "nine"}
	lookup := func(name string) (string, bool) { value, ok := variables[name]; return value, ok }
	tests := map[string]struct{ raw, want string }{
		"text without a variable":               {"plain", "plain"},
		"a variable":                            {"${A}", "a"},
		"variables in text":                     {"-${A}-${A}-", "-a-a-"},
		"a name with a digit":                   {"${_9}", "nine"},
		"a variable that is empty":              {"[${EMPTY}]", "[]"},
		"a default that is not needed":          {"${A:-b}", "a"},
		"a default for an unset variable":       {"${B:-b c}", "b c"},
		"a default for an empty variable":       {"${EMPTY:-b}", "b"},
		"an empty default":                      {"[${B:-}]", "[]"},
		"a default that looks like one":         {"${B:-:-}", ":-"},
		"a dollar sign":                         {"$$", "$"},
		"an escaped variable":                   {"$${A}", "${A}"},
		"a dollar sign before a variable":       {"$$${A}", "$a"},
		"other dollar signs":                    {"$A $1 $ ($)", "$A $1 $ ($)"},
		"a value is not expanded again":         {"${NEST}", "${A}"},
		"a value is not YAML":                   {"${YAML}", "x: [1, 2]"},
		"an unset variable":                     {"${B}", "unset [B]"},
		"two unset variables":                   {"${B}${A}${C}", "unsetaunset [B C]"},
		"a variable that does not end":          {"${A", `"${" without "}"`},
		"a variable without a name":             {"${}", `"${" without a variable's name and "}" or ":-default}" behind it`},
		"a default without a name":              {"${:-a}", `"${" without a variable's name and "}" or ":-default}" behind it`},
		"a name that begins with a digit":       {"${9}", `"${" without a variable's name and "}" or ":-default}" behind it`},
		"a name with a blank":                   {"${A }", `"${" without a variable's name and "}" or ":-default}" behind it`},
		"another operator than that of default": {"${A-b}", `"${" without a variable's name and "}" or ":-default}" behind it`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, unset, err := expand(test.raw, lookup)
			if len(unset) > 0 {
				got = fmt.Sprint(got, " ", unset)
			}
			if err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	keys := []string{"timeout", "retry", "max_retries", "token_file", "url"}
	for text, want := range map[string]string{
		"timout": "timeout", "tiemout": "timeout", "TimeOut": "timeout", "retrys": "retry", "maxRetries": "max_retries",
		"max_retrys": "max_retries", "token": "token_file", "colour": "", "ur": "url", "x": "", "": "",
	} {
		if got, _ := nearest(text, keys); got != want {
			t.Errorf("nearest(%q): got %q, want %q", text, got, want)
		}
	}
}

func TestListenerCollides(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "127.0.0.1:81", false},
		{"127.0.0.1:0", "127.0.0.1:0", false},
		{"127.0.0.1:80", "[::1]:80", false},
		{":80", "[::1]:80", true},
		{"[::]:80", "127.0.0.1:80", true},
		{"0.0.0.0:80", "127.0.0.1:80", true},
		{"0.0.0.0:80", "[::1]:80", false},
		{"localhost:80", "LOCALHOST:80", true},
		{"localhost:80", ":80", true},
	}
	for _, test := range tests {
		a, okA := parseListener("a", test.a)
		b, okB := parseListener("b", test.b)
		if !okA || !okB {
			t.Fatalf("%s or %s is not an address", test.a, test.b)
		}
		if got := a.collides(b); got != test.want || b.collides(a) != got {
			t.Errorf("%s and %s: got %v, want %v", test.a, test.b, got, test.want)
		}
	}
}

func TestListenerServes(t *testing.T) {
	tests := []struct {
		listen, host string
		port         int
		want         bool
	}{
		{"127.0.0.1:8080", "127.0.0.1", 8080, true},
		{"127.0.0.1:8080", "localhost", 8080, true},
		{"127.0.0.1:8080", "::1", 8080, true},
		{"127.0.0.1:8080", "0.0.0.0", 8080, true},
		{"127.0.0.1:8080", "127.0.0.1", 8081, false},
		{"127.0.0.1:8080", "10.0.0.1", 8080, false},
		{"127.0.0.1:0", "127.0.0.1", 0, false},
		{":8080", "127.0.0.1", 8080, true},
		{":8080", "10.0.0.1", 8080, false},
		{"10.0.0.1:8080", "10.0.0.1", 8080, true},
		{"10.0.0.1:8080", "127.0.0.1", 8080, false},
		{"crm.local:8080", "CRM.local", 8080, true},
	}
	for _, test := range tests {
		l, ok := parseListener("listen", test.listen)
		if !ok {
			t.Fatalf("%s is not an address", test.listen)
		}
		if got := l.serves(test.host, test.port); got != test.want {
			t.Errorf("%s, a call to %s:%d: got %v, want %v", test.listen, test.host, test.port, got, test.want)
		}
	}
}
