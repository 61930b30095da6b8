package images

import (
	"bytes"
	"encoding/binary"
	"image"
	"slices"
)

// mcu is the side in pixels of JPEG's minimum coded unit as image/jpeg writes
// it: 4:2:0, so two by two blocks of light and one of each colour.
const mcu = 16

// strips is a frame cut into rows of MCUs, each coded so that it begins anew
// (ITU-T T.81, E.1.4: at a restart the DC predictions are zero). Some can then
// be coded again and joined with the others as they are. It is read only, and
// for as long as its Set it keeps the decoded frame and the coded rows:
// 1.5 bytes a pixel and about the frame's bytes once more, 1.5 MB for 1280x720
// at 100 KB.
type strips struct {
	whole   *image.YCbCr
	quality int
	head    []byte   // all that comes before the coded rows
	rows    [][]byte // coded; the last may have fewer than 16 rows of pixels
}

// cut codes every row of a frame, which starts at (0, 0) as a decoded JPEG
// does. It costs what coding the whole does.
func cut(whole *image.YCbCr, quality int) *strips {
	f := &strips{whole: whole, quality: quality}
	height := whole.Bounds().Dy()
	for k := range (height + mcu - 1) / mcu {
		data := encode(f.band(k), quality)
		if k == 0 {
			f.head = headOf(data, height)
		}
		f.rows = append(f.rows, bytes.Clone(scanOf(data)))
	}
	return f
}

// band is row k of the frame, which shares its pixels.
func (f *strips) band(k int) *image.YCbCr {
	b := f.whole.Bounds()
	b.Min.Y += k * mcu
	b.Max.Y = min(b.Max.Y, b.Min.Y+mcu)
	return f.whole.SubImage(b).(*image.YCbCr)
}

// copyOf copies row k of the frame, for painting.
func (f *strips) copyOf(k int) *image.YCbCr {
	m := *f.band(k)
	last := m.Rect.Max.Y - 1
	chroma := min(len(m.Cb), m.COffset(m.Rect.Min.X, last)+m.CStride)
	m.Y = slices.Clone(m.Y[:min(len(m.Y), m.YOffset(m.Rect.Min.X, last)+m.YStride)])
	m.Cb = slices.Clone(m.Cb[:chroma])
	m.Cr = slices.Clone(m.Cr[:chroma])
	return &m
}

// join makes a JPEG of coded rows, with restart markers between them.
func (f *strips) join(rows [][]byte) []byte {
	size := len(f.head) + 2*len(rows)
	for _, row := range rows {
		size += len(row)
	}
	data := append(make([]byte, 0, size), f.head...)
	for k, row := range rows {
		data = append(data, row...)
		marker := byte(markerRST0 + k%8)
		if k == len(rows)-1 {
			marker = markerEOI
		}
		data = append(data, 0xff, marker)
	}
	return data
}

// The second bytes of JPEG's markers (ITU-T T.81, table B.1).
const (
	markerSOF0 = 0xc0
	markerRST0 = 0xd0 // to 0xd7
	markerEOI  = 0xd9
	markerSOS  = 0xda
	markerDRI  = 0xdd
)

// headOf takes the head of a strip that encode wrote, gives it the height of
// the whole, and says that the coding restarts after every row of MCUs.
func headOf(data []byte, height int) []byte {
	sof, sos := find(data, markerSOF0), find(data, markerSOS)
	head := bytes.Clone(data[:sos])
	// Marker and length, two bytes each, and the precision come first.
	binary.BigEndian.PutUint16(head[sof+5:], uint16(height))
	width := int(binary.BigEndian.Uint16(head[sof+7:]))
	head = append(head, 0xff, markerDRI, 0, 4)
	head = binary.BigEndian.AppendUint16(head, uint16((width+mcu-1)/mcu))
	return append(head, data[sos:segmentEnd(data, sos)]...)
}

// scanOf is the coded pixels of a JPEG that encode wrote.
func scanOf(data []byte) []byte {
	return data[segmentEnd(data, find(data, markerSOS)) : len(data)-2]
}

// find gives where a segment begins that encode wrote once, at or before SOS.
func find(data []byte, marker byte) int {
	at := 2 // after SOI, which has no length
	for data[at+1] != marker {
		at = segmentEnd(data, at)
	}
	return at
}

func segmentEnd(data []byte, at int) int {
	return at + 2 + int(binary.BigEndian.Uint16(data[at+2:]))
}
