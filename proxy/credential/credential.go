// Package credential gives requests to an upstream the credentials that Fender
// looks after: a key, a token or a password from a file that may change, or a
// token of the OAuth 2.0 client credentials grant.
package credential

import (
	"context"
	"encoding/base64"
	"log/slog"
	"net/http"
	"time"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy/config"
)

// Source gives one header its value. It is safe for concurrent use.
type Source interface {
	policy.Credentials
	// Header is the name of the header that it sets, in canonical form.
	Header() string
	// Expires is when what it gives at present expires; the zero time if it
	// gives nothing, or something that does not expire.
	Expires() time.Time
}

// Options are what a Source works with.
type Options struct {
	// Client fetches tokens. It must not follow redirects.
	Client *http.Client
	// Logger gets a line when a file cannot be read or a token not be had, and
	// when it can again.
	Logger *slog.Logger
	// Fetched, if not nil, is told of each fetch of a token.
	Fetched func(FetchResult)
}

// New returns the source that a configuration asks for, nil if it asks for none.
func New(a *config.Auth, o Options) Source {
	switch {
	case a == nil:
		return nil
	case a.APIKey != nil:
		return newFileSource(a.APIKey.Header, a.APIKey.ValueFile, func(key string) string { return key }, o.Logger)
	case a.Bearer != nil:
		return newFileSource("Authorization", a.Bearer.TokenFile, bearer, o.Logger)
	case a.Basic != nil:
		return newFileSource("Authorization", a.Basic.PasswordFile, func(password string) string {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte(a.Basic.Username+":"+password))
		}, o.Logger)
	case a.OAuth2 != nil:
		return newTokenSource(newFetcher(a.OAuth2, o.Client, o.Logger), a.OAuth2.RefreshBefore, o)
	}
	return nil
}

func bearer(token string) string { return "Bearer " + token }

// fileSource gives a header the content of a file.
type fileSource struct {
	header string
	file   *file
	format func(content string) string
}

func newFileSource(header, path string, format func(string) string, l *slog.Logger) *fileSource {
	return &fileSource{http.CanonicalHeaderKey(header), newFile(path, l), format}
}

// Header implements [Source].
func (s *fileSource) Header() string { return s.header }

// Expires implements [Source].
func (s *fileSource) Expires() time.Time { return time.Time{} }

// Authorize implements [policy.Credentials].
func (s *fileSource) Authorize(_ context.Context, _ time.Time, h http.Header) (policy.Grant, error) {
	content, err := s.file.read(recheck)
	if err != nil {
		return nil, err
	}
	h.Set(s.header, s.format(content))
	return &fileGrant{s.file, content}, nil
}

// fileGrant is one use of a file's content.
type fileGrant struct {
	file    *file
	content string
}

// Answered implements [policy.Grant]: after a 401 the file may have other
// content already.
func (g *fileGrant) Answered(status int, replay bool) bool {
	if status != http.StatusUnauthorized || replay {
		return false
	}
	content, err := g.file.read(0)
	return err == nil && content != g.content
}
