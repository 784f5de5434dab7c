package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds everything that a client waits for; no case depends on how long it is.
const patience = 30 * time.Second

// A Client is one connection to a proxy. It is not safe for concurrent use, save that one goroutine may send while
// another reads.
type Client struct {
	conn   *net.TCPConn
	reader *bufio.Reader
}

// A Response is a final answer and what came before it.
type Response struct {
	*http.Response                  // its Body is spent
	Informational  []*http.Response // 1xx answers that preceded it
	Content        []byte           // the body as far as it came
	Broken         error            // nil if the body came to the end that its framing gives it
	Elapsed        time.Duration    // since the request was begun; set by Try and Do only
}

// Connect opens a connection to addr.
func Connect(addr string) (*Client, error) { return connect(addr, nil) }

// Dial is Connect for a test's own goroutine. The connection is closed when the test ends.
func Dial(t testing.TB, addr string) *Client {
	t.Helper()
	return dial(t, addr, nil)
}

// DialSlow is Dial with the smallest receive buffer there is, for a client that is to be a slow reader.
func DialSlow(t testing.TB, addr string) *Client {
	t.Helper()
	return dial(t, addr, func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1)
		})
		return errors.Join(err, failed)
	})
}

type control func(network, addr string, raw syscall.RawConn) error

func dial(t testing.TB, addr string, prepare control) *Client {
	t.Helper()
	client, err := connect(addr, prepare)
	if err != nil {
		t.Fatalf("wire: %v", err)
	}
	t.Cleanup(client.Close)
	return client
}

func connect(addr string, prepare control) (*Client, error) {
	dialer := net.Dialer{Timeout: patience, Control: prepare}
	conn, err := dialer.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	return &Client{conn: conn.(*net.TCPConn), reader: bufio.NewReader(conn)}, nil
}

// Send writes raw bytes. That the other side no longer takes them is no error here: it shows in its answer.
func (c *Client) Send(raw string) { io.WriteString(c.conn, raw) }

// Close ends the connection with a FIN.
func (c *Client) Close() { c.conn.Close() }

// CloseWrite ends the sending half only.
func (c *Client) CloseWrite() { c.conn.CloseWrite() }

// Abort ends the connection with a RST.
func (c *Client) Abort() {
	c.conn.SetLinger(0)
	c.conn.Close()
}

// Next reads one answer to its end, or to where it breaks. The method is the request's, for HEAD has no body. The error
// is of an answer of which no whole head came.
func (c *Client) Next(method string) (*Response, error) {
	answer, err := c.next(method)
	if err != nil {
		return nil, err
	}
	answer.Content, answer.Broken = io.ReadAll(answer.Body)
	return answer, nil
}

// Read is Next for a test's own goroutine.
func (c *Client) Read(t testing.TB, method string) *Response {
	t.Helper()
	answer, err := c.Next(method)
	if err != nil {
		t.Fatalf("wire: no answer's head came: %v", err)
	}
	return answer
}

// Head is Read that ends with the answer's head. The answer's Body is the connection's, framing taken off: read beyond a
// break it gives an error.
func (c *Client) Head(t testing.TB, method string) *Response {
	t.Helper()
	answer, err := c.next(method)
	if err != nil {
		t.Fatalf("wire: no answer's head came: %v", err)
	}
	return answer
}

// Status reads one answer's head, be it informational, and returns its status.
func (c *Client) Status(t testing.TB) int {
	t.Helper()
	answer, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		t.Fatalf("wire: no answer's head came: %v", err)
	}
	return answer.StatusCode
}

func (c *Client) next(method string) (*Response, error) {
	var early []*http.Response
	for {
		answer, err := http.ReadResponse(c.reader, &http.Request{Method: method})
		if err != nil {
			return nil, err
		}
		if answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols {
			return &Response{Response: answer, Informational: early}, nil
		}
		early = append(early, answer)
	}
}

// Take reads n bytes as they are.
func (c *Client) Take(t testing.TB, n int) string {
	t.Helper()
	raw := make([]byte, n)
	if _, err := io.ReadFull(c.reader, raw); err != nil {
		t.Fatalf("wire: no %d bytes came: %v", n, err)
	}
	return string(raw)
}

// Ended reports whether the other side has ended the connection with nothing more sent. It waits for either.
func (c *Client) Ended() bool {
	_, err := c.reader.Peek(1)
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// Try makes one request on a connection of its own and reads the answer. Fields are "Name: value" lines; Host, and for a
// body its Content-Length, are added where they are missing.
func Try(addr, method, target, body string, fields ...string) (*Response, error) {
	client, err := Connect(addr)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	begun := time.Now()
	client.Send(Compose(method, target, body, fields...))
	answer, err := client.Next(method)
	if err != nil {
		return nil, err
	}
	answer.Elapsed = time.Since(begun)
	return answer, nil
}

// Do is Try for a test's own goroutine.
func Do(t testing.TB, addr, method, target, body string, fields ...string) *Response {
	t.Helper()
	answer, err := Try(addr, method, target, body, fields...)
	if err != nil {
		t.Fatalf("wire: %s %s: no answer came: %v", method, target, err)
	}
	return answer
}

// Compose writes a request as Do sends it.
func Compose(method, target, body string, fields ...string) string {
	if !named(fields, "Host") {
		fields = append([]string{"Host: fender.test"}, fields...)
	}
	if body != "" && !named(fields, "Content-Length") && !named(fields, "Transfer-Encoding") {
		fields = append(fields, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	return fmt.Sprintf("%s %s HTTP/1.1\r\n%s\r\n%s", method, target, lines(fields), body)
}

func named(fields []string, name string) bool {
	for _, field := range fields {
		if key, _, _ := strings.Cut(field, ":"); strings.EqualFold(key, name) {
			return true
		}
	}
	return false
}
