package images

import (
	"bytes"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// noisy draws an image that starts at (0, 0).
func noisy(size image.Point, ratio image.YCbCrSubsampleRatio, seed uint64) *image.YCbCr {
	m := image.NewYCbCr(image.Rectangle{Max: size}, ratio)
	r := rand.New(rand.NewPCG(seed, 0))
	for _, plane := range [][]uint8{m.Y, m.Cb, m.Cr} {
		for i := range plane {
			plane[i] = uint8(r.IntN(256))
		}
	}
	return m
}

func cloned(m *image.YCbCr) *image.YCbCr {
	c := *m
	c.Y, c.Cb, c.Cr = slices.Clone(m.Y), slices.Clone(m.Cb), slices.Clone(m.Cr)
	return &c
}

func samePixels(a, b *image.YCbCr) bool {
	return a.Rect == b.Rect && a.SubsampleRatio == b.SubsampleRatio &&
		bytes.Equal(a.Y, b.Y) && bytes.Equal(a.Cb, b.Cb) && bytes.Equal(a.Cr, b.Cr)
}

// TestStrips states the law: what is joined from strips decodes to the pixels
// of the whole painted and coded at once, and at most three rows are painted.
func TestStrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// 11 rows of MCUs make the restart markers begin again.
		size := image.Pt(rapid.IntRange(1, 70).Draw(t, "width"), rapid.IntRange(1, 11*mcu).Draw(t, "height"))
		ratio := image.YCbCrSubsampleRatio(rapid.IntRange(0, int(image.YCbCrSubsampleRatio410)).Draw(t, "ratio"))
		quality := rapid.IntRange(1, 100).Draw(t, "quality")
		seed := rapid.Uint64().Draw(t, "seed")
		m := noisy(size, ratio, seed)
		if rapid.Bool().Draw(t, "read") { // with the decoder's padding
			m = decode(encode(m, quality)).(*image.YCbCr)
		}
		before := cloned(m)
		f := cut(m, quality)
		plain := decode(encode(m, quality)).(*image.YCbCr)
		if got := decode(f.join(f.rows)).(*image.YCbCr); !samePixels(got, plain) {
			t.Fatal("joined strips are not the whole")
		}
		random := func() *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }
		got := decode(f.unique(random())).(*image.YCbCr)
		if !samePixels(m, before) {
			t.Fatal("painted into what is kept")
		}
		whole, r := &strips{whole: cloned(m)}, random()
		picked := pick(r, len(f.rows), uniqueRows)
		for _, k := range picked {
			paint(whole.band(k), r, uniqueBlocks/len(picked))
		}
		if !samePixels(got, decode(encode(whole.whole, quality)).(*image.YCbCr)) {
			t.Fatal("painted strips are not the painted whole")
		}
		painted := 0
		for y := 0; y < size.Y; y += mcu { // the decoder pads to whole MCUs
			from, to := y*got.YStride, (y+mcu)*got.YStride
			if !bytes.Equal(got.Y[from:to], plain.Y[from:to]) {
				painted++
			}
		}
		if painted > uniqueRows {
			t.Fatalf("%d rows are unlike the frame", painted)
		}
	})
}

// What a Set keeps is bounded: 8192x4096 pixels and their coded bytes are 51 MB,
// so that of ten such frames the first five are kept, and Unique draws over these.
// Frames of another size are all within the bound.
func TestUniqueKeepsABound(t *testing.T) {
	small := encode(image.NewGray(image.Rect(0, 0, 40, 40)), 80)
	count := func(n, width, height int) int {
		return len(newSet(slices.Repeat([][]byte{small}, n), 80, func(int) (int, int) { return width, height }).cut)
	}
	for _, c := range []struct{ n, width, height, want int }{
		{10, 8192, 4096, 5}, {1, 65500, 65500, 1}, {3, 65500, 65500, 1}, {32, 1280, 720, 32}, {10_000, 1280, 720, 194},
	} {
		if got := count(c.n, c.width, c.height); got != c.want {
			t.Errorf("of %d frames of %dx%d %d are kept, want %d", c.n, c.width, c.height, got, c.want)
		}
	}
	set, err := drawSet(Config{Width: 100, Height: 60, Kilobytes: 5, Count: 3, Seed: 77})
	if err != nil {
		t.Fatal(err)
	}
	whole := set.Unique(4, 9)
	set.cut = set.cut[:2]
	set.Warm()
	if bounded := set.Unique(4, 9); !bytes.Equal(whole, bounded) {
		t.Error("a frame that is kept differs")
	}
	if other := set.Unique(5, 9); len(other) == 0 || bytes.Equal(other, set.Unique(3, 9)) {
		t.Error("a frame that is not kept has the pattern of that which stands for it")
	}
}

// TestUniqueConcurrent asks a Set for frames that it has not cut yet.
func TestUniqueConcurrent(t *testing.T) {
	c := Config{Width: 100, Height: 60, Kilobytes: 5, Count: 2, Seed: 77}
	want, err := drawSet(c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := drawSet(c)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(s.Warm)
	for i := range uint64(16) {
		wg.Go(func() {
			if !bytes.Equal(s.Unique(i, i/4), want.Unique(i, i/4)) {
				t.Errorf("frame %d differs", i)
			}
		})
	}
	wg.Wait()
}

// TestUniquePatterns counts what uniqueBlocks' comment says. A quarter of a
// square is one block of light to JPEG and the square one block of each
// colour, all flat, so that each decodes on its own to one of so many values.
func TestUniquePatterns(t *testing.T) {
	for _, c := range []struct {
		quality int
		digits  float64
	}{{85, 320}, {10, 170}} {
		light, colour := map[uint8]bool{}, map[uint8]bool{}
		m := image.NewYCbCr(image.Rect(0, 0, mcu, mcu), image.YCbCrSubsampleRatio420)
		for v := range max(lights, colours) {
			y, cb := uint8(lowestLight+v%lights), uint8(lowestColour+v%colours)
			fill(m, m.Rect, y, cb, cb)
			got := decode(encode(m, c.quality)).(*image.YCbCr)
			light[got.Y[0]], colour[got.Cb[0]] = true, true
			if got.Cb[0] != got.Cr[0] {
				t.Errorf("quality %d: colours %d and %d from one", c.quality, got.Cb[0], got.Cr[0])
			}
		}
		// Rows of 45, squares of 80 in each row; then each square's values.
		got := choose(45, uniqueRows) + uniqueRows*choose(80, uniqueBlocks/uniqueRows) +
			uniqueBlocks*(4*math.Log10(float64(len(light)))+2*math.Log10(float64(len(colour))))
		t.Logf("quality %d: %d lights, %d colours, 10^%.1f patterns", c.quality, len(light), len(colour), got)
		if got < c.digits {
			t.Errorf("quality %d: 10^%.1f patterns, want 10^%g", c.quality, got, c.digits)
		}
	}
	seen := make([]bool, 1<<24)
	for v := range lights * colours * colours {
		r, g, b := color.YCbCrToRGB(uint8(lowestLight+v%lights),
			uint8(lowestColour+v/lights%colours), uint8(lowestColour+v/lights/colours))
		at := int(r)<<16 | int(g)<<8 | int(b)
		if seen[at] {
			t.Fatalf("two lights and colours are %d, %d, %d in RGB", r, g, b)
		}
		seen[at] = true
	}
}

// choose is log10 of n! / (k! (n-k)!).
func choose(n, k float64) float64 {
	log := func(x float64) float64 { v, _ := math.Lgamma(x + 1); return v }
	return (log(n) - log(k) - log(n-k)) / math.Ln10
}

// BenchmarkUnique compares with decoding and coding the whole, as Unique did
// at first, turn by turn.
func BenchmarkUnique(b *testing.B) {
	s, err := Open(Config{Width: 1280, Height: 720, Kilobytes: 100, Count: 1, Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	s.Unique(0, 0) // cuts the frame
	var whole, strips time.Duration
	for n := uint64(0); b.Loop(); n++ {
		start := time.Now()
		m := decode(s.At(0)).(*image.YCbCr)
		paint(m, rand.New(rand.NewPCG(n, 0)), uniqueBlocks)
		encode(m, s.quality)
		between := time.Now()
		s.Unique(0, n)
		whole += between.Sub(start)
		strips += time.Since(between)
	}
	b.ReportMetric(whole.Seconds()/float64(b.N), "whole-s/op")
	b.ReportMetric(strips.Seconds()/float64(b.N), "strips-s/op")
	b.ReportMetric(whole.Seconds()/strips.Seconds(), "whole/strips")
}
