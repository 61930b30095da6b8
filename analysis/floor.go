package analysis

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// A floor is how long requests take that are alone at an instance.
type floor struct {
	of   map[string]float64 // by class, in seconds
	from string             // how it was found
	why  string             // why it is not known of some
}

// floors are by instance.
type floors map[string]floor

// floorRounds is how many rounds at the end of a warm-up a floor is from: those
// that the rule of settling has found to fall no longer.
const floorRounds = 3

// floorsOf takes the floors from the warm-up: of each class, the median of the last rounds,
// where a round is one request and service time fell no longer.
//
// Note: a round of several requests, as an instance with several workers gets it, is no
// floor: they share its GPU.
func floorsOf(c results.Cell) floors {
	all := floors{}
	for _, i := range c.Instances {
		all[i.Name] = floor{of: map[string]float64{}, why: "the instance was not warmed up"}
	}
	faults := map[string][]string{}
	for _, w := range c.Warmed {
		f, ok := all[w.Instance]
		if !ok {
			continue
		}
		name := w.Class
		if name == "" {
			name = "(all)"
		}
		switch {
		case w.Parallel != 1:
			faults[w.Instance] = append(faults[w.Instance], fmt.Sprintf("%s was warmed up with %d requests at once", name, w.Parallel))
			continue
		case !w.Settled || len(w.Rounds) < floorRounds:
			faults[w.Instance] = append(faults[w.Instance], name+" had not settled")
			continue
		}
		var last []float64
		for _, took := range w.Rounds[len(w.Rounds)-floorRounds:] {
			last = append(last, took.Seconds())
		}
		slices.Sort(last)
		f.of[w.Class] = stats.Quantile(last, 0.5)
		f.from = "above the last rounds of the warm-up, of one request at a time; other instances were warmed up beside"
		all[w.Instance] = f
	}
	for name, f := range all {
		if len(f.of) > 0 {
			f.why = "the warm-up did not ask it"
		}
		if len(faults[name]) > 0 {
			f.why = strings.Join(faults[name], ", ")
		}
		all[name] = f
	}
	return all
}
