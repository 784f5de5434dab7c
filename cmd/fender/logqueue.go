package main

import (
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fender-proxy/fender/proxy/config"
)

const (
	// queuedLines is how many lines wait for a reader that takes its time.
	queuedLines = 4096
	// flushTime is how long the end of the process waits for that reader.
	flushTime = time.Second
)

// logQueue is a writer that never blocks: lines wait in a queue for one
// goroutine that writes them. Without room they are dropped and counted; a line
// says so once there is room again. It is safe for concurrent use.
type logQueue struct {
	lines   chan []byte
	dropped atomic.Int64
	done    chan struct{}
	close   sync.Once
	mu      sync.RWMutex // held to write while lines is open
	closed  bool
}

// newLogQueue returns a queue before w, into which lines go as cfg says. The
// caller must Close it.
func newLogQueue(w io.Writer, cfg config.Log) *logQueue {
	q := &logQueue{lines: make(chan []byte, queuedLines), done: make(chan struct{})}
	go q.drain(w, newLogger(w, cfg))
	return q
}

// drain writes until the queue is closed. An error of w is not worth a word:
// there is nobody to say it to.
func (q *logQueue) drain(w io.Writer, direct *slog.Logger) {
	defer close(q.done)
	for line := range q.lines {
		_, _ = w.Write(line)
		if n := q.dropped.Swap(0); n > 0 {
			direct.Warn("log lines dropped", "lines", n)
		}
	}
}

// Write queues one line. It always reports success.
func (q *logQueue) Write(line []byte) (int, error) {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed {
		return len(line), nil
	}
	select {
	case q.lines <- append([]byte(nil), line...):
	default:
		q.dropped.Add(1)
	}
	return len(line), nil
}

// Close writes what is queued, but does not wait long for a reader that has
// stopped to read. Later lines are dropped.
func (q *logQueue) Close() {
	q.close.Do(func() {
		q.mu.Lock()
		q.closed = true
		close(q.lines)
		q.mu.Unlock()
	})
	select {
	case <-q.done:
	case <-time.After(flushTime):
	}
}
