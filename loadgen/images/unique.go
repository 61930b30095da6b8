package images

import (
	"bytes"
	"fmt"
	"image"
	stddraw "image/draw"
	"image/jpeg"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// A frame becomes unlike any other by 24 of its 16x16 squares, in up to three
// of its rows of them: each gets a random light in each quarter and one random
// colour. At 1280x720 and quality 85 these are more than 10^320 patterns, and
// 10^170 at quality 10, where coding tells only 13 lights and 7 by 7 colours
// apart. All are on JPEG's own grid, so that decoders give different pixels for
// different patterns. A frame of few squares has fewer: 2^40 for a single one.
const (
	uniqueBlocks = 24
	uniqueRows   = 3
	// Within these no light and colour together leave the range of red, green
	// or blue, where clipping would make them equal.
	lowestLight, lights   = 64, 128
	lowestColour, colours = 96, 64
)

// Unique gives frame i with a pattern drawn from the seed over its pixels, so
// that a server which keeps what it made of an image (by its bytes or by its
// pixels) has no use of it. The same i and seed give the same bytes, and the
// caller owns them. They hold restart markers, which drawn frames do not.
//
// Only what is painted is coded again: some 1.5 ms of CPU for 1280x720. The
// first call for a frame decodes and codes all of it, some 25 ms, unless [Set.Warm]
// did, and the Set then keeps 1.5 bytes a pixel and the coded frame, 1.5 MB for
// 1280x720. It keeps the first frames so, as many as fit into 256 MB but at least
// one, and draws over these again and again: of 1280x720 at 100 KB, 181 frames.
func (s *Set) Unique(i, seed uint64) []byte {
	f := s.cut[i%uint64(len(s.jpegs))%uint64(len(s.cut))]()
	return f.unique(rand.New(rand.NewPCG(seed, i)))
}

// keptMax bounds what a Set keeps for Unique, in bytes.
//
// Note: keeping the frames that were used last instead would decode again for
// nearly every call once they do not fit, at twenty times the cost of a call.
const keptMax = 256 << 20

// Warm decodes and codes every frame that Unique draws over, if that was not done
// before, on all processors. It returns when it is done.
func (s *Set) Warm() {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(s.cut)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(s.cut)); i = next.Add(1) - 1 {
				s.cut[i]()
			}
		})
	}
	wg.Wait()
}

// unique paints a few rows and codes them again.
func (f *strips) unique(r *rand.Rand) []byte {
	rows := slices.Clone(f.rows)
	picked := pick(r, len(rows), uniqueRows)
	for _, k := range picked {
		m := f.copyOf(k)
		paint(m, r, uniqueBlocks/len(picked))
		rows[k] = scanOf(encode(m, f.quality))
	}
	return f.join(rows)
}

// paint covers n of the squares of a row, or all where it has fewer.
func paint(row *image.YCbCr, r *rand.Rand, n int) {
	b := row.Bounds()
	for _, column := range pick(r, (b.Dx()+mcu-1)/mcu, n) {
		square := image.Rect(0, 0, mcu/2, mcu/2).Add(b.Min).Add(image.Pt(column*mcu, 0))
		cb, cr := uint8(lowestColour+r.IntN(colours)), uint8(lowestColour+r.IntN(colours))
		for q := range 4 {
			quarter := square.Add(image.Pt(q%2*mcu/2, q/2*mcu/2))
			fill(row, quarter.Intersect(b), uint8(lowestLight+r.IntN(lights)), cb, cr)
		}
	}
}

// pick draws k different numbers below n, or all of them where n is less.
func pick(r *rand.Rand, n, k int) []int { return r.Perm(n)[:min(n, k)] }

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
