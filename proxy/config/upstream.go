package config

import "time"

// Upstream is an API behind Fender.
type Upstream struct {
	// URL is http or https; its path is a prefix for every request.
	URL string `yaml:"url"`
	// Headers are set on every request, over whatever the client sent.
	Headers map[string]Secret `yaml:"headers"`
	Auth    *Auth             `yaml:"auth"`
	TLS     TLS               `yaml:"tls"`
	// AllowPlaintext permits credentials over http beyond loopback.
	AllowPlaintext bool `yaml:"allow_plaintext"`
	// Proxy is the URL of an egress proxy.
	Proxy       Secret        `yaml:"proxy"`
	DialTimeout time.Duration `yaml:"dial_timeout"`
	// IdleTimeout is how long an unused connection is kept.
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// MaxConnectionAge is how long a connection takes new requests, so that
	// DNS changes are followed.
	MaxConnectionAge time.Duration `yaml:"max_connection_age"`
	HTTP2            bool          `yaml:"http2"`
	// Concurrency is the limit over all routes of the upstream.
	Concurrency UpstreamConcurrency `yaml:"concurrency"`
	// RateLimit is nil if there is none.
	RateLimit *RateLimit `yaml:"rate_limit"`
	// Forwarded sets X-Forwarded-For, -Host and -Proto.
	Forwarded bool `yaml:"forwarded"`
	// Via adds Fender to the Via header (RFC 9110, 7.6.3).
	Via bool `yaml:"via"`
	// RetryBudget is nil if retries are not bounded over the routes.
	RetryBudget *RetryBudget `yaml:"retry_budget"`
	// Policy lies between the defaults and the routes' own keys; it is merged
	// into the routes.
	Policy Policy `yaml:"policy"`
}

// SetDefaults sets the built-in values.
func (u *Upstream) SetDefaults() {
	*u = Upstream{
		DialTimeout:      time.Second,
		IdleTimeout:      15 * time.Second,
		MaxConnectionAge: 5 * time.Minute,
		HTTP2:            true,
		Via:              true,
		RetryBudget:      &RetryBudget{},
	}
	u.RetryBudget.SetDefaults()
	u.Policy.SetDefaults()
}

// UpstreamConcurrency bounds the calls in flight over all routes; zero is no
// limit.
type UpstreamConcurrency struct {
	MaxRequests int `yaml:"max_requests"`
	MaxPending  int `yaml:"max_pending"`
}

// Auth is the credential that Fender gives to an upstream: one of the four.
type Auth struct {
	APIKey *APIKey `yaml:"api_key"`
	Bearer *Bearer `yaml:"bearer"`
	Basic  *Basic  `yaml:"basic"`
	OAuth2 *OAuth2 `yaml:"oauth2"`
}

// APIKey is a key from a file, sent in a header.
type APIKey struct {
	Header    string `yaml:"header"`
	ValueFile string `yaml:"value_file"`
}

// Bearer is a token from a file (RFC 6750).
type Bearer struct {
	TokenFile string `yaml:"token_file"`
}

// Basic is a user name and a password from a file (RFC 7617).
type Basic struct {
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"password_file"`
}

// OAuth2 is the client credentials grant (RFC 6749, 4.4).
type OAuth2 struct {
	TokenURL         string            `yaml:"token_url"`
	ClientID         string            `yaml:"client_id"`
	ClientSecret     Secret            `yaml:"client_secret"`
	ClientSecretFile string            `yaml:"client_secret_file"`
	Scopes           []string          `yaml:"scopes"`
	Params           map[string]Secret `yaml:"params"`
	AuthStyle        AuthStyle         `yaml:"auth_style"`
	RefreshBefore    time.Duration     `yaml:"refresh_before"`
}

// SetDefaults sets the built-in values.
func (o *OAuth2) SetDefaults() {
	*o = OAuth2{AuthStyle: AuthHeader, RefreshBefore: time.Minute}
}

// RateLimit is a token bucket: Requests per Interval, Burst at once.
type RateLimit struct {
	Requests int           `yaml:"requests"`
	Interval time.Duration `yaml:"interval"`
	Burst    int           `yaml:"burst"`
}

// SetDefaults sets the built-in values.
func (r *RateLimit) SetDefaults() { *r = RateLimit{Interval: time.Second} }

// RetryBudget bounds retries to Ratio of the calls plus MinPerSecond.
type RetryBudget struct {
	Ratio        float64 `yaml:"ratio"`
	MinPerSecond float64 `yaml:"min_per_second"`
}

// SetDefaults sets the built-in values.
func (r *RetryBudget) SetDefaults() { *r = RetryBudget{Ratio: 0.2, MinPerSecond: 0.3} }
