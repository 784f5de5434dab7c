// Package config reads Fender's configuration: one YAML document, decoded into
// plain structs with every error found in one go, each with its place in the
// file. Nothing here opens a socket or starts a goroutine.
package config

import (
	"time"

	"github.com/fender-proxy/fender/policy"
)

// Config is a whole configuration, defaults applied and policies merged. It is
// not changed after [Load] has returned it and may be shared.
type Config struct {
	// Listen are the addresses for the handler's calls; HTTP/1.x.
	Listen []string `yaml:"listen,scalar"`
	// AllowRemote permits listening beyond loopback although upstreams are
	// given credentials.
	AllowRemote bool    `yaml:"allow_remote"`
	Metrics     Metrics `yaml:"metrics"`
	Admin       Admin   `yaml:"admin"`
	Log         Log     `yaml:"log"`
	// Drain is how long requests are still served after SIGTERM.
	Drain     time.Duration       `yaml:"drain"`
	Upstreams map[string]Upstream `yaml:"upstreams"`
	// Defaults lies under every route's policy; it is merged into Routes.
	Defaults Policy  `yaml:"defaults"`
	Routes   []Route `yaml:"routes"`

	// SHA256 is the hash of the document as it was read, in hex.
	SHA256 string `yaml:"-"`
	// Warnings are remarks that do not keep the configuration from working.
	Warnings []Problem `yaml:"-"`
}

// SetDefaults sets the built-in values.
func (c *Config) SetDefaults() {
	*c = Config{
		Listen:  []string{"127.0.0.1:8080", "[::1]:8080"},
		Metrics: Metrics{Listen: ":9102"},
		Admin:   Admin{Listen: "127.0.0.1:9901"},
		Log:     Log{Level: "info", Format: "json", Requests: LogAll, Sample: 1, Path: LogPattern},
		Drain:   10 * time.Second,
	}
	c.Defaults.SetDefaults()
}

// Metrics is the listener for /metrics, /healthz and /readyz.
type Metrics struct {
	// Listen is the address; empty turns the listener off.
	Listen string `yaml:"listen"`
}

// Admin is the listener for the status page and the hands to act with.
type Admin struct {
	// Listen is the address; empty turns the listener off.
	Listen    string `yaml:"listen"`
	TokenFile string `yaml:"token_file"`
	Pprof     bool   `yaml:"pprof"`
}

// Log says what is written to stderr.
type Log struct {
	// Level is debug, info, warn or error.
	Level string `yaml:"level"`
	// Format is json or text.
	Format string `yaml:"format"`
	// Requests says which requests get a line.
	Requests LogRequests `yaml:"requests"`
	// Sample is the share (0..1) of the lines about requests without an error
	// that is written.
	Sample float64 `yaml:"sample"`
	// Path says whether a line shows the route's pattern or the caller's path.
	Path LogPath `yaml:"path"`
}

// Policy is what defaults, upstreams.*.policy and a route may say about calls.
type Policy struct {
	policy.Policy `yaml:",inline"`
	// Fallback is nil if a route has none.
	Fallback *Fallback `yaml:"fallback"`
}

// SetDefaults sets the built-in values.
func (p *Policy) SetDefaults() {
	*p = Policy{}
	p.Policy.SetDefaults()
}

// Route says which requests go to which upstream, and how.
type Route struct {
	// Name is unique, of [a-z0-9-].
	Name  string `yaml:"name"`
	Match Match  `yaml:"match"`
	// Upstream is a key of Config.Upstreams.
	Upstream string  `yaml:"upstream"`
	Rewrite  Rewrite `yaml:"rewrite"`
	// Upgrade lists the upgrade tokens let through; h2c never is.
	Upgrade []string `yaml:"upgrade"`
	// Policy is the effective policy: defaults, overlaid with the upstream's,
	// overlaid with the route's own.
	Policy `yaml:",inline"`

	// origins holds the places of the policy's values by their paths below the
	// route; see Explain.
	origins map[string]place
}

// Match is the set of requests of a route.
type Match struct {
	// Methods is empty for all.
	Methods []string `yaml:"methods"`
	// Host is without port, in any case; empty for all.
	Host string `yaml:"host"`
	// Path is a pattern of literals, {name} and a last {name...}; empty for all.
	Path string `yaml:"path"`
	// Headers must be there with exactly these values.
	Headers map[string]string `yaml:"headers"`
}

// Rewrite changes a request on its way to the upstream.
type Rewrite struct {
	StripPrefix   string            `yaml:"strip_prefix"`
	SetHeaders    map[string]Secret `yaml:"set_headers"`
	RemoveHeaders []string          `yaml:"remove_headers"`
}

// Fallback is what a handler gets in the upstream's stead.
type Fallback struct {
	// Reasons and Methods say for what it is given.
	Reasons []policy.Reason `yaml:"reasons"`
	Methods []string        `yaml:"methods"`
	Status  int             `yaml:"status"`
	// Headers go out with the body.
	Headers map[string]string `yaml:"headers"`
	// Body is sent as it is, or as a text/template if it has "{{".
	Body     string `yaml:"body"`
	BodyFile string `yaml:"body_file"`
	Stale    Stale  `yaml:"stale"`

	// content is the body, from wherever it is.
	content string
}

// SetDefaults sets the built-in values.
func (f *Fallback) SetDefaults() {
	*f = Fallback{Reasons: policy.Reasons(), Methods: []string{"GET", "HEAD"}, Status: 200}
	f.Stale.SetDefaults()
}

// Stale is the last good answer, kept for a time of need.
type Stale struct {
	// MaxAge is zero if nothing is kept.
	MaxAge             time.Duration `yaml:"max_age"`
	MaxSize            policy.Size   `yaml:"max_size"`
	Vary               []string      `yaml:"vary"`
	Methods            []string      `yaml:"methods"`
	IgnoreCacheControl bool          `yaml:"ignore_cache_control"`
}

// SetDefaults sets the built-in values.
func (s *Stale) SetDefaults() {
	*s = Stale{MaxSize: 8 * policy.MiB, Methods: []string{"GET", "HEAD"}}
}
