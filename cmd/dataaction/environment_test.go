package main

import (
	"bytes"
	"maps"
	"strings"
	"testing"
	"time"
)

// sidecars are the two variables without which nothing starts.
var sidecars = map[string]string{
	"CRM_BASE_URL": "http://127.0.0.1:8080", "GENESYS_BASE_URL": "http://127.0.0.1:8080/genesys",
}

// lookupIn returns a lookup in the sidecars, overlaid with what is given as name,
// value, ….
func lookupIn(overlay ...string) func(string) (string, bool) {
	all := maps.Clone(sidecars)
	for i := 0; i < len(overlay); i += 2 {
		all[overlay[i]] = overlay[i+1]
	}
	return func(name string) (string, bool) {
		value, ok := all[name]
		return value, ok
	}
}

func TestTheEnvironmentHasDefaults(t *testing.T) {
	for _, overlay := range [][]string{nil, {"LISTEN", "", "TIMEOUT", ""}} {
		e, err := readEnvironment(lookupIn(overlay...))
		if err != nil {
			t.Fatal(err)
		}
		if e.listen != "127.0.0.1:3000" || e.timeout != 5*time.Second || e.token != "" {
			t.Errorf("got %+v, want the defaults", e)
		}
		if e.crm.String() != sidecars["CRM_BASE_URL"] || e.genesys.String() != sidecars["GENESYS_BASE_URL"] {
			t.Errorf("got %s and %s, want the sidecars", e.crm, e.genesys)
		}
	}
	e, err := readEnvironment(lookupIn("LISTEN", ":3000", "TIMEOUT", "1500ms", "DATA_ACTION_TOKEN", "s3cret"))
	if err != nil || e.listen != ":3000" || e.timeout != 1500*time.Millisecond || e.token != "s3cret" {
		t.Errorf("got %+v, %v, want what was set", e, err)
	}
}

func TestWhatIsWrongInTheEnvironmentIsNamed(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"CRM_BASE_URL", "", "CRM_BASE_URL: is not set"},
		{"GENESYS_BASE_URL", "", "GENESYS_BASE_URL: is not set"},
		{"CRM_BASE_URL", "localhost:8080", "CRM_BASE_URL: must begin with http:// or https://"},
		{"GENESYS_BASE_URL", "http://a?b", "GENESYS_BASE_URL: must have neither query nor fragment"},
		{"TIMEOUT", "5", `TIMEOUT: "5" is not a duration (one is 5s)`},
		{"TIMEOUT", "0s", `TIMEOUT: "0s" is not between 0s and 1m0s`},
		{"TIMEOUT", "-1s", `TIMEOUT: "-1s" is not between 0s and 1m0s`},
		{"TIMEOUT", "61s", `TIMEOUT: "61s" is not between 0s and 1m0s`},
		{"DATA_ACTION_TOKEN", "", "DATA_ACTION_TOKEN: is set but empty (unset it to let anybody in)"},
		{"DATA_ACTION_TOKEN", "s3cret\n", "DATA_ACTION_TOKEN: must be printable ASCII without spaces"},
		{"DATA_ACTION_TOKEN", "s3crét", "DATA_ACTION_TOKEN: must be printable ASCII without spaces"},
	} {
		_, err := readEnvironment(lookupIn(test.name, test.value))
		if err == nil || err.Error() != test.want {
			t.Errorf("%s=%q: got %v, want %s", test.name, test.value, err, test.want)
		}
	}
	_, err := readEnvironment(lookupIn("CRM_BASE_URL", "", "GENESYS_BASE_URL", "", "TIMEOUT", "x"))
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("got %v, want three lines", err)
	}
}

func TestAStartThatFailsSaysWhy(t *testing.T) {
	for _, test := range []struct {
		name    string
		args    []string
		overlay []string
		code    int
		want    string
	}{
		{"an argument", []string{"--listen"}, nil, 2, "takes no arguments"},
		{"a variable that is missing", nil, []string{"CRM_BASE_URL", ""}, 1, "CRM_BASE_URL: is not set"},
		{"an address that is none", nil, []string{"LISTEN", "3000"}, 1, "LISTEN: listen tcp"},
	} {
		var stderr bytes.Buffer
		code := run(t.Context(), test.args, lookupIn(test.overlay...), &stderr)
		if code != test.code || !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%s: got %d %s, want %d %s", test.name, code, stderr.String(), test.code, test.want)
		}
	}
}
