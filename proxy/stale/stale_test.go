package stale

import (
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// testOptions keep what they may for an hour.
func testOptions() Options {
	return Options{MaxAge: time.Hour, MaxSize: 1 << 20, Methods: []string{"GET", "HEAD"}}
}

// numbered is a key of its own for each n.
func numbered(n int) Key {
	s := New(Options{MaxAge: 1, Methods: []string{"GET"}})
	k, _ := s.Key(request("GET", "/"+strconv.Itoa(n), "crm", nil), nil)
	return k
}

// wantBody checks what a store has for a key; "" is nothing.
func wantBody(t *testing.T, s *Store, k Key, want string) {
	t.Helper()
	answer, ok := s.Get(k)
	if got := string(answer.Body); got != want || ok != (want != "") {
		t.Errorf("got %q, %t, want %q", got, ok, want)
	}
}

func TestAnAnswerComesBackAsItCame(t *testing.T) {
	s, k := New(testOptions()), numbered(1)
	h := http.Header{
		"Content-Type": {"application/json"}, "Etag": {`"1"`}, "X-Empty": {""}, "X-Bytes": {"caf\xe9\t\"\xff"},
		"Link": {"<a>", "<b>, <c>"}, "Proxy-Status": {"edge; received-status=200"}, "Date": {"Fri, 09 Oct 2026 10:00:00 GMT"},
	}
	want := h.Clone()
	for name, value := range map[string]string{
		"Age": "1", "Connection": "close, x-here", "X-Here": "1", "Keep-Alive": "1", "Trailer": "X-Sum", "Transfer-Encoding": "chunked",
		"Te": "trailers", "Upgrade": "h2c", "Proxy-Connection": "close", "Proxy-Authenticate": "Basic", "Proxy-Authentication-Info": "x",
		"Fender-Outcome": "upstream", "Fender-": "1",
	} {
		h.Set(name, value)
	}
	body := []byte(`{"name":"Ada"}`)
	s.Put(k, 200, h, body)
	h.Set("Content-Type", "text/plain")
	body[0] = 'x'
	for range 2 {
		answer, ok := s.Get(k)
		if !ok || !reflect.DeepEqual(answer.Header, want) {
			t.Errorf("got header %v, %t, want %v", answer.Header, ok, want)
		}
		if got := string(answer.Body); got != `{"name":"Ada"}` || cap(answer.Body) != len(answer.Body) {
			t.Errorf("got body %q of capacity %d, want it whole and no room behind it", got, cap(answer.Body))
		}
		// The header is the caller's own, down to the arrays of its values.
		answer.Header["Link"] = append(answer.Header["Link"], "<d>")
		answer.Header["Etag"][0] = "changed"
		answer.Header.Set("Age", "7")
	}
}

func TestWhatTheUpstreamSaysLastCounts(t *testing.T) {
	private := http.Header{"Cache-Control": {"private"}}
	for name, test := range map[string]struct {
		status int
		header http.Header
		want   string
	}{
		"a new answer takes the place":          {200, nil, "new"},
		"what is gone is not kept":              {404, nil, ""},
		"nor what is forbidden":                 {403, nil, ""},
		"nor other successes":                   {204, nil, ""},
		"an answer that is private ends it":     {200, private, ""},
		"what has not changed changes nothing":  {304, nil, "old"},
		"nor does a 304 that is private itself": {304, private, "old"},
	} {
		t.Run(name, func(t *testing.T) {
			s, k := New(testOptions()), numbered(1)
			s.Put(k, 200, nil, []byte("old"))
			s.Put(numbered(2), 200, nil, []byte("other"))
			s.Put(k, test.status, test.header, []byte("new"))
			wantBody(t, s, k, test.want)
			wantBody(t, s, numbered(2), "other")
		})
	}
}

func TestAnAnswerIsKeptForMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOptions()
		o.MaxAge = time.Minute
		s, k := New(o), numbered(1)
		<-time.After(time.Second)
		s.Put(k, 200, nil, []byte("a"))
		<-time.After(time.Minute)
		if answer, ok := s.Get(k); !ok || answer.Age != time.Minute {
			t.Errorf("got age %v, %t, want 1m", answer.Age, ok)
		}
		<-time.After(time.Nanosecond)
		wantBody(t, s, k, "")
		if got, want := s.shelf.size, int64(len(s.shelf.table)*chainSize); got != want {
			t.Errorf("got %d bytes held, want those of the empty table, %d", got, want)
		}
		s.Put(k, 200, nil, []byte("b"))
		wantBody(t, s, k, "b")
	})
}

func TestAnAnswersOwnAgeCountsButNotForMaxAge(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"100": 105 * time.Second, " 7200\t": 7205 * time.Second, "10, 20": 15 * time.Second, "0": 5 * time.Second,
		"": 5 * time.Second, "-1": 5 * time.Second, "1.5": 5 * time.Second, "0x10": 5 * time.Second, "soon": 5 * time.Second,
		strings.Repeat("9", 40): (1<<31 + 4) * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			s, k := New(testOptions()), numbered(1)
			s.Put(k, 200, http.Header{"Age": {value, "3"}}, nil)
			<-time.After(5 * time.Second)
			if answer, ok := s.Get(k); !ok || answer.Age != want {
				t.Errorf("Age %q: got %v, %t, want %v", value, answer.Age, ok, want)
			}
		})
	}
}

func TestAStoreIsSafeForConcurrentUse(t *testing.T) {
	o := testOptions()
	o.MaxSize = 16 << 10
	s := New(o)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				target := "/" + strconv.Itoa(i%97)
				k, _ := s.Key(request("GET", target, "crm", nil), nil)
				switch (i + worker) % 5 {
				case 0:
					s.Put(k, 404, nil, nil)
				case 1, 2:
					s.Put(k, 200, http.Header{"X-Target": {target}}, []byte(strings.Repeat("x", i)))
				default:
					if answer, ok := s.Get(k); ok && answer.Header.Get("X-Target") != target {
						t.Errorf("got the answer to %q for %q", answer.Header.Get("X-Target"), target)
					}
				}
			}
		})
	}
	wg.Wait()
	checkShelf(t, &s.shelf)
}
