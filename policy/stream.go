package policy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// streamBody makes an answer's body one that is passed on as it comes: first
// what was held already, then the rest. It ends when nothing comes for
// timeout.stream_idle; cancel is called when it is closed.
func (t *Transport) streamBody(resp *http.Response, held []byte, cancel context.CancelCauseFunc) {
	idle := t.Policy.Timeout.StreamIdle
	if rw, ok := resp.Body.(io.ReadWriteCloser); ok && resp.StatusCode == http.StatusSwitchingProtocols {
		// The transport does not end a switched connection with its context.
		clock := time.AfterFunc(idle, func() { _ = rw.Close() })
		resp.Body = &tunnel{ReadWriteCloser: rw, idle: idle, clock: clock, cancel: cancel}
		return
	}
	s := &stream{src: resp.Body, held: held, idle: idle, cancel: cancel}
	s.free = func() {
		t.Memory.release(reserved(held))
		s.held, held = nil, nil
	}
	s.clock = time.AfterFunc(idle, func() { cancel(errStreamIdle) })
	s.clock.Stop()
	resp.Body = s
}

// stream is a body on its way. Its clock runs only while it waits for the
// upstream, so that a slow reader is not taken for a silent upstream.
type stream struct {
	src    io.ReadCloser
	held   []byte
	idle   time.Duration
	clock  *time.Timer
	cancel context.CancelCauseFunc
	free   func()
	broke  func(error) // told once if the upstream breaks the body
}

func (s *stream) Read(p []byte) (int, error) {
	if len(s.held) > 0 {
		n := copy(p, s.held)
		if s.held = s.held[n:]; len(s.held) == 0 {
			s.free()
		}
		return n, nil
	}
	s.clock.Reset(s.idle)
	n, err := s.src.Read(p)
	s.clock.Stop()
	if err != nil && !errors.Is(err, io.EOF) && s.broke != nil {
		s.broke(err)
		s.broke = nil
	}
	return n, err
}

func (s *stream) Close() error {
	s.clock.Stop()
	s.free()
	s.cancel(errEnded)
	return s.src.Close()
}

// tunnel is the upstream's end of a connection that switched protocols. It ends
// when nothing moves in either direction for timeout.stream_idle. Read, Write
// and Close may be called concurrently.
type tunnel struct {
	io.ReadWriteCloser
	idle   time.Duration
	clock  *time.Timer
	cancel context.CancelCauseFunc
}

func (t *tunnel) Read(p []byte) (int, error) {
	n, err := t.ReadWriteCloser.Read(p)
	t.clock.Reset(t.idle)
	return n, err
}

func (t *tunnel) Write(p []byte) (int, error) {
	n, err := t.ReadWriteCloser.Write(p)
	t.clock.Reset(t.idle)
	return n, err
}

// CloseWrite passes the end of one direction on.
func (t *tunnel) CloseWrite() error {
	if w, ok := t.ReadWriteCloser.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return http.ErrNotSupported
}

func (t *tunnel) Close() error {
	t.clock.Stop()
	t.cancel(errEnded)
	return t.ReadWriteCloser.Close()
}
