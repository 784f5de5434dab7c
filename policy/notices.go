package policy

import (
	"log/slog"
	"runtime/debug"
	"sync"
)

// notices hands changes of state to one function: in order, one at a time,
// under no lock of their source, and each exactly once. The goroutine that finds
// nobody at it does it for all; the others go on. The zero value drops them.
type notices[T any] struct {
	onChange func(T)

	mu      sync.Mutex // a leaf: held while no other lock is taken
	queue   []T
	busy    bool // somebody delivers
	stopped bool
}

// add queues a change. It takes no lock but its own, for it is called under
// those of its source.
func (n *notices[T]) add(change T) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.onChange != nil && !n.stopped {
		n.queue = append(n.queue, change)
	}
}

// deliver empties the queue, unless somebody else is at it: then that one
// delivers what was added too.
func (n *notices[T]) deliver() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.busy {
		return
	}
	n.busy = true
	defer func() { n.busy = false }()
	for len(n.queue) > 0 {
		next := n.queue[0]
		n.queue = n.queue[1:]
		n.handOver(next)
	}
	n.queue = nil
}

// handOver calls onChange without the lock. Its panic ends neither the request
// nor the timer that happened to deliver.
func (n *notices[T]) handOver(change T) {
	n.mu.Unlock()
	defer n.mu.Lock()
	defer func() {
		if v := recover(); v != nil {
			//nolint:sloglint // the function that should have been told is the one that is broken
			slog.Error("panic while a change of state was reported", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	n.onChange(change)
}

// stop drops what is queued and all that comes later. It does not wait for an
// onChange under way, which may be its caller.
func (n *notices[T]) stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stopped, n.queue = true, nil
}
