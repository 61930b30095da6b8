package analysis

import (
	"slices"

	"github.com/evabench/evabench/analysis/stats"
)

// An Imbalance tells how unevenly a service's instances were used, those too
// that got nothing. A router that is meant to be uneven shows here as well.
type Imbalance struct {
	Of        string `json:"of"` // what was compared: "completed", "in flight"
	Instances int    `json:"instances"`
	// MaxToMean is the largest instance's part ÷ the mean: from 1, where all are
	// equal, to Instances, where one has all.
	MaxToMean Value `json:"max_to_mean"`
	// Jain is Jain's index of fairness, (Σx)² ÷ (n · Σx²): 1 where all are equal,
	// k ÷ n where k of n share alike and the rest has nothing. R. Jain, D. Chiu and
	// W. Hawe, "A Quantitative Measure of Fairness and Discrimination for Resource
	// Allocation in Shared Computer Systems", DEC TR-301, 1984.
	Jain Value `json:"jain_index"`
}

// imbalances compares a service's instances by completed requests and by the
// mean number of requests between Sent and Done; nil with fewer than two
// instances.
func (r serviceReader) imbalances(instances []Group) []Imbalance {
	if len(r.pages) < 2 {
		return nil
	}
	var completed, inFlight []float64
	for _, p := range r.pages {
		i := slices.IndexFunc(instances, func(g Group) bool { return g.Name == p.instance })
		completed = append(completed, float64(instances[i].Completed))
		if v := instances[i].InFlight; v.Known() {
			inFlight = append(inFlight, *v.Number)
		}
	}
	list := []Imbalance{imbalance("completed", completed)}
	if len(inFlight) == len(completed) {
		list = append(list, imbalance("in flight", inFlight))
	}
	return list
}

// imbalance compares parts that are not negative.
func imbalance(of string, parts []float64) Imbalance {
	m := Imbalance{Of: of, Instances: len(parts)}
	mean := stats.Mean(parts)
	if !(mean > 0) {
		m.MaxToMean, m.Jain = unknown("ratio", "all are zero"), unknown("1", "all are zero")
		return m
	}
	// Parts over their mean add up to n, so that (Σx)² is n² and the index is n ÷
	// the sum of squares.
	var squares float64
	for _, x := range parts {
		squares += x / mean * (x / mean)
	}
	m.MaxToMean = known(slices.Max(parts)/mean, "ratio")
	m.Jain = known(min(1, float64(len(parts))/squares), "1")
	return m
}
