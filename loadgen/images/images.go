// Package images makes the JPEG frames that workloads send: drawn from a seed,
// or taken from a folder. The same seed draws the same bytes.
package images

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Config is the arguments of images.
type Config struct {
	Width  int `yaml:"width" json:"width"`   // pixels
	Height int `yaml:"height" json:"height"` // pixels
	// Kilobytes is the size of a frame in 1000 bytes, held within 15 %.
	Kilobytes int `yaml:"kilobytes" json:"kilobytes"`
	// Count is how many different frames there are.
	Count int `yaml:"count" json:"count"`
	// Folder takes the .jpg and .jpeg files of a folder instead; the others
	// are not read then.
	Folder string `yaml:"folder" json:"folder,omitempty"`
	// Seed draws the frames; it does not change from step to step.
	Seed uint64 `yaml:"seed" json:"seed"`
}

// Default is frames as EVA's cameras send them: 1280x720, about 100 KB.
var Default = Config{Width: 1280, Height: 720, Kilobytes: 100, Count: 32, Seed: 1}

// Over gives the images as c tells them, and what it does not tell from base, but
// for a folder.
func (c Config) Over(base Config) Config {
	c.Width, c.Height = cmp.Or(c.Width, base.Width), cmp.Or(c.Height, base.Height)
	c.Kilobytes, c.Count = cmp.Or(c.Kilobytes, base.Kilobytes), cmp.Or(c.Count, base.Count)
	c.Seed = cmp.Or(c.Seed, base.Seed)
	return c
}

// A Set is a fixed list of frames. It is safe for concurrent use.
type Set struct {
	jpegs   [][]byte
	quality int              // of frames that are drawn over
	cut     []func() *strips // of the frames that Unique draws over, made when first asked for
}

// newSet makes the Set of frames, of which there is at least one. Sizes are those
// of their pixels.
func newSet(jpegs [][]byte, quality int, sizes func(i int) (width, height int)) *Set {
	s := &Set{jpegs: jpegs, quality: quality}
	kept := 0
	for i, data := range jpegs {
		width, height := sizes(i)
		if kept += width*height*3/2 + len(data); i > 0 && kept > keptMax {
			break
		}
		s.cut = append(s.cut, sync.OnceValue(func() *strips { return cut(drawable(decode(data)), quality) }))
	}
	return s
}

// Open draws the frames, or reads them, and checks the arguments first.
func Open(c Config) (*Set, error) {
	if c.Folder != "" {
		return readFolder(c.Folder)
	}
	var faults []error
	bound := func(name string, v, low, high int) {
		if v < low || v > high {
			faults = append(faults, fmt.Errorf("images: %s %d is not within %d to %d", name, v, low, high))
		}
	}
	bound("width", c.Width, 16, 8192)
	bound("height", c.Height, 16, 8192)
	bound("kilobytes", c.Kilobytes, 1, 20_000)
	bound("count", c.Count, 1, 10_000)
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return drawOnce(c)
}

// drawn keeps the sets that were drawn. Drawing is a pure function of Config
// and takes a second of CPU for 32 large frames; a scenario is checked before
// it is run, and its services often send the same frames.
var drawn sync.Map // Config → func() (*Set, error)

func drawOnce(c Config) (*Set, error) {
	draw, _ := drawn.LoadOrStore(c, sync.OnceValues(func() (*Set, error) { return drawSet(c) }))
	return draw.(func() (*Set, error))()
}

// Count is the number of frames, at least 1.
func (s *Set) Count() int { return len(s.jpegs) }

// At gives frame i modulo Count; it is shared and read only.
func (s *Set) At(i uint64) []byte { return s.jpegs[i%uint64(len(s.jpegs))] }

func readFolder(folder string) (*Set, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("read images: %w", err)
	}
	var jpegs [][]byte
	var sizes []image.Point
	for _, e := range entries { // sorted by name
		ext := strings.ToLower(filepath.Ext(e.Name()))
		if e.IsDir() || (ext != ".jpg" && ext != ".jpeg") {
			continue
		}
		path := filepath.Join(folder, e.Name())
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read images: %w", err)
		}
		m, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("read image %s: %w", path, err)
		}
		jpegs, sizes = append(jpegs, data), append(sizes, m.Bounds().Size())
	}
	if len(jpegs) == 0 {
		return nil, fmt.Errorf("read images: folder %s holds no .jpg or .jpeg file", folder)
	}
	return newSet(jpegs, folderQuality, func(i int) (int, int) { return sizes[i].X, sizes[i].Y }), nil
}

// folderQuality is the JPEG quality of a folder's frame once it is drawn over;
// the file does not say its own. Cameras send about this.
const folderQuality = 85

// tolerance is how far a drawn frame's size may be from what was asked.
const tolerance = 0.15

// drawSet draws frames whose noise is strong enough for the size. The strength
// is searched on the first frame and again only where it does not fit.
func drawSet(c Config) (*Set, error) {
	want := float64(c.Kilobytes) * 1000
	fits := func(data []byte) bool { return math.Abs(float64(len(data))-want) <= tolerance*want }
	var jpegs [][]byte
	var noise float64
	quality := 0
	for i := range c.Count {
		seed := [2]uint64{c.Seed, uint64(i)}
		if quality != 0 {
			if data := draw(c, seed, noise, quality); fits(data) {
				jpegs = append(jpegs, data)
				continue
			}
		}
		var data []byte
		if data, noise, quality = search(c, seed, want); !fits(data) {
			return nil, fmt.Errorf("images: a frame of %dx%d cannot have %d kilobytes; %.0f is the nearest", c.Width, c.Height, c.Kilobytes, float64(len(data))/1000)
		}
		jpegs = append(jpegs, data)
	}
	return newSet(jpegs, quality, func(int) (int, int) { return c.Width, c.Height }), nil
}

// search finds noise and quality for a size. Quality 85 is a camera's; others
// are tried where its range of sizes does not reach.
func search(c Config, seed [2]uint64, want float64) (best []byte, noise float64, quality int) {
	for _, q := range []int{85, 95, 100, 60, 30, 10} {
		low, high := 0.0, 64.0
		for range 12 {
			mid := (low + high) / 2
			data := draw(c, seed, mid, q)
			if best == nil || math.Abs(float64(len(data))-want) < math.Abs(float64(len(best))-want) {
				best, noise, quality = data, mid, q
			}
			if math.Abs(float64(len(data))-want) < 0.03*want {
				return best, noise, quality
			}
			if float64(len(data)) < want {
				low = mid
			} else {
				high = mid
			}
		}
	}
	return best, noise, quality
}

// draw makes one frame: a slope of light, boxes as things that might be
// detected, and noise of the given strength on the light.
func draw(c Config, seed [2]uint64, noise float64, quality int) []byte {
	r := rand.New(rand.NewPCG(seed[0], seed[1]))
	m := image.NewYCbCr(image.Rect(0, 0, c.Width, c.Height), image.YCbCrSubsampleRatio420)
	dx, dy, base := r.Float64()*80, r.Float64()*80, 40+r.Float64()*60
	for y := range c.Height {
		row := m.Y[y*m.YStride:]
		for x := range c.Width {
			row[x] = uint8(base + dx*float64(x)/float64(c.Width) + dy*float64(y)/float64(c.Height))
		}
	}
	for i := range m.Cb {
		m.Cb[i], m.Cr[i] = 128, 128
	}
	for range 12 {
		box := randomBox(r, c.Width, c.Height)
		fill(m, box, uint8(r.IntN(256)), uint8(64+r.IntN(128)), uint8(64+r.IntN(128)))
	}
	for y := range c.Height {
		row := m.Y[y*m.YStride : y*m.YStride+c.Width]
		for x := 0; x < len(row); x += 4 { // four pixels from one draw
			bits := r.Uint64()
			for k := 0; k < 4 && x+k < len(row); k++ {
				n := (float64(bits&0xffff)/0xffff - 0.5) * 2 * noise
				bits >>= 16
				row[x+k] = uint8(min(255, max(0, float64(row[x+k])+n)))
			}
		}
	}
	return encode(m, quality)
}

func randomBox(r *rand.Rand, width, height int) image.Rectangle {
	w, h := 8+r.IntN(max(1, width/4)), 8+r.IntN(max(1, height/3))
	x, y := r.IntN(width), r.IntN(height)
	return image.Rect(x, y, x+w, y+h).Intersect(image.Rect(0, 0, width, height))
}

// fill paints a box in one colour.
func fill(m *image.YCbCr, box image.Rectangle, y, cb, cr uint8) {
	for j := box.Min.Y; j < box.Max.Y; j++ {
		for i := box.Min.X; i < box.Max.X; i++ {
			m.Y[m.YOffset(i, j)] = y
			c := m.COffset(i, j)
			m.Cb[c], m.Cr[c] = cb, cr
		}
	}
}

// encode cannot fail: the image is within JPEG's limits and the buffer takes
// everything.
func encode(m image.Image, quality int) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		panic(fmt.Sprintf("images: encode: %v", err))
	}
	return b.Bytes()
}
