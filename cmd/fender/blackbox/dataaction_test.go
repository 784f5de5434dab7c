package blackbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fender-proxy/fender/cmd/dataaction/enrichment"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/authority"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

const (
	ada      = `{"id":"1001","name":"Ada Lovelace","tier":"gold"}`
	aCall    = `{"participants":[{"sessions":[{"segments":[{"segmentType":"interact","segmentStart":"2026-11-23T10:00:00Z"}]}]}]}`
	thatCall = `,"conversationId":"0f8e7d6c"`
)

// A system is the whole of deploy/example: the Data Action handler, the sidecar under the example's configuration, and
// stand-ins for the CRM and the Genesys Cloud Platform API with its token endpoint.
type system struct {
	*sidecar.Process
	handler      *httptest.Server
	crm, genesys *wire.Upstream
	login        *authority.Endpoint
}

func wholeSystem(t *testing.T) *system {
	t.Helper()
	config, err := os.ReadFile(filepath.Join(repository, "deploy/example/fender.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s := &system{crm: wire.Listen(t), genesys: wire.Listen(t)}
	s.login = authority.Listen(t, authority.Client{ID: "client", Secret: "secret"}, "token", 0)
	s.crm.Script(wire.Reply(200, ada, "Content-Type: application/json"))
	s.genesys.Script(s.login.Guard(wire.Reply(200, aCall, "Content-Type: application/json")))
	s.Process = sidecar.Command{
		Binary: binary, Config: string(config) + "drain: 100ms\nadmin: {listen: \"\"}\n",
		Args: []string{"--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"},
		Env: []string{
			"EXTERNAL_API_KEY=key", "GENESYS_CLIENT_ID=client", "GENESYS_CLIENT_SECRET=secret",
			"CRM_URL=" + s.crm.URL(), "GENESYS_URL=" + s.genesys.URL(), "GENESYS_LOGIN_URL=" + s.login.URL(),
		},
	}.Start(t)
	base := &url.URL{Scheme: "http", Host: s.Proxy}
	handler := enrichment.New(enrichment.Config{CRM: base, Genesys: base, Token: "action"})
	t.Cleanup(handler.Close)
	s.handler = httptest.NewServer(handler)
	t.Cleanup(s.handler.Close)
	return s
}

// An enriched is what a flow gets.
type enriched struct {
	Status  string
	Outputs struct {
		CustomerName, CustomerTier *string
		IsFallback                 bool
		ConversationLastAction     string
	}
	Metadata struct{ RequestID, CircuitState string }
}

// call calls the Data Action as Genesys Cloud does.
func (s *system) call(t *testing.T, body string) (int, enriched) {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.handler.URL+enrichment.Path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer action")
	req.Header.Set("ININ-Correlation-Id", "correlation")
	resp, err := http.DefaultTransport.RoundTrip(req) //nolint:forbidigo // a client like any
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var e enriched
	if err := json.NewDecoder(resp.Body).Decode(&e); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, e
}

// say is what a flow got, in one line.
func say(status int, e enriched) string {
	text := func(s *string) string {
		if s == nil {
			return "null"
		}
		return *s
	}
	o := e.Outputs
	return fmt.Sprintf("%d %s %s %s %t %s %s", status, e.Status, text(o.CustomerName), text(o.CustomerTier), o.IsFallback, o.ConversationLastAction, e.Metadata.CircuitState)
}

func TestTheDataActionFromTheFlowToTheCRMAndBack(t *testing.T) {
	t.Parallel()
	s := wholeSystem(t)
	want := func(body, want string) {
		t.Helper()
		if got := say(s.call(t, body)); got != want {
			t.Errorf("got %q for %s, want %q", got, body, want)
		}
	}
	flat, envelope := `{"contactId":"1001"`+thatCall+`}`, `{"inputs":{"contactId":"1001"`+thatCall+`},"metadata":{}}`
	want(flat, "200 success Ada Lovelace gold false interact CLOSED")
	want(envelope, "200 success Ada Lovelace gold false interact CLOSED")
	asked := s.crm.Requests()[0]
	if got := asked.Header.Get("X-API-Key") + " " + asked.Header.Get("ININ-Correlation-Id") + " " + asked.Target; got != "key correlation /v1/customers/1001" {
		t.Errorf("got %q at the CRM, want the key, the correlation id and the customer", got)
	}
	if got := s.login.Count(); got != 1 {
		t.Errorf("got %d tokens fetched, want one", got)
	}

	// Nothing of what cannot be an id is sent.
	before := s.crm.Count()
	for _, id := range []string{"", "../admin", "a/b", "%2e%2e", ".."} {
		if status, _ := s.call(t, `{"contactId":"`+id+`"}`); status != 400 {
			t.Errorf("got status %d for the contact %q, want 400", status, id)
		}
	}
	if got := s.crm.Count(); got != before {
		t.Errorf("got %d requests at the CRM for what is no id, want none", got-before)
	}

	s.crm.Script(wire.Reply(404, `{"error":"no such customer"}`, "Content-Type: application/json"))
	want(`{"contactId":"1999"}`, "200 success null null false none CLOSED")

	// Genesys Cloud is down: the CRM's part is unharmed.
	s.crm.Script(wire.Reply(200, ada, "Content-Type: application/json"))
	s.genesys.Script(wire.Reply(500, "down"))
	want(flat, "200 success Ada Lovelace gold false none CLOSED")

	// The CRM is down: the breaker opens, and then nothing is sent to it.
	s.crm.Script(wire.Reply(500, "down"))
	for range 3 {
		s.call(t, `{"contactId":"1002"}`)
	}
	before = s.crm.Count()
	want(`{"contactId":"1002"}`, "200 success null unknown true none OPEN")
	want(`{"contactId":"1001"}`, "200 success Ada Lovelace gold true none OPEN")
	if got := s.crm.Count(); got != before {
		t.Errorf("got %d requests at a CRM that is left alone, want none", got-before)
	}
}
