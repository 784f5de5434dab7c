package enrichment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxReply is the most that is read of an API's answer, in bytes.
const maxReply = 256 << 10

// ParseBaseURL parses the base URL of an API: absolute, http or https, without
// query, fragment and credentials. A path is put before that of every lookup.
// Errors do not repeat the text, which may hold a secret by mistake.
func ParseBaseURL(text string) (*url.URL, error) {
	base, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("is not a URL")
	case base.Scheme != "http" && base.Scheme != "https":
		return nil, errors.New("must begin with http:// or https://")
	case base.Hostname() == "":
		return nil, errors.New("has no host")
	case base.User != nil:
		return nil, errors.New("must not hold credentials: the sidecar adds them")
	case strings.ContainsAny(text, "?#"):
		return nil, errors.New("must have neither query nor fragment")
	}
	return base, nil
}

// A source is one of the two APIs, seen through the sidecar. Each has connections
// of its own, so that one that hangs takes none from the other.
type source struct {
	base   string
	client *http.Client
}

func newSource(base *url.URL) *source {
	return &source{
		base: strings.TrimRight(base.String(), "/"),
		client: &http.Client{
			Transport: &http.Transport{
				Proxy:                  nil, // the sidecar is near; the environment's proxy is not for it
				DialContext:            (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
				TLSHandshakeTimeout:    2 * time.Second,
				MaxConnsPerHost:        1024,
				MaxIdleConns:           64,
				MaxIdleConnsPerHost:    64,
				IdleConnTimeout:        30 * time.Second,
				MaxResponseHeaderBytes: 64 << 10,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (s *source) close() { s.client.CloseIdleConnections() }

// get asks for a path on behalf of a caller.
func (s *source) get(ctx context.Context, path string, c *caller) reply {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+path, http.NoBody)
	if err != nil {
		return reply{result: resultUnreachable, err: errors.New("the URL cannot be used")}
	}
	c.pass(req.Header)
	req.Header.Set("Accept", jsonType)
	resp, err := s.client.Do(req)
	if err != nil {
		return broken(ctx, err)
	}
	defer resp.Body.Close()
	r := reply{
		result:  classify(resp),
		status:  resp.StatusCode,
		circuit: resp.Header.Get("Fender-Circuit"),
		reason:  resp.Header.Get("Fender-Reason"),
	}
	r.body, err = io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	switch {
	case err != nil && r.result != resultNotFound && r.result != resultFailed:
		b := broken(ctx, err)
		r.result, r.err = b.result, b.err
	case len(r.body) > maxReply && r.result.answered():
		r.result, r.err = resultMalformed, fmt.Errorf("the answer is longer than %d bytes", maxReply)
	}
	return r
}
