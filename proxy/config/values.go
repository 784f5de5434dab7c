package config

import (
	"fmt"

	"github.com/fender-proxy/fender/policy"
)

// Redacted stands wherever a secret would.
const Redacted = "[redacted]"

// Secret is a text that no output shows: not by fmt, not by log/slog, not by a
// marshaller. Reveal is the only way to its value.
type Secret struct{ value string }

// NewSecret wraps a value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the value, to be sent and never to be shown.
func (s Secret) Reveal() string { return s.value }

// String returns [Redacted], or the empty string if s is empty.
func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	return Redacted
}

// Format implements [fmt.Formatter], so that no verb reaches the value.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalText implements [encoding.TextMarshaler].
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Secret) UnmarshalText(text []byte) error {
	s.value = string(text)
	return nil
}

// LogRequests says which requests get a log line.
type LogRequests string

// The values of log.requests.
const (
	LogAll    LogRequests = "all"
	LogErrors LogRequests = "errors"
	LogNone   LogRequests = "none"
)

// UnmarshalText reads one of the values.
func (l *LogRequests) UnmarshalText(text []byte) error {
	return policy.OneOf(l, text, LogAll, LogErrors, LogNone)
}

// LogPath says what a log line shows as path.
type LogPath string

// The values of log.path.
const (
	LogPattern LogPath = "pattern"
	LogFull    LogPath = "full"
)

// UnmarshalText reads one of the values.
func (l *LogPath) UnmarshalText(text []byte) error { return policy.OneOf(l, text, LogPattern, LogFull) }

// AuthStyle says how client credentials reach a token endpoint.
type AuthStyle string

// The values of auth_style.
const (
	AuthHeader AuthStyle = "header"
	AuthBody   AuthStyle = "body"
)

// UnmarshalText reads one of the values.
func (a *AuthStyle) UnmarshalText(text []byte) error {
	return policy.OneOf(a, text, AuthHeader, AuthBody)
}
