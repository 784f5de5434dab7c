package credential

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy/config"
)

// FetchResult is how a fetch of a token ended, as it is counted.
type FetchResult string

// The results.
const (
	FetchSuccess FetchResult = "success"
	// FetchRejected is a 4xx: the credentials or the request are wrong.
	FetchRejected FetchResult = "rejected"
	// FetchThrottled is a 429.
	FetchThrottled FetchResult = "throttled"
	// FetchTimeout is an endpoint that did not answer in time.
	FetchTimeout FetchResult = "timeout"
	// FetchError is everything else: no connection, a 5xx, no token in it.
	FetchError FetchResult = "error"
)

// FetchResults returns all results.
func FetchResults() []FetchResult {
	return []FetchResult{FetchSuccess, FetchRejected, FetchThrottled, FetchTimeout, FetchError}
}

// fetchTimeout bounds one fetch. No caller waits longer than it may itself.
const fetchTimeout = 10 * time.Second

// fetched is the answer of a token endpoint.
type fetched struct {
	value string // of the Authorization header
	// lifetime is 0 if the endpoint does not say, or nothing that makes sense.
	lifetime time.Duration
}

// fetchError is a fetch that brought no token. Its text is safe to show: neither
// the request's nor the answer's body is in it.
type fetchError struct {
	result FetchResult
	text   string
	hint   time.Duration // that the endpoint asks to wait
}

func (e *fetchError) Error() string { return "no token: " + e.text }

// fetcher fetches tokens with the client credentials grant (RFC 6749, 4.4).
type fetcher struct {
	config clientcredentials.Config
	client *http.Client
	secret func() (string, error)
}

func newFetcher(o *config.OAuth2, client *http.Client, l *slog.Logger) *fetcher {
	f := &fetcher{
		client: client,
		config: clientcredentials.Config{
			ClientID: o.ClientID, TokenURL: o.TokenURL, Scopes: o.Scopes,
			// Left to itself, the library tries out both with every first fetch.
			AuthStyle:      oauth2.AuthStyleInHeader,
			EndpointParams: url.Values{},
		},
		secret: func() (string, error) { return o.ClientSecret.Reveal(), nil },
	}
	if o.AuthStyle == config.AuthBody {
		f.config.AuthStyle = oauth2.AuthStyleInParams
	}
	for name, value := range o.Params {
		f.config.EndpointParams.Set(name, value.Reveal())
	}
	if o.ClientSecretFile != "" {
		secret := newFile(o.ClientSecretFile, l)
		f.secret = func() (string, error) { return secret.read(0) }
	}
	return f
}

// fetch asks for a token.
func (f *fetcher) fetch() (fetched, *fetchError) {
	secret, err := f.secret()
	if err != nil {
		return fetched{}, &fetchError{result: FetchError, text: "client_secret_file: " + err.Error()}
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	c := f.config // whose secret may have changed since
	c.ClientSecret = secret
	token, err := c.Token(context.WithValue(ctx, oauth2.HTTPClient, f.client))
	if err != nil && ctx.Err() != nil {
		err = ctx.Err() // the library does not wrap the error of a body
	}
	if err != nil {
		return fetched{}, explain(err)
	}
	value := token.Type() + " " + token.AccessToken
	if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c >= 0x7f }) {
		return fetched{}, &fetchError{result: FetchError, text: "the endpoint's token is not a header's value"}
	}
	got := fetched{value: value}
	if !token.Expiry.IsZero() { // some say -1 of a token that does not expire
		got.lifetime = max(time.Until(token.Expiry), 0)
	}
	return got, nil
}

// explain returns an error that can be shown in place of one that may quote
// what was sent or came back.
func explain(err error) *fetchError {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.Response != nil {
		return explainStatus(refused)
	}
	var network interface{ Timeout() bool }
	if errors.As(err, &network) && network.Timeout() {
		return &fetchError{result: FetchTimeout, text: "the endpoint did not answer in time"}
	}
	if exchange, ok := errors.AsType[*url.Error](err); ok {
		return &fetchError{result: FetchError, text: explainExchange(exchange)}
	}
	return &fetchError{result: FetchError, text: "the endpoint's answer has no token"}
}

// explainExchange says why there is no answer. Only what is known of the
// connection is shown: the URL may have a password, and what net/http says of an
// answer that it can't read quotes it.
func explainExchange(err *url.Error) string {
	var certificate *tls.CertificateVerificationError
	var connection *net.OpError
	switch {
	case errors.As(err, &certificate):
		return certificate.Error()
	case errors.As(err, &connection):
		return connection.Error()
	case errors.Is(err, io.EOF):
		return "the endpoint closed the connection before it answered"
	}
	return "the endpoint's answer can't be read"
}

func explainStatus(refused *oauth2.RetrieveError) *fetchError {
	status := refused.Response.StatusCode
	e := &fetchError{result: FetchError, text: fmt.Sprintf("the endpoint answered %d", status)}
	if slices.Contains(errorCodes, refused.ErrorCode) {
		e.text += " " + refused.ErrorCode
	}
	switch {
	case status == http.StatusTooManyRequests:
		e.result = FetchThrottled
	case status >= 400 && status < 500:
		e.result = FetchRejected
	}
	hints := []policy.Hint{{Header: "Retry-After", Format: policy.FormatAuto}}
	e.hint, _ = policy.ParseHints(refused.Response.Header, hints, time.Now())
	return e
}

// errorCodes are the codes of RFC 6749, 4.1.2.1 and 5.2, and RFC 8707, 2. Any
// other text may be something that should stay where it is.
var errorCodes = []string{
	"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
	"invalid_target", "access_denied", "server_error", "temporarily_unavailable",
}
