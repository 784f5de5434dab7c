package blackbox_test

import (
	"strings"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
)

// TestNoSecretIsInWhatACommandSays breaks the configuration in many ways, most of them right at a secret.
func TestNoSecretIsInWhatACommandSays(t *testing.T) {
	t.Parallel()
	h := newHideout(t)
	tests := []struct{ name, old, new string }{
		{"a configuration that is good", "", ""},
		{"an unknown key", "listen:", "lisden:"},
		{"a list for a header", `"${PLANTED_HEADER}"`, `["${PLANTED_HEADER}", PlantedHeader7]`},
		{"a map for a header", `"${PLANTED_HEADER}"`, `{PlantedHeader7: PlantedHeader7}`},
		{"a header that breaks the line", `"${PLANTED_HEADER}"`, `"${PLANTED_HEADER}\n"`},
		{"a variable that is not closed", `"${PLANTED_HEADER}"`, `"${PlantedHeader7"`},
		{"a header twice", `headers: {`, `headers: {x-api-key: PlantedHeader7, `},
		{"a secret that breaks YAML", `"${PLANTED_SECRET}"`, `"PlantedClientSecret7`},
		{"a list for the client's secret", `"${PLANTED_SECRET}"`, `[PlantedClientSecret7]`},
		{"both secrets", `client_secret: `, "client_secret_file: PlantedSecretFile7\n        client_secret: "},
		{"a field that Fender sends itself", `{audience: `, `{grant_type: `},
		{"a map for a field", `{audience: `, `{audience: {PlantedParam7: PlantedParam7}, b: `},
		{"a proxy without a host", `"http://fender:PlantedProxyUser7@`, `"http://fender:PlantedProxyUser7@:`},
		{"a proxy that is no URL", `"http://fender:PlantedProxyUser7@`, `"http://fender:PlantedProxyUser7%zz@`},
		{"a user in the token's URL", `token_url: "http://`, `token_url: "http://fender:PlantedClientSecret7@`},
		{"a user in the upstream's URL", `url: http://`, `url: http://fender:PlantedPassword7@`},
		{"a user name that is a whole pair", `username: fender`, `username: "fender:PlantedPassword7"`},
		{"a list to set a header to", `X-Set: PlantedSetHeader7`, `X-Set: [PlantedSetHeader7]`},
		{"a header to set that breaks the line", `X-Set: PlantedSetHeader7`, `X-Set: "PlantedSetHeader7\n"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			config := strings.ReplaceAll(h.config, test.old, test.new)
			if test.old != "" && config == h.config {
				t.Fatalf("got nothing to break at %q", test.old)
			}
			file := sidecar.WriteConfig(t, config)
			commands := [][]string{
				{"check", "--config", file}, {"check", "--strict", "--config", file}, {"check", "--no-secrets", "--config", file},
				{"explain", "--config", file, "GET", "/r0/PlantedNowhere"},
			}
			if test.old == "" {
				for _, route := range h.routes {
					commands = append(commands, []string{"explain", "--config", file, "GET", "/" + route + "/x"})
				}
			} else {
				commands = append(commands, []string{"run", "--log-level", "debug", "--config", file})
			}
			for i, args := range commands {
				got := sidecar.Run(t, binary, secretEnv, args...)
				expectNone(t, "what "+args[0]+" says", got.Stdout+got.Stderr)
				if (got.Code == 0) != (test.old == "") && i != 2 && args[0] != "explain" {
					t.Errorf("got code %d of %q, want an error if the configuration is broken:\n%s", got.Code, args, got.Stderr)
				}
			}
		})
	}
}

// What a configuration means can be asked where its secrets are not.
func TestCommandsThatNeedNoSecret(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string]string{
		"a header of the environment":     `headers: {X-Api-Key: "${PLANTED_NOWHERE}"}`,
		"a token's file":                  `auth: {bearer: {token_file: /nowhere/token}}`,
		"the secret of a client":          `auth: {oauth2: {token_url: "https://127.0.0.1:9", client_id: a, client_secret: "${PLANTED_NOWHERE}"}}`,
		"the certificate of a client":     `tls: {cert_file: /nowhere/tls.crt, key_file: /nowhere/tls.key}`,
		"the certificate of an authority": `tls: {ca_file: /nowhere/ca.crt}`,
		"the URL of a proxy with a user":  `proxy: "${PLANTED_NOWHERE}"`,
	} {
		t.Run("do without "+name, func(t *testing.T) {
			t.Parallel()
			file := sidecar.WriteConfig(t, preamble+"upstreams: {crm: {url: \"https://127.0.0.1:9\", "+keys+"}}\nroutes: [{name: a, upstream: crm}]\n")
			expectCode(t, command(t, "check", "--no-secrets", "--config", file), 0)
			expectCode(t, command(t, "explain", "--config", file, "GET", "/"), 0)
			expectCode(t, command(t, "check", "--config", file), 1)
		})
	}
}
