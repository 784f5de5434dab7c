package policy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// open sends a GET and returns its answer unread; the call ends with the test.
func (r *rig) open(t *testing.T, method string) (*http.Response, *Call, error) {
	t.Helper()
	call := NewCall(t.Context(), time.Now(), r.Policy.Timeout.Request, nil)
	t.Cleanup(call.End)
	req, _ := http.NewRequestWithContext(call.Context(), method, "http://crm.test", nil)
	resp, err := r.RoundTrip(req)
	return resp, call, err
}

func TestWhatIsHeldAndWhatStreams(t *testing.T) {
	text := func(n int) func(context.Context) io.Reader {
		return func(context.Context) io.Reader { return strings.NewReader(strings.Repeat("x", n)) }
	}
	buffer := func(p *Policy) { p.Buffer = 10 * KiB }
	tests := []struct {
		name     string
		set      func(*Policy)
		memory   *Memory
		method   string
		step     step
		size     int
		streamed bool
		length   int64
	}{
		{name: "an answer as long as the buffer is held", set: buffer, step: answersWith(200, 10<<10, text(10<<10)), size: 10 << 10, length: 10 << 10},
		{name: "one byte more streams", set: buffer, step: answersWith(200, 10<<10+1, text(10<<10+1)), size: 10<<10 + 1, streamed: true, length: 10<<10 + 1},
		{name: "an answer of unknown length that fits is held, and its length said", set: buffer, step: answersWith(200, -1, text(10<<10)), size: 10 << 10, length: 10 << 10},
		{name: "one that does not fit streams", set: buffer, step: answersWith(200, -1, text(10<<10+1)), size: 10<<10 + 1, streamed: true, length: -1},
		{name: "a much longer one streams whole", set: buffer, step: answersWith(200, -1, text(1<<20)), size: 1 << 20, streamed: true, length: -1},
		{name: "without memory for it, it streams", memory: NewMemory(100), step: answersWith(200, 101, text(101)), size: 101, streamed: true, length: 101},
		{name: "without memory for more of it, it streams", memory: NewMemory(5 << 10), step: answersWith(200, -1, text(9<<10)), size: 9 << 10, streamed: true, length: -1},
		{name: "an event stream streams", step: answersWith(200, -1, text(3), "Content-Type", "text/event-stream; charset=utf-8"), size: 3, streamed: true, length: -1},
		{name: "with buffer 0 all stream", set: func(p *Policy) { p.Buffer = 0 }, step: answersWith(200, 3, text(3)), size: 3, streamed: true, length: 3},
		{name: "an empty answer is held", step: answersWith(200, 0, text(0)), length: 0},
		{name: "an answer to HEAD has no body, whatever its length says", method: http.MethodHead, step: answersWith(200, 1<<30, text(0)), length: 1 << 30},
		{name: "nor has a 304", step: answersWith(304, 1<<30, text(0)), length: 1 << 30},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			r := newRig(t, tt.set, tt.step)
			r.Memory = tt.memory
			if r.Memory == nil {
				r.Memory = NewMemory(MiB)
			}
			method := tt.method
			if method == "" {
				method = http.MethodGet
			}
			resp, call, err := r.open(t, method)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			if err != nil || len(b) != tt.size || call.Streamed != tt.streamed || resp.ContentLength != tt.length {
				t.Errorf("got %d bytes, %v, streamed %t, length %d", len(b), err, call.Streamed, resp.ContentLength)
			}
			if held := r.Memory.used.Load(); tt.streamed && held != 0 {
				t.Errorf("got %d bytes held for what has been passed on", held)
			}
			_ = resp.Body.Close()
			_ = resp.Body.Close()
			if held := r.Memory.used.Load(); held != 0 {
				t.Errorf("got %d bytes still held", held)
			}
		})
	}
}

// The chunked coding is what trailers travel in.
func TestLengthIsNotSaidWithTrailers(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		r := newRig(t, nil, func(req *http.Request) (*http.Response, error) {
			resp := answer(req, 200, -1, io.NopCloser(strings.NewReader("x")))
			resp.Trailer = http.Header{"X-Sum": {"1"}}
			return resp, nil
		})
		resp, _, err := r.open(t, http.MethodGet)
		if err != nil || resp.ContentLength != -1 || resp.Header.Get("Content-Length") != "" {
			t.Errorf("got %v, length %d", err, resp.ContentLength)
		}
	})
}

func TestAMalformedHeaderNameIsNoAnswer(t *testing.T) {
	for _, name := range []string{"X Y", "X:Y", "", "X\x00", "Ä"} {
		bubble(t, name, func(t *testing.T) {
			r := newRig(t, func(p *Policy) { p.Retry = nil }, func(req *http.Request) (*http.Response, error) {
				resp, err := answers(200, "")(req)
				resp.Header[name] = []string{"1"}
				return resp, err
			})
			_, call, err := r.open(t, http.MethodGet)
			if wrong := name != ""; wrong && (err == nil || call.ProxyError != httpProtocolError) {
				t.Errorf("got %v, %q", err, call.ProxyError)
			}
		})
	}
}

func TestStreams(t *testing.T) {
	stream := func(p *Policy) {
		withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures = 1 })(p)
		p.Buffer = 0
		p.Timeout.StreamIdle = 10 * time.Second
	}
	every := func(d time.Duration, n int) func(context.Context) io.Reader {
		return func(ctx context.Context) io.Reader {
			return readerFunc(func(p []byte) (int, error) {
				if n--; n < 0 {
					return 0, io.EOF
				}
				select {
				case <-time.After(d):
					p[0] = 'x'
					return 1, nil
				case <-ctx.Done():
					return 0, context.Cause(ctx)
				}
			})
		}
	}
	bubble(t, "a stream outlives the deadline", func(t *testing.T) {
		r := newRig(t, stream, answersWith(200, -1, every(9*time.Second, 10)))
		resp, call, _ := r.open(t, http.MethodGet)
		b, err := io.ReadAll(resp.Body)
		if err != nil || len(b) != 10 || call.Reason != "" || r.Breaker.State() != Closed {
			t.Errorf("got %q, %v, %q", b, err, call.Reason)
		}
	})
	bubble(t, "a stream that falls silent is cut, and a failure", func(t *testing.T) {
		r := newRig(t, stream, answersWith(200, -1, every(11*time.Second, 1)))
		resp, _, _ := r.open(t, http.MethodGet)
		start := time.Now()
		_, err := io.ReadAll(resp.Body)
		if !errors.Is(err, errStreamIdle) || time.Since(start) != 10*time.Second || r.Breaker.State() != Open {
			t.Errorf("got %v after %v, breaker %s", err, time.Since(start), r.Breaker.State())
		}
	})
	bubble(t, "a slow reader is not a silent upstream", func(t *testing.T) {
		r := newRig(t, stream, answersWith(200, -1, every(time.Second, 3)))
		resp, _, _ := r.open(t, http.MethodGet)
		for range 3 {
			pass(time.Minute)
			if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
	})
	bubble(t, "a stream that breaks because its client left is no failure", func(t *testing.T) {
		r := newRig(t, stream, answersWith(200, -1, every(time.Second, 100)))
		resp, call, _ := r.open(t, http.MethodGet)
		time.AfterFunc(1500*time.Millisecond, func() { call.cancel(context.Canceled) })
		_, err := io.ReadAll(resp.Body)
		if err == nil || r.Breaker.State() != Closed {
			t.Errorf("got %v, breaker %s", err, r.Breaker.State())
		}
	})
	bubble(t, "a stream whose head comes at the deadline is a timeout", func(t *testing.T) {
		closed := false
		r := newRig(t, stream, func(req *http.Request) (*http.Response, error) {
			connected(req, false)
			<-time.After(3 * time.Second)
			synctest.Wait()
			return answer(req, 200, -1, closer{strings.NewReader(""), func() { closed = true }}), nil
		})
		_, call, err := r.open(t, http.MethodGet)
		if err == nil || call.Reason != ReasonTimeout || call.Class != Failure || !closed {
			t.Errorf("got %v, %q, class %v, closed %t", err, call.Reason, call.Class, closed)
		}
	})
	bubble(t, "the upstream is not to blame if the deadline passes behind the head", func(t *testing.T) {
		r := newRig(t, stream, answersWith(200, -1, every(time.Second, 1)))
		r.Observer = lateObserver{r.tally}
		_, call, err := r.open(t, http.MethodGet)
		if err == nil || err.Error() != "timeout: the request's deadline passed" || !errors.Is(err, errDeadline) || call.Class != Neutral {
			t.Errorf("got %v, class %v", err, call.Class)
		}
	})
	bubble(t, "and one whose head comes after its attempt is one too", func(t *testing.T) {
		r := newRig(t, func(p *Policy) { stream(p); p.Timeout.Attempt = time.Second }, func(req *http.Request) (*http.Response, error) {
			connected(req, false)
			<-time.After(time.Second)
			synctest.Wait()
			return answers(200, "x")(req)
		})
		_, call, err := r.open(t, http.MethodGet)
		if err == nil || call.Reason != ReasonTimeout {
			t.Errorf("got %v, %q", err, call.Reason)
		}
	})
}

// lateObserver lets the deadline pass when an attempt has ended.
type lateObserver struct{ *tally }

func (lateObserver) Attempt(AttemptResult, time.Duration) { pass(3 * time.Second) }

type closer struct {
	io.Reader
	close func()
}

func (c closer) Close() error { c.close(); return nil }

// pipe is the upstream's end of a tunnel.
type pipe struct {
	io.Reader
	written strings.Builder
	closed  chan struct{}
	half    bool
}

func (p *pipe) Write(b []byte) (int, error) { return p.written.Write(b) }
func (p *pipe) CloseWrite() error           { p.half = true; return nil }
func (p *pipe) Close() error {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

func TestTunnel(t *testing.T) {
	dial := func(t *testing.T) (*pipe, io.ReadWriteCloser, *Call) {
		t.Helper()
		p := &pipe{Reader: strings.NewReader("hello"), closed: make(chan struct{})}
		r := newRig(t, nil, func(req *http.Request) (*http.Response, error) {
			connected(req, false)
			return answer(req, 101, 0, p, "Connection", "upgrade", "Upgrade", "websocket"), nil
		})
		call := NewCall(t.Context(), time.Now(), time.Second, nil)
		t.Cleanup(call.End)
		req, _ := http.NewRequestWithContext(call.Context(), http.MethodGet, "http://crm.test", nil)
		req.Header.Set("Upgrade", "WebSocket")
		req.Header.Set("Connection", "keep-alive, Upgrade")
		resp, err := r.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		return p, resp.Body.(io.ReadWriteCloser), call
	}
	bubble(t, "ends when nothing moves for stream_idle", func(t *testing.T) {
		p, tunnel, call := dial(t)
		for range 3 {
			pass(59 * time.Second)
			if _, err := tunnel.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.ReadFull(tunnel, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		<-p.closed
		if time.Since(start) != time.Minute || p.written.String() != "xxx" || !call.Streamed {
			t.Errorf("closed after %v, got %q", time.Since(start), &p.written)
		}
	})
	bubble(t, "passes the end of one direction on, and its own", func(t *testing.T) {
		p, tunnel, _ := dial(t)
		if err := tunnel.(interface{ CloseWrite() error }).CloseWrite(); err != nil || !p.half {
			t.Errorf("got %v, half closed %t", err, p.half)
		}
		_ = tunnel.Close()
		<-p.closed
	})
}
