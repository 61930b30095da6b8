package images

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func open(t *testing.T, c Config) *Set {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDrawnSize(t *testing.T) {
	for _, c := range []Config{
		{Width: 1280, Height: 720, Kilobytes: 100, Count: 2, Seed: 1},
		{Width: 160, Height: 90, Kilobytes: 20, Count: 3, Seed: 3}, // more than quality 85 gives
		{Width: 321, Height: 123, Kilobytes: 8, Count: 5, Seed: 4},
	} {
		start := time.Now()
		s := open(t, c)
		t.Logf("%dx%d, %d KB: %v for %d", c.Width, c.Height, c.Kilobytes, time.Since(start), c.Count)
		if s.Count() != c.Count {
			t.Errorf("%+v: %d frames", c, s.Count())
		}
		for i := range uint64(c.Count) {
			m, err := jpeg.DecodeConfig(bytes.NewReader(s.At(i)))
			if err != nil || m.Width != c.Width || m.Height != c.Height {
				t.Errorf("%+v: frame %d is %dx%d, %v", c, i, m.Width, m.Height, err)
			}
			if size := float64(len(s.At(i))) / 1000; math.Abs(size/float64(c.Kilobytes)-1) > tolerance {
				t.Errorf("%+v: frame %d has %.1f KB", c, i, size)
			}
			if i > 0 && bytes.Equal(s.At(i), s.At(0)) {
				t.Errorf("%+v: frame %d is frame 0", c, i)
			}
		}
		if c.Width > 1000 {
			continue // the same code draws all sizes, and this one slowly
		}
		again := open(t, c)
		for i := range uint64(c.Count) {
			if !bytes.Equal(s.At(i), again.At(i)) {
				t.Errorf("%+v: frame %d differs when drawn again", c, i)
			}
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := Open(Config{Width: 1, Height: 9999, Kilobytes: 0, Count: 0}); err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("four faults gave %v", err)
	}
	if _, err := Open(Config{Width: 32, Height: 32, Kilobytes: 500, Count: 1}); err == nil {
		t.Error("32x32 with 500 KB was drawn")
	}
	empty := t.TempDir()
	if err := os.WriteFile(filepath.Join(empty, "readme.txt"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Folder: empty}); err == nil || !strings.Contains(err.Error(), empty) {
		t.Errorf("a folder without images gave %v", err)
	}
	if err := os.WriteFile(filepath.Join(empty, "a.jpg"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Folder: empty}); err == nil || !strings.Contains(err.Error(), "a.jpg") {
		t.Errorf("a file that is no JPEG gave %v", err)
	}
	if _, err := Open(Config{Folder: filepath.Join(empty, "none")}); err == nil {
		t.Error("a folder that is not there was read")
	}
}

func pixels(t *testing.T, data []byte) *image.YCbCr {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return m.(*image.YCbCr)
}

func TestUnique(t *testing.T) {
	folder := t.TempDir()
	grey := image.NewGray(image.Rect(0, 0, 200, 100))
	for i := range grey.Pix {
		grey.Pix[i] = 99
	}
	if err := os.WriteFile(filepath.Join(folder, "grey.JPG"), encode(grey, 80), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*Set{
		"drawn":  open(t, Config{Width: 640, Height: 360, Kilobytes: 50, Count: 1, Seed: 1}),
		"folder": open(t, Config{Folder: folder}),
		"tiny":   newSet([][]byte{encode(image.NewGray(image.Rect(0, 0, 5, 3)), 80)}, folderQuality, func(int) (int, int) { return 5, 3 }),
	} {
		seen := map[string]bool{}
		for seed := range uint64(4) {
			data := s.Unique(0, seed)
			if !bytes.Equal(data, s.Unique(0, seed)) {
				t.Errorf("%s: seed %d gave two images", name, seed)
			}
			m := pixels(t, data)
			if seen[string(m.Y)] {
				t.Errorf("%s: seed %d gave pixels seen before", name, seed)
			}
			seen[string(m.Y)] = true
			if before, after := len(s.At(0)), len(data); name == "drawn" && math.Abs(float64(after)/float64(before)-1) > 0.06 {
				t.Errorf("%s: %d bytes became %d", name, before, after)
			}
		}
	}
}
