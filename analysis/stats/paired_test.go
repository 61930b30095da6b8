package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

// The figures of a worked example: log ratios 0.10, 0.06, 0.08 and 0.12 have the mean
// 0.09 and the deviation √(0.0020/3) = 0.025820, so that SE = 0.012910, and with
// t(0.975; 3) = 3.18245 the interval of the log is 0.09 ± 0.041085. t = 6.9714, of which
// twice the tail is 0.0060568.
func TestPaired(t *testing.T) {
	p := Paired([]float64{0.10, 0.06, 0.08, 0.12})
	low, high := p.Interval()
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"ratio", p.Ratio(), math.Exp(0.09)},
		{"low", low, math.Exp(0.09 - 0.0410853)},
		{"high", high, math.Exp(0.09 + 0.0410853)},
		{"p", p.P(), 0.0060568},
		{"above 1", p.Above(1), 1 - 0.0060568/2},
		{"above the mean", p.Above(p.Ratio()), 0.5},
	} {
		if math.Abs(c.got-c.want) > 2e-6 {
			t.Errorf("%s is %v, want %v", c.name, c.got, c.want)
		}
	}
	if p.N != 4 || p.DF != 3 {
		t.Errorf("%+v, want 4 pairs and 3 degrees of freedom", p)
	}
}

// What there is too little of is not known, and not zero.
func TestPairedOfTooFew(t *testing.T) {
	for name, logs := range map[string][]float64{
		"none": nil, "one": {0.1}, "not a number": {0.1, math.NaN()}, "infinite": {0.1, math.Inf(-1)},
	} {
		p := Paired(logs)
		low, high := p.Interval()
		for what, got := range map[string]float64{"low": low, "high": high, "p": p.P(), "above": p.Above(1)} {
			if !math.IsNaN(got) {
				t.Errorf("%s: %s is %v, want NaN", name, what, got)
			}
		}
		if k, ok := p.More(0.03); ok {
			t.Errorf("%s: %d more pairs would do", name, k)
		}
	}
	if r := Paired([]float64{math.Log(2)}).Ratio(); math.Abs(r-2) > 1e-12 {
		t.Errorf("one pair has the ratio %v, want 2", r)
	}
}

// Pairs that are all alike have an interval of one point.
func TestPairedWithoutSpread(t *testing.T) {
	for _, c := range []struct{ log, p, above float64 }{{0.125, 0, 1}, {0, 1, 0.5}, {-0.125, 0, 0}} {
		p := Paired([]float64{c.log, c.log, c.log})
		low, high := p.Interval()
		if low != p.Ratio() || high != p.Ratio() || p.P() != c.p || p.Above(1) != c.above {
			t.Errorf("log %v: %v to %v, p %v, above 1 %v; want p %v, above %v", c.log, low, high, p.P(), p.Above(1), c.p, c.above)
		}
		if k, ok := p.More(0.01); k != 0 || !ok {
			t.Errorf("log %v: %d more pairs are asked for (%v)", c.log, k, ok)
		}
	}
}

func drawLogs(t *rapid.T) []float64 {
	return rapid.SliceOfN(rapid.Float64Range(-1, 1), 2, 30).Draw(t, "logs")
}

// Every figure is that of the usual test, by gonum, and exchanging the two sides of the
// pairs turns ratio and interval round and keeps p.
func TestPairedProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logs := drawLogs(t)
		p := Paired(logs)
		mean, deviation := stat.MeanStdDev(logs, nil)
		n := float64(len(logs))
		law := distuv.StudentsT{Mu: mean, Sigma: deviation / math.Sqrt(n), Nu: n - 1}
		low, high := p.Interval()
		if law.Sigma > 1e-9 {
			zone := rapid.Float64Range(1, 1.5).Draw(t, "zone")
			near(t, "low", math.Log(low), law.Quantile(0.025))
			near(t, "high", math.Log(high), law.Quantile(0.975))
			near(t, "above", p.Above(zone), law.Survival(math.Log(zone)))
			near(t, "p", p.P(), 2*min(law.CDF(0), law.Survival(0)))
		}
		turned := make([]float64, len(logs))
		for i, v := range logs {
			turned[i] = -v
		}
		q := Paired(turned)
		qLow, qHigh := q.Interval()
		near(t, "ratio of the exchanged", q.Ratio(), 1/p.Ratio())
		near(t, "low of the exchanged", qLow, 1/high)
		near(t, "high of the exchanged", qHigh, 1/low)
		near(t, "p of the exchanged", q.P(), p.P())
		near(t, "above of the exchanged", q.Above(1/1.03), 1-p.Above(1.03))
	})
}

func near(t interface{ Errorf(string, ...any) }, what string, got, want float64) {
	if math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// The interval holds the truth in 95 of 100 draws, of as few pairs as there are. Of
// 8,000, 2.6 standard errors are 0.63 points; the draws are fixed.
func TestPairedCoverage(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const draws, truth = 8_000, 1.07
	for _, n := range []int{2, 3, 5, 10} {
		held := 0
		logs := make([]float64, n)
		for range draws {
			for i := range logs {
				logs[i] = math.Log(truth) + 0.02*r.NormFloat64()
			}
			if low, high := Paired(logs).Interval(); low <= truth && truth <= high {
				held++
			}
		}
		if share := float64(held) / draws; math.Abs(share-0.95) > 0.0063 {
			t.Errorf("n = %d: the interval holds the truth in %.4f", n, share)
		}
	}
}

// With so many more pairs of the same deviation the interval is as narrow as asked for,
// and with one fewer it is not.
func TestMorePairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Paired(drawLogs(t))
		half := rapid.Float64Range(0.05, 0.5).Draw(t, "half")
		k, ok := p.More(half)
		if !ok {
			t.Fatalf("%+v to %v: not known", p, half)
		}
		width := func(more int) float64 {
			n := float64(p.N + more)
			return distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(0.975) * p.SE * math.Sqrt(float64(p.N)/n)
		}
		if width(k) > half*(1+1e-9) || k > 0 && width(k-1) <= half*(1-1e-9) {
			t.Errorf("%d more: half-widths %v, and %v with one fewer, want %v", k, width(k), width(k-1), half)
		}
	})
	if _, ok := (Pairs{N: 1, SE: 0.1, DF: math.Inf(1)}).More(0.01); ok {
		t.Error("a spread that is not of the pairs says how many more there must be")
	}
	if _, ok := Paired([]float64{-1e3, 1e3}).More(1e-9); ok {
		t.Error("no number of pairs does it, and one is told")
	}
}

// An infinite number of degrees of freedom is the normal law.
func TestInfiniteDegreesOfFreedom(t *testing.T) {
	inf := math.Inf(1)
	near(t, "quantile", TQuantile(0.975, inf), NormalQuantile(0.975))
	near(t, "tail", TTail(1.5, inf), 0.0668072012688581)
	p := Pairs{N: 1, Mean: 0.1, SE: 0.05, DF: inf}
	near(t, "p", p.P(), 2*0.0227501319481792) // 2 standard errors
	low, _ := p.Interval()
	near(t, "low", math.Log(low), 0.1-0.05*1.959963984540054)
}
