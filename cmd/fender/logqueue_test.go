package main

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fender-proxy/fender/proxy/config"
)

// stuck is a writer whose reader has stopped to read, until it is freed.
type stuck struct {
	free chan struct{}
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.free
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func TestLogQueueKeepsTheOrder(t *testing.T) {
	var b bytes.Buffer
	q := newLogQueue(&b, config.Log{})
	var want strings.Builder
	for i := range 100 {
		fmt.Fprintf(q, "line %d\n", i)
		fmt.Fprintf(&want, "line %d\n", i)
	}
	q.Close()
	fmt.Fprintln(q, "late")
	q.Close()
	if b.String() != want.String() {
		t.Errorf("got %q", b.String())
	}
}

// A reader that stalls must stop neither the requests nor the end of the process.
func TestLogQueueNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{free: make(chan struct{})}
		q := newLogQueue(w, config.Log{Format: "text"})
		start := time.Now()
		for range queuedLines + 11 {
			fmt.Fprintln(q, "line")
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("writing took %v", took)
		}
		q.Close()
		if took := time.Since(start); took != flushTime {
			t.Errorf("closing took %v, want %v", took, flushTime)
		}
		close(w.free)
		synctest.Wait()
		if text := w.text.String(); !strings.Contains(text, `level=WARN msg="log lines dropped" lines=1`) || strings.Count(text, "line\n") < queuedLines {
			t.Errorf("got %d lines, want them and a word about those that were dropped", strings.Count(text, "\n"))
		}
	})
}
