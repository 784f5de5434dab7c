package proxy

import "sync"

// copyBuffers lends the buffers through which answers are copied.
var copyBuffers bufferPool

// bufferPool implements [httputil.BufferPool]. Answers only: a transport may
// read a request's body after it has returned.
type bufferPool struct{ pool sync.Pool }

const copyBufferSize = 32 << 10

func (p *bufferPool) Get() []byte {
	if b, ok := p.pool.Get().(*[copyBufferSize]byte); ok {
		return b[:]
	}
	return new([copyBufferSize]byte)[:]
}

func (p *bufferPool) Put(b []byte) {
	if cap(b) >= copyBufferSize {
		p.pool.Put((*[copyBufferSize]byte)(b[:copyBufferSize]))
	}
}
