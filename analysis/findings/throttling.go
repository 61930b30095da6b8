package findings

import (
	"fmt"
	"slices"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// The limits of clockDrop.
const (
	clockLow    = 0.95 // of the highest clock that the run read of such a card
	idleMost    = 0.2  // an idle GPU lowers its clock for good reason
	heldLeast   = 0.05 // share of the window
	cappedLeast = 0.5  // for a power cap alone, which loaded cards often meet
	workUp      = 0.05 // of the time of computing
)

var clockDrop = rule{
	name: "clock-drop", class: throttling, needs: "SM clocks, and why they were held down (NVML)",
	explains: []string{"regime-shift", "slow-worker", "capacity-reached"},
	judge: func(v view) outcome {
		best := bestClocks(v.summary)
		var ratios []float64
		var low, held, capped, both []place // both: low, and something held that card's clock
		var because, why []string
		clocks, reasons := false, false
		for _, p := range heavy(v.ofServer()) {
			for _, g := range p.gpus() {
				idle, holds := reasonsOf(g)
				if idle > idleMost {
					continue
				}
				if len(g.Reasons) > 0 && slices.ContainsFunc(g.Reasons, func(r analysis.EventReason) bool { return r.Share.Known() }) {
					reasons = true
				}
				isLow := false
				clock, ok := of(g.SMClock)
				if top := best[modelOf(p.cell, g.UUID)]; ok && top > 0 {
					clocks = true
					ratios = append(ratios, clock/top)
					if isLow = clock/top < clockLow; isLow {
						low = append(low, p)
						why = append(why, fmt.Sprintf("the SM clock of %s was %s of the %s that the run saw of such a card", g.GPU, ratio(clock/top), units.Format(top/1e6, "MHz")))
					}
				}
				for _, r := range holds {
					share := value(r.Share)
					if r.Name != "power cap" && share > heldLeast {
						held = append(held, p)
					} else if share > cappedLeast {
						capped = append(capped, p)
					} else if share <= heldLeast {
						continue
					}
					if isLow {
						both = append(both, p)
					}
					because = append(because, fmt.Sprintf("%s held the clock of %s for %s of the window", r.Name, g.GPU, ratio(share)))
				}
			}
		}
		if !clocks && !reasons {
			return unjudged("no SM clock, and no reason why it was held down, was read under load")
		}
		grew, work := workGrew(v)
		confidence := ""
		switch {
		case len(both) > 0:
			confidence = strong
		case len(low) > 0 && (!reasons || grew == strong):
			confidence = weak
		case len(held) > 0, len(capped) > 0:
			confidence = weak
		default:
			return outcome{}
		}
		if s := over(ratios); s.n >= leastSpread && confidence == weak && s.below(clockLow) == strong {
			confidence = strong
		}
		all := append(firstOf(why), firstOf(because)...)
		if work != "" {
			all = append(all, work)
		}
		diagnosis := "the GPU's clock was held down: what is measured is a slower card"
		if len(low) == 0 && len(held) == 0 {
			diagnosis = "the GPU ran at its power cap: its clock was what power allows, and the run has no higher one to compare with"
		}
		return next(finding(confidence, diagnosis, all, slices.Concat(low, held, capped)),
			"cooling and the power limit first; fewer active slices; lock the clock at what the card can hold, for comparisons",
			"the same load at a locked lower clock: every configuration is slower by the same share")
	},
}

// firstOf is the first of a list, with how many more there are.
func firstOf(list []string) []string {
	list = slices.Compact(slices.Sorted(slices.Values(list)))
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list
	}
	return []string{fmt.Sprintf("%s (and %d alike)", list[0], len(list)-1)}
}

// reasonsOf gives the share of time that the GPU was idle, and the reasons that slow it
// down, with known shares.
func reasonsOf(g analysis.GPUActivity) (idle float64, holds []analysis.EventReason) {
	for _, r := range g.Reasons {
		switch {
		case !r.Share.Known():
		case r.Name == "idle":
			idle = value(r.Share)
		case r.Name != "application clocks":
			holds = append(holds, r)
		}
	}
	return idle, holds
}

// bestClocks are the highest SM clocks of the run, by card model.
func bestClocks(s *analysis.Summary) map[string]float64 {
	best := map[string]float64{}
	for i := range s.Cells {
		c := &s.Cells[i]
		for _, step := range c.Steps {
			if step.Activity == nil {
				continue
			}
			for _, g := range step.Activity.GPUs {
				model := modelOf(c, g.UUID)
				best[model] = max(best[model], value(g.SMClock), value(g.SMClockMax))
			}
		}
	}
	return best
}

func modelOf(c *analysis.Cell, gpu string) string {
	for _, d := range c.Layout.Devices {
		if d.GPU == gpu && d.Model != "" {
			return d.Model
		}
	}
	return gpu
}

// workGrew tells whether computing took longer at the cells' heavy loads than at their light
// ones, and by how much in words; empty if there is nothing to tell by.
func workGrew(v view) (confidence, words string) {
	grew := workGrowth(v)
	confidence = grew.above(workUp)
	if confidence != "" {
		words = "computing a request took " + grew.text(units.Ratio) + " longer than at the least load"
	}
	return confidence, words
}

// workGrowth is by how much longer requests are computed at heavy loads than at the light
// ones of the same cell. Batches must be alike: a larger one takes longer for good
// reason.
func workGrowth(v view) spread {
	list := v.ofServer()
	growths := map[*analysis.Cell][]float64{}
	for _, h := range heavy(list) {
		for _, l := range light(list) {
			if h.cell != l.cell || !batchesAlike(h, l) {
				continue
			}
			a, okA := workOf(h)
			b, okB := workOf(l)
			if okA && okB && b > 0 {
				growths[h.cell] = append(growths[h.cell], a/b-1)
			}
		}
	}
	return overCells(growths)
}

// workOf is the mean time of computing a request, where something told it.
func workOf(p place) (float64, bool) {
	w := p.waiting()
	if w == nil || w.Inference.Inferred {
		return 0, false
	}
	return of(w.Inference.Value)
}

// batchesAlike reports whether batches are known to differ by at most a tenth.
func batchesAlike(a, b place) bool {
	x, okX := batchOf(a)
	y, okY := batchOf(b)
	return okX && okY && max(x, y) <= 1.1*min(x, y)
}

func batchOf(p place) (float64, bool) {
	w := p.waiting()
	if w == nil {
		return 0, false
	}
	return of(w.Batch.Value)
}
