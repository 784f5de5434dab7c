package enrichment

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestARequestIsRefusedBeforeAnythingIsSent(t *testing.T) {
	long := strings.Repeat("x", maxID)
	for _, test := range []struct {
		name   string
		body   string
		change func(*http.Request)
		status int
		code   string
	}{
		{"another path", both, func(r *http.Request) { r.URL.Path = "/" }, 404, "not_found"},
		{"a path below", both, func(r *http.Request) { r.URL.Path += "/1" }, 404, "not_found"},
		{"a GET", "", func(r *http.Request) { r.Method = "GET" }, 405, "method_not_allowed"},
		{"a method that nobody knows", both, func(r *http.Request) { r.Method = "BREW" }, 405, "method_not_allowed"},
		{"a form", both, func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 415, "unsupported_media_type"},
		{"text", both, func(r *http.Request) { r.Header.Set("Content-Type", "text/json") }, 415, "unsupported_media_type"},
		{"no type", both, func(r *http.Request) { r.Header.Del("Content-Type") }, 415, "unsupported_media_type"},
		{"a broken type", both, func(r *http.Request) { r.Header.Set("Content-Type", "application/json; =") }, 415, "unsupported_media_type"},

		{"no body", ``, nil, 400, "invalid_body"},
		{"no JSON", `contactId=1`, nil, 400, "invalid_body"},
		{"half of it", `{"contactId":"1"`, nil, 400, "invalid_body"},
		{"more behind it", `{"contactId":"1"} {}`, nil, 400, "invalid_body"},
		{"garbage behind it", `{"contactId":"1"}x`, nil, 400, "invalid_body"},
		{"null", `null`, nil, 400, "invalid_body"},
		{"a list", `[{"contactId":"1"}]`, nil, 400, "invalid_body"},
		{"a number for an id", `{"contactId":1001}`, nil, 400, "invalid_body"},
		{"inputs of another type", `{"inputs":"1","contactId":"1"}`, nil, 400, "invalid_body"},
		{"a conversation of another type", `{"contactId":"1","conversationId":{}}`, nil, 400, "invalid_body"},

		{"no contactId", `{}`, nil, 400, "invalid_contact_id"},
		{"no contactId but a conversation", `{"conversationId":"c"}`, nil, 400, "invalid_contact_id"},
		{"contactId beside the inputs", `{"contactId":"1","inputs":{}}`, nil, 400, "invalid_contact_id"},
		{"null for an id", `{"contactId":null}`, nil, 400, "invalid_contact_id"},
		{"an empty id", `{"contactId":""}`, nil, 400, "invalid_contact_id"},
		{"one dot", `{"contactId":"."}`, nil, 400, "invalid_contact_id"},
		{"two dots", `{"contactId":".."}`, nil, 400, "invalid_contact_id"},
		{"a way up", `{"contactId":"../admin"}`, nil, 400, "invalid_contact_id"},
		{"a way up in an envelope", `{"inputs":{"contactId":"../admin"}}`, nil, 400, "invalid_contact_id"},
		{"two segments", `{"contactId":"a/b"}`, nil, 400, "invalid_contact_id"},
		{"a backslash", `{"contactId":"a\\b"}`, nil, 400, "invalid_contact_id"},
		{"an escaped way up", `{"contactId":"%2e%2e"}`, nil, 400, "invalid_contact_id"},
		{"a query", `{"contactId":"1?admin=1"}`, nil, 400, "invalid_contact_id"},
		{"a fragment", `{"contactId":"1#"}`, nil, 400, "invalid_contact_id"},
		{"a matrix", `{"contactId":"..;"}`, nil, 400, "invalid_contact_id"},
		{"a space", `{"contactId":"1 2"}`, nil, 400, "invalid_contact_id"},
		{"a newline", `{"contactId":"1\r\nHost: x"}`, nil, 400, "invalid_contact_id"},
		{"a zero byte", `{"contactId":"1\u0000"}`, nil, 400, "invalid_contact_id"},
		{"a letter beyond ASCII", `{"contactId":"Ä"}`, nil, 400, "invalid_contact_id"},
		{"broken UTF-8", "{\"contactId\":\"1\xff\"}", nil, 400, "invalid_contact_id"},
		{"129 characters", `{"contactId":"` + long + `x"}`, nil, 400, "invalid_contact_id"},
		{"a way up to a conversation", `{"contactId":"1","conversationId":"../x"}`, nil, 400, "invalid_conversation_id"},
		{"a conversation of 129 characters", `{"contactId":"1","conversationId":"` + long + `x"}`, nil, 400, "invalid_conversation_id"},

		{"a body that is too long", `{"contactId":"1"}` + strings.Repeat(" ", maxBody), nil, 413, "body_too_large"},
		{"a chunked body that is too long", `{"contactId":"1"}` + strings.Repeat(" ", maxBody),
			func(r *http.Request) { r.ContentLength = -1 }, 413, "body_too_large"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t, Config{}, says(200, ada), says(200, aCall))
			r := newAction(t, s.URL, test.body)
			if test.change != nil {
				test.change(r)
			}
			got := s.send(t, r)
			if got.status != test.status || got.Error.Code != test.code || got.Status != "error" || rawOutputs(t, got) != "{}" {
				t.Errorf("got %d %s, want %d %s", got.status, got.text, test.status, test.code)
			}
			if got.Metadata["requestId"] == "" || got.header.Get("X-Request-Id") != got.Metadata["requestId"] {
				t.Errorf("got request id %q in the header, %q in the body, want one", got.header.Get("X-Request-Id"), got.Metadata["requestId"])
			}
			if _, ok := got.Metadata["circuitState"]; ok {
				t.Errorf("got %s, want no state of a circuit that was not asked", got.text)
			}
			if test.status == 405 && got.header.Get("Allow") != "POST" {
				t.Errorf("got Allow: %q, want POST", got.header.Get("Allow"))
			}
			if n := len(s.crm.requests()) + len(s.genesys.requests()); n != 0 {
				t.Errorf("got %d requests, want none", n)
			}
		})
	}
}

func TestARequestMayBeFlatOrInAnEnvelope(t *testing.T) {
	long := strings.Repeat("x", maxID)
	everything := "AZaz09._~:@-"
	for _, test := range []struct {
		name, body            string
		contact, conversation string
	}{
		{"flat", both, "1001", "c-1"},
		{"in an envelope", `{"inputs":` + both + `,"metadata":{}}`, "1001", "c-1"},
		{"inputs come before what is beside them", `{"contactId":"2","conversationId":"d","inputs":{"contactId":"1"}}`, "1", ""},
		{"null inputs are none", `{"contactId":"2","inputs":null}`, "2", ""},
		{"an envelope's metadata of another shape", `{"inputs":{"contactId":"1"},"metadata":["x"]}`, "1", ""},
		{"a conversation that is null", `{"contactId":"1","conversationId":null}`, "1", ""},
		{"a conversation that is empty", `{"contactId":"1","conversationId":""}`, "1", ""},
		{"keys that nobody knows", `{"contactId":"1","queue":{"a":[1]}}`, "1", ""},
		{"space around it", " \r\n{\"contactId\":\"1\"}\n", "1", ""},
		{"all characters", `{"contactId":"` + everything + `"}`, everything, ""},
		{"dots in a name", `{"contactId":"..."}`, "...", ""},
		{"128 characters", `{"contactId":"` + long + `"}`, long, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t, Config{}, says(200, ada), says(200, aCall))
			r := newAction(t, s.URL, test.body)
			r.Header.Set("Content-Type", "Application/JSON; charset=utf-8")
			if got := s.send(t, r); got.status != 200 {
				t.Fatalf("got %d %s, want 200", got.status, got.text)
			}
			if seen := s.crm.requests(); len(seen) != 1 || seen[0].RequestURI != "/v1/customers/"+test.contact {
				t.Errorf("got requests %v, want one for %q", seen, test.contact)
			}
			want := 0
			if test.conversation != "" {
				want = 1
			}
			seen := s.genesys.requests()
			if len(seen) != want || want == 1 && seen[0].RequestURI != "/api/v2/analytics/conversations/"+test.conversation+"/details" {
				t.Errorf("got requests %v, want %d for %q", seen, want, test.conversation)
			}
		})
	}
}

func TestOnlyTheTokenLetsIn(t *testing.T) {
	for _, test := range []struct {
		name, authorization string
		status              int
	}{
		{"the token", "Bearer s3cret", 200},
		{"the token, whatever the scheme's case", "bearer s3cret", 200},
		{"none", "", 401},
		{"no scheme", "s3cret", 401},
		{"another scheme", "Basic s3cret", 401},
		{"an empty one", "Bearer ", 401},
		{"a part of it", "Bearer s3cre", 401},
		{"more than it", "Bearer s3crets", 401},
		{"it in another case", "Bearer S3CRET", 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t, Config{Token: "s3cret"}, says(200, ada), says(200, aCall))
			r := newAction(t, s.URL, both)
			r.Header.Set("Authorization", test.authorization)
			got := s.send(t, r)
			if got.status != test.status {
				t.Errorf("got %d, want %d", got.status, test.status)
			}
			asked := len(s.crm.requests()) + len(s.genesys.requests())
			if test.status == 401 && (got.header.Get("WWW-Authenticate") != "Bearer" || got.Error.Code != "unauthorized" || asked != 0) {
				t.Errorf("got %v %s and %d requests, want a challenge and none", got.header, got.text, asked)
			}
			if strings.Contains(s.log.String()+got.text, "s3c") {
				t.Errorf("got %s%s, want no token", s.log.String(), got.text)
			}
			for _, r := range append(s.crm.requests(), s.genesys.requests()...) {
				if value := r.Header.Get("Authorization"); value != "" {
					t.Errorf("got Authorization %q passed on, want none", value)
				}
			}
		})
	}
}

// TestABodyThatDoesNotComeIsAnswered: a client that sends half a body holds the
// handler no longer than an API that hangs, and is told. net/http ends the
// request's context in both cases as if the client had left.
func TestABodyThatDoesNotComeIsAnswered(t *testing.T) {
	for _, test := range []struct {
		name   string
		closes bool
		status int
		code   string
	}{
		{"it stalls", false, 408, "body_timeout"},
		{"it is cut off", true, 400, "invalid_body"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t, Config{Timeout: 100 * time.Millisecond}, says(200, ada), says(200, aCall))
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(patience))
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{", Path)
			if test.closes {
				conn.(*net.TCPConn).CloseWrite()
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if got := parse(t, resp.StatusCode, resp.Header, body); got.status != test.status || got.Error.Code != test.code {
				t.Errorf("got %d %s, want %d %s", got.status, got.text, test.status, test.code)
			}
		})
	}
}

// TestTheBodysDeadlineIsNotTheLookups: net/http reads on behind the body, to see
// whether the client leaves, and takes a read deadline that passes for just that. It
// must have been lifted, or the answer at the timeout would be lost.
func TestTheBodysDeadlineIsNotTheLookups(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for _, test := range []struct {
		name         string
		crm, genesys http.HandlerFunc
		status       int
	}{
		{"the CRM hangs", hang, says(200, aCall), 500},
		{"Genesys Cloud hangs", says(200, ada), hang, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t, Config{Timeout: 100 * time.Millisecond}, test.crm, test.genesys)
			if got := s.ask(t, both); got.status != test.status {
				t.Errorf("got %d %s, want %d", got.status, got.text, test.status)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		both, `{"inputs":` + both + `,"metadata":{"requestId":"r"}}`, `{"contactId":"../admin"}`,
		`{"contactId":"%2e%2e"}`, `{"contactId":"."}`, `null`, `[]`, `{"inputs":null}`, `{"contactId":"1"}x`, "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		q, refused := decode(body)
		if refused != nil {
			if q != (question{}) || refused.status != 400 {
				t.Errorf("got %+v with %+v, want nothing and 400", q, refused)
			}
			return
		}
		for _, id := range []string{q.contactID, q.conversationID} {
			if id == "" && id != q.contactID {
				continue // not asked for
			}
			if len(id) < 1 || len(id) > 128 || id == "." || id == ".." {
				t.Errorf("got id %q", id)
			}
			for _, c := range []byte(id) {
				if c >= 0x80 || !strings.ContainsRune(alphanumerics+"._~:@-", rune(c)) {
					t.Errorf("got byte %q in %q", c, id)
				}
			}
		}
	})
}
