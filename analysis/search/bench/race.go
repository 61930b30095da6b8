package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/search"
	"github.com/evabench/evabench/internal/queues"
	"github.com/evabench/evabench/results"
)

// A field is what is raced: variants of one system, which differ in how fast they
// serve, so that their capacities stand as shares of the best one's.
type field struct {
	name    string
	variant []*queues.System
	truths  []float64
	// want is how the race should end; runs where the best leads by 5 % or more have a
	// winner, the first of the variants.
	want string
}

// The shares at which capacities stand to the best: a lead of 5 %, one of 10 %, a pair
// within 2 %, and four that are alike.
var fieldShares = []struct {
	name   string
	shares []float64
	want   string
}{
	{"lead of 5 %", []float64{1, 0.95, 0.85, 0.6}, analysis.RaceWon},
	{"lead of 10 %", []float64{1, 0.9, 0.8, 0.6}, analysis.RaceWon},
	{"three 5 % behind", []float64{1, 0.95, 0.95, 0.95}, analysis.RaceWon},
	{"pair within 2 %", []float64{1, 0.98, 0.85, 0.6}, analysis.RaceEquivalent},
	{"four alike", []float64{1, 1, 1, 1}, analysis.RaceEquivalent},
}

// raceBases are the systems whose variants are raced.
var raceBases = []string{"mid-nobatch", "fast-batch", "two-classes", "contention-10", "closed", "slow"}

// deploymentSpread is the standard deviation of the logarithm of how fast a deployment
// serves.
const deploymentSpread = 0.007

// slower gives a system whose services take factor times as long.
func slower(s *queues.System, factor float64) *queues.System {
	v := *s
	v.Server.Fixed *= factor
	v.Server.PerItem *= factor
	return &v
}

// fieldsOf makes the fields of a base. The factors are found by secants, and the truths are
// long runs of what comes out.
func fieldsOf(name string) ([]field, error) {
	base, ok := queues.Named(name)
	if !ok {
		return nil, fmt.Errorf("no system is called %q", name)
	}
	of, ok := base.Solve(standingEffort)
	if !ok {
		return nil, fmt.Errorf("%s has no capacity", name)
	}
	known := map[float64]*queues.System{1: base}
	truths := map[float64]float64{1: base.Truth.Load}
	var all []field
	for _, f := range fieldShares {
		out := field{name: name + ", " + f.name, want: f.want}
		for _, share := range f.shares {
			if known[share] == nil {
				v, is, err := standing(base, share, of.Load)
				if err != nil {
					return nil, err
				}
				known[share], truths[share] = v, is*base.Truth.Load
			}
			out.variant, out.truths = append(out.variant, known[share]), append(out.truths, truths[share])
		}
		all = append(all, out)
	}
	return all, nil
}

// standingEffort is that of the runs that say at which share of its base's a variant's
// capacity stands.
var standingEffort = queues.Effort{Runs: 8, Requests: 100_000}

// standing finds the variant of a system whose capacity is a share of the system's, to
// within a thousandth, and gives that share. What the system's own capacity is has to come
// from runs of the same effort: they draw the same numbers, so that the ratio is known far
// better than either.
func standing(base *queues.System, share, of float64) (*queues.System, float64, error) {
	low, high := 1.0, 1/share
	var v *queues.System
	for range 20 {
		factor := math.Sqrt(low * high)
		v = slower(base, factor)
		v.From = base.From * share
		truth, ok := v.Solve(standingEffort)
		if !ok { // one that takes so long meets the SLO at no load
			high = factor
			continue
		}
		is := truth.Load / of
		if math.Abs(is/share-1) < 0.001 {
			return v, is, nil
		}
		if is > share {
			low = factor
		} else {
			high = factor
		}
	}
	return nil, 0, fmt.Errorf("%s: no factor gives a capacity of %g of its own", base.Name, share)
}

// A heat is one race.
type heat struct {
	race    analysis.Race
	decided float64 // load-minutes until then
	minutes float64 // in all
}

// mostReplicates is how many a race may run.
const mostReplicates = 12

// raceOnce runs a race. The order in which the variants stand in the matrix is drawn.
func raceOnce(f field, seed uint64) (heat, error) {
	random := rand.New(rand.NewPCG(seed, 0x7ace))
	order := random.Perm(len(f.variant))
	name := func(i int) string { return fmt.Sprintf("c%d", i) }
	var entries []search.Entry
	for r := 1; r <= mostReplicates; r++ {
		for _, i := range order {
			entries = append(entries, search.Entry{Folder: fmt.Sprintf("%03d-%s-r%d", len(entries), name(i), r), Config: name(i), Replicate: r})
		}
		slices.Reverse(order)
	}
	first := f.variant[0]
	s := ofQueue(first)
	env := environmentOf(s)
	env.Search.Race = true
	race, err := search.NewRace(env, entries)
	if err != nil {
		return heat{}, err
	}
	out := heat{decided: math.NaN()}
	for _, e := range entries {
		var i int
		fmt.Sscanf(e.Config, "c%d", &i)
		deployed := slower(f.variant[i], math.Exp(deploymentSpread*random.NormFloat64()))
		if race.Skip(e.Folder) != "" {
			continue
		}
		if math.IsNaN(out.decided) && race.Decided() {
			out.decided = out.minutes
		}
		c, err := race.Chooser(e.Folder)
		if err != nil {
			return heat{}, err
		}
		target := deployed.Deploy(seed<<8|uint64(e.Replicate), random.Uint64())
		var last *results.StepResult
		for {
			plan, more := c.Next(last)
			if !more {
				break
			}
			step := target.Step(plan, c.Watch)
			out.minutes += step.Step.Loaded().Minutes()
			last = &step
		}
	}
	out.race = race.Race()
	if math.IsNaN(out.decided) {
		out.decided = out.minutes
	}
	return out, nil
}

// environmentOf is what a subject's search rests on, with what a scenario leaves to it
// left to it.
func environmentOf(s subject) results.Environment {
	env := results.Environment{
		Services: append([]results.Service(nil), s.services...),
		Search: &results.Search{
			Kind: search.Interval, Raise: s.services[0].Name, From: s.from, Grow: 0.15,
			Warmup: 3 * time.Second, Window: 10 * time.Second,
		},
	}
	if !math.IsInf(s.most, 1) {
		env.Search.Most = s.most
	}
	levels := s.levels(s.from)
	for i := range env.Services {
		env.Services[i].Target = &levels[i]
	}
	return env
}

// gridMinutes is the price of what a race replaces: 4 configurations, 10 steps each, of 10
// minutes.
const gridMinutes = 400

// right says whether a race ended as it should.
func (f field) right(h heat) bool {
	if f.want == analysis.RaceWon {
		return h.race.State == analysis.RaceWon && h.race.Winner == "c0"
	}
	if h.race.State != analysis.RaceEquivalent {
		return false
	}
	for i, truth := range f.truths { // all that are within 2 % are among them
		if truth >= 0.9795*f.truths[0] && !slices.Contains(h.race.Equivalent, fmt.Sprintf("c%d", i)) {
			return false
		}
	}
	return true
}

// printRaces prints the table of races of the variants of systems, or of all bases for
// none.
func printRaces(stdout, stderr io.Writer, names string, runs int) error {
	bases := raceBases
	if names != "" {
		bases = strings.Split(names, ",")
	}
	text, err := raceTable(bases, runs, func(line string) { fmt.Fprint(stderr, line) })
	if err != nil {
		return err
	}
	_, err = io.WriteString(stdout, text)
	return err
}

// raceTable races every field so many times and says how that went.
func raceTable(bases []string, runs int, told func(string)) (string, error) {
	var b strings.Builder
	b.WriteString("| field | true capacities | n | ended rightly, % | other ends | load-minutes until decided, median (p90) | with confirmations | of the grid's 400 |\n|---|---|---|---|---|---|---|---|\n")
	for _, base := range bases {
		fields, err := fieldsOf(base)
		if err != nil {
			return "", err
		}
		for _, f := range fields {
			heats := make([]heat, runs)
			faults := make([]error, runs)
			each(runs, func(i int) { heats[i], faults[i] = raceOnce(f, uint64(i+1)) })
			for _, err := range faults {
				if err != nil {
					return "", err
				}
			}
			line := f.row(heats)
			b.WriteString(line)
			told(line)
		}
	}
	return b.String(), nil
}

func (f field) row(heats []heat) string {
	right := share{n: len(heats)}
	ends := map[string]int{}
	var decided, all []float64
	for _, h := range heats {
		decided, all = append(decided, h.decided), append(all, h.minutes)
		if f.right(h) {
			right.hits++
			continue
		}
		end := h.race.State
		if end == analysis.RaceWon && f.want == analysis.RaceWon {
			end = "another won"
		} else if end == analysis.RaceEquivalent && f.want == analysis.RaceEquivalent {
			end = "without all that are"
		}
		ends[end]++
	}
	var others []string
	for end, n := range ends {
		others = append(others, fmt.Sprintf("%s (%d)", end, n))
	}
	slices.Sort(others)
	if len(others) == 0 {
		others = []string{"none"}
	}
	var truths []string
	for _, x := range f.truths {
		truths = append(truths, fmt.Sprintf("%.4g", x))
	}
	return fmt.Sprintf("| %s | %s | %d | %s | %s | %.1f (%.1f) | %.1f | 1/%.1f |\n", f.name, strings.Join(truths, ", "), len(heats), right, strings.Join(others, ", "),
		quantile(decided, 0.5), quantile(decided, 0.9), quantile(all, 0.5), gridMinutes/quantile(decided, 0.5))
}
