package scenarios

import (
	"fmt"
	"strings"
)

// Text says how the load arrives, whatever its level: "cameras, 5 fps". Loads of one
// level and one Text are the same load.
func (l Load) Text() string {
	all := []string{l.Arrivals}
	add := func(has bool, format string, args ...any) {
		if has {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	add(l.FPS > 0, "%g fps", l.FPS)
	add(l.Burstiness > 0, "burstiness %g", l.Burstiness)
	add(l.File != "", "%s", l.File)
	add(l.ThinkExponential, "think %v exponential", l.Think)
	add(l.Think > 0 && !l.ThinkExponential, "think %v", l.Think)
	for _, p := range l.Shape {
		add(true, "%g times at %v", p.Factor, p.At)
	}
	return strings.Join(all, ", ")
}

// GapShape is the shape of the gamma distribution of the gaps between arrivals, 1 for
// Poisson's; nil where gaps depend on each other or the rate is not even.
func (l Load) GapShape() *float64 {
	shape := l.Burstiness
	switch {
	case len(l.Shape) > 0:
		return nil
	case l.Arrivals == Poisson:
		shape = 1
	case l.Arrivals != Gamma:
		return nil
	}
	return &shape
}
