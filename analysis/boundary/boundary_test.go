package boundary

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/analysis/stats"
)

// many requests, so that rounding of counts says nothing.
const many = 1e9

// at makes a probe whose excess of a clause is as told.
func at(load, excess float64, c Clause) Probe {
	count := Count{N: 1, Over: excess * c.Allowed}
	if c.Allowed < 1 {
		odds := excess * c.Allowed / (1 - c.Allowed)
		count = Count{N: many, Over: many * odds / (1 + odds)}
	}
	return Probe{Load: load, Seconds: 60, Counts: []Count{count}}
}

// spread are loads about a boundary of 1.
var spread = []float64{0.94, 0.96, 0.97, 0.98, 0.99, 1, 1.01, 1.02, 1.03, 1.04, 1.05, 0.95}

// Shares whose log odds are a line in the load give the line's crossing back, once the
// center is the estimate so far. The slope's prior pulls it a little.
func TestFitExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		load := rapid.Float64Range(0.1, 1e4).Draw(t, "load")
		slope := rapid.Float64Range(6, 60).Draw(t, "slope")
		c := Clause{Name: "c", Allowed: rapid.SampledFrom([]float64{0.01, 0.05, 0.5, 1}).Draw(t, "allowed")}
		off := rapid.Float64Range(-0.01, 0.01).Draw(t, "off")
		var probes []Probe
		for _, s := range spread {
			probes = append(probes, at(s*load, math.Exp(slope*(s-1)), c))
		}
		e, ok := Fit([]Clause{c}, probes, load*(1+off), 0)
		for range 2 {
			e, ok = Fit([]Clause{c}, probes, e.Load, 0)
		}
		if !ok || math.Abs(e.Load/load-1) > 0.003 {
			t.Errorf("capacity %g, which is %g", e.Load, load)
		}
		if !(e.Low <= load && load <= e.High && e.Low > 0.9*load && e.High < 1.1*load) || e.Probes < 10 || e.Binding != 0 {
			t.Errorf("%+v", e)
		}
	})
}

// Of two clauses the one that fails at the lower load binds.
func TestFitBinding(t *testing.T) {
	clauses := []Clause{{Name: "late", Allowed: 0.01}, {Name: "early", Allowed: 0.05}}
	var probes []Probe
	for _, s := range spread {
		p := at(s, math.Exp(20*(s-1.03)), clauses[0])
		p.Counts = append(p.Counts, at(s, math.Exp(20*(s-0.98)), clauses[1]).Counts[0])
		probes = append(probes, p)
	}
	e, ok := Fit(clauses, probes, 1, 0)
	if !ok || e.Binding != 1 || math.Abs(e.Load-0.98) > 0.003 || e.High > 1.03 {
		t.Errorf("%+v", e)
	}
}

// The interval holds what it should in about as many draws as it says.
func TestIntervalCovers(t *testing.T) {
	const draws, slope = 400, 20
	c := Clause{Name: "c", Allowed: 0.01}
	random := rand.New(rand.NewPCG(1, 2))
	inside, width := 0, 0.0
	for range draws {
		var probes []Probe
		for _, s := range spread {
			gamma := 0.0 // of shape 4: a relative variance of 0.25
			for range 4 {
				gamma += random.ExpFloat64() / 4
			}
			probes = append(probes, at(s, gamma*math.Exp(slope*(s-1)), c))
		}
		e, ok := Fit([]Clause{c}, probes, 1, 0)
		if !ok {
			t.Fatal("no estimate")
		}
		width += e.HalfWidth() / draws
		if e.Low <= 1 && 1 <= e.High {
			inside++
		}
	}
	t.Logf("%d of %d draws, half-width %.3g", inside, draws, width)
	if share := float64(inside) / draws; share < 0.90 || share > 0.995 {
		t.Errorf("the interval holds the capacity in %.3g of the draws", share)
	}
}

// More requests over the limit in every probe mean less capacity.
func TestFitMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Clause{Name: "c", Allowed: rapid.SampledFrom([]float64{0.01, 0.1, 1}).Draw(t, "allowed")}
		more := rapid.Float64Range(1.02, 1.5).Draw(t, "more")
		var probes, worse []Probe
		for _, s := range spread {
			excess := math.Exp(20*(s-1)) * rapid.Float64Range(0.6, 1.6).Draw(t, "noise")
			probes, worse = append(probes, at(s, excess, c)), append(worse, at(s, more*excess, c))
		}
		a, okA := Fit([]Clause{c}, probes, 1, 0)
		b, okB := Fit([]Clause{c}, worse, 1, 0)
		if !okA || !okB || !(b.Load < a.Load) || !(b.Low <= a.Low) || !(b.High <= a.High) {
			t.Errorf("%+v, and with %g times as many over %+v", a, more, b)
		}
	})
}

func TestFitTooLittle(t *testing.T) {
	c := Clause{Name: "c", Allowed: 0.01}
	some := func(n int, excess float64) (list []Probe) {
		for _, s := range spread[2 : 2+n] {
			list = append(list, at(s, excess*math.Exp(20*(s-1)), c))
		}
		return list
	}
	empty := some(6, 1)
	for i := range empty {
		empty[i].Seconds = 0
	}
	for name, test := range map[string]struct {
		probes   []Probe
		center   float64
		ok, open bool
	}{
		"none":         {nil, 1, false, true},
		"one":          {some(1, 1), 1, false, true},
		"four":         {some(4, 1), 1, true, true},
		"five":         {some(5, 1), 1, true, false},
		"none over":    {some(8, 0), 1, false, true},
		"far away":     {some(8, 1), 2, false, true},
		"far too much": {some(8, 1e4), 1, false, true},
		"no window":    {empty, 1, false, true},
		"no center":    {some(8, 1), 0, false, true},
		"NaN":          {some(8, 1), math.NaN(), false, true},
	} {
		e, ok := Fit([]Clause{c}, test.probes, test.center, 0)
		if ok != test.ok || math.IsInf(e.High, 1) != test.open || ok && (e.Low == 0) != test.open {
			t.Errorf("%s: %v, %+v", name, ok, e)
		}
	}
}

// What a probe's arrivals raised its share by is taken out: probes that lie on a line but
// for that give it back, more surely than without their luck.
func TestLuckIsTakenOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slope := rapid.Float64Range(10, 60).Draw(t, "slope")
		heed := rapid.Float64Range(0.3, 0.7).Draw(t, "heed")
		c := Clause{Name: "c", Allowed: 0.01}
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		var with, without []Probe
		for _, s := range spread {
			luck := math.Exp(0.7*random.NormFloat64()-0.245) - 1
			p := at(100*s, math.Exp(slope*(s-1))*(1+heed*luck)*math.Exp(0.05*random.NormFloat64()), c)
			without = append(without, p)
			p.Counts = []Count{p.Counts[0]}
			p.Counts[0].Luck = luck
			with = append(with, p)
		}
		a, okA := Fit([]Clause{c}, without, 100, 0)
		b, okB := Fit([]Clause{c}, with, 100, 0)
		if !okA || !okB {
			t.Fatal("no estimate")
		}
		if off := math.Abs(b.Load/100 - 1); off > 0.01 {
			t.Errorf("the estimate is %g, want 100", b.Load)
		}
		if b.Scatter > a.Scatter {
			t.Errorf("the scatter is %g with luck, %g without", b.Scatter, a.Scatter)
		}
	})
}

// meanOff is by how much the logarithm of so many estimates lies, on average, from that of
// 100, each of a probe at every load of spread.
func meanOff(t *testing.T, c Clause, n int, probe func(s float64) Probe) float64 {
	t.Helper()
	sum := 0.0
	for range n {
		var probes []Probe
		for _, s := range spread {
			probes = append(probes, probe(s))
		}
		e, ok := Fit([]Clause{c}, probes, 100, 0)
		if !ok {
			t.Fatal("no estimate")
		}
		sum += math.Log(e.Load / 100)
	}
	return sum / float64(n)
}

// Luck that the server does not show is not put right: it makes no bias.
func TestLuckThatSaysNothing(t *testing.T) {
	c := Clause{Name: "c", Allowed: 0.01}
	random := rand.New(rand.NewPCG(3, 4))
	off := meanOff(t, c, 200, func(s float64) Probe {
		p := at(100*s, math.Exp(25*(s-1)+0.3*random.NormFloat64()-0.045), c)
		p.Counts[0].Luck = math.Exp(0.7*random.NormFloat64()-0.245) - 1
		return p
	})
	if math.Abs(off) > 0.004 {
		t.Errorf("estimates are off by %.2g on average, want less than 0.4 %%", off)
	}
}

// A median's share swings between nearly none and nearly all; the boundary is where its
// mean is a half, which the mean of odds is not.
func TestSharesAreAveraged(t *testing.T) {
	c := Clause{Name: "c", Allowed: 0.5}
	random := rand.New(rand.NewPCG(5, 6))
	off := meanOff(t, c, 200, func(s float64) Probe {
		share := 1 / (1 + math.Exp(-8*(s-1)-2*random.NormFloat64())) // its mean is 0.5 at 1
		return Probe{Load: 100 * s, Seconds: 60, Counts: []Count{{N: many, Over: many * share}}}
	})
	if math.Abs(off) > 0.05 {
		t.Errorf("estimates are off by %.2g on average, want less than 5 %%", off)
	}
}

// Where half may be over, a share bends in the luck that raises its odds, and in its own
// scatter: neither makes a bias.
func TestSharesOfAHalfWithLuck(t *testing.T) {
	c := Clause{Name: "c", Allowed: 0.5}
	random := rand.New(rand.NewPCG(7, 8))
	const slope, heed, deviation = 8, 0.5, 0.9
	share := func(s, luck float64) float64 {
		odds := math.Exp(slope*(s-1)) * (1 + heed*luck)
		return odds / (1 + odds)
	}
	luck := func() float64 { return math.Exp(deviation*random.NormFloat64()-deviation*deviation/2) - 1 }
	truth := 1.0 // where the mean share over all luck is a half
	for range 20 {
		mean := 0.0
		const draws = 20_000
		for range draws {
			mean += share(truth, luck()) / draws
		}
		truth -= (mean - 0.5) * 4 / slope
	}
	off := meanOff(t, c, 300, func(s float64) Probe {
		l := luck()
		return Probe{Load: 100 * s, Seconds: 60, Counts: []Count{{N: many, Over: many * share(s, l), Luck: l}}}
	})
	if off -= math.Log(truth); math.Abs(off) > 0.007 {
		t.Errorf("estimates are off by %.4f on average of the load %.4f, want less than 0.007", off, truth)
	}
}

// Probes in which everything was over tell no line that is not a number.
func TestAllOver(t *testing.T) {
	over, within := Clause{Name: "over", Allowed: 0.5}, Clause{Name: "within", Allowed: 0.1}
	var probes []Probe
	for _, s := range spread {
		probes = append(probes, Probe{Load: 100 * s, Seconds: 60, Counts: []Count{{N: 20, Over: 20}, {N: 20, Over: 3}}})
	}
	for _, clauses := range [][]Clause{{over}, {over, within}} {
		e, ok := Fit(clauses, probes, 100, 0)
		if !ok || !(e.Load > 0) || !(e.Load < 100) || !(e.Low <= e.Load) || !(e.Load <= e.High) {
			t.Errorf("%d clauses: %+v %v, want an estimate below all probes", len(clauses), e, ok)
		}
	}
}

// gamma draws of a law with a mean of 1 and a relative variance of 1/k.
func gamma(random *rand.Rand, k int) float64 {
	sum := 0.0
	for range k {
		sum += random.ExpFloat64() / float64(k)
	}
	return sum
}

// Where two clauses have the same boundary, the least of two estimates lies too low more often
// than each does, and the interval still holds it.
func TestIntervalOfTwoThatBind(t *testing.T) {
	const draws = 600
	clauses := []Clause{{Name: "a", Allowed: 0.01}, {Name: "b", Allowed: 0.01}}
	random := rand.New(rand.NewPCG(9, 10))
	above, below := 0, 0
	for range draws {
		var probes []Probe
		for _, s := range spread {
			p := at(s, gamma(random, 3)*math.Exp(16*(s-1)), clauses[0])
			p.Counts = append(p.Counts, at(s, gamma(random, 3)*math.Exp(16*(s-1)), clauses[1]).Counts[0])
			probes = append(probes, p)
		}
		e, ok := Fit(clauses, probes, 1, 0)
		if !ok {
			t.Fatal("no estimate")
		}
		if e.High < 1 {
			above++
		}
		if e.Low > 1 {
			below++
		}
	}
	t.Logf("of %d draws the capacity was above %d and below %d", draws, above, below)
	if above > draws*35/1000 || below > draws*35/1000 {
		t.Errorf("the capacity was above %d and below %d of %d intervals", above, below, draws)
	}
}

// Ten probes whose shares scatter by more than themselves, as those of slow services do: the
// interval holds the capacity, and a run of a few large shares makes it no ruin.
func TestIntervalOfFewProbes(t *testing.T) {
	const draws = 400
	c := Clause{Name: "c", Allowed: 0.01}
	random := rand.New(rand.NewPCG(11, 12))
	inside := 0
	var widths []float64
	for range draws {
		var probes []Probe
		for _, s := range spread[:10] {
			probes = append(probes, at(s, gamma(random, 1)*math.Exp(20*(s-1)), c))
		}
		e, ok := Fit([]Clause{c}, probes, 1, 0)
		if !ok {
			t.Fatal("no estimate")
		}
		widths = append(widths, e.HalfWidth())
		if e.Low <= 1 && 1 <= e.High {
			inside++
		}
	}
	slices.Sort(widths)
	middle, wide := widths[draws/2], widths[draws*9/10]
	t.Logf("%d of %d draws, half-width %.3g, %.3g in one of ten", inside, draws, middle, wide)
	if share := float64(inside) / draws; share < 0.92 || share > 0.99 {
		t.Errorf("the interval holds the capacity in %.3g of the draws", share)
	}
	if middle > 0.07 || wide > 2.5*middle {
		t.Errorf("half-width %.3g, %.3g in one of ten", middle, wide)
	}
}

// A clause of which too few probes tell leaves the interval alone, unless its own line crosses
// below the others' upper end.
func TestIntervalBesideTooLittle(t *testing.T) {
	clauses := []Clause{{Name: "a", Allowed: 0.01}, {Name: "b", Allowed: 0.01}}
	for _, test := range []struct {
		second float64 // boundary
		open   bool
	}{{1.3, false}, {0.97, true}} {
		var probes []Probe
		for i, s := range spread {
			both := Probe{Load: s, Seconds: 60}
			both.Counts = []Count{at(s, math.Exp(20*(s-1)), clauses[0]).Counts[0], {}}
			if i < 3 {
				both.Counts[1] = at(s, math.Exp(20*(s-test.second)), clauses[1]).Counts[0]
			}
			probes = append(probes, both)
		}
		e, ok := Fit(clauses, probes, 1, 0)
		if !ok || (e.Low == 0) != test.open || math.IsInf(e.High, 1) && !test.open {
			t.Errorf("second at %g: %v, %+v", test.second, ok, e)
		}
	}
}

// An upper end that the probes leave open as far as twice the center is not told.
func TestUpperEndOpen(t *testing.T) {
	c := Clause{Name: "c", Allowed: 0.5, Steep: 0.5}
	var probes []Probe
	for i, s := range []float64{0.92, 0.94, 0.96, 0.98, 1} { // far below the boundary, but for one
		probes = append(probes, at(s, []float64{0, 0, 0, 0, 1.8}[i], c))
	}
	if e, ok := Fit([]Clause{c}, probes, 1, 0); !ok || !math.IsInf(e.High, 1) {
		t.Errorf("%v, %+v", ok, e)
	}
}

// Where the slope is known and the scatter is small, the ends lie as far off as a Student's t
// of the points' mean says.
func TestRootsOfKnownLine(t *testing.T) {
	c := Clause{Name: "c", Allowed: 0.01}
	var points []point
	for i := range 40 {
		x := 0.05 * float64(i%9-4) / 4
		p := point{x: x, w: 1}
		p.up, p.even, p.down = c.counted(Count{N: many, Over: many * 0.01 * math.Exp(30*x) * (1 + 0.1*float64(2*(i%2)-1))})
		points = append(points, p)
	}
	l, ok := fit(points, expectation{30, priorSpread, usualScatter, usualUnknown})
	if !ok {
		t.Fatal("no line")
	}
	scatter, freedom := l.tempered(points)
	want := stats.TQuantile(0.975, freedom) * math.Sqrt(scatter/40) / l.slope
	r := l.roots(points)
	low, high := l.root()-r.quantile(0.025), r.quantile(0.975)-l.root()
	if math.Abs(low/want-1) > 0.1 || math.Abs(high/want-1) > 0.1 {
		t.Errorf("the ends lie %.4f below and %.4f above, want about %.4f", low, high, want)
	}
	if all := r.quantile(0.5); math.Abs(all-l.root()) > 0.05*want {
		t.Errorf("half of the weight lies below %.5f, the root is %.5f", all, l.root())
	}
}
