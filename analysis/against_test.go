package analysis

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/results"
)

// A drawnRun is a run with one figure of throughput and one of latency in each cell.
type drawnRun struct {
	seed  uint64
	start float64       // marks the measurement
	rates [][2]int64    // completed Vision requests by replicate and configuration
	tails [][2]float64  // p95 in seconds
	level results.Level // of Vision
}

func (d drawnRun) named(name string) NamedSummary {
	s := &Summary{Schema: results.SchemaVersion}
	s.Environment.Services = []results.Service{{Name: "vision", Role: results.RoleVision}}
	s.Environment.Zone = 0.03
	for r := range d.rates {
		for i, config := range []string{"off-ts", "off-mps"} {
			c := Cell{MIG: UseNone, MPS: UseNone}
			c.Cell = results.Cell{
				Folder: fmt.Sprintf("%03d-%s-r%d", 2*r+i, config, r+1), Replicate: r + 1, Seed: d.seed + uint64(r),
				Nonce: fmt.Sprint(d.start), Status: results.CellDone,
			}
			c.Cell.Config.Name = config
			v := Service{Name: "vision", Role: results.RoleVision, Level: d.level, Verdict: Verdict{Is: Valid}}
			v.Total.Completed = d.rates[r][i]
			v.Total.Latency.Quantiles = []Quantile{{Q: 0.95, Value: known(d.tails[r][i], "s")}}
			c.Steps = []Step{{Name: "step", Window: 60, Warmup: 10, Loaded: 70 + float64(d.rates[r][i])/1000, Services: []Service{v}}}
			s.Cells = append(s.Cells, c)
		}
	}
	return NamedSummary{name, s}
}

var plainLevel = results.Level{Service: "vision", Arrivals: "poisson", Value: 20, Unit: "req/s"}

func drawRun(t *rapid.T, name string, seed uint64, start float64) drawnRun {
	d := drawnRun{seed: seed, start: start, level: plainLevel}
	n := rapid.IntRange(1, 5).Draw(t, name+" replicates")
	for range n {
		d.rates = append(d.rates, [2]int64{rapid.Int64Range(1, 5000).Draw(t, name), rapid.Int64Range(1, 5000).Draw(t, name)})
		d.tails = append(d.tails, [2]float64{rapid.Float64Range(0.01, 10).Draw(t, name), rapid.Float64Range(0.01, 10).Draw(t, name)})
	}
	return d
}

func compareTwo(t rapid.TB, a, b NamedSummary) *Against {
	t.Helper()
	out, err := CompareRuns([]NamedSummary{a, b})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A run against itself has every ratio 1, and shows no difference.
func TestAgainstItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := drawRun(t, "run", 1, 1).named("run")
		a := compareTwo(t, run, run)
		if !a.Same || len(a.Differences) != 0 || len(a.Figures) != 4 {
			t.Fatalf("the same measurement: %v, %d differences, %d figures", a.Same, len(a.Differences), len(a.Figures))
		}
		for _, f := range a.Figures {
			if *f.Ratio.Number != 1 || f.Verdict != ContrastNone || f.Low.Known() {
				t.Errorf("%s of %s is %v times itself: %s", f.Figure, f.Config, *f.Ratio.Number, f.Verdict)
			}
		}
	})
}

// Turned round, every ratio and interval is turned over, and better is worse.
func TestAgainstTurnsRound(t *testing.T) {
	turned := map[string]string{ContrastBetter: ContrastWorse, ContrastWorse: ContrastBetter}
	near := func(x, y Value) bool {
		return x.Known() == y.Known() && (!x.Known() || math.Abs(math.Log(*x.Number**y.Number)) < 1e-9)
	}
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64Range(1, 2).Draw(t, "seed") // 1: paired where the replicates agree
		a, b := drawRun(t, "a", 1, 1).named("a"), drawRun(t, "b", seed, 2).named("b")
		there, back := compareTwo(t, a, b), compareTwo(t, b, a)
		if len(there.Figures) != len(back.Figures) || len(there.Figures) == 0 {
			t.Fatalf("%d and %d figures", len(there.Figures), len(back.Figures))
		}
		for i, f := range there.Figures {
			g := back.Figures[i]
			if !near(f.Ratio, g.Ratio) || !near(f.Low, g.High) || !near(f.High, g.Low) || f.Basis != g.Basis {
				t.Errorf("%s: %+v and %+v", f.Figure, f, g)
			}
			want := f.Verdict
			if w, ok := turned[want]; ok {
				want = w
			}
			if g.Verdict != want {
				t.Errorf("%s: %s, and turned round %s", f.Figure, f.Verdict, g.Verdict)
			}
			if f.Ratio.Known() && math.Abs(*f.Other.Number / *f.First.Number / *f.Ratio.Number - 1) > 1e-12 {
				t.Errorf("%s: %v and %v, ratio %v", f.Figure, *f.First.Number, *f.Other.Number, *f.Ratio.Number)
			}
		}
	})
}

// Pairs need the same seed, the same step and the same time under load in every replicate.
func TestAgainstPairsTheSameArrivals(t *testing.T) {
	made := func(seed uint64, start float64) drawnRun {
		return drawnRun{
			seed: seed, start: start, level: plainLevel,
			rates: [][2]int64{{1000, 1100}, {1010, 1090}, {990, 1105}}, tails: [][2]float64{{0.1, 0.2}, {0.11, 0.21}, {0.1, 0.19}},
		}
	}
	a := made(1, 1).named("a")
	for _, c := range []struct {
		name  string
		other func() NamedSummary
		want  string
	}{
		{"same seed", func() NamedSummary { return made(1, 2).named("b") }, BasisSameArrivals},
		{"other seed", func() NamedSummary { return made(9, 2).named("b") }, BasisUnpaired},
		{"other window", func() NamedSummary {
			b := made(1, 2).named("b")
			for i := range b.Summary.Cells {
				b.Summary.Cells[i].Steps[0].Window = 120
			}
			return b
		}, BasisUnpaired},
		{"other warm-up", func() NamedSummary {
			b := made(1, 2).named("b")
			b.Summary.Cells[0].Steps[0].Warmup, b.Summary.Cells[1].Steps[0].Warmup = 20, 20
			return b
		}, BasisUnpaired},
		{"other index", func() NamedSummary {
			b := made(1, 2).named("b")
			for i := range b.Summary.Cells {
				b.Summary.Cells[i].Steps[0].Index = 1
			}
			return b
		}, BasisUnpaired},
		{"other replicates", func() NamedSummary {
			b := made(1, 2).named("b")
			b.Summary.Cells = b.Summary.Cells[:4]
			return b
		}, BasisUnpaired},
	} {
		for _, f := range compareTwo(t, a, c.other()).Figures {
			if f.Basis != c.want {
				t.Errorf("%s: %s of %s rests on %q, want %q", c.name, f.Figure, f.Config, f.Basis, c.want)
			}
		}
	}
}

func TestAgainstRefuses(t *testing.T) {
	made := func() NamedSummary {
		return drawnRun{seed: 1, start: 2, level: plainLevel, rates: [][2]int64{{1000, 1100}}, tails: [][2]float64{{0.1, 0.2}}}.named("b")
	}
	for _, c := range []struct {
		name   string
		change func(s *Summary)
		want   string
	}{
		{"schema", func(s *Summary) { s.Schema-- }, "other rules"},
		{"service", func(s *Summary) { s.Environment.Services[0].Name = "eyes" }, "drive other services: vision (vision) against eyes (vision)"},
		{"role", func(s *Summary) { s.Environment.Services[0].Role = results.RoleAgent }, "drive other services"},
		{"unit", func(s *Summary) {
			for i := range s.Cells {
				s.Cells[i].Steps[0].Services[0].Level.Unit = "cameras"
			}
		}, "vision in req/s, b in cameras"},
		{"levels", func(s *Summary) {
			for i := range s.Cells {
				s.Cells[i].Steps[0].Services[0].Level.Value = 21
			}
		}, "nothing to compare"},
		{"configurations", func(s *Summary) {
			for i := range s.Cells {
				s.Cells[i].Cell.Config.Name += "-x"
			}
		}, "a has off-ts, off-mps, b has off-ts-x, off-mps-x"},
	} {
		b := made()
		c.change(b.Summary)
		a := made()
		a.Name = "a"
		if _, err := CompareRuns([]NamedSummary{a, b}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := CompareRuns([]NamedSummary{made()}); err == nil {
		t.Error("one run is compared with nothing")
	}
}

// What a run does not measure is in no figure, and is told.
func TestAgainstLeavesOutWhatIsNotValid(t *testing.T) {
	made := func(start float64) drawnRun {
		return drawnRun{seed: 1, start: start, level: plainLevel, rates: [][2]int64{{1000, 1100}, {1000, 1100}}, tails: [][2]float64{{0.1, 0.2}, {0.1, 0.2}}}
	}
	a, b := made(1).named("a"), made(2).named("b")
	b.Summary.Cells[0].Steps[0].Services[0].Verdict.Is = ClientLimited
	for _, f := range compareTwo(t, a, b).Figures {
		if want := 2 - map[string]int{"off-ts": 1}[f.Config]; f.OtherN != want {
			t.Errorf("%s of %s has %d replicates, want %d", f.Figure, f.Config, f.OtherN, want)
		}
	}
}

// A capacity is compared as long as it is of the same objectives.
func TestAgainstCapacities(t *testing.T) {
	made := func(start, load float64) NamedSummary {
		n := drawnRun{seed: 1, start: start, level: plainLevel, rates: [][2]int64{{1000, 1100}}, tails: [][2]float64{{0.1, 0.2}}}.named("x")
		n.Summary.Environment.Search = &results.Search{Kind: "capacity", Raise: "vision"}
		for i := range n.Summary.Cells {
			n.Summary.Cells[i].Steps[0].Purpose = results.PurposeProbe
			n.Summary.Cells[i].Capacity = &Capacity{
				Unit: "req/s", State: CapacityFound, Estimate: known(load, "req/s"), Low: known(load*0.98, "req/s"), High: known(load*1.02, "req/s"),
			}
		}
		return n
	}
	a := compareTwo(t, made(1, 20), made(2, 25))
	if len(a.Figures) != 2 {
		t.Fatalf("%d figures, want the capacity of each configuration", len(a.Figures))
	}
	for _, f := range a.Figures {
		if f.Figure != "capacity" || f.Basis != BasisWithin || f.Verdict != ContrastBetter || math.Abs(*f.Ratio.Number-1.25) > 1e-12 || f.Step != "" {
			t.Errorf("%+v", f)
		}
	}
	b := made(2, 25)
	b.Summary.Environment.Services[0].SLO = []results.Clause{{Text: "p95 < 1 s"}}
	for _, f := range compareTwo(t, made(1, 20), b).Figures {
		if f.Ratio.Known() || !strings.Contains(f.Ratio.Why, "objectives differ") {
			t.Errorf("%+v", f)
		}
	}
}

// searching makes a run a search that found a capacity of 20 in every cell.
func searching(s *Summary) {
	s.Environment.Search = &results.Search{Kind: "capacity", Raise: "vision"}
	s.Environment.Services[0].Target = &results.Level{Service: "vision", Arrivals: "poisson", Value: 20, Unit: "req/s"}
	for i := range s.Cells {
		s.Cells[i].Steps[0].Purpose = results.PurposeProbe
		s.Cells[i].Capacity = &Capacity{Unit: "req/s", State: CapacityFound, Estimate: known(20, "req/s"), Low: known(19, "req/s"), High: known(21, "req/s")}
	}
}

// A capacity is of the arrivals that were driven, of the raised service and of the others.
func TestAgainstCapacitiesOfOtherArrivals(t *testing.T) {
	made := func(start float64, raise, arrivals string) NamedSummary {
		n := drawnRun{seed: 1, start: start, level: plainLevel, rates: [][2]int64{{1000, 1100}}, tails: [][2]float64{{0.1, 0.2}}}.named("x")
		searching(n.Summary)
		n.Summary.Environment.Search.Raise = raise
		n.Summary.Environment.Services[0].Target.Arrivals = arrivals
		return n
	}
	for _, raise := range []string{"vision", "agent", ""} {
		for arrivals, same := range map[string]bool{"poisson": true, "constant": false} {
			for _, f := range compareTwo(t, made(1, raise, "poisson"), made(2, raise, arrivals)).Figures {
				if f.Ratio.Known() != same || !same && !strings.Contains(f.Ratio.Why, "vision poisson against constant") {
					t.Errorf("raised %q, poisson against %s: %+v", raise, arrivals, f.Ratio)
				}
			}
		}
	}
	a, b := made(1, "vision", "cameras"), made(2, "vision", "cameras")
	a.Summary.Environment.Services[0].Load, b.Summary.Environment.Services[0].Load = "cameras, 5 fps", "cameras, 10 fps"
	for _, f := range compareTwo(t, a, b).Figures {
		if f.Ratio.Known() {
			t.Errorf("cameras of 5 fps against some of 10: %+v", f.Ratio)
		}
	}
}

// Steps of one level are not the same where the load is known to arrive in another way.
func TestAgainstStepsOfOtherArrivals(t *testing.T) {
	made := func(start float64, load string) NamedSummary {
		n := drawnRun{seed: 1, start: start, level: plainLevel, rates: [][2]int64{{1000, 1100}}, tails: [][2]float64{{0.1, 0.2}}}.named("x")
		n.Summary.Environment.Services[0].Load = load
		return n
	}
	for load, same := range map[string]bool{"cameras, 5 fps": true, "": true, "cameras, 10 fps": false} {
		_, err := CompareRuns([]NamedSummary{made(1, "cameras, 5 fps"), made(2, load)})
		if (err == nil) != same {
			t.Errorf("5 fps against %q: %v", load, err)
		}
	}
}

// A capacity that only the first run searched for is a figure that the other has not.
func TestAgainstACapacityThatNobodySearchedFor(t *testing.T) {
	made := func(start float64) NamedSummary {
		n := drawnRun{seed: 1, start: start, level: plainLevel, rates: [][2]int64{{1000, 1100}}, tails: [][2]float64{{0.1, 0.2}}}.named("x")
		searching(n.Summary)
		for i := range n.Summary.Cells {
			n.Summary.Cells[i].Steps[0].Purpose = ""
		}
		return n
	}
	a, b := made(1), made(2)
	b.Summary.Environment.Search = nil
	for i := range b.Summary.Cells {
		b.Summary.Cells[i].Capacity = nil
	}
	seen := 0
	for _, f := range compareTwo(t, a, b).Figures {
		if f.Figure == "capacity" {
			seen++
			if !f.First.Known() || f.Other.Known() || f.Ratio.Known() || f.Other.Why != "no capacity was searched for" {
				t.Errorf("%+v", f)
			}
		}
	}
	if seen != 2 {
		t.Errorf("%d capacities, want one of each configuration", seen)
	}
	for _, f := range compareTwo(t, b, a).Figures {
		if f.Figure == "capacity" {
			t.Errorf("the first run searched for none: %+v", f)
		}
	}
}

// What a race left out has its reason, unless it is that its cells told nothing.
func TestAgainstARaceThatLeftOut(t *testing.T) {
	made := func(start float64) NamedSummary {
		n := drawnRun{seed: 1, start: start, level: plainLevel, rates: [][2]int64{{1000, 1100}}, tails: [][2]float64{{0.1, 0.2}}}.named("x")
		searching(n.Summary)
		return n
	}
	b := made(2)
	b.Summary.Race = &Race{Runners: []Runner{{Config: "off-ts", Left: "slow"}, {Config: "off-mps", Left: "it was tried twice", Failed: true}}}
	for _, f := range compareTwo(t, made(1), b).Figures {
		if want := map[string]string{"off-ts": "slow"}[f.Config]; f.LeftOut != want {
			t.Errorf("%s was left out for %q, want %q", f.Config, f.LeftOut, want)
		}
	}
}

// What one run alone has is told, and whether it was measured there.
func TestAgainstWhatOneRunHasAlone(t *testing.T) {
	made := func(start float64) NamedSummary {
		return drawnRun{seed: 1, start: start, level: plainLevel, rates: [][2]int64{{1000, 1100}}, tails: [][2]float64{{0.1, 0.2}}}.named("x")
	}
	step := AgainstAlone{Config: "off-mps", Step: "step", Load: "vision 20 req/s", Run: 1, Gone: true, Measured: true}
	for _, c := range []struct {
		name   string
		change func(a, b *Summary)
		want   []AgainstAlone
	}{
		{"the same", func(_, _ *Summary) {}, nil},
		{"cells that failed before a step", func(_, b *Summary) { b.Cells[1].Steps = nil }, []AgainstAlone{step}},
		{"a configuration", func(_, b *Summary) { b.Cells = b.Cells[:1] }, []AgainstAlone{{Config: "off-mps", Run: 1, Gone: true, Measured: true}}},
		{"a configuration that was not measured", func(a, b *Summary) {
			b.Cells = b.Cells[:1]
			a.Cells[1].Cell.Status = results.CellFailed
		}, []AgainstAlone{{Config: "off-mps", Run: 1, Gone: true}}},
		{"one of two steps alike", func(a, _ *Summary) {
			again := a.Cells[1].Steps[0]
			again.Index = 1
			a.Cells[1].Steps = append(a.Cells[1].Steps, again)
		}, []AgainstAlone{step}},
		{"a configuration that came", func(a, _ *Summary) { a.Cells = a.Cells[:1] }, []AgainstAlone{{Config: "off-mps", Run: 1, Measured: true}}},
	} {
		a, b := made(1), made(2)
		c.change(a.Summary, b.Summary)
		if got := compareTwo(t, a, b).Alone; !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	a, b := made(1), made(2)
	searching(a.Summary)
	searching(b.Summary)
	b.Summary.Cells = b.Summary.Cells[:1]
	if got := compareTwo(t, a, b).Alone; len(got) != 1 || !got[0].Measured {
		t.Errorf("a configuration with a capacity: %+v", got)
	}
}
