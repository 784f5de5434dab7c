package policy

import "sync/atomic"

// Memory bounds the bytes that calls hold together. A nil Memory has no bound.
// It is safe for concurrent use.
type Memory struct {
	limit int64
	used  atomic.Int64
}

// NewMemory returns a Memory of limit bytes.
func NewMemory(limit Size) *Memory { return &Memory{limit: int64(limit)} }

// reserve takes n bytes and reports whether they were there to take.
func (m *Memory) reserve(n int64) bool {
	if m == nil {
		return true
	}
	if m.used.Add(n) <= m.limit {
		return true
	}
	m.used.Add(-n)
	return false
}

// release gives n bytes back.
func (m *Memory) release(n int64) {
	if m != nil {
		m.used.Add(-n)
	}
}
