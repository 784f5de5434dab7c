package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// patience bounds what a test waits for, far above what it should take.
const patience = 20 * time.Second

// listen returns the address of a server whose connections are served by serve,
// which closes them when it returns.
func listen(t *testing.T, serve func(net.Conn, *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(patience))
				serve(conn, bufio.NewReader(conn))
			}()
		}
	}()
	return l.Addr().String()
}

// over returns a running proxy with one route to the upstream's address.
func over(t *testing.T, upstream, route string) (*rig, string) {
	t.Helper()
	r := newRig(t, fmt.Sprintf("upstreams: {a: {url: \"http://%s\"}}\nroutes: [{name: one, match: {path: \"/one/{rest...}\"}, upstream: a, %s}]", upstream, route), nil)
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return r, server.Listener.Addr().String()
}

// client is a raw connection to the proxy.
type client struct {
	net.Conn
	*bufio.Reader
	t *testing.T
}

func dial(t *testing.T, address string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &client{conn, bufio.NewReader(conn), t}
}

func (c *client) send(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.Conn, format, args...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) answer(method string) (*http.Response, string, error) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.Reader, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("no answer: %v", err)
	}
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

func (c *client) Read(p []byte) (int, error) { return c.Reader.Read(p) }

// net/http reads the rest of a request before it sends a byte of the answer,
// for as long as the client may take to send it.
func TestAnswerDoesNotWaitForTheRequestsBody(t *testing.T) {
	refuses := listen(t, func(net.Conn, *bufio.Reader) {})
	tests := []struct {
		name, head string
		status     int
	}{
		{"an open breaker, with a length", "POST /one/ HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n", 503},
		{"an open breaker, chunked", "POST /one/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 503},
		{"an open breaker, to a client that waits to be told to send", "POST /one/ HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n", 503},
		{"no route", "POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n", 404},
		{"a body that is too large", "POST /one/ HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n", 413},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			limit := ""
			if tt.status == 413 {
				limit = "max_request_body: 1KiB, "
			}
			_, address := over(t, refuses, limit+"timeout: {request: 19s}, breaker: {consecutive_failures: 1, open: {initial: 1h, max: 1h}}")
			if tt.status == 503 {
				c := dial(t, address)
				c.send("GET /one/ HTTP/1.1\r\nHost: a\r\n\r\n")
				if resp, _, _ := c.answer("GET"); resp.StatusCode != 502 {
					t.Fatalf("got %d", resp.StatusCode)
				}
			}
			c := dial(t, address)
			start := time.Now()
			c.send("%s", tt.head)
			resp, _, err := c.answer("POST")
			if err != nil || resp.StatusCode != tt.status || !resp.Close {
				t.Errorf("got %d, %v, close %t, want %d and a close", resp.StatusCode, err, resp.Close, tt.status)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %v: the answer waited for the body", took)
			}
		})
	}
	t.Run("but a small body that is there keeps the connection", func(t *testing.T) {
		_, address := over(t, refuses, "timeout: {request: 19s}")
		c := dial(t, address)
		for range 3 {
			c.send("POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
			resp, _, err := c.answer("POST")
			if err != nil || resp.StatusCode != 404 || resp.Close {
				t.Fatalf("got %v, %v", resp, err)
			}
		}
	})
}

// Clients that meet an answer while they send must still be able to read it.
func TestEarlyAnswerReachesAClientThatIsSending(t *testing.T) {
	early := listen(t, func(conn net.Conn, br *bufio.Reader) {
		if _, err := http.ReadRequest(br); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 503 Down\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndown")
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, br)
	})
	_, address := over(t, early, "timeout: {request: 19s}")
	for i := range 10 {
		pr, pw := io.Pipe()
		go func() {
			_, err := io.CopyN(pw, zeros{}, 10<<20)
			_ = pw.CloseWithError(err)
		}()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+address+"/one/", pr)
		resp, err := http.DefaultTransport.RoundTrip(req) //nolint:forbidigo // a client like others
		if err != nil {
			t.Fatalf("upload %d: %v", i, err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 503 || string(b) != "down" {
			t.Errorf("upload %d: got %d %q, %v", i, resp.StatusCode, b, err)
		}
		_ = resp.Body.Close()
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestAnswerStreamsWhileTheClientIsSending(t *testing.T) {
	const size = 1 << 20
	both := listen(t, func(conn net.Conn, br *bufio.Reader) {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
		read := make(chan struct{})
		go func() {
			defer close(read)
			_, _ = io.Copy(io.Discard, req.Body)
		}()
		_, _ = io.CopyN(conn, zeros{}, size)
		<-read
	})
	_, address := over(t, both, "timeout: {request: 10s}, buffer: 0")
	c := dial(t, address)
	c.send("PUT /one/ HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n%s", strings.Repeat("x", 100_000))
	resp, body, err := c.answer("PUT")
	if err != nil || len(body) != size || resp.StatusCode != 200 {
		t.Errorf("got %d, %d bytes, %v", resp.StatusCode, len(body), err)
	}
}

// The time that a client takes to send a body that is passed on while it comes
// is not the attempt's: that begins when the upstream has the whole request.
func TestAttemptBeginsWhenAStreamedBodyHasBeenSent(t *testing.T) {
	deaf := listen(t, func(_ net.Conn, br *bufio.Reader) { _, _ = io.Copy(io.Discard, br) })
	const head = "PUT /one/ HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n"
	half := strings.Repeat("x", 100_000)
	t.Run("a client that stalls has until the deadline", func(t *testing.T) {
		t.Parallel()
		_, address := over(t, deaf, "timeout: {request: 1s, attempt: 100ms}, breaker: {consecutive_failures: 1}")
		c := dial(t, address)
		start := time.Now()
		c.send("%s%s", head, half)
		resp, _, err := c.answer("PUT")
		if err != nil || resp.StatusCode != 408 || !resp.Close || time.Since(start) < time.Second {
			t.Errorf("got %d, %v, close %t after %v", resp.StatusCode, err, resp.Close, time.Since(start))
		}
		checkHeader(t, resp.Header, map[string]string{"Fender-Circuit": "closed", "Fender-Reason": ""})
	})
	t.Run("an upstream that does not answer has the attempt's time", func(t *testing.T) {
		t.Parallel()
		r, address := over(t, deaf, "timeout: {request: 19s, attempt: 100ms}, fallback: {methods: [PUT], status: 203, body: sorry}, breaker: {consecutive_failures: 1}")
		c := dial(t, address)
		c.send("%s%s%s", head, half, half)
		resp, body, err := c.answer("PUT")
		if err != nil || resp.StatusCode != 203 || body != "sorry" {
			t.Errorf("got %d %q, %v", resp.StatusCode, body, err)
		}
		checkHeader(t, resp.Header, map[string]string{"Fender-Reason": "timeout"})
		if log := r.log.String(); !strings.Contains(log, "msg=request") && strings.Contains(log, "deadline") {
			t.Errorf("got log %s", log)
		}
	})
}

func TestTunnelEndsWhenItsClientDoesNotRead(t *testing.T) {
	ended := make(chan struct{})
	talker := listen(t, func(conn net.Conn, br *bufio.Reader) {
		defer close(ended)
		if _, err := http.ReadRequest(br); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n")
		_, _ = io.Copy(conn, zeros{})
	})
	r, address := over(t, talker, "upgrade: [chat], timeout: {stream_idle: 200ms}")
	c := dial(t, address)
	c.send("GET /one/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n")
	if resp, _, _ := c.answer("GET"); resp.StatusCode != 101 {
		t.Fatalf("got %d", resp.StatusCode)
	}
	<-ended
	wait(t, "the request is logged", func() bool { return strings.Contains(r.log.String(), "msg=request") })
}

// wait polls until a condition holds.
func wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("gave up waiting until %s", what)
		}
	}
}

// A truncated answer must not look whole.
func TestTruncatedStream(t *testing.T) {
	truncates := listen(t, func(conn net.Conn, br *bufio.Reader) {
		if _, err := http.ReadRequest(br); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	})
	for _, tt := range []struct{ version, want string }{{"1.1", "unexpected EOF"}, {"1.0", "connection reset by peer"}} {
		t.Run("to a client of HTTP/"+tt.version, func(t *testing.T) {
			r, address := over(t, truncates, "buffer: 0")
			c := dial(t, address)
			c.send("GET /one/ HTTP/%s\r\nHost: a\r\n\r\n", tt.version)
			resp, err := http.ReadResponse(c.Reader, nil)
			if err == nil {
				_, err = io.ReadAll(resp.Body)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			wait(t, "it is logged", func() bool {
				log := r.log.String()
				return strings.Contains(log, "outcome=failed") && strings.Contains(log, "aborted=true") && strings.Contains(log, "broken stream")
			})
		})
	}
}

func TestClientThatLeavesAStreamIsA499(t *testing.T) {
	talker := listen(t, func(conn net.Conn, br *bufio.Reader) {
		if _, err := http.ReadRequest(br); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
		_, _ = io.Copy(conn, zeros{})
	})
	r, address := over(t, talker, "breaker: {consecutive_failures: 1}")
	c := dial(t, address)
	c.send("GET /one/ HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, err := c.Peek(1000); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	wait(t, "it is logged", func() bool { return strings.Contains(r.log.String(), "status=499 outcome=canceled") })
	if log := r.log.String(); strings.Contains(log, "msg=circuit") {
		t.Errorf("got log %s", log)
	}
}

// A client that does not read a whole answer is cut off at the deadline.
func TestSlowReaderIsCutOff(t *testing.T) {
	const size = 32 << 20
	large := listen(t, func(conn net.Conn, br *bufio.Reader) {
		if _, err := http.ReadRequest(br); err != nil {
			return
		}
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
		_, _ = io.CopyN(conn, zeros{}, size)
	})
	for name, route := range map[string]string{
		"of a whole answer, at the deadline":   "buffer: 40MiB, timeout: {request: 2s}",
		"of a streamed one, after stream_idle": "timeout: {request: 2s, stream_idle: 300ms}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, address := over(t, large, route)
			c := dial(t, address)
			c.send("GET /one/ HTTP/1.1\r\nHost: a\r\n\r\n")
			wait(t, "it is logged", func() bool { return strings.Contains(r.log.String(), "status=499 outcome=canceled") })
			n, err := io.Copy(io.Discard, c.Reader)
			if n >= size || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("got %d bytes, %v", n, err)
			}
		})
	}
}

func TestTrailersPassButNotOurOwn(t *testing.T) {
	trailing := listen(t, func(conn net.Conn, br *bufio.Reader) {
		if _, err := http.ReadRequest(br); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Fender-Outcome\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nFender-Outcome: lie\r\nFender-Late: lie\r\n\r\n")
	})
	for _, buffer := range []string{"0", "64KiB"} {
		_, address := over(t, trailing, "buffer: "+buffer)
		c := dial(t, address)
		c.send("GET /one/ HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n")
		resp, body, err := c.answer("GET")
		if err != nil || body != "ok" || resp.Trailer.Get("X-Sum") != "1" || len(resp.Trailer) != 1 {
			t.Errorf("buffer %s: got %q, %v, trailers %v", buffer, body, err, resp.Trailer)
		}
	}
}

// What an upstream sends may be a secret of its own, and an essay.
func TestMalformedAnswerIsNotQuoted(t *testing.T) {
	malformed := listen(t, func(conn net.Conn, br *bufio.Reader) {
		if _, err := http.ReadRequest(br); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nset cookie session=SECRET "+strings.Repeat("x", 20<<10)+"\r\n\r\n")
	})
	r, address := over(t, malformed, "breaker: {consecutive_failures: 1}")
	c := dial(t, address)
	c.send("GET /one/ HTTP/1.1\r\nHost: a\r\n\r\n")
	if resp, body, _ := c.answer("GET"); resp.StatusCode != 502 || strings.Contains(body, "SECRET") {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	wait(t, "it is logged", func() bool { return strings.Contains(r.log.String(), "msg=request") })
	if log := r.log.String(); strings.Contains(log, "SECRET") || !strings.Contains(log, "malformed MIME header") {
		t.Errorf("got log %s", log)
	}
}
