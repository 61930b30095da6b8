package queues

import (
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/evabench/evabench/results"
)

// An Effort is how much is spent on a long-run figure: so many independent runs of
// so many requests each, of which the first tenth is not counted.
type Effort struct{ Runs, Requests int }

// Solve computes the load of the first service at which the SLO is just met in the
// long run, of the system without its drift: by bisection above the first load, from
// From on in steps of a tenth, that is met below one that is not. It gives false if
// From is not met, or no load up to Most is missed.
//
// Runs of one number draw the same arrivals, but for their rate, and the same
// services at every load (common random numbers), so that the margin is smooth in
// the load. The standard error comes from how the runs' margins differ at the
// solution, over the margin's slope there.
func (s *System) Solve(e Effort) (Truth, bool) {
	still := *s
	still.Server.Drift = 0
	closed := s.Sources[0].Arrivals == Closed
	met, notMet := 0.0, s.From
	for rough := (Effort{e.Runs, e.Requests/4 + 1}); ; notMet *= 1.1 {
		if notMet > s.Most {
			return Truth{}, false
		}
		if closed {
			notMet = math.Ceil(notMet)
		}
		if m, _ := still.margin(rough, notMet); m >= 0 {
			break
		}
		met = notMet
	}
	if met == 0 {
		return Truth{}, false
	}
	met /= 1.05 // the rough margins may be on the wrong side
	notMet *= 1.05
	if closed {
		met, notMet = math.Floor(met), math.Ceil(notMet)
	}
	for notMet/met > 1.0002 {
		middle := math.Sqrt(met * notMet)
		if closed {
			if notMet-met <= 1 {
				break
			}
			middle = math.Floor((met + notMet) / 2)
		}
		if m, _ := still.margin(e, middle); m < 0 {
			met = middle
		} else {
			notMet = middle
		}
	}
	t := Truth{State: "found"}
	low, high := met*0.98, met*1.02
	if closed {
		// Between two populations by interpolation.
		low, high = met, notMet
		a, _ := still.margin(e, met)
		b, _ := still.margin(e, notMet)
		t.Load = met + (notMet-met)*-a/(b-a)
	} else {
		t.Load = math.Sqrt(met * notMet)
	}
	below, _ := still.margin(e, low)
	above, _ := still.margin(e, high)
	slope := (above - below) / math.Log(high/low)
	_, binding := still.margin(e, met)
	t.Binding = s.clauses()[binding].Text
	t.Error = still.spread(e, met, binding) / slope
	return t, true
}

func (s *System) clauses() []results.Clause {
	var all []results.Clause
	for _, v := range s.Services {
		all = append(all, v.SLO...)
	}
	return all
}

// margins are, by clause, the log of the share of requests beyond the limit over
// the share allowed: negative where it is met.
func (s *System) margins(e Effort, load float64) []float64 {
	sums := make([]tally, len(s.clauses()))
	for _, run := range s.runs(e, load) {
		for i, t := range run {
			sums[i].n += t.n
			sums[i].over += t.over
		}
	}
	all := make([]float64, len(sums))
	for i, c := range s.clauses() {
		all[i] = sums[i].margin(c)
	}
	return all
}

// margin is the largest of the margins, and whose it is.
func (s *System) margin(e Effort, load float64) (float64, int) {
	all := s.margins(e, load)
	most := slices.Max(all)
	return most, slices.Index(all, most)
}

// spread is the standard error of a clause's margin.
func (s *System) spread(e Effort, load float64, clause int) float64 {
	var sum, squares float64
	c := s.clauses()[clause]
	for _, run := range s.runs(e, load) {
		// The share's, and so the log's by its derivative: single runs may have none.
		x := float64(run[clause].over) / float64(run[clause].n) / allowed(c)
		sum += x
		squares += x * x
	}
	n := float64(e.Runs)
	mean := sum / n
	return math.Sqrt((squares-n*mean*mean)/(n-1)/n) / mean
}

// A tally counts a clause's requests and those beyond its limit.
type tally struct{ n, over int64 }

func (t tally) margin(c results.Clause) float64 {
	return math.Log(float64(t.over) / float64(t.n) / allowed(c))
}

func allowed(c results.Clause) float64 {
	if c.Metric == "errors" {
		return c.Limit
	}
	return 1 - c.Quantile
}

// runs gives each run's tallies by clause.
func (s *System) runs(e Effort, load float64) [][]tally {
	all := make([][]tally, e.Runs)
	var wg sync.WaitGroup
	for w := range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			t := s.Start(0)
			for i := w; i < e.Runs; i += runtime.GOMAXPROCS(0) {
				t.seed, t.steps, t.now = 1e9+uint64(i), 0, 0
				all[i] = t.count(load, e.Requests)
			}
		})
	}
	wg.Wait()
	return all
}

// count runs so many requests at a load of the first service and counts.
func (t *Target) count(load float64, requests int) []tally {
	t.begin(results.StepPlan{Levels: t.system.Levels(load)})
	for at := 1.0; t.served < requests; at += 1 {
		t.runTo(at)
	}
	var all []tally
	for i, v := range t.system.Services {
		classes := t.system.Sources[i].Classes
		for _, c := range v.SLO {
			var n tally
			for j := requests / 10; j < requests; j++ {
				r := &t.records[j]
				if int(r.service) != i || c.Class != "" && classes[r.class].Name != c.Class {
					continue
				}
				n.n++
				if r.outcome != results.OK || c.Metric == "latency" && r.done-r.due >= c.Limit {
					n.over++
				}
			}
			all = append(all, n)
		}
	}
	return all
}
