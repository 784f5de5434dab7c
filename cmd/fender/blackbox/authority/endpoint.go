package authority

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// A Client is what an endpoint knows its only client by, and what that has to send besides.
type Client struct {
	ID, Secret string
	InBody     bool       // else in the Authorization header (RFC 6749, 2.3.1)
	Form       url.Values // further fields of the form
}

// An Endpoint is a token endpoint of the client credentials grant (RFC 6749, 4.4), and upstream's knowledge of which of
// its tokens are good. It is scripted like any upstream; from the start every answer is a Grant. It is safe for
// concurrent use.
type Endpoint struct {
	*wire.Upstream

	client   Client
	name     string        // of its tokens
	lifetime time.Duration // of a token; 0 says nothing of it

	mu    sync.Mutex
	good  map[string]time.Time // tokens that were not revoked, and the end of each; zero is never
	last  string
	count int
	odd   []string
}

// Listen starts an endpoint. Its tokens begin with the name and live as long as it says; with 0 for ever, of which it
// says nothing. It is closed when the test ends, which fails if a request was not what the client has to send.
func Listen(t testing.TB, client Client, name string, lifetime time.Duration) *Endpoint {
	t.Helper()
	e := &Endpoint{Upstream: wire.Listen(t), client: client, name: name, lifetime: lifetime, good: make(map[string]time.Time)}
	e.Script(e.Grant())
	t.Cleanup(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, odd := range e.odd {
			t.Errorf("authority: %s", odd)
		}
	})
	return e
}

// TokenURL is where tokens are to be had.
func (e *Endpoint) TokenURL() string { return e.URL() + "/oauth/token" }

// Grant gives a new token to the client, and to nobody else.
func (e *Endpoint) Grant() wire.Answer {
	return func(x *wire.Exchange) {
		if !x.ReadBody() {
			return
		}
		if odd := e.check(x.Request); odd != "" {
			e.mu.Lock()
			e.odd = append(e.odd, odd)
			e.mu.Unlock()
			wire.Reply(401, `{"error":"invalid_client"}`, "Content-Type: application/json")(x)
			return
		}
		wire.Reply(200, e.issue(), "Content-Type: application/json", "Cache-Control: no-store")(x)
	}
}

// check says what is wrong with a request, and "" if nothing is.
func (e *Endpoint) check(r *wire.Request) string {
	form, err := url.ParseQuery(string(r.Body))
	want := url.Values{"grant_type": {"client_credentials"}}
	maps.Copy(want, e.client.Form)
	basic := ""
	if e.client.InBody {
		want.Set("client_id", e.client.ID)
		want.Set("client_secret", e.client.Secret)
	} else {
		pair := url.QueryEscape(e.client.ID) + ":" + url.QueryEscape(e.client.Secret)
		basic = "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
	}
	switch {
	case err != nil || form.Encode() != want.Encode():
		return fmt.Sprintf("got the form %q, want %q", r.Body, want.Encode())
	case r.Method != "POST" || r.Target != "/oauth/token":
		return fmt.Sprintf("got %s %s, want POST /oauth/token", r.Method, r.Target)
	case r.Header.Get("Content-Type") != "application/x-www-form-urlencoded":
		return fmt.Sprintf("got Content-Type %q, want a form's", r.Header.Get("Content-Type"))
	case r.Header.Get("Authorization") != basic:
		return fmt.Sprintf("got Authorization %q, want %q", r.Header.Get("Authorization"), basic)
	}
	return ""
}

func (e *Endpoint) issue() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count++
	e.last = fmt.Sprintf("%s-%d", e.name, e.count)
	answer := map[string]any{"access_token": e.last, "token_type": "bearer"}
	e.good[e.last] = time.Time{}
	if e.lifetime > 0 {
		answer["expires_in"] = int(e.lifetime.Seconds())
		e.good[e.last] = time.Now().Add(e.lifetime)
	}
	body, _ := json.Marshal(answer)
	return string(body)
}

// Revoke ends every token that was given so far.
func (e *Endpoint) Revoke() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.good)
}

// Last is the token that was given last, and "" before.
func (e *Endpoint) Last() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last
}

// Guard answers as another does to requests with a good token, and 401 to all others.
func (e *Endpoint) Guard(answer wire.Answer) wire.Answer {
	return func(x *wire.Exchange) {
		if !x.ReadBody() {
			return
		}
		if !e.knows(x.Request.Header.Get("Authorization")) {
			wire.Reply(401, "not you", `WWW-Authenticate: Bearer error="invalid_token"`)(x)
			return
		}
		answer(x)
	}
}

func (e *Endpoint) knows(authorization string) bool {
	token, bearer := strings.CutPrefix(authorization, "Bearer ")
	e.mu.Lock()
	defer e.mu.Unlock()
	end, good := e.good[token]
	return bearer && good && (end.IsZero() || time.Now().Before(end))
}
