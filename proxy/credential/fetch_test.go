package credential

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fender-proxy/fender/proxy/config"
)

// One request gets one token; the library tries out both styles if it is let.
func TestWhatTheEndpointIsAsked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from a file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	basic := func(id, secret string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
	}
	tests := []struct {
		name          string
		set           func(*config.OAuth2)
		authorization string
		form          url.Values
	}{
		{
			name:          "in a header",
			authorization: basic("id", "s3cr3t"),
			form:          url.Values{"grant_type": {"client_credentials"}},
		},
		{ // RFC 6749, 2.3.1 and appendix B: both are form encoded first
			name: "in a header, whatever is in it",
			set: func(o *config.OAuth2) {
				o.ClientID, o.ClientSecret = "an id:1", config.NewSecret("50% off+&=/ü")
			},
			authorization: basic("an+id%3A1", "50%25+off%2B%26%3D%2F%C3%BC"),
			form:          url.Values{"grant_type": {"client_credentials"}},
		},
		{
			name: "in the body",
			set: func(o *config.OAuth2) {
				o.AuthStyle, o.ClientID, o.ClientSecret = config.AuthBody, "an id:1", config.NewSecret("50% off+&=/ü")
			},
			form: url.Values{"grant_type": {"client_credentials"}, "client_id": {"an id:1"}, "client_secret": {"50% off+&=/ü"}},
		},
		{
			name: "with scopes and what else is needed",
			set: func(o *config.OAuth2) {
				o.Scopes = []string{"read", "write"}
				o.Params = map[string]config.Secret{"audience": config.NewSecret("https://api.test/"), "resource": config.NewSecret("a b")}
			},
			authorization: basic("id", "s3cr3t"),
			form:          url.Values{"grant_type": {"client_credentials"}, "scope": {"read write"}, "audience": {"https://api.test/"}, "resource": {"a b"}},
		},
		{
			name:          "with the secret of a file",
			set:           func(o *config.OAuth2) { o.ClientSecret, o.ClientSecretFile = config.Secret{}, file },
			authorization: basic("id", "from+a+file"),
			form:          url.Values{"grant_type": {"client_credentials"}},
		},
	}
	for _, tt := range tests {
		for _, ok := range []bool{true, false} {
			bubble(t, tt.name+map[bool]string{true: "", false: ", refused"}[ok], func(t *testing.T) {
				r := newRig(t, map[bool]answer{true: issues(60), false: says(401, `{"error":"invalid_client"}`)}[ok])
				if tt.set != nil {
					r = newRig(t, r.endpoint.answer, tt.set)
				}
				if _, err := r.token(t.Context()); (err == nil) != ok {
					t.Errorf("got %v", err)
				}
				r.endpoint.wantFetches(t, 1)
				asked := r.endpoint.asked[0]
				if got := asked.header.Get("Authorization"); got != tt.authorization {
					t.Errorf("got Authorization %q, want %q", got, tt.authorization)
				}
				if !maps.EqualFunc(asked.form, tt.form, func(a, b []string) bool { return strings.Join(a, "|") == strings.Join(b, "|") }) {
					t.Errorf("got the form %q, want %q", asked.form, tt.form)
				}
				if got := asked.header.Get("Content-Type"); got != "application/x-www-form-urlencoded" {
					t.Errorf("got Content-Type %q", got)
				}
			})
		}
	}
}

func TestHowLongATokenLives(t *testing.T) {
	const ever = 0
	tests := []struct {
		name, json string
		lifetime   time.Duration
	}{
		{"a number", `"expires_in":3600`, time.Hour},
		{"a text", `"expires_in":"3600"`, time.Hour},
		{"not said", `"scope":"x"`, ever},
		{"null", `"expires_in":null`, ever},
		{"zero", `"expires_in":0`, ever},
		{"zero as a text", `"expires_in":"0"`, ever},
		{"a negative number, which some say of tokens that do not expire", `"expires_in":-1`, ever},
		{"a negative text", `"expires_in":"-3600"`, ever},
		{"more than there is", `"expires_in":99999999999`, 1<<31*time.Second - time.Second},
		{"most of all", `"expires_in":9223372036854775807`, 1<<31*time.Second - time.Second},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			r := newRig(t, says(200, `{"access_token":"token-1","token_type":"bearer",`+tt.json+`}`))
			r.first(t)
			expires := r.Expires()
			switch {
			case tt.lifetime == ever && !expires.IsZero():
				t.Errorf("got a token that expires in %v, want one that does not", time.Until(expires))
			case tt.lifetime != ever && time.Until(expires) != tt.lifetime:
				t.Errorf("got a token that expires in %v, want %v", time.Until(expires), tt.lifetime)
			}
			for range 100 { // whatever it is, no call costs a fetch
				<-time.After(time.Millisecond)
				r.want(t, "token-1")
			}
			r.endpoint.wantFetches(t, 1)
		})
	}
	bubble(t, "not said: until a 401", func(t *testing.T) {
		r := newRig(t, nth(says(200, `{"access_token":"token-1"}`), says(200, `{"access_token":"token-2"}`)))
		r.first(t)
		pass(1000 * time.Hour)
		r.want(t, "token-1")
		grant, _ := r.Authorize(t.Context(), time.Now(), http.Header{})
		if !grant.Answered(http.StatusUnauthorized, false) {
			t.Error("got no replay after a 401, want one")
		}
		r.want(t, "token-2")
		r.endpoint.wantFetches(t, 2)
	})
	bubble(t, "counted from the answer, not from the question", func(t *testing.T) {
		r := newRig(t, later(700*time.Millisecond, issues(60)))
		r.first(t)
		if got := time.Until(r.Expires()); got != time.Minute {
			t.Errorf("got a token that expires in %v, want 1m", got)
		}
	})
}

func TestWhatIsAToken(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	tests := []struct {
		name, body, contentType string
		want                    string // of the Authorization header; empty: none
	}{
		{name: "a bearer token", body: `{"access_token":"t","token_type":"bearer"}`, want: "Bearer t"},
		{name: "in capitals", body: `{"access_token":"t","token_type":"BEARER"}`, want: "Bearer t"},
		{name: "of no type", body: `{"access_token":"t"}`, want: "Bearer t"},
		{name: "of another type", body: `{"access_token":"t","token_type":"Token"}`, want: "Token t"},
		{name: "as a form", body: "access_token=t&token_type=bearer&expires_in=60", contentType: form, want: "Bearer t"},
		{name: "with signs of all kinds", body: `{"access_token":"a.b-c_d~e+f/g=!"}`, want: "Bearer a.b-c_d~e+f/g=!"},
		{name: "a token with a line break", body: `{"access_token":"t\nX-Admin: 1"}`},
		{name: "a token with a line end", body: `{"access_token":"t\r\n"}`},
		{name: "a token with a NUL", body: `{"access_token":"t\u0000"}`},
		{name: "a token beyond ASCII", body: `{"access_token":"tö"}`},
		{name: "a type with a line break", body: `{"access_token":"t","token_type":"a\nb"}`},
		{name: "a form with a line break", body: "access_token=t%0d%0aX-Admin:%201", contentType: form},
		{name: "an empty token", body: `{"access_token":""}`},
		{name: "no token", body: `{}`},
		{name: "a list", body: `[]`},
		{name: "half an answer", body: `{"access_token":"t`},
		{name: "a page", body: `<html>Sign in</html>`, contentType: "text/html"},
		{name: "nothing", body: ``},
		{name: "an error in a 200", body: `{"access_token":"t","error":"invalid_scope"}`},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			var header []string
			if tt.contentType != "" {
				header = []string{"Content-Type", tt.contentType}
			}
			r := newRig(t, says(200, tt.body, header...))
			got, err := r.token(t.Context())
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
			if tt.want != "" {
				return
			}
			r.wantResults(t, FetchError, 1)
			r.wantNone(t, "no token: ")
			r.endpoint.wantFetches(t, 1)
		})
	}
}

// A redirect would take the secret elsewhere.
func TestNoRedirectIsFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		bubble(t, http.StatusText(status), func(t *testing.T) {
			r := newRig(t, nth(says(status, "", "Location", "https://evil.test/token"), issues(60)))
			r.wantNone(t, "the endpoint answered 30")
			r.endpoint.wantFetches(t, 1)
			r.wantResults(t, FetchError, 1)
		})
	}
}

// The secret that a file has now is what the next fetch shows.
func TestTheFileOfTheSecretIsReadForEachFetch(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, issues(60), func(o *config.OAuth2) {
			o.AuthStyle, o.ClientSecret, o.ClientSecretFile = config.AuthBody, config.Secret{}, file
		})
		r.wantNone(t, "client_secret_file: ")
		r.endpoint.wantFetches(t, 0)
		r.wantResults(t, FetchError, 1)
		pass(2 * time.Second)
		for i, content := range []string{"one", "another\n", ""} {
			write(content)
			_, _ = r.token(t.Context())
			r.endpoint.wantFetches(t, i+1)
			if got, want := r.endpoint.asked[i].form.Get("client_secret"), []string{"one", "another", "another"}[i]; got != want {
				t.Errorf("got the secret %q, want %q", got, want)
			}
			pass(time.Minute)
		}
		if !strings.Contains(r.log.String(), "msg=credential") || !strings.Contains(r.log.String(), errEmpty.Error()) {
			t.Errorf("got %q logged, want that the file is empty", r.log)
		}
	})
}
