package demo

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// newTestGenesys returns one that gives tokens for a minute, two at a time, each
// for three requests a minute. It reports to events.
func newTestGenesys(events *[]event) *genesys {
	return &genesys{
		client: client{"id", "secret"},
		tokens: tokens{life: time.Minute, most: 2, allowed: 3},
		report: func(e event) { *events = append(*events, e) },
	}
}

// serve returns the answer to a request.
func (g *genesys) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

// newTokenRequest returns a request for a token that is as it should be.
func newTokenRequest() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/oauth/token", strings.NewReader("grant_type=client_credentials"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("id", "secret")
	return r
}

// fetch returns a new token.
func (g *genesys) fetch(t *testing.T) string {
	t.Helper()
	var got struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(g.serve(newTokenRequest()).Body.Bytes(), &got); err != nil || got.AccessToken == "" {
		t.Fatalf("got no token, error %v", err)
	}
	return got.AccessToken
}

// ask asks for a conversation with a token.
func (g *genesys) ask(token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, detailsPath(conversationID(7)), nil)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("X-Request-Id", requestID(7))
	return g.serve(r)
}

func detailsPath(id string) string { return "/api/v2/analytics/conversations/" + id + "/details" }

func TestAClientGetsATokenForItsCredentials(t *testing.T) {
	var events []event
	g := newTestGenesys(&events)
	w := g.serve(newTokenRequest())
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatalf("got %d %s, want a token", w.Code, w.Body)
	}
	if got["token_type"] != "bearer" || got["expires_in"] != 60.0 || len(got) != 3 {
		t.Errorf("got %v, want a bearer token that expires in 60 seconds", got)
	}
	if want := (tokenGiven{number: 1, to: theSidecar, life: time.Minute}); len(events) != 1 || events[0] != want {
		t.Errorf("got events %+v, want %+v", events, want)
	}
	if g.count() != 0 {
		t.Errorf("got %d requests counted, want none: it is none of the API's", g.count())
	}
}

func TestNobodyElseGetsAToken(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*http.Request)
		status int
		code   string
	}{
		{"no credentials", func(r *http.Request) { r.Header.Del("Authorization") }, 401, "invalid_client"},
		{"another client", func(r *http.Request) { r.SetBasicAuth("other", "secret") }, 401, "invalid_client"},
		{"a wrong secret", func(r *http.Request) { r.SetBasicAuth("id", "secre") }, 401, "invalid_client"},
		{"another grant", func(r *http.Request) { r.Body = http.NoBody }, 400, "unsupported_grant_type"},
		{"a GET", func(r *http.Request) { r.Method = http.MethodGet }, 405, ""},
	} {
		var events []event
		r := newTokenRequest()
		test.change(r)
		w := newTestGenesys(&events).serve(r)
		var got map[string]string
		_ = json.Unmarshal(w.Body.Bytes(), &got)
		if w.Code != test.status || got["error"] != test.code || len(events) > 0 {
			t.Errorf("%s: got %d %s, events %v, want %d %s and none", test.name, w.Code, w.Body, events, test.status, test.code)
		}
	}
}

func TestAGoodTokenGetsTheConversation(t *testing.T) {
	var events []event
	g := newTestGenesys(&events)
	w := g.ask(g.fetch(t))
	var got conversation
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || got.ID != conversationID(7) {
		t.Fatalf("got %d %s, want the conversation", w.Code, w.Body)
	}
	segments := got.Participants[0].Sessions[0].Segments
	if last := segments[len(segments)-1].Type; last != "ivr" {
		t.Errorf("got %q last, want ivr", last)
	}
	h := w.Header()
	if h.Get("inin-ratelimit-count") != "1" || h.Get("inin-ratelimit-allowed") != "3" || h.Get("inin-ratelimit-reset") != "60" {
		t.Errorf("got %v, want the first of 3 requests in 60 seconds", h)
	}
	if want := (genesysAnswer{caller: 7, token: 1, status: http.StatusOK}); events[1] != want || g.count() != 1 {
		t.Errorf("got %d requests, event %+v, want one, %+v", g.count(), events[1], want)
	}
}

func TestWhatIsNoConversationIsNotFound(t *testing.T) {
	for _, path := range []string{"/", "/api/v2/users/me", detailsPath("1"), detailsPath(conversationPrefix + "x"), detailsPath(conversationPrefix + "-1")} {
		var events []event
		g := newTestGenesys(&events)
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer "+g.fetch(t))
		if w := g.serve(r); w.Code != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", path, w.Code)
		}
	}
}

// wantError checks the body that all errors of the API have.
func wantError(t *testing.T, w *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	var got map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &got)
	if w.Code != status || got["status"] != float64(status) || got["code"] != code || got["contextId"] == "" ||
		got["message"] == "" || got["details"] == nil || got["errors"] == nil {
		t.Errorf("got %d %s, want %d %s", w.Code, w.Body, status, code)
	}
}

func TestATokenThatIsUnknownOrHasExpiredIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []event
		g := newTestGenesys(&events)
		token := g.fetch(t)
		for _, unknown := range []string{"", "x", token + "x"} {
			wantError(t, g.ask(unknown), http.StatusUnauthorized, "bad.credentials")
		}
		<-time.After(time.Minute - 1)
		if w := g.ask(token); w.Code != http.StatusOK {
			t.Errorf("got %d, want 200 in the token's last moment", w.Code)
		}
		<-time.After(1)
		wantError(t, g.ask(token), http.StatusUnauthorized, "bad.credentials")
		if want := (genesysAnswer{caller: 7, token: 1, status: http.StatusUnauthorized}); events[len(events)-1] != want {
			t.Errorf("got event %+v, want %+v", events[len(events)-1], want)
		}
	})
}

func TestATokenTooManyEvictsTheOldestThatIsGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []event
		g := newTestGenesys(&events)
		good := func(token string, want int) {
			t.Helper()
			if w := g.ask(token); w.Code != want {
				t.Errorf("got %d, want %d", w.Code, want)
			}
		}
		first, second := g.fetch(t), g.fetch(t)
		good(first, http.StatusOK)
		_, given := g.tokens.issue()
		if given.number != 3 || given.evicted != 1 {
			t.Errorf("got token %d and %d evicted, want 3 and 1", given.number, given.evicted)
		}
		good(first, http.StatusUnauthorized)
		good(second, http.StatusOK)
		g.fetch(t)
		good(second, http.StatusUnauthorized)
		<-time.After(time.Minute) // nobody has to go for those that have expired
		if _, given := g.tokens.issue(); given.number != 5 || given.evicted != 0 {
			t.Errorf("got token %d and %d evicted, want 5 and none", given.number, given.evicted)
		}
	})
}

func TestATokenIsGoodForSoManyRequestsAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []event
		g := newTestGenesys(&events)
		g.tokens.life = time.Hour
		token := g.fetch(t)
		for range 3 {
			if w := g.ask(token); w.Code != http.StatusOK {
				t.Fatalf("got %d, want 200", w.Code)
			}
			<-time.After(6100 * time.Millisecond)
		}
		w := g.ask(token) // after 18.3 seconds
		wantError(t, w, http.StatusTooManyRequests, "too.many.requests.retry.after")
		h := w.Header()
		if h.Get("Retry-After") != "42" || h.Get("inin-ratelimit-reset") != "42" || h.Get("inin-ratelimit-count") != "3" ||
			!strings.Contains(w.Body.String(), "Retry the request in [42] seconds") {
			t.Errorf("got %v, %s, want 42 seconds to wait after 3 requests", h, w.Body)
		}
		if want := (genesysAnswer{caller: 7, token: 1, status: 429, retryAfter: "42"}); events[len(events)-1] != want {
			t.Errorf("got event %+v, want %+v", events[len(events)-1], want)
		}
		if w := g.ask(g.fetch(t)); w.Code != http.StatusOK {
			t.Errorf("got %d with another token, want 200", w.Code)
		}
		<-time.After(42 * time.Second)
		if w := g.ask(token); w.Code != http.StatusOK || w.Header().Get("inin-ratelimit-count") != "1" {
			t.Errorf("got %d, %v in the next minute, want the first of 3", w.Code, w.Header())
		}
	})
}

func TestAGenesysThatIsDownStillGivesTokens(t *testing.T) {
	var events []event
	g := newTestGenesys(&events)
	g.down.Store(true)
	token := g.fetch(t)
	wantError(t, g.ask(token), http.StatusServiceUnavailable, "service.unavailable")
	g.down.Store(false)
	if w := g.ask(token); w.Code != http.StatusOK || w.Header().Get("inin-ratelimit-count") != "1" {
		t.Errorf("got %d, %v, want 200, and the one that failed not counted", w.Code, w.Header())
	}
}
