package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/fender-proxy/fender/proxy/config"
)

// loadWith loads a document under flags and the environment.
func loadWith(t *testing.T, document string, args []string, env map[string]string) (*config.Config, error) {
	t.Helper()
	for name, value := range env {
		t.Setenv(name, value)
	}
	flags := pflag.NewFlagSet("fender", pflag.ContinueOnError)
	s := newSettings(flags)
	if err := flags.Parse(append([]string{"--config", write(t, document)}, args...)); err != nil {
		t.Fatal(err)
	}
	return s.load(config.Options{})
}

func TestAFlagComesBeforeTheEnvironmentBeforeTheFileBeforeWhatIsBuiltIn(t *testing.T) {
	const inFile = minimal + `
listen: 127.0.0.1:1
metrics: {listen: "127.0.0.1:2"}
admin: {listen: "127.0.0.1:3"}
log: {level: warn, format: text}
`
	environment := map[string]string{
		"FENDER_LISTEN":         "127.0.0.1:11, [::1]:11",
		"FENDER_METRICS_LISTEN": "127.0.0.1:12",
		"FENDER_ADMIN_LISTEN":   "127.0.0.1:13",
		"FENDER_LOG_LEVEL":      "error",
		"FENDER_LOG_FORMAT":     "json",
	}
	flags := []string{
		"--listen", "127.0.0.1:21", "--listen", "127.0.0.1:22,127.0.0.1:23",
		"--metrics-listen", "127.0.0.1:24", "--admin-listen", "127.0.0.1:25",
		"--log-level", "debug", "--log-format", "text",
	}
	type values struct {
		listen         []string
		metrics, admin string
		level, format  string
	}
	for _, test := range []struct {
		name     string
		document string
		args     []string
		env      map[string]string
		want     values
	}{
		{"built in", minimal, nil, nil, values{[]string{"127.0.0.1:8080", "[::1]:8080"}, ":9102", "127.0.0.1:9901", "info", "json"}},
		{"the file", inFile, nil, nil, values{[]string{"127.0.0.1:1"}, "127.0.0.1:2", "127.0.0.1:3", "warn", "text"}},
		{"the environment", inFile, nil, environment, values{[]string{"127.0.0.1:11", "[::1]:11"}, "127.0.0.1:12", "127.0.0.1:13", "error", "json"}},
		{"a flag", inFile, flags, environment, values{[]string{"127.0.0.1:21", "127.0.0.1:22", "127.0.0.1:23"}, "127.0.0.1:24", "127.0.0.1:25", "debug", "text"}},
		{"an empty variable is unset, save where it turns a listener off", inFile, nil, map[string]string{
			"FENDER_LISTEN": "", "FENDER_METRICS_LISTEN": "", "FENDER_ADMIN_LISTEN": "", "FENDER_LOG_LEVEL": "", "FENDER_LOG_FORMAT": "",
		}, values{[]string{"127.0.0.1:1"}, "", "", "warn", "text"}},
		{"an empty flag turns a listener off", inFile, []string{"--metrics-listen=", "--admin-listen="}, environment, values{[]string{"127.0.0.1:11", "[::1]:11"}, "", "", "error", "json"}},
		{"port 0", inFile, []string{"--listen", "127.0.0.1:0", "--metrics-listen", ":0"}, nil, values{[]string{"127.0.0.1:0"}, ":0", "127.0.0.1:3", "warn", "text"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, err := loadWith(t, test.document, test.args, test.env)
			if err != nil {
				t.Fatal(err)
			}
			got := values{cfg.Listen, cfg.Metrics.Listen, cfg.Admin.Listen, cfg.Log.Level, cfg.Log.Format}
			if !slices.Equal(got.listen, test.want.listen) {
				t.Errorf("got listen %q, want %q", got.listen, test.want.listen)
			}
			got.listen, test.want.listen = nil, nil
			if got.metrics != test.want.metrics || got.admin != test.want.admin || got.level != test.want.level || got.format != test.want.format {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// Viper would lose the case of a key, split it at its dots and drop nulls: the
// document must not go through it.
func TestTheFileKeepsItsKeysAsTheyAre(t *testing.T) {
	cfg, err := loadWith(t, `
upstreams:
  CRM.example: {url: http://127.0.0.1:9, headers: {X-Api.Key: secret}}
defaults: {retry: {}}
routes:
  - {name: customer, upstream: CRM.example, retry: null}
`, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := cfg.Upstreams["CRM.example"].Headers["X-Api.Key"]; !ok {
		t.Errorf("got upstreams %v, want CRM.example with its header", cfg.Upstreams)
	}
	if cfg.Routes[0].Retry != nil {
		t.Error("retry: null does not turn the inherited one off")
	}
}

func TestASettingIsRefusedLikeTheFilesUnderItsOwnName(t *testing.T) {
	const credentials = `
upstreams:
  crm: {url: http://127.0.0.1:9, headers: {X-API-Key: secret}}
routes:
  - {name: customer, upstream: crm}
`
	for _, test := range []struct {
		name     string
		document string
		args     []string
		env      map[string]string
		want     string
	}{
		{"beyond loopback with credentials", credentials, []string{"--listen", "0.0.0.0:8080"}, nil,
			`--listen: listen: listens beyond loopback although upstreams get credentials (listen on 127.0.0.1, or set allow_remote: true)`},
		{"beyond loopback with credentials, by the environment", credentials, nil, map[string]string{"FENDER_LISTEN": ":8080"},
			`FENDER_LISTEN: listen: listens beyond loopback although upstreams get credentials (listen on 127.0.0.1, or set allow_remote: true)`},
		{"no address", minimal, []string{"--metrics-listen", "here"}, nil,
			`--metrics-listen: metrics.listen: `},
		{"no level", minimal, nil, map[string]string{"FENDER_LOG_LEVEL": "loud"},
			`FENDER_LOG_LEVEL: log.level: `},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := loadWith(t, test.document, test.args, test.env)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got error\n%v\nwant it to begin with\n%s", err, test.want)
			}
		})
	}
}

func TestAnOverrideCuresWhatTheFileSays(t *testing.T) {
	cfg, err := loadWith(t, `
listen: 0.0.0.0:8080
upstreams:
  crm: {url: http://127.0.0.1:9, headers: {X-API-Key: secret}}
routes:
  - {name: customer, upstream: crm}
`, []string{"--listen", "127.0.0.1:0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cfg.Listen, []string{"127.0.0.1:0"}; !slices.Equal(got, want) {
		t.Errorf("got listen %q, want %q", got, want)
	}
}
