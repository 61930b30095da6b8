package stats

import (
	"fmt"
	"math"
	"sort"
)

// A Backlog is what growth is judged from: the arrivals of an open loop that fell
// due, and when each was done, however it ended. Moments are in seconds.
type Backlog struct {
	// Due and Done ascend, each for itself. They hold those of the warm-up too, and
	// Done those after To. An arrival that never was done is in Due only.
	Due, Done []float64
	// From and To bound the time that is judged.
	From, To float64
	// Slots is how many requests the servers work on at once, 0 if unknown.
	Slots int
}

// A Growth is the verdict on a backlog and its evidence.
type Growth struct {
	// Judged is false where there was too little to judge by; then Grew is false and
	// Why says what is missing.
	Judged bool
	Grew   bool
	Why    string
	// Blocks is how many equal parts of the time were compared, Seconds their length.
	Blocks  int
	Seconds float64
	// P is the one-sided p-value of a rise of the blocks' means.
	P float64
	// Slope is how much the backlog rises in a second, and Size in the whole time.
	Slope, Size float64
	// Floor is what Size has to pass.
	Floor float64
	// First and Last are the mean backlog in the first and in the last third.
	First, Last float64
}

// Grew judges whether the backlog, arrivals due and not done, grows: see
// [GrewMeans].
func Grew(b Backlog) Growth {
	arrivals := sort.SearchFloat64s(b.Due, b.To) - sort.SearchFloat64s(b.Due, b.From)
	means := b.Means(growthBlocks)
	return GrewMeans(means, (b.To-b.From)/growthBlocks, float64(arrivals), b.Slots)
}

// Means gives the mean backlog over time in n equal parts of From to To; nil if
// there is no time.
func (b Backlog) Means(n int) []float64 {
	if !(b.To > b.From) || n < 1 {
		return nil
	}
	means := make([]float64, n)
	length := (b.To - b.From) / float64(n)
	for i := range means {
		from := b.From + float64(i)*length
		means[i] = (area(b.Due, from, from+length) - area(b.Done, from, from+length)) / length
	}
	return means
}

// area integrates the count of moments up to t over t in [from, to).
func area(moments []float64, from, to float64) float64 {
	first := sort.SearchFloat64s(moments, from)
	sum := float64(first) * (to - from)
	for _, at := range moments[first:] {
		if at >= to {
			break
		}
		sum += to - at
	}
	return sum
}

const (
	growthBlocks = 12
	growthP      = 0.01
)

// GrewMeans judges the mean backlogs of equal parts of seconds each, in which so
// many arrivals fell due.
func GrewMeans(means []float64, seconds, arrivals float64, slots int) Growth {
	g := Growth{Blocks: len(means), Seconds: seconds, P: 1}
	if len(means) < 8 {
		g.Why = fmt.Sprintf("%d parts of time to compare, need 8", len(means))
		return g
	}
	points := make([]Point, len(means))
	for i, m := range means {
		points[i] = Point{float64(i) * seconds, m}
	}
	third := len(means) / 3
	g.Judged = true
	g.P, g.Slope = MannKendall(means).Up, TheilSen(points)
	g.Size = g.Slope * seconds * float64(len(means))
	g.First, g.Last = Mean(means[:third]), Mean(means[len(means)-third:])
	g.Floor = max(3*float64(slots), 0.01*arrivals, math.Sqrt(arrivals))
	g.Grew = g.P < growthP && g.Size > g.Floor && g.Last > g.First
	return g
}
