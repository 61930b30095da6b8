package findings

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/results"
)

// The limits of rules on tuning.
const (
	launchBusy  = 0.6 // share of time in which something runs
	launchSM    = 0.5 // of that share, the SMs'
	boundDRAM   = 0.6 // memory is the bound
	smallBatch  = 2.0
	fullBatch   = 0.9
	littleBatch = 0.5
	littleWait  = 0.1
	longWait    = 0.3
	apartTimes  = 3.0
)

var launchBound = rule{
	name: "launch-bound", class: tuning, needs: "the share of time in which anything ran on the GPU, and that of its SMs",
	explains: []string{"hidden-stage"},
	judge: func(v view) outcome {
		list := where(heavy(v.ofServer()), func(p place) bool {
			busy, okBusy := busyOf(p)
			_, okSM := smOf(p)
			return okBusy && okSM && busy > 0
		})
		if len(list) == 0 {
			return unjudged("no device told both, how long anything ran on it and how busy its SMs were")
		}
		busy := over(each(list, busyOf))
		filled := over(each(list, func(p place) (float64, bool) {
			b, _ := busyOf(p)
			sm, ok := smOf(p)
			return sm / b, ok
		}))
		dram := over(each(list, func(p place) (float64, bool) {
			return mean(each1(p.devices(), func(d analysis.DeviceActivity) analysis.Value { return d.DRAM }))
		}))
		batch := over(each(list, batchOf))
		confidence := surer(busy.above(launchBusy), filled.below(launchSM))
		if confidence == "" || dram.n > 0 && dram.mean > boundDRAM || batch.n > 0 && batch.mean > smallBatch && !v.vision() {
			return outcome{}
		}
		because := []string{
			"something ran on its devices for " + busy.text(units.Ratio) + " of the time",
			"while anything ran, " + filled.text(units.Ratio) + " of the SMs had work",
		}
		if batch.n > 0 {
			because = append(because, "the mean batch was "+batch.text(""))
		}
		return next(finding(confidence, "kernels are too small for the GPU: it waits for launches, or each fills a part of it", because, list),
			"larger batches; CUDA graphs; MPS, so that kernels of several processes run together",
			"twice the batch at the same load: computing a batch takes hardly longer")
	},
}

// vision reports whether the service is one of detectors.
func (v view) vision() bool { return v.role() == "vision" }

// batchLimits are the names of launch parameters that bound a batch, by engine: vLLM's
// and SGLang's running requests, TorchServe's and Triton's batch.
var batchLimits = []string{"max_num_seqs", "max-num-seqs", "max-running-requests", "max_running_requests", "batch_size", "batch-size", "batchSize", "max_batch_size"}

// batchLimit gives the most that a batch may hold, as the configuration says.
func (v view) batchLimit() (float64, bool) {
	if len(v.cells) == 0 {
		return 0, false
	}
	params := v.cells[0].Cell.Config.Params
	for _, name := range slices.Sorted(maps.Keys(params)) {
		key, mine := strings.CutPrefix(name, v.service+".")
		if x, err := strconv.ParseFloat(params[name], 64); mine && slices.Contains(batchLimits, key) && err == nil && x > 0 {
			return x, true
		}
	}
	return 0, false
}

// batching gives the mean batch and the waits' share at heavy loads, or why not.
func (v view) batching() (limit float64, filled, waited spread, list []place, why string) {
	limit, ok := v.batchLimit()
	if !ok {
		return 0, filled, waited, nil, "the configuration does not say how large a batch may be (its launch parameters)"
	}
	list = heavy(v.ofServer())
	filled = over(each(list, func(p place) (float64, bool) { b, ok := batchOf(p); return b / limit, ok }))
	waited = over(each(list, func(p place) (float64, bool) {
		w := p.waiting()
		took, ok := of(p.service.Total.Served.Mean)
		if w == nil || !ok || took <= 0 {
			return 0, false
		}
		wait, ok := of(w.Wait.Value)
		return wait / took, ok
	}))
	if filled.n == 0 || waited.n == 0 {
		why = "no server told both, its batches and how long requests waited"
	}
	return limit, filled, waited, list, why
}

var batchCap = rule{
	name: "batch-cap", class: tuning, needs: "the bound of a batch, the mean batch, and the wait in the queue",
	judge: func(v view) outcome {
		limit, filled, waited, list, why := v.batching()
		if why != "" {
			return unjudged(why)
		}
		confidence := surer(filled.above(fullBatch), waited.above(longWait))
		if confidence == "" {
			return outcome{}
		}
		return next(finding(confidence, "batches are as large as they may be while requests wait: the bound is too small", []string{
			"the mean batch was " + filled.text(units.Ratio) + " of the bound of " + number(limit),
			"waiting was " + waited.text(units.Ratio) + " of the time from sent to done",
		}, list), "a larger bound, as far as memory allows", "twice the bound at the same load: the wait is shorter and a batch takes less than twice as long")
	},
}

var batchDelay = rule{
	name: "batch-delay", class: tuning, needs: "the bound of a batch, the mean batch, and the wait in the queue",
	judge: func(v view) outcome {
		limit, filled, waited, list, why := v.batching()
		if why != "" {
			return unjudged(why)
		}
		saturated := where(list, func(p place) bool { return p.service.Verdict.Is == analysis.Saturated || p.unmet() })
		confidence := surer(filled.below(littleBatch), waited.below(littleWait))
		if confidence == "" || len(saturated) == 0 {
			return outcome{}
		}
		return next(finding(confidence, "batches stay small though they may be larger: they are not waited for", []string{
			"the mean batch was " + filled.text(units.Ratio) + " of the bound of " + number(limit),
			"waiting was " + waited.text(units.Ratio) + " of the time from sent to done",
		}, saturated), "a longer delay for batches, within what the objective leaves", "several delays at the same load: the batch grows, and throughput with it")
	},
}

var tooManyWorkers = rule{
	name: "too-many-workers", class: tuning, needs: "configurations that differ in nothing but the number of workers, at one load",
	judge: func(v view) outcome {
		mine := workersOf(v)
		judged := false
		for _, other := range configsOf(v.summary) {
			if other == v.config || len(v.cells) == 0 || len(v.places) == 0 {
				continue
			}
			for _, o := range viewsOf(v.summary, other) {
				if o.service != v.service || !differInWorkers(v, o) {
					continue
				}
				load, ok := commonLoad(v, o)
				if !ok {
					continue
				}
				here, there := v.at(load, place.perSecond), o.at(load, place.perSecond)
				judged = true
				fewer := workersOf(o)
				if fewer >= mine || here.mean >= there.mean/throughTop {
					continue
				}
				confidence := weak
				if here.high < there.low {
					confidence = strong
				}
				return next(finding(confidence, "more workers do less: they get in each other's way", []string{
					fmt.Sprintf("at %s %s, with %d workers %s answers a second, with %d (%s) %s", number(load.Value), load.Unit, mine, here.text(""), fewer, other, there.text("")),
				}, where(v.ofServer(), func(p place) bool { return p.service.Level == load })), "fewer workers; MPS, if they take turns on the GPU", "a sweep of the number of workers at one load: throughput has a top below this number")
			}
		}
		if !judged {
			return unjudged("no two configurations differ in nothing but the number of workers, or they had no load in common")
		}
		return outcome{}
	},
}

// commonLoad is the largest load that both were driven at; false if there is none.
func commonLoad(a, b view) (load results.Level, ok bool) {
	for _, p := range a.ofServer() {
		if level := p.service.Level; a.at(level, place.perSecond).n > 0 && b.at(level, place.perSecond).n > 0 && (!ok || level.Value > load.Value) {
			load, ok = level, true
		}
	}
	return load, ok
}

// at is a figure of the cells at a load, but where that was driven only to look.
func (v view) at(load results.Level, figure func(place) (float64, bool)) spread {
	by := map[*analysis.Cell][]float64{}
	for _, p := range v.ofServer() {
		if x, ok := figure(p); ok && !p.step.Looks() && p.service.Level == load {
			by[p.cell] = append(by[p.cell], x)
		}
	}
	return overCells(by)
}

func workersOf(v view) int {
	n := 0
	for _, w := range v.cells[0].Cell.Config.Workers {
		n += w
	}
	return n
}

func differInWorkers(a, b view) bool {
	x, y := a.cells[0].Cell.Config, b.cells[0].Cell.Config
	return x.Layout == y.Layout && x.Sharing == y.Sharing && x.Placement == y.Placement && x.Routing == y.Routing &&
		maps.Equal(x.Params, y.Params) && !maps.Equal(x.Workers, y.Workers) && len(x.Workers) > 0 && len(y.Workers) > 0
}

var mixedClasses = rule{
	name: "mixed-classes", class: tuning, needs: "a clause on the latency of all classes together, and each class's own latency",
	judge: func(v view) outcome {
		judged := false
		for _, p := range v.ofServer() {
			if names := sortedNames(p.service.Classes); len(names) < 2 {
				continue
			}
			var timed []analysis.Group
			for _, g := range p.service.Classes {
				if m, _ := tails(g.Served); m != nil {
					timed = append(timed, g)
				}
			}
			if len(timed) < 2 {
				continue
			}
			judged = true
			missed := slices.ContainsFunc(p.service.SLO, func(c analysis.ClauseValue) bool {
				return c.Clause.Class == "" && c.Clause.Metric == "latency" && c.Result == analysis.NotMet
			})
			if !missed || p.step.Looks() {
				continue
			}
			slices.SortFunc(timed, func(a, b analysis.Group) int { return cmp.Compare(median(a), median(b)) })
			quick, slow := timed[0], timed[len(timed)-1]
			if median(slow) < apartTimes*median(quick) {
				continue
			}
			m, _ := tails(slow.Served)
			q, _ := tails(quick.Served)
			confidence := weak
			if m.Low != nil && q.High != nil && *m.Low > apartTimes**q.High {
				confidence = strong
			}
			return next(finding(confidence, "the slow requests are of another class than the quick ones: what they ask for differs, not the load", []string{
				fmt.Sprintf("in %s the median of %s was %s, that of %s %s", stepName(p), slow.Name, seconds(median(slow)), quick.Name, seconds(median(quick))),
			}, []place{p}), "a queue, a clause and a slice for each class; bounds on how many of the slow ones run at once", "each class alone at its own rate: the quick one meets its objective")
		}
		if !judged {
			return unjudged("no step has two classes with a median each")
		}
		return outcome{}
	},
}

func median(g analysis.Group) float64 {
	m, _ := tails(g.Served)
	if m == nil {
		return 0
	}
	return value(m.Value)
}
