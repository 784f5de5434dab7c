package proxy

import (
	"bufio"
	"net"
	"net/http"
	"time"
)

// Hijack implements [http.Hijacker] for a tunnel. A client that does not read
// must not keep it open, so each write is bounded by the time that a tunnel may
// be silent.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(x.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	return &tunnelConn{Conn: conn, idle: x.route.config.Timeout.StreamIdle}, rw, nil
}

// tunnelConn is the client's end of a tunnel.
type tunnelConn struct {
	net.Conn
	idle time.Duration
}

func (c *tunnelConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.idle)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// CloseWrite passes the end of one direction on.
func (c *tunnelConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return http.ErrNotSupported
}
