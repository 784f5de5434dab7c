package stale

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"runtime"
	"testing"
	"time"
)

// checkShelf checks that list, table and size tell of the same entries, and
// returns how many they are.
func checkShelf(t *testing.T, s *shelf) int {
	t.Helper()
	count, size := 0, int64(len(s.table)*chainSize)
	for e := s.ring.newer; e != nil && e != &s.ring; e = e.newer {
		if s.find(e.key) != e || e.older.newer != e {
			t.Fatalf("entry %d from the oldest is not where it should be", count)
		}
		count++
		size += e.cost()
	}
	chained := 0
	for _, e := range s.table {
		for ; e != nil; e = e.next {
			chained++
		}
	}
	if count != chained || size != s.size || size > s.limit {
		t.Errorf("got %d entries listed, %d in the table, %d bytes of %d, want %d of %d at most",
			count, chained, s.size, size, size, s.limit)
	}
	return count
}

func TestTheLeastRecentlyUsedGoes(t *testing.T) {
	o := testOptions()
	o.MaxSize = 5 * 600
	s := New(o)
	body := func(c byte) []byte { return bytes.Repeat([]byte{c}, 500) } // of 96 + 512 bytes as it is kept
	put := func(c byte) { s.Put(numbered(int(c)), 200, nil, body(c)) }
	for _, c := range []byte("abcd") {
		put(c)
	}
	s.Get(numbered('a'))
	s.Get(numbered('x'))
	put('b')
	put('e')
	put('f')
	for _, c := range []byte("abef") {
		wantBody(t, s, numbered(int(c)), string(body(c)))
	}
	for _, c := range []byte("cd") {
		wantBody(t, s, numbered(int(c)), "")
	}
	if got := checkShelf(t, &s.shelf); got != 4 {
		t.Errorf("got %d entries, want 4", got)
	}

	s.Put(numbered('g'), 200, nil, make([]byte, 1200))
	for _, c := range []byte("ab") {
		wantBody(t, s, numbered(int(c)), "")
	}
	wantBody(t, s, numbered('f'), string(body('f')))
	checkShelf(t, &s.shelf)
}

func TestWhatIsTooLargeIsNotKept(t *testing.T) {
	o := testOptions()
	o.MaxSize = 10 << 10
	for name, size := range map[string]int{
		"larger than all there is":   1 << 30,
		"a byte too much":            10<<10 - 10*chainSize - entrySize + 1,
		"too much with its overhead": 10<<10 - 5,
	} {
		t.Run(name, func(t *testing.T) {
			s := New(o)
			s.Put(numbered(1), 200, nil, []byte("old"))
			s.Put(numbered(2), 200, nil, []byte("other"))
			s.Put(numbered(1), 200, nil, make([]byte, size))
			wantBody(t, s, numbered(1), "")
			wantBody(t, s, numbered(2), "other")
			checkShelf(t, &s.shelf)
		})
	}
	for _, size := range []int64{-1, 0, 1, chainSize, chainSize + entrySize} {
		o.MaxSize = size
		s := New(o)
		s.Put(numbered(1), 200, nil, []byte("a"))
		wantBody(t, s, numbered(1), "")
	}
}

// The bound is one of true memory: also for a million answers that are nearly
// all overhead, and when large ones come after them.
func TestMemoryStaysBelowMaxSize(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a million entries")
	}
	h := http.Header{"Content-Type": {"application/json"}}
	for name, test := range map[string]struct {
		maxSize int64
		keys    int
		bodies  []int // in turn, as many keys each
	}{
		"small answers in the built-in size":    {8 << 20, 1e6, []int{2}},
		"empty answers in a larger one":         {32 << 20, 250_000, []int{0}},
		"sizes just above the allocator's":      {16 << 20, 20_000, []int{430, 1030, 2950, 17000}},
		"large answers after small ones":        {16 << 20, 200_000, []int{2, 200_000}},
		"answers of which only a few have room": {1 << 20, 500, []int{33000, 300001}},
	} {
		t.Run(name, func(t *testing.T) {
			o := testOptions()
			o.MaxSize = test.maxSize
			body := make([]byte, 300_001)
			before, s := heap(), New(o)
			for i := range test.keys {
				n := test.bodies[i*len(test.bodies)/test.keys]
				if n > 100_000 && i%100 != 0 {
					continue // as good, and sooner done
				}
				var k Key
				binary.NativeEndian.PutUint64(k[:], uint64(i)*0x9E3779B97F4A7C15)
				s.Put(k, 200, h, body[:n])
			}
			got := heap() - before
			limit := test.maxSize + test.maxSize/10
			if got > limit {
				t.Errorf("got %d bytes on the heap, want at most %d", got, limit)
			}
			count := checkShelf(t, &s.shelf)
			t.Logf("%d entries, %d bytes counted, %d on the heap", count, s.shelf.size, got)
			if s.shelf.size < test.maxSize/2 {
				t.Errorf("got %d bytes counted, want the room to be used", s.shelf.size)
			}
			runtime.KeepAlive(body)
		})
	}
}

// heap returns how many bytes are live on it.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func BenchmarkPut(b *testing.B) {
	s, r, h, body := benchmark()
	b.ReportAllocs()
	for b.Loop() {
		k, _ := s.Key(r, nil)
		s.Put(k, 200, h, body)
	}
}

func BenchmarkGet(b *testing.B) {
	s, r, h, body := benchmark()
	k, _ := s.Key(r, nil)
	s.Put(k, 200, h, body)
	b.ReportAllocs()
	for b.Loop() {
		k, _ := s.Key(r, nil)
		s.Get(k)
	}
}

// benchmark is a store, and a call of the usual size.
func benchmark() (*Store, *http.Request, http.Header, []byte) {
	r := request("GET", "/v1/customers/4711?fields=name,tier", "localhost:8080", http.Header{
		"Authorization": {"Bearer 0123456789012345678901234567890123456789"}, "Accept-Encoding": {"gzip"},
	})
	h := http.Header{
		"Content-Type": {"application/json"}, "Date": {"Fri, 09 Oct 2026 10:00:00 GMT"}, "Content-Length": {"2048"},
		"Etag": {`"abc"`}, "Vary": {"Accept-Encoding"}, "Cache-Control": {"max-age=60"}, "Server": {"crm"}, "Via": {"1.1 edge"},
	}
	o := testOptions()
	o.MaxAge = 24 * time.Hour
	return New(o), r, h, make([]byte, 2048)
}
