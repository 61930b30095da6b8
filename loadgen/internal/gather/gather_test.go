package gather

import (
	"bytes"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// Whatever pieces bodies come in, one after another, each is whole, and what is given
// is valid until the next.
func TestBody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b Body
		for range rapid.IntRange(1, 3).Draw(t, "bodies") {
			b.Reset()
			var want []byte
			for _, n := range rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(Kept-2, Kept+2), rapid.IntRange(0, 3*pieceSize)), 0, 6).Draw(t, "sizes") {
				p := bytes.Repeat([]byte{byte(len(want)) | 1}, n)
				b.Append(p)
				want = append(want, p...)
				clear(p) // it is the caller's
			}
			for range 2 { // to look twice changes nothing
				if got := b.Bytes(); !bytes.Equal(got, want) || b.Len() != len(want) {
					t.Fatalf("%d bytes, Len %d, want %d", len(got), b.Len(), len(want))
				}
			}
		}
	})
}

// No byte that was taken is moved before all are asked for, and the buffer of a long
// body is not kept.
func TestNothingMoves(t *testing.T) {
	var b Body
	p := make([]byte, 10_000)
	for b.Len() < 20<<20 {
		b.Append(p)
	}
	first, last := unsafe.SliceData(b.pieces[0]), len(b.pieces)-1
	for range 1000 {
		b.Append(p)
	}
	if unsafe.SliceData(b.pieces[0]) != first || cap(b.pieces[last]) != pieceSize || cap(b.first) > 2*Kept {
		t.Error("a piece was moved or grew")
	}
	b.Bytes()
	if b.Reset(); cap(b.first) > Kept {
		t.Errorf("%d bytes are kept", cap(b.first))
	}
}

// A short body costs no allocation once one was there.
func TestShortBodiesReuse(t *testing.T) {
	var b Body
	p := make([]byte, 10_000)
	if n := testing.AllocsPerRun(100, func() {
		b.Reset()
		for range 5 {
			b.Append(p)
		}
		b.Bytes()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
