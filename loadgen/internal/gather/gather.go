// Package gather keeps the body of an answer that comes in pieces until it is whole,
// so that taking a piece never costs more than a copy of it.
//
// Note: one slice that grows as append lets it held the step's loop up for 20 to 30 ms at
// a time when a server's answer ran into tens of megabytes, which made every request
// beside it late.
package gather

// Kept bounds the buffer that is kept for the next body, in bytes.
const Kept = 256 << 10

// pieceSize is that of what comes after the first Kept bytes, so that it is made and
// cleared within a fraction of a millisecond.
const pieceSize = 256 << 10

// A Body is one body after another. The zero Body is empty and ready for use; it is not
// safe for concurrent use.
type Body struct {
	first  []byte // at most Kept bytes, or all of them once Bytes has joined them
	pieces [][]byte
	n      int
}

// Reset empties it. What Bytes gave is not valid any more.
func (b *Body) Reset() {
	if b.first = b.first[:0]; cap(b.first) > Kept {
		b.first = nil
	}
	b.pieces, b.n = nil, 0
}

// Len is how many bytes there are.
func (b *Body) Len() int { return b.n }

// Append takes a copy of p.
func (b *Body) Append(p []byte) {
	b.n += len(p)
	if len(b.pieces) == 0 && b.n <= Kept {
		b.first = append(b.first, p...)
		return
	}
	for len(p) > 0 {
		last := len(b.pieces) - 1
		if last < 0 || len(b.pieces[last]) == pieceSize {
			b.pieces = append(b.pieces, make([]byte, 0, pieceSize))
			last++
		}
		n := min(len(p), pieceSize-len(b.pieces[last]))
		b.pieces[last] = append(b.pieces[last], p[:n]...)
		p = p[n:]
	}
}

// Bytes is all bytes, valid until the next call of another method. What was taken in
// pieces is joined, which takes its time.
func (b *Body) Bytes() []byte {
	if len(b.pieces) == 0 {
		return b.first
	}
	all := append(make([]byte, 0, b.n), b.first...)
	for _, p := range b.pieces {
		all = append(all, p...)
	}
	b.first, b.pieces = all, nil
	return all
}
