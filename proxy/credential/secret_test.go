package credential

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fender-proxy/fender/proxy/config"
)

// What an endpoint answers may be what it was sent, and what net/http says of an
// answer may quote it.
func TestNoSecretIsInAnErrorOrALine(t *testing.T) {
	secrets := []string{"hushhush", "tok3n", "par4m", "userinf0", base64.StdEncoding.EncodeToString([]byte("id:hushhush"))}
	echo := `id=id&secret=hushhush&audience=par4m&Authorization=Basic ` + secrets[4]
	breaks := func(err error) answer {
		return func(int, *http.Request) (*http.Response, error) { return nil, err }
	}
	tests := []struct {
		name   string
		answer answer
		says   string // what is said instead
	}{
		{"a body", says(400, echo), "answered 400"},
		{"a body of another type", says(400, echo, "Content-Type", "text/plain"), "answered 400"},
		{"an error's description", says(400, `{"error":"invalid_client","error_description":"hushhush is wrong","error_uri":"http://hushhush"}`), "answered 400 invalid_client"},
		{"an error's code", says(400, `{"error":"bad secret \"hushhush\" for par4m"}`), "answered 400"},
		{"an error's code that looks like one", says(400, `{"error":"hushhush"}`), "answered 400"},
		{"an error's code in a form", says(400, `error=hushhush`, "Content-Type", "application/x-www-form-urlencoded"), "answered 400"},
		{"an error beside a token", says(200, `{"access_token":"tok3n","error":"hushhush"}`), "answered 200"},
		{"a token that is none", says(200, `{"access_token":"tok3n\nhushhush"}`), "not a header's value"},
		{"no JSON", says(200, `{"access_token":"tok3n", hushhush`), "has no token"},
		{"a number that is none", says(200, `{"access_token":"tok3n","expires_in":"hushhush"}`), "has no token"},
		{"a form that is none", says(200, `access_token=tok3n;hushhush%zz`, "Content-Type", "application/x-www-form-urlencoded"), "has no token"},
		{"an address that is none", says(302, "", "Location", "https://login.test:hushhush/?secret=hushhush"), ""},
		{"a head that is none", breaks(fmt.Errorf("net/http: HTTP/1.x transport connection broken: %w", fmt.Errorf("malformed HTTP response %q", echo))), ""},
		{"a header line that is none", breaks(errors.New("malformed MIME header line: " + echo)), ""},
		{"a proxy's status", breaks(errors.New("hushhush is not a user")), ""},
		{"a body that breaks", func(_ int, req *http.Request) (*http.Response, error) {
			resp, _ := reply(req, 200, "")
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"access_token":"tok3n"`), broken{errors.New(echo)}))
			return resp, nil
		}, ""},
		{"a refused connection", down, "connection refused"},
		{"silence", later(time.Hour, nil), "did not answer in time"},
	}
	for _, style := range []config.AuthStyle{config.AuthHeader, config.AuthBody} {
		for _, tt := range tests {
			bubble(t, tt.name+" with the secret in the "+string(style), func(t *testing.T) {
				r := newRig(t, tt.answer, func(o *config.OAuth2) {
					o.TokenURL = "https://userinf0:userinf0@login.test/oauth/token"
					o.ClientSecret, o.AuthStyle = config.NewSecret("hushhush"), style
					o.Params = map[string]config.Secret{"audience": config.NewSecret("par4m")}
				})
				_, err := r.Authorize(t.Context(), time.Now().Add(time.Minute), http.Header{})
				if err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Fatalf("got %v, want that it %s", err, tt.says)
				}
				said := fmt.Sprintf("%v %+v %#v %s", err, err, err, r.log)
				for _, secret := range secrets {
					if strings.Contains(said, secret) {
						t.Errorf("got %q in %s", secret, said)
					}
				}
				if !strings.Contains(r.log.String(), "msg=token") {
					t.Errorf("got %q logged, want a line", r.log)
				}
			})
		}
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// Whoever looks for what is wrong must find the kind of it.
func TestAFetchThatFailsSaysWhy(t *testing.T) {
	stalls := func(_ int, req *http.Request) (*http.Response, error) {
		resp, _ := reply(req, 200, "")
		resp.Body = io.NopCloser(stalled{req.Context()})
		return resp, nil
	}
	bubble(t, "a body that stalls is a timeout", func(t *testing.T) {
		r := newRig(t, stalls)
		_, err := r.Authorize(t.Context(), time.Now().Add(time.Minute), http.Header{})
		if err == nil || !strings.Contains(err.Error(), "did not answer in time") {
			t.Errorf("got %v, want that the endpoint did not answer in time", err)
		}
		r.wantResults(t, FetchTimeout, 1)
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nth(down, issues(60)))
		r.wantNone(t, "connection refused")
		for _, want := range []string{"level=WARN", "msg=token", "result=error", "failures=1", "next_fetch=", "connection refused"} {
			if !strings.Contains(r.log.String(), want) {
				t.Errorf("got %q logged, want %s in it", r.log, want)
			}
		}
	})
}

type stalled struct{ ctx context.Context }

func (s stalled) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// What a file has in it is for the upstream alone, also where it is no use.
func TestNoFileIsInAnErrorOrALine(t *testing.T) {
	for name, content := range map[string]string{
		"two lines": "hushhush\nhushhush", "too much": strings.Repeat("hushhush", 10_000), "a NUL": "hush\x00hush", "a bell": "hush\ahush",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			log := new(logged)
			s := New(&config.Auth{Bearer: &config.Bearer{TokenFile: path}}, Options{Logger: log.logger()})
			_, err := s.Authorize(t.Context(), time.Now(), http.Header{})
			if err == nil {
				t.Fatal("got a credential, want an error")
			}
			if said := err.Error() + log.String(); strings.Contains(said, "hush") {
				t.Errorf("got %q", said)
			}
		})
	}
}
