package kservev2

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/evabench/evabench/loadgen/internal/boxes"
	"github.com/evabench/evabench/loadgen/internal/jsonscan"
)

// A cursor goes through the elements of an output.
type cursor struct {
	*output
	rest  []byte // of binary data
	scan  jsonscan.Scanner
	depth int // of lists in JSON that were entered
	width int64
	text  []byte // of the last element, where it is one
}

func newCursor(o *output, scratch []byte) cursor {
	c := cursor{output: o, rest: o.binary, text: scratch[:0]}
	c.width, _ = widthOf(o.datatype)
	if o.json != nil {
		c.scan.Reset(o.json)
		for c.scan.Array() {
			c.depth++
			if !c.scan.Element() {
				break
			}
		}
	}
	return c
}

// next takes the next element: a number, or text of BYTES with isText. What is
// there must be enough; share has counted it.
func (c *cursor) next() (number float64, isText, ok bool) {
	switch {
	case c.json != nil:
		return c.nextJSON()
	case c.width == 0:
		element, rest, ok := nextBytes(c.rest)
		c.rest, c.text = rest, append(c.text[:0], element...)
		return 0, true, ok
	case int64(len(c.rest)) < c.width:
		return 0, false, false
	}
	b := c.rest[:c.width]
	c.rest = c.rest[c.width:]
	number, ok = numberOf(c.datatype, b)
	return number, false, ok
}

// nextJSON takes an element of lists of lists. The scanner stands before one.
func (c *cursor) nextJSON() (number float64, isText, ok bool) {
	if text, is := c.scan.String(); is {
		c.text, isText, ok = text.Append(c.text[:0]), true, true
	} else if b, is := c.scan.Bool(); is {
		ok = true
		if b {
			number = 1
		}
	} else {
		number, ok = c.scan.Float()
	}
	for ok && c.depth > 0 && !c.scan.Element() { // to before the element after, if there is one
		c.depth--
	}
	for ok && c.depth > 0 && c.scan.Array() {
		c.depth++
		if !c.scan.Element() {
			return number, isText, false // an empty list among others is no tensor
		}
	}
	return number, isText, ok
}

// numberOf reads a number, little-endian.
func numberOf(datatype jsonscan.String, b []byte) (float64, bool) {
	le := binary.LittleEndian
	switch string(datatype) {
	case "FP32":
		return float64(math.Float32frombits(le.Uint32(b))), true
	case "FP64":
		return math.Float64frombits(le.Uint64(b)), true
	case "INT64":
		return float64(int64(le.Uint64(b))), true
	case "INT32":
		return float64(int32(le.Uint32(b))), true
	case "INT16":
		return float64(int16(le.Uint16(b))), true
	case "INT8":
		return float64(int8(b[0])), true
	case "UINT64":
		return float64(le.Uint64(b)), true
	case "UINT32":
		return float64(le.Uint32(b)), true
	case "UINT16":
		return float64(le.Uint16(b)), true
	case "UINT8", "BOOL":
		return float64(b[0]), true
	case "FP16":
		return half(le.Uint16(b)), true
	case "BF16": // the upper half of an FP32
		return float64(math.Float32frombits(uint32(le.Uint16(b)) << 16)), true
	}
	return 0, false
}

// half reads a number of 16 bits: a sign, 5 bits of exponent and 10 of fraction
// (IEEE 754, binary16).
func half(bits uint16) float64 {
	exponent, fraction := int(bits>>10&31), float64(bits&1023)
	x := 0.0
	switch {
	case exponent == 31 && fraction != 0:
		return math.NaN()
	case exponent == 31:
		x = math.Inf(1)
	case exponent == 0:
		x = math.Ldexp(fraction, -24)
	default:
		x = math.Ldexp(1024+fraction, exponent-25)
	}
	if bits>>15 == 1 {
		return -x
	}
	return x
}

// boxes reads the detections into j.found, and says what is missing.
func (j *judge) boxes() (wrong string) {
	b := j.dialer.config.Boxes
	j.found = j.found[:0]
	corners := j.output(b.Boxes)
	if corners == nil {
		return fmt.Sprintf("the answer has no output %q for the boxes", b.Boxes)
	}
	n := corners.count / 4
	if corners.count%4 != 0 {
		return fmt.Sprintf("output %q has %d numbers, not four for each box", b.Boxes, corners.count)
	}
	// Before labels and scores are looked at: those past the count are filling.
	if b.Count != "" {
		o := j.output(b.Count)
		if o == nil || o.count != 1 {
			return fmt.Sprintf("the answer has no output %q with one number for the count", b.Count)
		}
		c := newCursor(o, nil)
		count, isText, ok := c.next()
		if !ok || isText || count < 0 || count > float64(n) || count != math.Trunc(count) {
			return fmt.Sprintf("output %q does not count %d boxes at most", b.Count, n)
		}
		n = int64(count)
	}
	if n > boxes.MaxBoxes {
		return fmt.Sprintf("%d boxes, %d are read at most", n, boxes.MaxBoxes)
	}
	c := newCursor(corners, nil)
	for range n {
		var four [4]float64
		for i := range four {
			x, isText, ok := c.next()
			if !ok || isText || math.IsNaN(x) || math.IsInf(x, 0) {
				return fmt.Sprintf("output %q holds what is no number", b.Boxes)
			}
			four[i] = x
		}
		j.found = append(j.found, boxes.Corners(four, b.Form == "xywh"))
	}
	if wrong := j.each(b.Scores, func(i int, c *cursor, x float64, isText bool) bool {
		j.found[i].Score = x
		return !isText && !math.IsNaN(x)
	}); wrong != "" {
		return wrong
	}
	var digits [32]byte
	return j.each(b.Labels, func(i int, c *cursor, x float64, isText bool) bool {
		text := c.text
		if !isText {
			text = strconv.AppendFloat(digits[:0], x, 'g', -1, 64)
		}
		j.found[i].Label = j.scratch.Label(text)
		return true
	})
}

// each calls set with the element of an output for each detection.
func (j *judge) each(name string, set func(i int, c *cursor, x float64, isText bool) bool) (wrong string) {
	if name == "" {
		return ""
	}
	o := j.output(name)
	if o == nil || o.count < int64(len(j.found)) {
		return fmt.Sprintf("the answer has no output %q with an element for each box", name)
	}
	c := newCursor(o, nil)
	for i := range j.found {
		x, isText, ok := c.next()
		if !ok || !set(i, &c, x, isText) {
			return fmt.Sprintf("output %q holds what cannot be read", name)
		}
	}
	return ""
}
