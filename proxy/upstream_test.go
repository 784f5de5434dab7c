package proxy

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fender-proxy/fender/proxy/config"
	"github.com/fender-proxy/fender/proxy/match"
)

func TestAddress(t *testing.T) {
	tests := []struct{ url, strip, target, want string }{
		{"http://a", "", "/x", "http://a/x"},
		{"http://a/", "", "/x", "http://a/x"},
		{"http://a/base", "", "/x", "http://a/base/x"},
		{"http://a/base/", "", "/", "http://a/base/"},
		{"http://a/b%2Fc", "", "/d%2fe", "http://a/b%2Fc/d%2fe"},
		{"http://a", "/crm", "/crm/x", "http://a/x"},
		{"http://a", "/crm/", "/crm/x", "http://a/x"},
		{"http://a", "/crm", "/crm", "http://a/"},
		{"http://a/base", "/crm", "/crm", "http://a/base/"},
		{"http://a", "/crm", "/crmx", "http://a/crmx"},
		{"http://a", "/crm", "/other", "http://a/other"},
		{"http://a", "", "//x//", "http://a//x//"},
		{"http://a", "", "/x?", "http://a/x?"},
		{"http://a", "", "/x?a=%zz&b;c|d", "http://a/x?a=%zz&b;c|d"},
	}
	for _, tt := range tests {
		u, err := newUpstream("a", config.Upstream{URL: tt.url}, Options{Logger: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry())})
		if err != nil {
			t.Fatal(err)
		}
		target, err := match.ParseTarget(tt.target)
		if err != nil {
			t.Fatal(err)
		}
		out := new(url.URL)
		u.address(out, target, tt.strip)
		if got := out.Scheme + "://" + out.Host + out.RequestURI(); got != tt.want {
			t.Errorf("%s below %s without %q: got %s, want %s", tt.target, tt.url, tt.strip, got, tt.want)
		}
	}
}

func TestConnectionsAreRenewed(t *testing.T) {
	for _, tt := range []struct {
		name string
		age  time.Duration
		want int64
	}{{"when they are too old", time.Nanosecond, 3}, {"never at 0", 0, 1}, {"not before", time.Hour, 1}} {
		t.Run(tt.name, func(t *testing.T) {
			var conns atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
				if s == http.StateNew {
					conns.Add(1)
				}
			}
			server.Start()
			defer server.Close()
			u, err := newUpstream("a", config.Upstream{URL: server.URL, DialTimeout: 10 * time.Second, MaxConnectionAge: tt.age}, Options{Logger: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry())})
			if err != nil {
				t.Fatal(err)
			}
			defer u.close()
			for range 3 {
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
				resp, err := u.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			if got := conns.Load(); got != tt.want {
				t.Errorf("got %d connections, want %d", got, tt.want)
			}
		})
	}
	t.Run("once, however many see it", func(t *testing.T) {
		u, err := newUpstream("a", config.Upstream{URL: "http://a", MaxConnectionAge: time.Hour}, Options{Logger: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry())})
		if err != nil {
			t.Fatal(err)
		}
		old := u.current.Load()
		if first, second := u.renewed(old), u.renewed(old); first == old || first != second {
			t.Error("got two new generations, want one")
		}
	})
}

// The zero http.Transport has no bounds at all, and the default one has habits.
func TestTransportIsBounded(t *testing.T) {
	connector, err := newConnector(config.Upstream{DialTimeout: time.Second, IdleTimeout: time.Second}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	tr := connector.transport()
	if tr.Proxy != nil || !tr.DisableCompression || tr.DialContext == nil {
		t.Error("the environment's proxy, gzip unasked, or dials without a timeout")
	}
	v := reflect.ValueOf(tr).Elem()
	for _, name := range []string{"TLSHandshakeTimeout", "IdleConnTimeout", "MaxResponseHeaderBytes", "MaxIdleConnsPerHost", "HTTP2", "Protocols", "TLSClientConfig"} {
		if v.FieldByName(name).IsZero() {
			t.Errorf("%s is not set", name)
		}
	}
	if tr.Protocols.HTTP2() {
		t.Error("HTTP/2 without http2: true")
	}
}

func TestFallbackWithoutAContentType(t *testing.T) {
	for body, want := range map[string]string{`{"a":1}`: "application/json", "sorry": "text/plain; charset=utf-8", `{"a":{{.RetryAfter}}}`: "application/json"} {
		r := newRig(t, "routes: [{name: one, upstream: a, fallback: {body: '"+body+"'}}]", says(500, ""))
		resp := r.get(t, "/")
		if got := resp.Header.Get("Content-Type"); got != want || resp.StatusCode != 200 {
			t.Errorf("%s: got %d, %s, want %s", body, resp.StatusCode, got, want)
		}
	}
}

// A client must see that an answer is not whole, also when it is a bug of ours
// that cut it off.
func TestPanicBehindTheHeadBreaksTheConnection(t *testing.T) {
	r := newRig(t, "routes: [{name: one, upstream: a, buffer: 0}]", func(req *http.Request) (*http.Response, error) {
		resp, _ := says(200, "")(req)
		resp.ContentLength, resp.Body = 10, io.NopCloser(panicReader{})
		return resp, nil
	})
	server := httptest.NewServer(r)
	defer server.Close()
	resp, err := server.Client().Get(server.URL)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	if err == nil {
		t.Error("got a whole answer")
	}
	if log := r.log.String(); !strings.Contains(log, "level=ERROR msg=panic") {
		t.Errorf("got log %s", log)
	}
}

type panicReader struct{}

func (panicReader) Read([]byte) (int, error) { panic("a bug") }
