package analysis

import (
	"cmp"
	"math"
	"slices"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// A felt is what one step told of a victim.
type felt struct {
	replicate, step int
	load            float64 // of the neighbour, in its unit
	victim          Service
}

// interferences gives what the steps of that purpose tell, by configuration and victim.
func interferences(s *Summary) []Interference {
	search := s.Environment.Search
	if search == nil {
		return nil
	}
	var list []Interference
	for _, v := range s.Environment.Services {
		if v.Name == search.Raise {
			continue
		}
		var all [][]felt
		var left []int
		configs := configsOf(s.Cells)
		for _, config := range configs {
			of, spoiled := feltBy(s.Cells, config, v.Name, search.Raise)
			all, left = append(all, of), append(left, spoiled)
		}
		together := slices.Concat(all...)
		common, least := highestTold(together), leastLoad(together)
		for i, config := range configs {
			if len(all[i])+left[i] == 0 {
				continue
			}
			q := common
			if q == 0 {
				q = highestTold(all[i])
			}
			list = append(list, Interference{
				Config: config, Victim: v.Name, Neighbour: search.Raise, Left: left[i], Points: pointsOf(all[i], q, least, unitOf(s.Environment, search.Raise)),
			})
		}
	}
	return list
}

// unitOf is that of a service's load.
func unitOf(env results.Environment, service string) string {
	if t := serviceOf(env, service).Target; t != nil {
		return t.Unit
	}
	return "1"
}

// feltBy gathers the steps of a configuration that tell what a victim felt: all but those
// that the load generator spoiled, which are counted.
func feltBy(cells []Cell, config, victim, neighbour string) (list []felt, left int) {
	for _, c := range cells {
		if c.Cell.Config.Name != config {
			continue
		}
		for _, step := range c.Steps {
			if step.Purpose != results.PurposeInterference {
				continue
			}
			f, counts := felt{replicate: c.Cell.Replicate, step: step.Index}, false
			for _, v := range step.Services {
				spoiled := v.Verdict.Is == Void || v.Verdict.Is == ClientLimited
				if v.Name != victim && v.Name != neighbour {
					continue
				}
				if counts = !spoiled; spoiled {
					break
				}
				if v.Name == victim {
					f.victim = v
				} else {
					f.load = v.Level.Value
				}
			}
			if counts {
				list = append(list, f)
			} else {
				left++
			}
		}
	}
	return list, left
}

// highestTold is the highest percentile that every one of the steps can tell; 0 if there
// is none.
func highestTold(all []felt) float64 {
	count, most := map[float64]int{}, 0.0
	for _, f := range all {
		for _, q := range f.victim.Total.Latency.Quantiles {
			if !q.Known() {
				continue
			}
			if count[q.Q]++; count[q.Q] == len(all) {
				most = math.Max(most, q.Q)
			}
		}
	}
	return most
}

// leastLoad is that of the neighbour in any of the steps; 0 without one.
func leastLoad(all []felt) float64 {
	if len(all) == 0 {
		return 0
	}
	return slices.MinFunc(all, func(a, b felt) int { return cmp.Compare(a.load, b.load) }).load
}

// tail is a percentile of the victim's latency.
func (f felt) tail(q float64) Value {
	for _, of := range f.victim.Total.Latency.Quantiles {
		if of.Q == q {
			return of.Value
		}
	}
	return unknown("s", "no percentile could be told at every load")
}

// pointsOf makes the points of one configuration, the least load first. They are compared
// with a load that is the same for all configurations: ratios to different ones say nothing
// of which felt more.
func pointsOf(all []felt, q, reference float64, unit string) []InterferencePoint {
	var loads []float64
	for _, f := range all {
		loads = append(loads, f.load)
	}
	slices.Sort(loads)
	loads = slices.Compact(loads)
	least := map[int]felt{} // by replicate
	var list []InterferencePoint
	for _, load := range loads {
		p := InterferencePoint{Load: known(load, unit), Quantile: q}
		var tails, rates []float64
		slowed, lost := map[int]float64{}, map[int]float64{}
		var due, ok int64
		why := ""
		for _, f := range all {
			if f.load != load {
				continue
			}
			if load == reference {
				least[f.replicate] = f
			}
			p.N++
			p.Steps = append(p.Steps, f.step)
			due, ok = due+f.victim.Total.Due, ok+f.victim.Total.OK
			tail, rate := f.tail(q), f.victim.Total.Throughput
			if tail.Known() {
				tails = append(tails, *tail.Number)
			} else {
				why = cmp.Or(why, tail.Why)
			}
			if rate.Known() {
				rates = append(rates, *rate.Number)
			}
			first, has := least[f.replicate]
			if !has {
				continue
			}
			if r := ratio(tail, first.tail(q)); r > 0 {
				slowed[f.replicate] = r
			}
			if r := ratio(rate, first.victim.Total.Throughput); !math.IsNaN(r) {
				lost[f.replicate] = r
			}
		}
		slices.Sort(p.Steps)
		p.Steps = slices.Compact(p.Steps)
		p.Tail, p.Throughput = geometric(tails, "s", cmp.Or(why, "nothing was answered")), geometric(rates, "1/s", "not measured")
		p.Errors = unknown("ratio", "nothing was due")
		if due > 0 {
			p.Errors = known(float64(due-ok)/float64(due), "ratio")
		}
		p.tails = slowed
		switch {
		case load == reference:
			p.Inflation, p.Loss = noEffect("it is the least load, which the others are compared with"), noEffect("it is the least load, which the others are compared with")
		case len(least) == 0:
			p.Inflation, p.Loss = unknownEffect(noReference), unknownEffect(noReference)
		default:
			p.Inflation, p.Loss = pairedEffect(slowed), lossOf(lost)
		}
		list = append(list, p)
	}
	return list
}

const noReference = "no step tells of the least load, with which others are compared"

// ratio is NaN where it is not known.
func ratio(of, to Value) float64 {
	if !of.Known() || !to.Known() || *to.Number == 0 {
		return math.NaN()
	}
	return *of.Number / *to.Number
}

// geometric is the geometric mean of numbers of 0 or above.
func geometric(list []float64, unit, why string) Value {
	if len(list) == 0 {
		return unknown(unit, why)
	}
	sum := 0.0
	for _, x := range list {
		if x == 0 {
			return known(0, unit)
		}
		sum += math.Log(x)
	}
	return known(math.Exp(sum/float64(len(list))), unit)
}

func noEffect(why string) Effect {
	none := inapplicable("ratio", why)
	return Effect{Value: none, Min: none, Max: none, Low: none, High: none}
}

// pairedEffect is what ratios of one replicate each come to, by replicate: their geometric
// mean less 1, with the 95 % interval of Student's t on their logs.
func pairedEffect(ratios map[int]float64) Effect {
	if len(ratios) == 0 {
		return unknownEffect("no replicate tells both")
	}
	var logs, plain []float64
	for _, r := range ratios {
		plain = append(plain, r-1)
		if !(r > 0) {
			return unknownEffect("in a replicate nothing is left")
		}
		logs = append(logs, math.Log(r))
	}
	slices.Sort(logs) // a map has no order, and sums have
	p := stats.Paired(logs)
	e := Effect{Value: known(p.Ratio()-1, "ratio"), N: p.N}
	e.Min, e.Max = spread(plain, "ratio")
	e.Low, e.High = unknown("ratio", oneReplicate), unknown("ratio", oneReplicate)
	if low, high := p.Interval(); !math.IsNaN(low) {
		e.Low, e.High = known(low-1, "ratio"), known(high-1, "ratio")
	}
	return e
}

const oneReplicate = "one replicate: how much deployments differ is not known"

func unknownEffect(why string) Effect {
	none := unknown("ratio", why)
	return Effect{Value: none, Min: none, Max: none, Low: none, High: none}
}

// lossOf is 1 less ratios of throughput, of one replicate each. Where one completed
// nothing, there is no logarithm: the mean is of the ratios themselves then, and has no
// interval.
func lossOf(ratios map[int]float64) Effect {
	var all []float64
	for _, r := range ratios {
		all = append(all, 1-r)
	}
	slices.Sort(all)
	if len(all) > 0 && all[len(all)-1] >= 1 {
		e := unknownEffect("in a replicate nothing was completed")
		e.Value, e.N = known(stats.Mean(all), "ratio"), len(all)
		e.Min, e.Max = spread(all, "ratio")
		return e
	}
	e := pairedEffect(ratios)
	e.Value = negative(e.Value)
	e.Min, e.Max = negative(e.Max), negative(e.Min)
	e.Low, e.High = negative(e.High), negative(e.Low)
	return e
}

func negative(v Value) Value {
	if !v.Known() {
		return v
	}
	return known(0-*v.Number, v.Unit)
}
