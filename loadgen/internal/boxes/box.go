package boxes

import "fmt"

// A Box is one thing that a detector saw, in pixels or whatever else its server
// counts in.
type Box struct {
	X1, Y1, X2, Y2 float64 // two opposite corners, X1 ≤ X2 and Y1 ≤ Y2
	Label          string  // empty if the answer tells none; as Scratch.Label gives it
	Score          float64 // of 0 to 1; Unscored if the answer tells none
}

// Unscored is the score of a box without one. It passes every bound.
const Unscored = 2

// String gives label and corners.
func (b Box) String() string {
	return fmt.Sprintf("%q at [%.4g %.4g %.4g %.4g]", b.Label, b.X1, b.Y1, b.X2, b.Y2)
}

// IoU is the area that two boxes share over the area that they cover together,
// 0 to 1; 1 for equal boxes even without area.
func IoU(a, b Box) float64 {
	if a.X1 == b.X1 && a.Y1 == b.Y1 && a.X2 == b.X2 && a.Y2 == b.Y2 {
		return 1
	}
	w, h := min(a.X2, b.X2)-max(a.X1, b.X1), min(a.Y2, b.Y2)-max(a.Y1, b.Y1)
	if w <= 0 || h <= 0 {
		return 0
	}
	shared := w * h
	return shared / (area(a) + area(b) - shared)
}

// sameAs reports whether label and corners are the same.
func (b *Box) sameAs(o *Box) bool {
	return b.X1 == o.X1 && b.Y1 == o.Y1 && b.X2 == o.X2 && b.Y2 == o.Y2 && b.Label == o.Label
}

func area(b Box) float64 { return (b.X2 - b.X1) * (b.Y2 - b.Y1) }

// A miss is why two answers differ, or the zero value.
type miss struct {
	unmatched int // boxes of either that the other has not
	first     Box // one of them
	inGot     bool
	best      float64 // IoU of the nearest box of its label, 0 if there is none
}

// match pairs the boxes of two answers: each wanted one, in its order, with the
// nearest of its label that is not taken and shares at least least of it. Two
// equal answers take as long as they have boxes; the worst ones, the product of
// their numbers.
//
// Note: taking the best pair of all first would be kinder where boxes crowd, but
// two good answers to one question are the same but for rounding.
func match(want, got []Box, least float64, taken []bool) miss {
	var m miss
	for i := range want {
		w := &want[i]
		if i < len(got) && !taken[i] && got[i].sameAs(w) {
			taken[i] = true
			continue
		}
		at, nearest := partner(w, got, least, taken)
		if at >= 0 {
			taken[at] = true
			continue
		}
		if m.unmatched++; m.unmatched == 1 {
			m.first, m.best = *w, nearest
		}
	}
	for i, g := range got {
		if taken[i] {
			continue
		}
		if m.unmatched++; m.unmatched == 1 {
			m.first, m.inGot = g, true
		}
	}
	return m
}

// partner gives the place of the nearest box that is not taken, -1 if there is
// none, and then the IoU of the nearest of all.
func partner(w *Box, got []Box, least float64, taken []bool) (at int, nearest float64) {
	best := 0.0
	at = -1
	for i := range got {
		g := &got[i]
		if g.Label != w.Label {
			continue
		}
		iou := IoU(*w, *g)
		nearest = max(nearest, iou)
		if taken[i] || iou < least || at >= 0 && iou <= best {
			continue
		}
		best, at = iou, i
		if iou == 1 {
			break
		}
	}
	return at, nearest
}
