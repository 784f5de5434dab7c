// Package wire is both ends of a proxy at the level of bytes: an upstream that does what a script says and counts what
// it saw, and a client that sends what a test gives it and knows where an answer ends. Neither is built on net/http's
// server or transport, so that what they see and send is what was on the wire.
package wire

import (
	"errors"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// An Upstream is a scripted server on a loopback port of its own. It is safe for concurrent use.
type Upstream struct {
	// Addr is the host and port it has from the start, also while it refuses connections.
	Addr string

	socket *os.File
	ended  sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	script   []Answer
	next     int
	requests []*Request
	conns    map[*net.TCPConn]bool
	accepted int
	inFlight int
	maxed    int
	closed   bool
}

// Listen starts an upstream that answers every request 200 until it is given a script. It is closed when the test ends.
func Listen(t testing.TB) *Upstream {
	t.Helper()
	u := Reserve(t)
	u.Listen(t)
	return u
}

// Reserve takes a port without listening on it: whoever dials is refused until Listen is called, and nobody else can
// get the port meanwhile.
func Reserve(t testing.TB) *Upstream {
	t.Helper()
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatalf("wire: socket: %v", err)
	}
	u := &Upstream{
		socket: os.NewFile(uintptr(fd), "upstream"),
		conns:  make(map[*net.TCPConn]bool),
		script: []Answer{Reply(200, "ok")},
	}
	t.Cleanup(u.Close)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatalf("wire: bind: %v", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatalf("wire: getsockname: %v", err)
	}
	u.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*syscall.SockaddrInet4).Port))
	return u
}

// Listen ends the refusals of an upstream that was reserved.
func (u *Upstream) Listen(t testing.TB) {
	t.Helper()
	if err := syscall.Listen(int(u.socket.Fd()), 1024); err != nil {
		t.Fatalf("wire: listen: %v", err)
	}
	listener, err := net.FileListener(u.socket)
	if err != nil {
		t.Fatalf("wire: listen: %v", err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.listener = listener
	u.ended.Go(func() { u.accept(listener) })
}

// Close ends the listener and every connection and returns when nothing runs any more. It may be called again.
func (u *Upstream) Close() {
	u.mu.Lock()
	u.closed = true
	if u.listener != nil {
		u.listener.Close()
	}
	for conn := range u.conns {
		conn.Close()
	}
	u.socket.Close()
	u.mu.Unlock()
	u.ended.Wait()
}

// Script gives the answers for the requests to come, one each in the order of their arrival; the last one is repeated
// for ever.
func (u *Upstream) Script(answers ...Answer) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.script, u.next = answers, 0
}

// URL is the upstream's base URL.
func (u *Upstream) URL() string { return "http://" + u.Addr }

// Requests returns a copy of every request of which a whole head was read, in the order of their arrival.
func (u *Upstream) Requests() []Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	copies := make([]Request, len(u.requests))
	for i, r := range u.requests {
		copies[i] = *r
	}
	return copies
}

// Count is the number of requests of which a whole head was read.
func (u *Upstream) Count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.requests)
}

// Accepted is the number of connections made so far.
func (u *Upstream) Accepted() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.accepted
}

// Open is the number of connections that neither side has closed.
func (u *Upstream) Open() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.conns)
}

// InFlight is the number of requests that are being answered now, and the most there ever were.
func (u *Upstream) InFlight() (now, most int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.inFlight, u.maxed
}

func (u *Upstream) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		u.begin(conn.(*net.TCPConn))
	}
}

func (u *Upstream) begin(conn *net.TCPConn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		conn.Close()
		return
	}
	u.accepted++
	u.conns[conn] = true
	number := u.accepted
	u.ended.Go(func() {
		u.serve(conn, number)
		conn.Close()
		u.mu.Lock()
		delete(u.conns, conn)
		u.mu.Unlock()
	})
}
