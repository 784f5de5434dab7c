package policy

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// socketRig is a rig over real sockets. Fresh keeps no connections, as the
// proxy's does not.
func socketRig(t *testing.T, set func(*Policy), config *tls.Config) *rig {
	t.Helper()
	r := newRig(t, set, answers(500, "not asked"))
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	transport := func(keep bool) *http.Transport {
		tr := &http.Transport{
			DisableKeepAlives: !keep,
			TLSClientConfig:   config,
			ForceAttemptHTTP2: true,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dialer.DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return TrackConn(conn), nil
			},
			MaxIdleConnsPerHost: 100,
		}
		t.Cleanup(tr.CloseIdleConnections)
		return tr
	}
	r.Upstream, r.Fresh = transport(true), transport(false)
	return r
}

// to sends a request to a URL.
func (r *rig) to(t *testing.T, method, url, body string) (*http.Response, *Call, error) {
	t.Helper()
	call := NewCall(t.Context(), time.Now(), r.Policy.Timeout.Request, NewBody(strings.NewReader(body), int64(len(body)), 0))
	t.Cleanup(call.End)
	req, err := http.NewRequestWithContext(call.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := r.RoundTrip(req)
	return resp, call, err
}

// mortal is a server whose connections die on demand: once doomed, each ends at
// its next request, which is counted and not answered.
type mortal struct {
	net.Listener
	doomed          atomic.Bool
	served, orphans atomic.Int64
}

func newMortal(t *testing.T) *mortal {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mortal{Listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go m.serve(conn, !m.doomed.Load())
		}
	}()
	return m
}

// serve answers on one connection; an old one dies when all old ones are doomed.
func (m *mortal) serve(conn net.Conn, old bool) {
	defer conn.Close()
	br := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		if old && m.doomed.Load() {
			m.orphans.Add(1)
			return
		}
		m.served.Add(1)
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
			return
		}
	}
}

// warm makes the rig keep n connections to the server.
func (m *mortal) warm(t *testing.T, r *rig, n int) string {
	t.Helper()
	url := "http://" + m.Addr().String()
	var wg sync.WaitGroup
	for m.served.Load() < int64(n) {
		for range n {
			wg.Go(func() {
				if _, _, err := r.to(t, http.MethodGet, url, ""); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	m.served.Store(0)
	m.doomed.Store(true)
	return url
}

// net/http would go through all the dead connections it has kept.
func TestOneDeadConnectionIsReplacedByAFreshOne(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		t.Run(method, func(t *testing.T) {
			m := newMortal(t)
			r := socketRig(t, func(p *Policy) { p.Retry = nil }, nil)
			url := m.warm(t, r, 8)
			body := map[string]string{http.MethodPut: "x"}[method]
			resp, call, err := r.to(t, method, url, body)
			if err != nil || resp.StatusCode != 200 || call.Attempts != 2 || call.Class != Success {
				t.Fatalf("got %v, %d attempts, class %v", err, call.Attempts, call.Class)
			}
			if m.orphans.Load() != 1 || m.served.Load() != 1 {
				t.Errorf("the upstream got %d requests on dead connections and %d on live ones, want 1 and 1", m.orphans.Load(), m.served.Load())
			}
		})
	}
	t.Run("but a POST that was written is not sent again", func(t *testing.T) {
		m := newMortal(t)
		r := socketRig(t, nil, nil)
		_, call, err := r.to(t, http.MethodPost, m.warm(t, r, 8), "x")
		if err == nil || call.Reason != ReasonUnreachable || call.Attempts != 1 || m.orphans.Load() != 1 || m.served.Load() != 0 {
			t.Errorf("got %v, %q, %d attempts, the upstream got %d and %d", err, call.Reason, call.Attempts, m.orphans.Load(), m.served.Load())
		}
	})
	// net/http takes this header for a licence to repeat.
	t.Run("not even with an Idempotency-Key that no one configured", func(t *testing.T) {
		m := newMortal(t)
		r := socketRig(t, nil, nil)
		url := m.warm(t, r, 8)
		call := NewCall(t.Context(), time.Now(), time.Second, nil)
		defer call.End()
		req, _ := http.NewRequestWithContext(call.Context(), http.MethodPost, url, nil)
		req.Header.Set("Idempotency-Key", "k")
		_, err := r.RoundTrip(req)
		if err == nil || m.orphans.Load() != 1 || m.served.Load() != 0 {
			t.Errorf("got %v, the upstream got %d and %d", err, m.orphans.Load(), m.served.Load())
		}
	})
}

func TestDiagnosis(t *testing.T) {
	accept := func(serve func(net.Conn)) string {
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
				serve(conn)
			}
		}()
		return l.Addr().String()
	}
	says := func(text string) string {
		return accept(func(conn net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		})
	}
	closed := accept(func(conn net.Conn) { _ = conn.Close() })
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	secure.Config.ErrorLog = nil
	nobody := "127.0.0.1:1"
	tests := []struct {
		name, url string
		result    AttemptResult
		on        Condition
		kind      string
	}{
		{"nobody listens", "http://" + nobody, ResultDial, OnConnect, connectionRefused},
		{"no such name", "http://fender.invalid", ResultDNS, OnConnect, dnsError},
		{"a certificate that nobody signed", secure.URL, ResultTLS, OnConnect, tlsCertificateError},
		{"no TLS where it should be", "https://" + says("HTTP/1.1 200 OK\r\n\r\n"), ResultTLS, OnConnect, connectionTerminated},
		{"a connection that is closed", "http://" + closed, ResultReset, OnReset, connectionTerminated},
		{"an answer that is cut off in its head", "http://" + says("HTTP/1.1 200 OK\r\nServer: x\r\n"), ResultReset, OnReset, connectionTerminated},
		{"nonsense", "http://" + says("SSH-2.0\r\n\r\n"), ResultReset, OnReset, httpProtocolError},
		{"a body that is cut off", "http://" + says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), ResultReset, OnReset, connectionTerminated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := socketRig(t, func(p *Policy) { p.Retry = nil }, nil)
			_, call, err := r.to(t, http.MethodGet, tt.url, "")
			if err == nil || call.Reason != ReasonUnreachable || call.ProxyError != tt.kind || call.Class != Failure {
				t.Errorf("got %v, %q, %q, class %v, want %q", err, call.Reason, call.ProxyError, call.Class, tt.kind)
			}
			if r.tally.attempts[tt.result] != 1 {
				t.Errorf("got results %v, want %s", r.tally.attempts, tt.result)
			}
		})
	}
}

// One connection that many calls share is one loss, not many: five calls at
// once would else open a breaker at each restart of an upstream.
func TestCallsLostWithOneHTTP2ConnectionCountOnce(t *testing.T) {
	const calls = 20
	var arrived sync.WaitGroup
	arrived.Add(calls)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/reset" {
			panic(http.ErrAbortHandler)
		}
		if req.URL.Path == "/" {
			return
		}
		if req.URL.Path == "/short" {
			w.Header().Set("Content-Length", "9")
			_, _ = io.WriteString(w, "half")
			return
		}
		arrived.Done()
		<-req.Context().Done()
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	config := server.Client().Transport.(*http.Transport).TLSClientConfig

	r := socketRig(t, func(p *Policy) {
		withBreaker(func(b *BreakerPolicy) { b.ConsecutiveFailures, b.FailureRate = 10, nil })(p)
		p.Timeout.Request = time.Minute
		p.Timeout.Attempt = time.Minute
	}, config)
	resp, _, err := r.to(t, http.MethodGet, server.URL+"/", "")
	if err != nil || resp.ProtoMajor != 2 {
		t.Fatalf("got %v, want an answer by HTTP/2", err)
	}
	classes := make(chan Class, calls)
	for range calls {
		go func() {
			_, call, _ := r.to(t, http.MethodGet, server.URL+"/hang", "")
			classes <- call.Class
		}()
	}
	arrived.Wait()
	server.CloseClientConnections()
	count := map[Class]int{}
	for range calls {
		count[<-classes]++
	}
	if count[Failure] != 1 || count[Neutral] != calls-1 || r.Breaker.State() != Closed {
		t.Errorf("got %v, breaker %s, want one failure", count, r.Breaker.State())
	}
	// A stream that breaks alone is a failure each time, and so is an answer
	// that is truncated on a connection that lives on.
	for _, path := range []string{"/reset", "/reset", "/short", "/short"} {
		if _, call, err := r.to(t, http.MethodGet, server.URL+path, ""); err == nil || call.Class != Failure {
			t.Errorf("%s: got %v, class %v, want a failure", path, err, call.Class)
		}
	}
}

// Over HTTP/2 the end of a stream may come apart from its head, and a closed
// body then reads as an error.
func TestBodylessAnswersOverHTTP2(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.WriteHeader(map[string]int{"/204": 204, "/304": 304}[req.URL.Path])
		_ = http.NewResponseController(w).Flush()
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	r := socketRig(t, nil, server.Client().Transport.(*http.Transport).TLSClientConfig)
	for _, path := range []string{"/204", "/304"} {
		resp, _, err := r.to(t, http.MethodGet, server.URL+path, "")
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || len(b) > 0 {
			t.Errorf("%s: got %q, %v", path, b, err)
		}
	}
}
