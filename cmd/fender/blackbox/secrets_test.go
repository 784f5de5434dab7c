package blackbox_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/authority"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// planted are the beginnings of all that is secret here; none of them is changed by escaping, so that each is found in
// what is quoted, too.
var planted = []string{
	"PlantedHeader7", "PlantedSetHeader7", "PlantedApiKey7", "PlantedBearer7", "PlantedPassword7", "PlantedClientSecret7",
	"PlantedSecretFile7", "PlantedParam7", "PlantedToken7", "PlantedProxyUser7", "PlantedOfClient7",
}

// forms are what a secret may look like in a text: as it is, in hexadecimal digits, and in base64, wherever it begins
// in what was encoded.
func forms(secret string) []string {
	found := []string{secret, hex.EncodeToString([]byte(secret))}
	for shift := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + secret))
		found = append(found, encoded[(shift*8+5)/6:len(encoded)-1])
	}
	return found
}

// expectNone looks for secrets in a text.
func expectNone(t *testing.T, where, text string) {
	t.Helper()
	for _, secret := range planted {
		for _, form := range forms(secret) {
			at := strings.Index(text, form)
			if at < 0 {
				continue
			}
			begin := strings.LastIndexByte(text[:at], '\n') + 1
			end, _, _ := strings.Cut(text[at:], "\n")
			t.Errorf("got %s in %s, want it nowhere: %s", secret, where, clip([]byte(text[begin:at]+end)))
			return
		}
	}
}

func TestASecretIsFoundInEveryForm(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", "u:", "id", "Basic"} {
		text := base64.StdEncoding.EncodeToString([]byte(before + "PlantedToken7+/="))
		found := false
		for _, form := range forms("PlantedToken7") {
			found = found || strings.Contains(text, form)
		}
		if !found {
			t.Errorf("got none of %q in %q, want one", forms("PlantedToken7"), text)
		}
	}
}

// secretEnv is the environment of the process that is searched.
var secretEnv = []string{"PLANTED_HEADER=PlantedHeader7+/=", "PLANTED_SECRET=PlantedClientSecret7+/=", "PLANTED_PARAM=PlantedParam7&="}

// secretClient is what the token endpoint is sent by it.
var secretClient = authority.Client{ID: "fender", Secret: "PlantedClientSecret7+/=", Form: map[string][]string{"audience": {"PlantedParam7&="}}}

// echo ends the connection with nonsense that has the request in it.
func echo(x *wire.Exchange) {
	if x.ReadBody() {
		x.Write(strings.NewReplacer("\r", " ", "\n", " ").Replace("nonsense " + x.Request.Head + string(x.Request.Body)))
		x.Write("\r\n\r\n")
		x.Close()
	}
}

// echoedHead answers 200 with a header line that is none and has the request in it.
func echoedHead(x *wire.Exchange) {
	if x.ReadBody() {
		x.Write("HTTP/1.1 200 OK\r\n" + strings.NewReplacer("\r", " ", "\n", " ", ":", " ").Replace(x.Request.Head) + string(x.Request.Body) + "\r\n\r\n")
		x.Close()
	}
}

// echoed answers with the request's head and body as a field of JSON, and as a place to go to.
func echoed(status int, field string) wire.Answer {
	return func(x *wire.Exchange) {
		if x.ReadBody() {
			text := x.Request.Header.Get("Authorization") + string(x.Request.Body)
			wire.Reply(status, fmt.Sprintf(`{%q:%q}`, field, text), "Content-Type: application/json",
				"Location: http://127.0.0.1:1/?"+strings.ReplaceAll(text, " ", "+"))(x)
		}
	}
}

// hideout is a configuration with a secret wherever one can be, and the routes that use them.
type hideout struct {
	up     *wire.Upstream
	config string
	routes []string
}

func newHideout(t *testing.T) *hideout {
	t.Helper()
	h := &hideout{up: wire.Listen(t)}
	file := func(content string) string { return newSecret(t, content).path() }
	var upstreams, routes strings.Builder
	add := func(keys string) {
		name := fmt.Sprintf("r%d", len(h.routes))
		h.routes = append(h.routes, name)
		fmt.Fprintf(&upstreams, "  %s:\n%s", name, indent(keys, 4))
		fmt.Fprintf(&routes, "  - {name: %s, upstream: %s, match: {path: \"/%s/{rest...}\"}, rewrite: {set_headers: {X-Set: PlantedSetHeader7}}}\n", name, name, name)
	}
	url := "url: " + h.up.URL() + "\n"
	add(url + "headers: {X-Api-Key: \"${PLANTED_HEADER}\", Authorization: \"Basic ${PLANTED_HEADER}\"}")
	add(url + "auth: {api_key: {header: X-Api-Key, value_file: " + file("PlantedApiKey7+/=") + "}}")
	add(url + "auth: {bearer: {token_file: " + file("PlantedBearer7+/=") + "}}")
	add(url + "auth: {basic: {username: fender, password_file: " + file("PlantedPassword7+/=") + "}}")
	tokens := func(answer wire.Answer, keys string) {
		e := authority.Listen(t, secretClient, "PlantedToken7", time.Hour)
		if answer != nil {
			e.Script(answer)
		}
		add(fmt.Sprintf("%sauth:\n  oauth2:\n    token_url: %q\n    client_id: fender\n    params: {audience: \"${PLANTED_PARAM}\"}\n", url, e.TokenURL()) + indent(keys, 4))
	}
	const inEnv = "client_secret: \"${PLANTED_SECRET}\""
	inBody := "auth_style: body\nclient_secret_file: " + file("PlantedSecretFile7+/=")
	tokens(nil, inEnv)
	for _, answer := range []wire.Answer{
		echo, echoedHead, echoed(400, "error"), echoed(400, "error_description"), echoed(500, "error"), echoed(200, "access_t0ken"), echoed(200, "expires_in"), echoed(302, "x"),
		wire.Reply(200, `{"access_token":"PlantedToken7\u0001","token_type":"bearer"}`, "Content-Type: application/json"),
		wire.Reply(200, `{"access_token":"PlantedToken7",`, "Content-Type: application/json"),
	} {
		tokens(answer, inEnv)
		tokens(answer, inBody)
	}
	wrong := serveTLS(t, shown(authority.SelfSigned(t, "other.internal")), nil)
	add("url: " + wrong.URL + "\nheaders: {X-Api-Key: \"${PLANTED_HEADER}\"}")
	proxied := func(answer wire.Answer) {
		proxy := wire.Listen(t)
		proxy.Script(answer)
		for _, scheme := range []string{"http", "https"} {
			add(fmt.Sprintf("url: %s://crm.invalid\nproxy: \"http://fender:PlantedProxyUser7@%s\"\nheaders: {X-Api-Key: \"${PLANTED_HEADER}\"}\nallow_plaintext: true", scheme, proxy.Addr))
		}
	}
	proxied(echo)
	proxied(echoedHead)
	proxied(wire.Reply(407, "", "Proxy-Authenticate: Basic"))
	proxied(func(x *wire.Exchange) {
		if x.ReadBody() {
			x.Write("HTTP/1.1 407 not " + x.Request.Header.Get("Proxy-Authorization") + "\r\nContent-Length: 0\r\n\r\n")
		}
	})
	h.config = preamble + "  breaker: {open: {initial: 10ms, max: 10ms}}\n  retry: {conditions: [connect, reset, 500], backoff: {initial: 1ms}}\nupstreams:\n" + upstreams.String() + "routes:\n" + routes.String()
	return h
}

// drive makes calls on all routes for everything that upstream may do, and looks into what Fender itself answers.
func (h *hideout) drive(t *testing.T, proxy string) {
	t.Helper()
	for _, answer := range []wire.Answer{
		wire.Reply(200, "fine"), wire.Reply(401, "not you"), wire.Reply(500, "broken"), echo, echoedHead, wire.Reset(""),
		wire.Silent(), wire.Reset(wire.Head(200, "Content-Length: 9")), wire.Reply(429, "slow down"),
	} {
		h.up.Script(answer)
		answers := make(chan *wire.Response)
		for _, route := range h.routes {
			go func() {
				got, _ := wire.Try(proxy, "POST", "/"+route+"/PlantedOfClient7?key=PlantedOfClient7", "PlantedOfClient7", "Authorization: Bearer PlantedOfClient7",
					"Cookie: id=PlantedOfClient7", "X-Request-Id: PlantedOfClient7 PlantedOfClient7", "Fender-Timeout-Ms: 500")
				answers <- got
			}()
		}
		for range h.routes {
			got := one(t, answers)
			if own(got) {
				expectNone(t, "an answer", fmt.Sprint(got.Header)+string(got.Content))
			}
		}
	}
	for _, bad := range []string{"GET /none/PlantedOfClient7 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /r0/%zzPlantedOfClient7 HTTP/1.1\r\nHost: x\r\n\r\n", "PlantedOfClient7\r\n\r\n"} {
		client := wire.Dial(t, proxy)
		client.Send(bad)
		got := client.Read(t, "GET")
		expectNone(t, "a refusal", fmt.Sprint(got.Header)+string(got.Content))
	}
}

func TestNoSecretIsInWhatAProcessSays(t *testing.T) {
	t.Run("as JSON", func(t *testing.T) {
		t.Parallel()
		h := newHideout(t)
		p := sidecar.Command{Binary: binary, Config: h.config, Env: secretEnv, Args: []string{"--log-level", "debug"}}.Start(t)
		h.drive(t, p.Proxy)
		expectNone(t, "the metrics", string(wire.Do(t, p.Metrics, "GET", "/metrics", "").Content))
		p.Stop(t)
		expectNone(t, "the log", p.Log())
	})
	t.Run("as text", func(t *testing.T) {
		t.Parallel()
		h := newHideout(t)
		address := free(t)
		cmd := exec.CommandContext(t.Context(), binary, "run", "--config", sidecar.WriteConfig(t, h.config), "--listen", address, "--log-level", "debug", "--log-format", "text")
		cmd.Env = append(os.Environ(), secretEnv...)
		var log bytes.Buffer
		cmd.Stderr = &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		sidecar.Await(t, "the process listens", func() bool { return dials(address) })
		h.drive(t, address)
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("got %v at the end, want code 0", err)
		}
		expectHas(t, log.String(), "msg=request", "msg=token", "msg=stopped")
		expectNone(t, "the log", log.String())
	})
}
