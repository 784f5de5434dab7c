package policy

import "io"

// firstHold is how much is set aside for a body of unknown length; more as it
// comes.
const firstHold = 4 << 10

// hold reads a body of the declared length, or of up to limit bytes if that is
// negative, and reports whether it has read all of it. Without memory for it, it
// reads nothing; without memory for more, no more. What it returns has
// reserved(held) bytes of m, which the caller releases; with an error it returns
// nothing.
func hold(r io.Reader, declared, limit int64, m *Memory) (held []byte, whole bool, err error) {
	size := min(firstHold, limit)
	if declared >= 0 {
		size, limit = declared, declared
	}
	if !m.reserve(size) {
		return nil, false, nil
	}
	held = make([]byte, 0, size+1) // one byte more, to meet the end
	for {
		n, err := r.Read(held[len(held):cap(held)])
		held = held[:len(held)+n]
		switch {
		case err == io.EOF: // itself: an error that wraps it is no end
			return held, int64(len(held)) <= limit, nil
		case err != nil:
			m.release(reserved(held))
			return nil, false, err
		case len(held) < cap(held):
			continue
		}
		more := min(reserved(held), limit-reserved(held))
		if more <= 0 || !m.reserve(more) {
			return held, false, nil
		}
		held = append(make([]byte, 0, int64(cap(held))+more), held...)
	}
}

// reserved is how much memory a body that [hold] returned has.
func reserved(held []byte) int64 { return max(int64(cap(held))-1, 0) }
