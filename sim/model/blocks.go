package model

// A pool is equal blocks, each free, or in use by one or more. A free block
// that has content keeps it until the block is needed; the one that was freed
// first goes first (vLLM V1: vllm/v1/core/block_pool.py).
type pool struct {
	blocks []block // and one more, the head of the ring of free blocks
	free   int
	known  map[uint64]int32 // the block of each content
}

type block struct {
	next, prev int32 // in the ring of free blocks, from the one freed first
	users      int32
	content    uint64 // if it has some
	has        bool
}

func newPool(n int) *pool {
	p := &pool{blocks: make([]block, n+1), known: make(map[uint64]int32)}
	for b := range int32(n) {
		p.put(b)
	}
	return p
}

func (p *pool) head() int32 { return int32(len(p.blocks) - 1) }

// put makes a block the last free one.
func (p *pool) put(b int32) {
	head := p.head()
	if p.free == 0 {
		p.blocks[head].next, p.blocks[head].prev = head, head
	}
	last := p.blocks[head].prev
	p.blocks[b].prev, p.blocks[b].next = last, head
	p.blocks[last].next, p.blocks[head].prev = b, b
	p.free++
}

func (p *pool) unlink(b int32) {
	x := &p.blocks[b]
	p.blocks[x.prev].next, p.blocks[x.next].prev = x.next, x.prev
	p.free--
}

// take uses the block that was freed first, whose content is lost. One must be
// free.
func (p *pool) take() int32 {
	b := p.blocks[p.head()].next
	p.unlink(b)
	x := &p.blocks[b]
	if x.has {
		delete(p.known, x.content)
		x.has = false
	}
	x.users = 1
	return b
}

// use adds a user to a block.
func (p *pool) use(b int32) {
	if p.blocks[b].users == 0 {
		p.unlink(b)
	}
	p.blocks[b].users++
}

// release takes a user from a block; without any it is free.
func (p *pool) release(b int32) {
	p.blocks[b].users--
	if p.blocks[b].users == 0 {
		p.put(b)
	}
}

// fill gives a block its content, unless another block has the same.
// Simplification: vLLM knows both copies.
func (p *pool) fill(b int32, content uint64) {
	if _, exists := p.known[content]; !exists {
		p.blocks[b].content, p.blocks[b].has = content, true
		p.known[content] = b
	}
}

// see reports whether content is known, and makes it the latest. It uses the
// pool as a cache whose blocks are all free.
func (p *pool) see(content uint64) bool {
	b, known := p.known[content]
	if known {
		p.use(b)
	} else {
		b = p.take()
		p.fill(b, content)
	}
	p.release(b)
	return known
}
