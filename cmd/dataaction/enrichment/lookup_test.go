package enrichment

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestBothLookupsRunAtOnce: neither API answers before it knows that the
// other has been asked.
func TestBothLookupsRunAtOnce(t *testing.T) {
	var asked sync.WaitGroup
	asked.Add(2)
	meet := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			asked.Done()
			asked.Wait()
			says(200, body)(w, r)
		}
	}
	s := newStage(t, Config{Timeout: patience}, meet(ada), meet(aCall))
	if got := s.ask(t, both); got.status != 200 || got.Outputs["customerName"] != "Ada Lovelace" || got.Outputs["conversationLastAction"] != "interact" {
		t.Errorf("got %d %s, want both answers", got.status, got.text)
	}
}

func TestOneDeadlineEndsBothLookups(t *testing.T) {
	broken := trip(func(*http.Request) (*http.Response, error) { return nil, errors.New("broken") })
	for _, test := range []struct {
		name         string
		crm, genesys trip
		status       int
		want         string // a code, or the last action
		took         time.Duration
	}{
		{"both are quick", after(0, ada), after(0, aCall), 200, "interact", 0},
		{"the slower one is waited for", after(time.Second, ada), after(3*time.Second, aCall), 200, "interact", 3 * time.Second},
		{"times do not add up", after(3*time.Second, ada), after(3*time.Second, aCall), 200, "interact", 3 * time.Second},
		{"Genesys Cloud hangs", after(time.Second, ada), hang, 200, "none", DefaultTimeout},
		{"the CRM hangs", hang, after(time.Second, aCall), 500, "crm_timeout", DefaultTimeout},
		{"both hang", hang, hang, 500, "crm_timeout", DefaultTimeout},
		{"a CRM that failed is not made up for", broken, hang, 500, "crm_unreachable", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, test.crm, test.genesys, func(t *testing.T, h *Handler) {
				got, took := serve(t, h, both)
				what := got.Error.Code
				if got.status == 200 {
					what, _ = got.Outputs["conversationLastAction"].(string)
				}
				if got.status != test.status || what != test.want || took != test.took {
					t.Errorf("got %d %s after %s, want %d %s after %s", got.status, what, took, test.status, test.want, test.took)
				}
			})
		})
	}
}

// TestAClientThatLeavesEndsBothLookups: they end at once, not at their deadline, and
// nothing is left running, which the bubble sees to.
func TestAClientThatLeavesEndsBothLookups(t *testing.T) {
	inBubble(t, hang, hang, func(t *testing.T, h *Handler) {
		ctx, leave := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, Path, strings.NewReader(both))
		r.Header.Set("Content-Type", "application/json")
		done := make(chan any)
		began := time.Now()
		go func() {
			defer func() { done <- recover() }()
			h.ServeHTTP(httptest.NewRecorder(), r)
		}()
		synctest.Wait()
		leave()
		if reason := <-done; reason != http.ErrAbortHandler { //nolint:errorlint // what net/http compares
			t.Errorf("got %v, want the handler to abort", reason)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("got %s, want an end at once", took)
		}
	})
}

// TestAClientThatHangsUpEndsBothLookups is the same over sockets: the APIs see
// it.
func TestAClientThatHangsUpEndsBothLookups(t *testing.T) {
	asked, left := make(chan struct{}, 2), make(chan struct{}, 2)
	wait := func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
		left <- struct{}{}
	}
	s := newStage(t, Config{Timeout: time.Hour}, wait, wait)
	ctx, hangUp := context.WithCancel(t.Context())
	go func() {
		resp, err := s.Client().Do(newAction(t, s.URL, both).WithContext(ctx))
		if err == nil {
			resp.Body.Close()
		}
	}()
	for range 2 {
		receive(t, asked, "a lookup does not begin")
	}
	hangUp()
	for range 2 {
		receive(t, left, "a lookup does not end")
	}
	s.Close() // waits for the handler
	if log := s.log.String(); !strings.Contains(log, `"status":499`) || strings.Count(log, `"canceled"`) != 2 {
		t.Errorf("got log %s, want status 499 and two lookups canceled", log)
	}
	if n := s.lookups(crmTarget, resultCanceled); n != 1 {
		t.Errorf("got %v canceled lookups, want 1", n)
	}
}

func receive(t *testing.T, c <-chan struct{}, complaint string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatal(complaint)
	}
}

// TestASidecarThatIsNotThereIsTold: nobody listens any more.
func TestASidecarThatIsNotThereIsTold(t *testing.T) {
	s := newStage(t, Config{}, says(200, ada), says(200, aCall))
	s.crm.Close()
	got := s.ask(t, `{"contactId":"a-contact"}`)
	if got.status != 500 || got.Error.Code != "crm_unreachable" || got.Metadata["circuitState"] != "CLOSED" {
		t.Errorf("got %d %s, want 500 crm_unreachable CLOSED", got.status, got.text)
	}
	address := s.crm.Listener.Addr().(*net.TCPAddr).String()
	if strings.Contains(got.text, "127.0.0.1") {
		t.Errorf("got %s, want nothing of the inside", got.text)
	}
	if log := s.log.String(); !strings.Contains(log, address) || strings.Contains(log, "a-contact") {
		t.Errorf("got log %s, want who was not there and not for whom", log)
	}
}

func TestABaseURLsPathComesBeforeTheLookups(t *testing.T) {
	for _, suffix := range []string{"/crm/v2", "/crm/v2/"} {
		inBubble(t, after(0, ada), after(0, aCall), func(t *testing.T, h *Handler) {
			var asked string
			h.crm.base = newSource(mustParse(t, "http://sidecar.test"+suffix)).base
			h.crm.client.Transport = trip(func(r *http.Request) (*http.Response, error) {
				asked = r.URL.String()
				return after(0, ada)(r)
			})
			if got, _ := serve(t, h, `{"contactId":"a:b@c"}`); got.status != 200 {
				t.Errorf("got %d %s, want 200", got.status, got.text)
			}
			if want := "http://sidecar.test/crm/v2/v1/customers/a:b@c"; asked != want {
				t.Errorf("got %s, want %s", asked, want)
			}
		})
	}
}

func TestABaseURLIsAbsoluteAndNothingMore(t *testing.T) {
	for text, want := range map[string]string{
		"http://127.0.0.1:8080":     "",
		"https://crm.example/api/":  "",
		"http://[::1]:8080":         "",
		"":                          "must begin with http:// or https://",
		"127.0.0.1:8080":            "is not a URL",
		"localhost:8080":            "must begin with http:// or https://",
		"/v1":                       "must begin with http:// or https://",
		"ftp://crm.example":         "must begin with http:// or https://",
		"http://":                   "has no host",
		"http://:8080":              "has no host",
		"http:/v1":                  "has no host",
		"http://u:p@crm.example":    "must not hold credentials: the sidecar adds them",
		"http://crm.example?key=1":  "must have neither query nor fragment",
		"http://crm.example/?":      "must have neither query nor fragment",
		"http://crm.example/#a":     "must have neither query nor fragment",
		"http://crm.example:secret": "is not a URL",
		"http://crm .example":       "is not a URL",
	} {
		base, err := ParseBaseURL(text)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want || (err == nil) != (base != nil) {
			t.Errorf("%q: got %v, error %q, want error %q", text, base, got, want)
		}
	}
}

// TestTheEnvironmentsProxyIsNotAsked: the sidecar is next door, and a proxy outside
// would see every customer.
func TestTheEnvironmentsProxyIsNotAsked(t *testing.T) {
	transport := newSource(mustParse(t, "http://a")).client.Transport.(*http.Transport)
	if transport.Proxy != nil {
		t.Error("got a proxy, want none")
	}
}

// TestNothingIsLeftBehind: connections are kept for the next request, until Close.
func TestNothingIsLeftBehind(t *testing.T) {
	s := newStage(t, Config{}, says(200, ada), says(200, aCall))
	for range 3 {
		s.ask(t, both)
	}
	for _, a := range []*api{s.crm, s.genesys} {
		if n := len(a.closed); n != 0 {
			t.Errorf("got %d connections closed before the end, want none", n)
		}
	}
	s.handler.Close()
	for _, a := range []*api{s.crm, s.genesys} {
		receive(t, a.closed, "a connection is kept")
	}
}
