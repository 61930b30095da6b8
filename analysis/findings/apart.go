package findings

import (
	"fmt"
	"math"
	"slices"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// The limits of the signs to stop sharing a GPU.
const (
	tailDepends = 0.10 // inflation of the tail by a neighbour
	tailJumps   = 1.5  // times the tail before a neighbour's spike
	spiky       = 2.0  // variance over mean of counts; 1 for a Poisson process
	spikyParts  = 10
)

// apart gives the documents' signs that services should not share a GPU any longer: tails
// depend on the neighbour, traffic is very spiky, and sharing costs more than a GPU of
// one's own. Each is told with what was measured only.
func apart(s *analysis.Summary) []string {
	return slices.Concat(tailsDepend(s), trafficSpiky(s), sharingCosts(s))
}

func tailsDepend(s *analysis.Summary) []string {
	var list []string
	for _, i := range s.Interference {
		if len(i.Points) < 2 {
			continue
		}
		worst := i.Points[0]
		for _, p := range i.Points[1:] {
			if value(p.Inflation.Value) > value(worst.Inflation.Value) {
				worst = p
			}
		}
		if value(worst.Inflation.Value) < tailDepends || worst.Inflation.N >= 2 && value(worst.Inflation.Min) <= 0 {
			continue
		}
		list = append(list, fmt.Sprintf("%s: the tail of %s depends on its neighbour: p%g %s with %s at %s (n = %d)",
			i.Config, i.Victim, worst.Quantile*100, effectText(worst.Inflation), i.Neighbour, text(worst.Load), worst.N))
	}
	var told []string
	for _, k := range s.Spikes {
		for _, v := range k.Services {
			before, ok := of(v.Before.Tail)
			within, okWithin := of(v.Within.Tail)
			name := k.Config + v.Service
			if v.Service == k.Service || !ok || !okWithin || before <= 0 || within < tailJumps*before || slices.Contains(told, name) {
				continue
			}
			told = append(told, name)
			list = append(list, fmt.Sprintf("%s: while %s had %s times its load, p%g of %s went from %s to %s (replicate %d)",
				k.Config, k.Service, number(k.Factor), v.Before.Quantile*100, v.Service, seconds(before), seconds(within), k.Replicate))
		}
	}
	slices.Sort(list)
	return list
}

// trafficSpiky tells of services whose load came in bursts.
func trafficSpiky(s *analysis.Summary) []string {
	most := map[string]float64{}
	part := map[string]float64{}
	var names []string
	for _, c := range cellsOf(s, "") {
		for _, step := range c.Steps {
			for _, v := range step.Services {
				for _, d := range v.Integrity.Dispersions {
					if d.N < spikyParts || !(d.Sent > spiky) || math.IsInf(d.Sent, 0) {
						continue
					}
					if most[v.Name] == 0 {
						names = append(names, v.Name)
					}
					if d.Sent > most[v.Name] {
						most[v.Name], part[v.Name] = d.Sent, d.Part.Seconds()
					}
				}
			}
		}
	}
	slices.Sort(names)
	var list []string
	for _, name := range names {
		list = append(list, fmt.Sprintf("the load of %s comes in bursts: variance over mean of its counts in parts of %s is %s, where 1 is a Poisson process",
			name, seconds(part[name]), units.Measure(most[name])))
	}
	return list
}

// sharingCosts tells where what a neighbour takes of a service is worth more than a GPU.
func sharingCosts(s *analysis.Summary) []string {
	hour := s.Environment.CostPerHour
	if hour <= 0 {
		return nil
	}
	var list []string
	for _, i := range s.Interference {
		gpus := map[string]bool{}
		for _, c := range cellsOf(s, i.Config) {
			for _, d := range c.Layout.Devices {
				gpus[d.GPU] = true
			}
		}
		var worst analysis.InterferencePoint
		for _, p := range i.Points {
			if value(p.Loss.Value) > value(worst.Loss.Value) {
				worst = p
			}
		}
		loss := value(worst.Loss.Value)
		if len(gpus) == 0 || loss*hour <= hour/float64(len(gpus)) {
			continue
		}
		list = append(list, fmt.Sprintf("%s: with %s at %s, %s loses %s of its throughput: of a server of %s %s an hour that is %s, and one of its %s costs %s",
			i.Config, i.Neighbour, text(worst.Load), i.Victim, effectText(worst.Loss), units.Measure(hour), s.Environment.Currency,
			units.Measure(loss*hour), units.Plural(len(gpus), "GPU"), units.Measure(hour/float64(len(gpus)))))
	}
	slices.Sort(list)
	return list
}
