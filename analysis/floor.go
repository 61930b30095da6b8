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

// floorsOf takes of each instance and class the median of the requests that were asked
// while nothing else ran. Of an instance that has none, it takes the last rounds of its
// warm-up, where a round is one request and service time fell no longer.
func floorsOf(c results.Cell) floors {
	all := floors{}
	for _, i := range c.Instances {
		f := floor{of: map[string]float64{}}
		var fewest, most int
		for _, w := range c.Warmed {
			if n := len(w.Rounds); w.Instance == i.Name && w.Alone && n > 0 {
				f.add(w, n)
				most = max(most, n)
				if fewest == 0 || n < fewest {
					fewest = n
				}
			}
		}
		if len(f.of) > 0 {
			f.from = fmt.Sprintf("above the median of %s requests of each class that ran alone, before the first step", times(fewest, most))
			f.why = "none of the class ran alone before the first step"
		} else {
			f.warmed(c.Warmed, i.Name)
		}
		all[i.Name] = f
	}
	return all
}

func times(fewest, most int) string {
	if fewest == most {
		return fmt.Sprint(most)
	}
	return fmt.Sprintf("%d to %d", fewest, most)
}

// add takes the median of the last rounds.
func (f *floor) add(w results.Warmed, n int) {
	var last []float64
	for _, took := range w.Rounds[len(w.Rounds)-n:] {
		last = append(last, took.Seconds())
	}
	slices.Sort(last)
	f.of[w.Class] = stats.Quantile(last, 0.5)
}

// warmed takes the floor from a warm-up.
//
// Note: a round of several requests, as an instance with several workers gets it, is no
// floor: they share its GPU.
func (f *floor) warmed(list []results.Warmed, instance string) {
	var faults []string
	for _, w := range list {
		if w.Instance != instance || w.Alone {
			continue
		}
		name := w.Class
		if name == "" {
			name = "(all)"
		}
		switch {
		case w.Parallel != 1:
			faults = append(faults, fmt.Sprintf("%s was warmed up with %d requests at once", name, w.Parallel))
		case !w.Settled || len(w.Rounds) < floorRounds:
			faults = append(faults, name+" had not settled")
		default:
			f.add(w, floorRounds)
		}
	}
	f.from = "above the last rounds of the warm-up, of one request at a time; other instances were warmed up beside"
	switch {
	case len(faults) > 0:
		f.why = strings.Join(faults, ", ")
	case len(f.of) > 0:
		f.why = "the warm-up did not ask it"
	default:
		f.why = "the instance was not warmed up"
	}
}
