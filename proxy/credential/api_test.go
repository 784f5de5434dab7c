package credential

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fender-proxy/fender/policy"
)

// api is an upstream in memory that knows its callers by their tokens.
type api struct {
	takes   time.Duration
	accepts func(authorization string) bool // when the answer is sent

	mu   sync.Mutex
	seen map[string]int // by Authorization
}

func (a *api) RoundTrip(req *http.Request) (*http.Response, error) {
	authorization := req.Header.Get("Authorization")
	a.mu.Lock()
	if a.seen == nil {
		a.seen = map[string]int{}
	}
	a.seen[authorization]++
	a.mu.Unlock()
	select {
	case <-time.After(a.takes):
	case <-req.Context().Done():
		return nil, context.Cause(req.Context())
	}
	status := http.StatusUnauthorized
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.accepts(authorization) {
		status = http.StatusOK
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Request: req, Body: io.NopCloser(strings.NewReader(""))}, nil
}

// refuse has the api take every token but this one.
func (a *api) refuse(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.accepts = func(authorization string) bool { return authorization != "Bearer "+token }
}

// all takes any token, none takes none.
func all(string) bool  { return true }
func none(string) bool { return false }

// through returns a transport that calls a with the credentials of a source,
// with the built-in policy and no retries.
func through(a *api, s Source) *policy.Transport {
	p := new(policy.Policy)
	p.SetDefaults()
	p.Complete()
	return &policy.Transport{Policy: p, Upstream: a, Fresh: a, Credentials: s, Observer: silent{}}
}

// call makes one call, as the sidecar does for one request. The status is 0 if
// the upstream gave no answer.
func call(ctx context.Context, t *policy.Transport) (status int, c *policy.Call) {
	c = policy.NewCall(ctx, time.Now(), t.Policy.Timeout.Request, nil)
	defer c.End()
	c.Injected = true
	req, _ := http.NewRequestWithContext(c.Context(), http.MethodGet, "http://crm.test/v1", nil)
	resp, err := t.RoundTrip(req)
	if err != nil {
		return 0, c
	}
	_ = resp.Body.Close()
	return resp.StatusCode, c
}

// silent observes nothing.
type silent struct{}

func (silent) Attempt(policy.AttemptResult, time.Duration) {}
func (silent) Hint(time.Duration)                          {}
func (silent) Retry(policy.Condition)                      {}
func (silent) RetrySkipped(policy.Skip)                    {}
func (silent) Pending(int)                                 {}
func (silent) Observed(policy.Refuser)                     {}
