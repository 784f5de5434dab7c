package blackbox_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// lone starts a sidecar with one route to one upstream.
func lone(t *testing.T, drain string) (*sidecar.Process, *wire.Upstream) {
	t.Helper()
	up := wire.Listen(t)
	return start(t, fmt.Sprintf(`
listen: ["127.0.0.1:0"]
metrics: {listen: "127.0.0.1:0"}
admin: {listen: ""}
drain: %s
upstreams: {crm: {url: %q}}
routes: [{name: a, upstream: crm, timeout: {request: 10s}}]
`, drain, up.URL())), up
}

func TestSIGTERMEndsAnIdleProcessAtOnce(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p, _ := lone(t, "1h")
		p.Signal(t, signal)
		if code := p.Wait(t); code != 0 {
			t.Errorf("got exit code %d after %v, want 0", code, signal)
		}
	}
}

func TestWhatIsInFlightIsFinished(t *testing.T) {
	t.Parallel()
	p, up := lone(t, "200ms")
	released := make(chan struct{})
	up.Script(wire.Held(released, wire.Reply(200, "fine")))
	client := wire.Dial(t, p.Proxy)
	client.Send(wire.Compose("GET", "/", ""))
	silent := wire.Dial(t, p.Proxy)
	sidecar.Await(t, "upstream has the request", func() bool { return up.Count() == 1 })
	p.Signal(t, syscall.SIGTERM)
	sidecar.Await(t, "no connection is accepted any more", func() bool { return !dials(p.Proxy) })
	close(released)
	answer := client.Read(t, "GET")
	expect(t, answer, expectation{status: 200, body: "fine", outcome: "upstream", attempts: 1})
	if !answer.Close {
		t.Error("got an answer without Connection: close, want one")
	}
	if code := p.Wait(t); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	if !silent.Ended() {
		t.Error("got a silent connection that is open, want its end")
	}
}

func dials(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// TestNoRequestIsLostWhileDraining has keep-alive clients that ask again and again until they are told to close, and
// none may be left without an answer.
func TestNoRequestIsLostWhileDraining(t *testing.T) {
	t.Parallel()
	p, up := lone(t, "2s")
	const clients = 40
	lost := make(chan error, clients)
	for range clients {
		go func() { lost <- keepAsking(p.Proxy) }()
	}
	sidecar.Await(t, "all are served", func() bool { return up.Count() > 5*clients })
	p.Signal(t, syscall.SIGTERM)
	for range clients {
		if err := <-lost; err != nil {
			t.Errorf("got a request without an answer: %v", err)
		}
	}
	if code := p.Wait(t); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
}

// keepAsking makes one request after another on one connection until an answer says that it was the last.
func keepAsking(addr string) error {
	client, err := wire.Connect(addr)
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		client.Send(wire.Compose("GET", "/", ""))
		answer, err := client.Next("GET")
		if err != nil {
			return err
		}
		if answer.StatusCode != 200 || answer.Broken != nil {
			return fmt.Errorf("status %d: %w", answer.StatusCode, answer.Broken)
		}
		if answer.Close {
			return nil
		}
	}
}

func TestASecondSignalEndsItNow(t *testing.T) {
	t.Parallel()
	p, up := lone(t, "1h")
	up.Script(wire.Silent())
	client := wire.Dial(t, p.Proxy)
	client.Send(wire.Compose("GET", "/", ""))
	sidecar.Await(t, "upstream has the request", func() bool { return up.Count() == 1 })
	p.Signal(t, syscall.SIGTERM)
	other := wire.Dial(t, p.Proxy)
	sidecar.Await(t, "it drains", func() bool {
		other.Send(wire.Compose("GET", "/", "", "Fender-Timeout-Ms: 1"))
		return other.Read(t, "GET").Close
	})
	p.Signal(t, syscall.SIGTERM)
	if code := p.Wait(t); code != 1 {
		t.Errorf("got exit code %d, want 1", code)
	}
}

// free returns an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A log that nobody reads must stop neither requests nor the end; one whose reader is gone neither.
func TestAStalledOrBrokenLogStopsNothing(t *testing.T) {
	for name, gone := range map[string]bool{"a reader that stalls": false, "a reader that is gone": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := wire.Listen(t)
			up.Script(wire.Reply(200, "fine"))
			address := free(t)
			file := sidecar.WriteConfig(t, "listen: "+address+"\nmetrics: {listen: \"\"}\ndrain: 100ms\nupstreams: {up: {url: "+up.URL()+"}}\nroutes: [{name: a, upstream: up}]\n")
			reader, writer, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(binary, "run", "--config", file)
			cmd.Stderr = writer
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			writer.Close()
			if gone {
				reader.Close()
			} else {
				defer reader.Close()
			}
			sidecar.Await(t, "it listens", func() bool {
				conn, err := net.Dial("tcp", address)
				if err == nil {
					conn.Close()
				}
				return err == nil
			})
			for i := range 1000 { // some 300 KiB of lines; a pipe takes 64
				if answer := wire.Do(t, address, "GET", "/", ""); answer.StatusCode != 200 {
					t.Fatalf("request %d: got status %d", i, answer.StatusCode)
				}
			}
			cmd.Process.Signal(syscall.SIGTERM)
			if err := cmd.Wait(); err != nil {
				t.Errorf("got %v, want exit code 0", err)
			}
		})
	}
}
