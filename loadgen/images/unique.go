package images

import (
	"bytes"
	"fmt"
	"image"
	stddraw "image/draw"
	"image/jpeg"
	"math/rand/v2"
)

// uniqueBlocks is how many blocks of 16x16 pixels make a frame unlike any
// other: 24 in random places with random light are more than 10^140 patterns.
const uniqueBlocks = 24

// Unique gives frame i with a pattern drawn from the seed over its pixels, so
// that a server which keeps what it made of an image (by its bytes or by its
// pixels) has no use of it. The caller owns the bytes. It costs a decoding and
// an encoding, some 20 ms for 1280x720.
func (s *Set) Unique(i, seed uint64) []byte {
	decoded := decode(s.At(i))
	m := drawable(decoded)
	b := m.Bounds()
	r := rand.New(rand.NewPCG(seed, i))
	for range uniqueBlocks {
		x, y := b.Min.X+r.IntN(b.Dx()), b.Min.Y+r.IntN(b.Dy())
		box := image.Rect(x, y, x+16, y+16).Intersect(b)
		fill(m, box, uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)))
	}
	return encode(m, s.quality)
}

// drawable gives the image in the form that fill paints on; what a JPEG decodes
// to is that already unless it is grey or has four colours.
func drawable(m image.Image) *image.YCbCr {
	if y, ok := m.(*image.YCbCr); ok {
		return y
	}
	b := m.Bounds()
	rgba := image.NewRGBA(b)
	stddraw.Draw(rgba, b, m, b.Min, stddraw.Src)
	return decode(encode(rgba, 100)).(*image.YCbCr)
}

// decode reads a JPEG that was read or written by us before.
func decode(data []byte) image.Image {
	m, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		panic(fmt.Sprintf("images: decode what was decoded before: %v", err))
	}
	return m
}
