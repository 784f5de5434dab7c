package stale

import (
	"encoding/binary"
	"sync"
	"time"
)

// shelf holds entries up to a number of bytes, those that were used last. It is
// safe for concurrent use.
//
// Entries are found through a table of chains, made once for as many as may
// come. A map would not do: it keeps the memory of the most that it ever held.
type shelf struct {
	limit int64 // in bytes, of all that is held, the table included

	mu    sync.Mutex
	size  int64 // in bytes, of the same
	table []*entry
	// ring closes the list of entries: ring.newer is the one to go first,
	// ring.older the one used last.
	ring entry
}

// entry is an answer that is kept. Its key, content and time are not changed.
type entry struct {
	older, newer *entry // in the order of use
	next         *entry // in the chain
	key          Key
	content      []byte
	since        time.Duration // after the store's start
}

const (
	// entrySize is what the allocator takes for an entry, in bytes.
	entrySize = 96
	// chainSize is what a chain takes in the table, in bytes. There is one for
	// so many bytes of the limit that no chain gets long.
	chainSize, bytesPerChain = 8, 1024
)

// cost is the memory that the entry takes, in bytes.
func (e *entry) cost() int64 { return entrySize + int64(cap(e.content)) }

// put adds an entry as the one used last, in the place of that with its key. If
// it does not fit, there is none with its key afterwards.
func (s *shelf) put(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.table == nil {
		s.makeTable()
	}
	s.remove(s.find(e.key))
	if chainSize*int64(len(s.table))+e.cost() > s.limit {
		return
	}
	for s.size+e.cost() > s.limit {
		s.remove(s.ring.newer)
	}
	chain := s.chain(e.key)
	e.next, *chain = *chain, e
	s.link(e)
	s.size += e.cost()
}

// get returns the content and time of an entry and makes it the one used last.
// One that is from before the oldest allowed time is removed.
func (s *shelf) get(k Key, oldest time.Duration) (content []byte, since time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(k)
	if e == nil || e.since < oldest {
		s.remove(e)
		return nil, 0, false
	}
	e.unlink()
	s.link(e)
	return e.content, e.since, true
}

// drop removes the entry with the key, if there is one.
func (s *shelf) drop(k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(s.find(k))
}

func (s *shelf) makeTable() {
	s.table = make([]*entry, max(1, s.limit/bytesPerChain))
	s.size = chainSize * int64(len(s.table))
	s.ring.older, s.ring.newer = &s.ring, &s.ring
}

// chain returns the start of the chain that has the key if any has. A key is a
// hash already.
func (s *shelf) chain(k Key) **entry {
	return &s.table[binary.NativeEndian.Uint64(k[:])%uint64(len(s.table))]
}

// find returns the entry with the key, or nil.
func (s *shelf) find(k Key) *entry {
	if s.table == nil {
		return nil
	}
	e := *s.chain(k)
	for e != nil && e.key != k {
		e = e.next
	}
	return e
}

// remove removes an entry, if it is not nil.
func (s *shelf) remove(e *entry) {
	if e == nil {
		return
	}
	chain := s.chain(e.key)
	for *chain != e {
		chain = &(*chain).next
	}
	*chain = e.next
	e.unlink()
	s.size -= e.cost()
}

// link adds an entry to the list as the one used last.
func (s *shelf) link(e *entry) {
	e.older, e.newer = s.ring.older, &s.ring
	e.older.newer, e.newer.older = e, e
}

func (e *entry) unlink() {
	e.older.newer, e.newer.older = e.newer, e.older
}
