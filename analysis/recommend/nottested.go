package recommend

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/units"
)

// hour is the window beyond which nothing is said to be missing, in seconds.
const hour = 3600

// notTested names what a reader might take for granted.
func (r run) notTested() []string {
	var list []string
	var longest float64
	heavy := false
	replicates := map[int]bool{}
	var layouts, impossible []string
	for _, c := range r.all {
		if !slices.Contains(layouts, c.config.Layout) {
			layouts = append(layouts, c.config.Layout)
		}
		for _, cell := range c.cells {
			replicates[cell.Cell.Replicate] = true
			for _, s := range cell.Steps {
				longest = max(longest, s.Window)
				heavy = heavy || s.Heavy
			}
		}
	}
	if name := r.Environment.Simulated; name != "" {
		list = append(list, fmt.Sprintf("real hardware: every figure is of the simulated server %s", name))
	}
	if n := len(replicates); n < 3 {
		list = append(list, fmt.Sprintf("how deployments differ: %s", units.Plural(n, "replicate")))
	}
	if longest < hour {
		list = append(list, fmt.Sprintf("windows of an hour or more: the longest was %s", units.Format(longest, units.Seconds)))
	}
	if len(r.all) < 2 {
		list = append(list, "any other configuration")
	}
	list = append(list, "other mixes of payloads than the scenario's")
	if !heavy {
		list = append(list, "heavy payloads")
	}
	slices.Sort(layouts)
	list = append(list, "other layouts of the GPUs than "+strings.Join(layouts, ", "))
	for _, i := range r.Environment.Impossible {
		impossible = append(impossible, i.Config.Name)
	}
	slices.Sort(impossible)
	if len(impossible) > 0 {
		list = append(list, "what cannot be: "+some(impossible))
	}
	return list
}
