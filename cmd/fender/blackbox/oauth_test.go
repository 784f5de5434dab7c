package blackbox_test

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/authority"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// A grant is a scene whose upstream answers "fine" to whoever has a good token of the scene's own endpoint.
type grant struct {
	name     string        // a sentence
	lifetime time.Duration // of a token; 0 says nothing of it
	oauth2   string        // further keys of oauth2, a line each
	upstream string        // further keys of the upstream, a line each
	route    string        // further keys of the route, a line each
	run      func(t *testing.T, s *stage, e *authority.Endpoint)
}

// fender is whom the endpoints of the grants know.
var fender = authority.Client{ID: "fender", Secret: "s3cret"}

// oauth2 is an upstream's auth with tokens of an endpoint.
func oauth2(e *authority.Endpoint, c authority.Client, further string) string {
	return "auth:\n  oauth2:\n" + indent(fmt.Sprintf("token_url: %q\nclient_id: %q\nclient_secret: %q\n", e.TokenURL(), c.ID, c.Secret)+further, 4)
}

// playGrants plays the grants of one topic.
func playGrants(t *testing.T, grants []grant) {
	t.Helper()
	scenes := make([]scene, len(grants))
	for i, g := range grants {
		e := authority.Listen(t, fender, "token", g.lifetime)
		scenes[i] = scene{
			name:     g.name,
			upstream: oauth2(e, fender, g.oauth2) + g.upstream,
			route:    g.route,
			run: func(t *testing.T, s *stage) {
				defer e.Close()
				s.up.Script(e.Guard(wire.Reply(200, "fine")))
				g.run(t, s, e)
			},
		}
	}
	play(t, scenes)
}

// fine is what a call gets whose token was good.
var fine = expectation{status: 200, body: "fine", outcome: "upstream", reason: "-", attempts: 1, error: "-"}

// cured is what a call gets whose second token was good.
var cured = expectation{status: 200, body: "fine", outcome: "retried", reason: "-", attempts: 2, error: "-"}

// expectFetches compares the number of requests for a token with what is to be, and with what the metrics say.
func (s *stage) expectFetches(t *testing.T, e *authority.Endpoint, want int, result string) {
	t.Helper()
	if got := e.Count(); got != want {
		t.Errorf("got %d requests for a token, want %d", got, want)
	}
	s.AwaitSum(t, float64(want), "fender_oauth2_token_fetches_total", "upstream", s.route, "result", result)
}

func TestATokenOfTheClientCredentialsGrant(t *testing.T) {
	t.Parallel()
	const id, secret = "id:with ü", "s3c+ret/%41&=ß"
	form := url.Values{"scope": {"read write"}, "audience": {"https://api.example/?a=1&b"}}
	for style, inBody := range map[string]bool{"header": false, "body": true} {
		t.Run("is asked for with the secret in the "+style, func(t *testing.T) {
			t.Parallel()
			client := authority.Client{ID: id, Secret: secret, InBody: inBody, Form: form}
			e := authority.Listen(t, client, "token", 0)
			up := wire.Listen(t)
			p := start(t, preamble+"upstreams:\n  crm:\n    url: "+up.URL()+"\n"+
				indent(oauth2(e, client, "scopes: [read, write]\nparams: {audience: \"https://api.example/?a=1&b\"}\nauth_style: "+style), 4)+
				"routes: [{name: a, upstream: crm}]\n")
			for i := range 3 {
				wire.Do(t, p.Proxy, "GET", "/", "", "Authorization: Basic aTp3", "Connection: Authorization")
				if got := up.Requests()[i].Header["Authorization"]; len(got) != 1 || got[0] != "Bearer token-1" {
					t.Errorf("got Authorization %q at the upstream, want the token alone", got)
				}
			}
			if e.Count() != 1 {
				t.Errorf("got %d requests for a token, want 1", e.Count())
			}
		})
	}
}

func TestTokens(t *testing.T) {
	playGrants(t, []grant{
		{
			name: "of five hundred calls on a cold start one is fetched",
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				released := make(chan struct{})
				e.Script(wire.Held(released, e.Grant()))
				var group sync.WaitGroup
				for range 100 {
					client := wire.Dial(t, s.Proxy)
					group.Go(func() { s.calls(t, client, 5) })
				}
				s.sum(t, 100, "fender_requests_in_flight")
				close(released)
				group.Wait()
				s.expectCount(t, 500)
				s.expectFetches(t, e, 1, "success")
				s.sum(t, 500, "fender_requests_total", "code", "200", "outcome", "upstream")
			},
		},
		{
			name:     "that expire under load make no call fail, nor wait for a slow endpoint",
			lifetime: 2 * time.Second,
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				const slow = 500 * time.Millisecond
				e.Script(wire.After(slow, e.Grant()))
				first := s.get(t)
				expect(t, first, fine)
				s.load(t, 8, 5*time.Second)
				for _, line := range s.Lines("msg", "request", "route", s.route) {
					waited, _ := line["wait_ms"].(float64)
					if waited > float64(slow.Milliseconds())*2/3 && line.Text("request_id") != first.Header.Get("X-Request-Id") {
						t.Fatalf("got a call that waited %v ms, want none to wait for the endpoint: %v", waited, line)
					}
				}
				if got := e.Count(); got < 3 || got > 7 {
					t.Errorf("got %d requests for tokens of %v in 5s, want one for each and some ahead", got, 2*time.Second)
				}
			},
		},
		{
			name:     "are renewed while the old one serves, and waited for when it has expired",
			lifetime: 4 * time.Second,
			route:    "retry: {min_attempt: 400ms}",
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				released := make(chan struct{})
				e.Script(e.Grant(), wire.Held(released, e.Grant()))
				sidecar.Await(t, "a call begins the renewal", func() bool { expect(t, s.get(t), fine); return e.Count() == 2 })
				for range 20 {
					expect(t, s.get(t), fine)
				}
				if got := s.arrived(t).Header.Get("Authorization"); got != "Bearer token-1" {
					t.Errorf("got Authorization %q while the renewal is held up, want the old token", got)
				}
				sidecar.Await(t, "the old token has expired", func() bool {
					return s.get(t, "Fender-Timeout-Ms: 1000").Header.Get("Fender-Reason") == "unauthorized"
				})
				late := s.ask(5)
				s.sum(t, 5, "fender_requests_in_flight")
				close(released)
				for range 5 {
					expect(t, one(t, late), fine)
				}
				if got := s.arrived(t).Header.Get("Authorization"); got != "Bearer token-2" {
					t.Errorf("got Authorization %q after the renewal, want the new token", got)
				}
				s.expectFetches(t, e, 2, "success")
			},
		},
		{
			name:     "serve while they are good, also if the renewal fails",
			lifetime: 4 * time.Second,
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				e.Script(e.Grant(), wire.Reply(503, "down"), e.Grant())
				sidecar.Await(t, "the renewal was tried again", func() bool { expect(t, s.get(t), fine); return e.Count() == 3 })
				s.AwaitSum(t, 1, "fender_oauth2_token_fetches_total", "upstream", s.route, "result", "error")
				s.AwaitSum(t, 2, "fender_oauth2_token_fetches_total", "upstream", s.route, "result", "success")
			},
		},
		{
			name:     "say in the metrics when they expire",
			lifetime: time.Hour,
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				s.expectExpiry(t, 0, 0)
				for _, result := range []string{"success", "rejected", "throttled", "timeout", "error"} {
					if found := s.Scrape(t).Find("fender_oauth2_token_fetches_total", "upstream", s.route, "result", result); len(found) != 1 || found[0].Value != 0 {
						t.Errorf("got %v before the first fetch, want a series of 0 for %q", found, result)
					}
				}
				begun := time.Now()
				expect(t, s.get(t), fine)
				s.expectExpiry(t, float64(begun.Add(time.Hour-time.Second).Unix()), float64(time.Now().Add(time.Hour+time.Second).Unix()))
			},
		},
		{
			name: "without an expiry serve until a 401",
			run: func(t *testing.T, s *stage, e *authority.Endpoint) {
				expect(t, s.get(t), fine)
				s.expectExpiry(t, 0, 0)
				e.Revoke()
				expect(t, s.get(t), cured)
				s.expectFetches(t, e, 2, "success")
			},
		},
	})
}

// calls makes calls on one connection, each of which is to be fine.
func (s *stage) calls(t *testing.T, client *wire.Client, calls int) {
	for range calls {
		client.Send(wire.Compose("GET", s.path, ""))
		answer, err := client.Next("GET")
		if err != nil {
			t.Errorf("got no answer: %v", err)
			return
		}
		expect(t, answer, fine)
	}
}

// load makes calls on so many connections for a while, and none may fail.
func (s *stage) load(t *testing.T, connections int, d time.Duration) {
	t.Helper()
	end := time.Now().Add(d)
	var group sync.WaitGroup
	for range connections {
		client := wire.Dial(t, s.Proxy)
		group.Go(func() {
			for time.Now().Before(end) && !t.Failed() {
				client.Send(wire.Compose("GET", s.path, ""))
				answer, err := client.Next("GET")
				if err != nil || answer.StatusCode != 200 || !strings.Contains(string(answer.Content), "fine") {
					t.Errorf("got %v %v under load, want 200", answer, err)
				}
				<-time.After(20 * time.Millisecond)
			}
		})
	}
	group.Wait()
}

// expectExpiry looks that the token's expiry is one series between the two times in seconds.
func (s *stage) expectExpiry(t *testing.T, from, to float64) {
	t.Helper()
	found := s.Scrape(t).Find("fender_oauth2_token_expiry_timestamp_seconds", "upstream", s.route)
	if len(found) != 1 || found[0].Value < from || found[0].Value > to {
		t.Errorf("got the expiries %v, want one between %v and %v", found, from, to)
	}
}
