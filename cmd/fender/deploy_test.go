package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheManifestIsTrue takes the configuration and the arguments out of
// deploy/sidecar.yaml and lets the program itself say whether they are right.
func TestTheManifestIsTrue(t *testing.T) {
	manifest, err := os.ReadFile("../../deploy/sidecar.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(manifest), "  fender.yaml: |\n")
	document, pod, _ := strings.Cut(rest, "\n---\n")
	file := filepath.Join(t.TempDir(), "fender.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll("\n"+document, "\n    ", "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := fender(t, "check", "--strict", "--no-secrets", "--config", file)
	if code != exitOK || !strings.Contains(stdout, ": ok (1 routes, 1 upstreams)") || stderr != "" {
		t.Errorf("got exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	for _, want := range []string{
		`args: \[run, --config, /etc/fender/fender\.yaml\]`, `mountPath: /etc/fender,`,
		`httpGet: \{path: /readyz, port: 9102\}`, `httpGet: \{path: /healthz, port: 9102\}`,
		`value: "http://127\.0\.0\.1:8080"`,
	} {
		if !regexp.MustCompile(want).MatchString(pod) {
			t.Errorf("the pod has no %s", want)
		}
	}
}

// The example's configuration is checked as it is; what it needs from the
// environment is all that its README says.
func TestTheExampleIsTrue(t *testing.T) {
	for _, name := range []string{"EXTERNAL_API_KEY", "GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET"} {
		t.Setenv(name, "x")
	}
	code, stdout, stderr := fender(t, "check", "--strict", "--config", "../../deploy/example/fender.yaml")
	if code != exitOK || !strings.Contains(stdout, ": ok (2 routes, 2 upstreams)") || stderr != "" {
		t.Errorf("got exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}
