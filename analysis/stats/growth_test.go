package stats

import (
	"flag"
	"math"
	"slices"
	"strings"
	"testing"
)

var full = flag.Bool("full", false, "measure the rules at full size, for the tables of the documentation")

// repeats is how often a rule is tried on each system.
func repeats(reduced int) int {
	if *full {
		return 1000
	}
	return reduced
}

// A server that answers each request after 1 s holds, at one arrival each 100 ms,
// ten at once: whole parts after the first second have a mean of 10.
func TestBacklogMeans(t *testing.T) {
	var b Backlog
	for i := range 200 {
		due := float64(i) / 10
		b.Due, b.Done = append(b.Due, due), append(b.Done, due+1)
	}
	b.From, b.To = 2, 14
	for i, m := range b.Means(12) {
		if math.Abs(m-10) > 1e-9 {
			t.Errorf("part %d: %v, want 10", i, m)
		}
	}
	b.From, b.To = 0, 1 // fills: 1 from 0 on, 2 from 0.1 on, … mean 5.5
	if m := b.Means(1); math.Abs(m[0]-5.5) > 1e-9 {
		t.Errorf("filling: %v, want 5.5", m)
	}
	if m := (Backlog{From: 1, To: 1}).Means(3); m != nil {
		t.Errorf("no time: %v", m)
	}
}

// ramp gives 12 means that rise by size over their whole time.
func ramp(size float64) []float64 {
	means := make([]float64, 12)
	for i := range means {
		means[i] = 5 + size*float64(i)/12
	}
	return means
}

func TestPartsGrew(t *testing.T) {
	returns := ramp(100)
	for i := 8; i < 12; i++ {
		returns[i] = 4
	}
	for _, c := range []struct {
		name string
		p    Parts
		want bool
	}{
		{"above 3 slots", Parts{Means: ramp(22), Even: ramp(22), Slots: 7}, true},
		{"below 3 slots", Parts{Means: ramp(20), Even: ramp(20), Slots: 7}, false},
		{"above 1 % of arrivals", Parts{Means: ramp(101), Even: ramp(101), Arrivals: 10000}, true},
		{"below 1 % of arrivals", Parts{Means: ramp(99), Even: ramp(99), Arrivals: 10000}, false},
		{"above half the root", Parts{Means: ramp(5.1), Even: ramp(5.1), Arrivals: 100}, true},
		{"below half the root", Parts{Means: ramp(4.9), Even: ramp(4.9), Arrivals: 100}, false},
		{"rate unknown, above the root", Parts{Means: ramp(10.1), Arrivals: 100}, true},
		{"rate unknown, below the root", Parts{Means: ramp(9.9), Arrivals: 100}, false},
		{"the arrivals' luck", Parts{Means: ramp(200), Even: ramp(90), Arrivals: 10000}, false},
		{"their luck hides it", Parts{Means: ramp(90), Even: ramp(200), Arrivals: 10000}, false},
		{"returns", Parts{Means: returns, Even: ramp(100), Arrivals: 100}, false},
		{"falls by more than 2.5 x 10", Parts{Means: ramp(-26), Even: ramp(-26), Arrivals: 400}, false},
		{"falls by less than 2.5 x 10", Parts{Means: ramp(-24), Even: ramp(-24), Arrivals: 400}, false},
		{"falls", Parts{Means: ramp(-100), Even: ramp(-100), Arrivals: 100}, false},
		{"flat", Parts{Means: ramp(0), Even: ramp(0)}, false},
	} {
		c.p.Seconds = 5
		g := c.p.Grew()
		if !g.Judged || g.Grew != c.want || g.Shrank != (c.name == "falls" || strings.HasPrefix(c.name, "falls by more")) || (g.Grew || g.Shrank) != (g.Why != "") {
			t.Errorf("%s: %+v, want grew %v", c.name, g, c.want)
		}
	}
	if g := (Parts{Means: ramp(100)[:7], Seconds: 5}).Grew(); g.Judged || g.Grew || g.Why == "" {
		t.Errorf("7 parts: %+v", g)
	}
}

// Idle servers that fill are no growth: requests of 10 s, one a second.
func TestFillingIsNoGrowth(t *testing.T) {
	filling := func(to float64) Backlog {
		b := Backlog{To: to, Offered: 1, Alone: 10}
		for due := 0.5; due < to; due++ {
			b.Due, b.Done = append(b.Due, due), append(b.Done, due+10)
		}
		return b
	}
	if g := Grew(filling(160)); !g.Judged || g.Grew {
		t.Errorf("160 s: %+v", g)
	}
	// 30.5 s are left out, and 12 parts of 10 s are needed.
	if g := Grew(filling(150)); g.Judged || g.Grew || g.Why == "" {
		t.Errorf("150 s: %+v", g)
	}
	for _, seconds := range []float64{4.9, 5.1} {
		fast := Backlog{To: seconds, Offered: 1000}
		for due := 0.0; due < seconds; due += 0.001 {
			fast.Due = append(fast.Due, due)
		}
		if g := Grew(fast); g.Judged != (seconds > 5) || g.Grew != g.Judged {
			t.Errorf("%v s of a server that does nothing: %+v", seconds, g)
		}
	}
	if g := Grew(Backlog{To: 100}); g.Judged || g.Why == "" {
		t.Errorf("nothing: %+v", g)
	}
}

// At 0.95 of saturation at most 2 % of minutes are called growth, at 1.05 at least
// 85 %, after warm-ups of 0, 10 and 120 s. In full it prints what the rule does
// without the rate too.
func TestGrowthOfQueues(t *testing.T) {
	loads := []float64{0.95, 1.05}
	warmups := []float64{0, 10}
	if *full {
		loads, warmups = []float64{0.9, 0.95, 0.98, 1.02, 1.05, 1.1}, []float64{0, 10, 120}
	}
	for _, s := range systems {
		t.Run(s.name, func(t *testing.T) {
			for _, warmup := range warmups {
				for _, load := range loads {
					s.growths(t, warmup, load)
				}
			}
		})
	}
}

func (s system) growths(t *testing.T, warmup, load float64) {
	n := repeats(30)
	grew, rough, shrank := 0, 0, 0
	for i := range n {
		b := s.backlog(uint64(i), load*s.saturation(), warmup, warmup+60)
		b.Alone = s.alone()
		g := Grew(b)
		if g.Grew {
			grew++
		}
		if g.Shrank {
			shrank++
		}
		if b.Offered = 0; Grew(b).Grew {
			rough++
		}
	}
	t.Logf("%-24s warm-up %3.0f s, %.2f of saturation: grew %5.1f %%; rate unknown: %5.1f %%; shrank %5.1f %% (n = %d)",
		s.name, warmup, load, percent(grew, n), percent(rough, n), percent(shrank, n), n)
	// Of 30, one false alarm is above 2 % and no sign of more.
	if load == 0.95 && (grew > max(1, n*2/100) || shrank > max(1, n*2/100)) {
		t.Errorf("%s at %v: of %d, %d called growth, %d said to shrink", s.name, load, n, grew, shrank)
	}
	if load == 1.05 && float64(grew) < 0.85*float64(n) {
		t.Errorf("%s at %v: growth seen in %d of %d", s.name, load, grew, n)
	}
}

// alone is what a request takes that finds the system idle.
func (s system) alone() float64 { return s.base + s.item }

// Moments may be moved together without a change of the verdict.
func TestGrowthOfLaterTime(t *testing.T) {
	b := systems[1].backlog(3, 36.75, 0, 60)
	moved := b
	moved.From, moved.To = b.From+1000, b.To+1000
	moved.Due, moved.Done = slices.Clone(b.Due), slices.Clone(b.Done)
	for i := range b.Due {
		moved.Due[i] += 1000
		moved.Done[i] += 1000
	}
	one, other := Grew(b), Grew(moved)
	if one.Grew != other.Grew || math.Abs(one.Size-other.Size) > 1e-6 {
		t.Errorf("%+v, moved %+v", one, other)
	}
}
