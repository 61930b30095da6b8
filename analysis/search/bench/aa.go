package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/internal/queues"
	"github.com/evabench/evabench/results"
)

// looks is how often a sequence is looked at, after its second pair and each further
// one.
const looks = 20

// aaLimit is what the upper bound of the share of comparisons that call two identical
// configurations different may be.
const aaLimit = 0.065

// An aaSystem is a queue system at one load. Each cell has some thousands of requests.
type aaSystem struct {
	name   string
	load   float64
	window time.Duration
}

// aaSystems run at nine tenths of their capacity: one that has no batches, one that has,
// and users who wait for their answers.
var aaSystems = []aaSystem{
	{"mid-nobatch", 250, 12 * time.Second},
	{"fast-batch", 1390, 4 * time.Second},
	{"closed", 260, 12 * time.Second},
}

// An aaTrial is one comparison of two configurations whose deployments differ by chance
// alone: by how fast each is and by the services that it draws, while arrivals are the
// same.
type aaTrial struct {
	// verdicts are by figure and number of pairs.
	verdicts map[aaKey]string
	// left says whether, at any of the looks, the interval that may be looked at always
	// left 1 out, and fixed the same of Student's for a fixed n, by figure; none without as
	// many pairs.
	left, fixed map[string]bool
}

type aaKey struct {
	figure string
	pairs  int
}

// aaPairs are the numbers of pairs that verdicts are told of.
var aaPairs = []int{3, 5}

// try compares twice the same system, or one that takes slowdown times as long. The
// first pairs are judged as those of any run are; of so many in all, the figures are
// taken from the answers.
func (a aaSystem) try(seed uint64, slowdown float64, pairs int) (aaTrial, error) {
	system, ok := queues.Named(a.name)
	if !ok {
		return aaTrial{}, fmt.Errorf("no system is called %q", a.name)
	}
	random := rand.New(rand.NewPCG(seed, 0xaa))
	env := results.Environment{Services: system.Services}
	var cells []analysis.Cell
	logs := map[string][]float64{}
	for r := 1; r <= pairs; r++ {
		var told [2]map[string]float64
		for i, name := range []string{"a", "b"} {
			factor := math.Exp(deploymentSpread * random.NormFloat64())
			if name == "b" {
				factor *= slowdown
			}
			target := slower(system, factor).Deploy(seed<<8|uint64(r), random.Uint64())
			result := target.Step(results.StepPlan{Name: "load", Levels: system.Levels(a.load), Warmup: a.window / 4, Window: a.window}, nil)
			told[i] = figures(result)
			if r > slices.Max(aaPairs) {
				continue
			}
			cell := results.Cell{Config: results.Config{Name: name}, Replicate: r, Status: results.CellDone}
			step, err := analysis.Judge(env, cell, result)
			if err != nil {
				return aaTrial{}, err
			}
			cells = append(cells, analysis.Cell{Cell: cell, Steps: []analysis.Step{step}})
		}
		for figure, v := range told[1] {
			logs[figure] = append(logs[figure], math.Log(v/told[0][figure]))
		}
	}
	t := verdictsOf(env, cells)
	t.look(logs)
	return t, nil
}

// figures are what a comparison takes from a step of one service: completed requests a
// second, and the 95th percentile of the latency.
func figures(r results.StepResult) map[string]float64 {
	completed := 0
	var latencies []float64
	for s := range r.Samples {
		if s.Outcome != results.OK {
			continue
		}
		if r.Step.WindowStart <= s.Done && s.Done < r.Step.WindowEnd {
			completed++
		}
		if s.Due >= r.Step.WindowStart {
			latencies = append(latencies, s.Done.Sub(s.Due).Seconds())
		}
	}
	slices.Sort(latencies)
	return map[string]float64{
		"Vision":       float64(completed) / r.Step.WindowEnd.Sub(r.Step.WindowStart).Seconds(),
		"detector p95": stats.Quantile(latencies, 0.95),
	}
}

// search compares the capacities that searches of three deployments of each find.
func (a aaSystem) search(seed uint64) (aaTrial, error) {
	system, ok := queues.Named(a.name)
	if !ok {
		return aaTrial{}, fmt.Errorf("no system is called %q", a.name)
	}
	random := rand.New(rand.NewPCG(seed, 0xaaaa))
	var cells []analysis.Cell
	for r := 1; r <= 3; r++ {
		for _, name := range []string{"a", "b"} {
			deployed := slower(system, math.Exp(deploymentSpread*random.NormFloat64()))
			own := random.Uint64()
			s := ofQueue(deployed)
			s.start = func(seed uint64) target { return deployed.Deploy(seed, own) }
			found := try(s, newSearch(s), seed<<8|uint64(r)).capacity
			cells = append(cells, analysis.Cell{
				Cell: results.Cell{Config: results.Config{Name: name}, Replicate: r, Status: results.CellDone}, Capacity: &found,
			})
		}
	}
	return verdictsOf(results.Environment{}, cells), nil
}

// verdictsOf tells what the comparison says of the first pairs.
func verdictsOf(env results.Environment, cells []analysis.Cell) aaTrial {
	t := aaTrial{verdicts: map[aaKey]string{}, left: map[string]bool{}, fixed: map[string]bool{}}
	for _, n := range aaPairs {
		if 2*n > len(cells) {
			continue
		}
		for _, c := range contrastsOf(env, cells[:2*n]) {
			t.verdicts[aaKey{c.Figure, n}] = c.Verdict
		}
	}
	return t
}

// look tells, by figure, what is seen after the second pair and each further one, if
// there are as many as are looked at.
func (t *aaTrial) look(logs map[string][]float64) {
	for figure, all := range logs {
		for n := 2; n <= len(all) && len(all) > looks; n++ {
			_, low, high := stats.Anytime(all[:n], 0.05)
			l, h := stats.Paired(all[:n]).Interval()
			t.left[figure] = t.left[figure] || low > 0 || high < 0
			t.fixed[figure] = t.fixed[figure] || l > 1 || h < 1
		}
	}
}

// contrastsOf compares b with a.
func contrastsOf(env results.Environment, cells []analysis.Cell) []analysis.Contrast {
	s := analysis.SummarizeSteps(env, cells)
	s.Complete()
	return slices.DeleteFunc(s.Contrasts, func(c analysis.Contrast) bool {
		return c.Of != "b" || c.Against != "a" || strings.HasPrefix(c.Figure, "Vision ") // its one model
	})
}

// aaDeviations are those of the logs of drawn capacities: that of deployments and of a
// search to 3 % together, and one beside which the indifference zone is nothing.
var aaDeviations = []float64{math.Hypot(deploymentSpread, 0.01), 0.1}

// drawAA makes a comparison of capacities that are drawn.
func drawAA(seed uint64, deviation float64) aaTrial {
	random := rand.New(rand.NewPCG(seed, 0xaaa))
	var cells []analysis.Cell
	var logs []float64
	for r := 1; r <= looks+1; r++ {
		last := 0.0
		for i, name := range []string{"a", "b"} {
			log := deviation * random.NormFloat64()
			if i == 1 {
				logs = append(logs, log-last)
			}
			last = log
			if r <= slices.Max(aaPairs) {
				value := func(share float64) analysis.Value {
					v := 100 * math.Exp(log) * share
					return analysis.Value{Number: &v, Unit: "1/s"}
				}
				cells = append(cells, analysis.Cell{
					Cell:     results.Cell{Config: results.Config{Name: name}, Replicate: r, Status: results.CellDone},
					Capacity: &analysis.Capacity{State: analysis.CapacityFound, Unit: "req/s", Estimate: value(1), Low: value(0.97), High: value(1.03)},
				})
			}
		}
	}
	t := verdictsOf(results.Environment{}, cells)
	t.look(map[string][]float64{"capacity": logs})
	return t
}

// upperBound is the one-sided 95 % upper bound of a share after Clopper and Pearson: the
// 0.95-quantile of Beta(hits + 1, n − hits).
func (s share) upperBound() float64 {
	if s.hits == s.n {
		return 1
	}
	return distuv.Beta{Alpha: float64(s.hits + 1), Beta: float64(s.n - s.hits)}.Quantile(0.95)
}

// printAA prints how often comparisons of two identical configurations call them
// different: of figures of queue systems so many times each, and of drawn ones ten times
// as often.
func printAA(stdout, stderr io.Writer, names string, runs, searches int) error {
	text, err := aaTable(names, aaRuns{steps: runs, draws: 10 * runs, searches: searches}, func(line string) { fmt.Fprint(stderr, line) })
	if err != nil {
		return err
	}
	_, err = io.WriteString(stdout, text)
	return err
}

// aaRuns is how many comparisons are made of each: of steps, of drawn capacities and of
// searched ones.
type aaRuns struct{ steps, draws, searches int }

// aaTable is the table of all of them.
func aaTable(names string, runs aaRuns, told func(string)) (string, error) {
	var rows []string
	add := func(system string, trials []aaTrial) {
		for _, line := range aaRows(system, trials) {
			rows = append(rows, line)
			told(line)
		}
	}
	asked := func(name string) bool { return names == "" || slices.Contains(strings.Split(names, ","), name) }
	for _, deviation := range aaDeviations {
		if runs.draws == 0 || !asked("drawn") {
			break
		}
		trials := make([]aaTrial, runs.draws)
		each(runs.draws, func(i int) { trials[i] = drawAA(uint64(i+1), deviation) })
		add(fmt.Sprintf("drawn, deviation %.2g %%", 100*deviation), trials)
	}
	for _, a := range aaSystems {
		if !asked(a.name) {
			continue
		}
		for _, kind := range []struct {
			n  int
			do func(seed uint64) (aaTrial, error)
		}{
			{runs.steps, func(seed uint64) (aaTrial, error) { return a.try(seed, 1, looks+1) }},
			{runs.searches, a.search},
		} {
			trials, faults := make([]aaTrial, kind.n), make([]error, kind.n)
			each(kind.n, func(i int) { trials[i], faults[i] = kind.do(uint64(i + 1)) })
			if err := errors.Join(faults...); err != nil {
				return "", err
			}
			add(a.name, trials)
		}
	}
	return aaHead + strings.Join(rows, ""), nil
}

const aaHead = "| system | figure | judged by | n | called different, % | upper 95 % bound, % | equivalent, % | no difference shown, % | not known, % |\n|---|---|---|---|---|---|---|---|---|\n"

// aaRows has, for each figure, a row for each number of pairs, one for the looks, and
// beside it one for looks at what is made for one.
func aaRows(system string, trials []aaTrial) []string {
	var keys []aaKey
	var figures []string
	for _, t := range trials {
		for k := range t.verdicts {
			if !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
			if !slices.Contains(figures, k.figure) {
				figures = append(figures, k.figure)
			}
		}
	}
	slices.Sort(figures)
	var rows []string
	for _, figure := range figures {
		for _, n := range aaPairs {
			if slices.Contains(keys, aaKey{figure, n}) {
				rows = append(rows, verdictRow(system, aaKey{figure, n}, trials))
			}
		}
		if _, looked := trials[0].left[figure]; !looked {
			continue
		}
		for _, by := range []struct {
			name string
			of   func(aaTrial) bool
		}{
			{fmt.Sprintf("%d looks, anytime-valid", looks), func(t aaTrial) bool { return t.left[figure] }},
			{fmt.Sprintf("%d looks at Student's t, to compare", looks), func(t aaTrial) bool { return t.fixed[figure] }},
		} {
			s := share{n: len(trials)}
			for _, t := range trials {
				if by.of(t) {
					s.hits++
				}
			}
			rows = append(rows, fmt.Sprintf("| %s | %s | %s | %d | %.2f | %.2f | | | |\n", system, figure, by.name, s.n, 100*s.value(), 100*s.upperBound()))
		}
	}
	return rows
}

func verdictRow(system string, k aaKey, trials []aaTrial) string {
	different, n := tallyAA(k, trials)
	of := func(verdict string) float64 { return 100 * float64(n[verdict]) / float64(len(trials)) }
	return fmt.Sprintf("| %s | %s | %d pairs | %d | %.2f | %.2f | %.1f | %.1f | %.1f |\n", system, k.figure, k.pairs, len(trials),
		100*different.value(), 100*different.upperBound(), of(analysis.ContrastEquivalent), of(analysis.ContrastNone), of(analysis.ContrastUnknown)+of(""))
}

// tallyAA counts the verdicts, and those that call the two different.
func tallyAA(k aaKey, trials []aaTrial) (different share, n map[string]int) {
	n = map[string]int{}
	for _, t := range trials {
		n[t.verdicts[k]]++
	}
	return share{n[analysis.ContrastBetter] + n[analysis.ContrastWorse], len(trials)}, n
}
