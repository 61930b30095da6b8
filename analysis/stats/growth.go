package stats

import (
	"fmt"
	"math"
	"sort"
)

// A Backlog is what growth is judged from: the arrivals of an open loop that fell
// due, and when each was done, however it ended. Moments are in seconds.
type Backlog struct {
	// Due and Done ascend, each for itself. They hold those before From too, and Done
	// those after To. An arrival that never was done is in Due only.
	Due, Done []float64
	// From and To bound the time that is judged.
	From, To float64
	// Offered is the rate of arrivals that was asked for, in 1/s; 0 if unknown, and
	// then more growth is needed to be sure of it.
	Offered float64
	// Slots is how many requests the servers work on at once, 0 if unknown.
	Slots int
	// Alone is how long a request takes that finds the servers idle, in seconds; 0 if
	// unknown. So long it takes at least until arrivals and answers can balance.
	Alone float64
}

// A Growth is the verdict on a backlog and its evidence.
type Growth struct {
	// Judged is false where there was too little to judge by; then Grew is false and
	// Why says what is missing.
	Judged bool
	Grew   bool
	// Shrank says that it fell by as much as Grew asks of a rise: what was built up
	// before is still worked off.
	Shrank bool
	Why    string
	// Parts is how many equal parts of the time were compared, Seconds their length.
	Parts   int
	Seconds float64
	// P is the one-sided p-value of a rise of the parts' means.
	P float64
	// Slope is how much the backlog rises in a second, and Size in the whole time.
	Slope, Size float64
	// Steady is what Size would have been had the arrivals come evenly; NaN if
	// unknown.
	Steady float64
	// Floor is what Size and Steady have to pass.
	Floor float64
	// First and Last are the mean backlog in the first and in the last third.
	First, Last float64
}

// The rule's constants: the figures behind them stand in the documentation of the
// statistics.
const (
	growthParts    = 12
	leastParts     = 8
	leastArrivals  = 30
	leastGrowth    = 5.0 // s; machines hiccup for tenths of a second
	growthP        = 0.001
	growthPUneven  = 0.01 // without a rate
	floorShare     = 0.01 // of arrivals
	floorSlots     = 3
	floorRoot      = 0.5 // times the root of the arrivals
	floorRootRough = 1.0 // without a rate
	shrinkFloors   = 2.5 // a steady backlog is high at times, and then falls
)

// Grew judges whether the backlog, which is the arrivals due and not done, grows from
// From to To: it cuts the time into 12 parts and asks [Parts.Grew]. It leaves out
// the first 3·Alone after the first arrival, while idle servers fill, and asks for
// 12 times Alone, 30 arrivals and 5 s.
func Grew(b Backlog) Growth {
	if len(b.Due) > 0 {
		b.From = max(b.From, b.Due[0]+3*b.Alone)
	}
	arrivals := sort.SearchFloat64s(b.Due, b.To) - sort.SearchFloat64s(b.Due, b.From)
	least := max(leastGrowth, growthParts*b.Alone)
	if rate := float64(arrivals) / (b.To - b.From); arrivals > 0 && rate > 0 {
		least = max(least, leastArrivals/rate)
	}
	if span := b.To - b.From; !(span > 0) || arrivals == 0 || span < least {
		return Growth{P: 1, Steady: math.NaN(), Why: fmt.Sprintf("%d arrivals in %.3g s are too few to tell growth by: need %.3g s", arrivals, max(0, span), least)}
	}
	p := Parts{Seconds: (b.To - b.From) / growthParts, Means: b.Means(growthParts), Arrivals: float64(arrivals), Slots: b.Slots}
	if b.Offered > 0 {
		before := float64(sort.SearchFloat64s(b.Due, b.From))
		for i := range growthParts {
			from := b.From + float64(i)*p.Seconds
			p.Even = append(p.Even, before+b.Offered*(float64(i)+0.5)*p.Seconds-area(b.Done, from, from+p.Seconds)/p.Seconds)
		}
	}
	return p.Grew()
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

// Parts are mean backlogs of equal parts of time, in their order.
type Parts struct {
	Seconds float64 // of one part
	Means   []float64
	// Even are what the means would have been if the arrivals had come evenly at the
	// rate that was asked for: Means less the arrivals that fell due since the first
	// part's begin, plus rate x time since. nil if the rate is unknown.
	Even []float64
	// Arrivals fell due in all parts together.
	Arrivals float64
	Slots    int // as in Backlog
}

// Grew judges whether the means grow. They do if all of these hold:
//
//   - Even rises by Mann and Kendall's test, p < 0.001;
//   - Theil and Sen's slope x time is above a floor, of Even and of Means: 3 x Slots,
//     1 % of the arrivals, and half of their root, whichever is most;
//   - Means does not return: its last third lies above its first.
//
// They shrink if all of these hold the other way round, with 2.5 times the floor: a
// steady backlog is high at times by luck, and falls from there.
//
// Without Even, Means takes its place with p < 0.01, and the floor is at least the
// whole root of the arrivals. At least 8 parts are needed; 12 is what the figures
// are for.
//
// Note: near saturation a backlog rises and falls for minutes by the luck of its
// arrivals, and no test of its means alone tells that from growth: with p < 0.01 and
// a floor of 3 slots or 1 % it cried wolf in 13 % of minutes at 0.95 of saturation
// (queue per worker, 31/s), and a floor high enough to stop that missed one in four
// at 1.05. But what the arrivals did is known. Growth that is gone when they are
// counted as if they had come evenly was their luck.
func (p Parts) Grew() Growth {
	n := len(p.Means)
	g := Growth{Parts: n, Seconds: p.Seconds, P: 1, Steady: math.NaN()}
	if n < leastParts {
		g.Why = fmt.Sprintf("%d parts of time are too few to tell growth by: need %d", n, leastParts)
		return g
	}
	g.Judged = true
	g.Slope = slopeOf(p.Means, p.Seconds)
	g.Size = g.Slope * p.Seconds * float64(n)
	third := n / 3
	g.First, g.Last = Mean(p.Means[:third]), Mean(p.Means[n-third:])
	tested, least, root := p.Means, growthPUneven, floorRootRough
	if len(p.Even) == n {
		tested, least, root = p.Even, growthP, floorRoot
		g.Steady = slopeOf(p.Even, p.Seconds) * p.Seconds * float64(n)
	}
	t := MannKendall(tested)
	g.P = t.Up
	g.Floor = max(floorSlots*float64(p.Slots), floorShare*p.Arrivals, root*math.Sqrt(p.Arrivals))
	g.Grew = g.P < least && g.Size > g.Floor && !(g.Steady <= g.Floor) && g.Last > g.First
	fallen := -shrinkFloors * g.Floor
	g.Shrank = t.Down < least && g.Size < fallen && !(g.Steady >= fallen) && g.Last < g.First
	switch {
	case g.Grew:
		g.Why = fmt.Sprintf("the backlog grew by %.3g in %.3g s, from %.3g to %.3g (means of thirds), at least %.3g is growth (p = %.1g)",
			g.Size, p.Seconds*float64(n), g.First, g.Last, g.Floor, g.P)
	case g.Shrank:
		g.Why = fmt.Sprintf("the backlog of before was still worked off: it fell by %.3g in %.3g s, from %.3g to %.3g (means of thirds)",
			-g.Size, p.Seconds*float64(n), g.First, g.Last)
	}
	return g
}

func slopeOf(means []float64, seconds float64) float64 {
	points := make([]Point, len(means))
	for i, m := range means {
		points[i] = Point{float64(i) * seconds, m}
	}
	return TheilSen(points)
}
