package recommend

import (
	"fmt"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// mean tells a configuration's figure.
func (r run) mean(f analysis.Criterion, c candidate) string {
	v := f.Mean(c.name)
	if !v.Known() {
		return c.name + ": " + v.Why
	}
	least := ""
	if f.AtLeast(c.name) {
		least = "at least "
	}
	return fmt.Sprintf("%s: %s %s%s", c.name, f.Name, least, units.Format(*v.Number, unitOf(f)))
}

// unitOf is a figure's unit for people.
func unitOf(f analysis.Criterion) string {
	switch {
	case f.Name == "VLM responses":
		return "1/h"
	case f.Unit == "ratio": // of a capacity: of the services' levels
		return "x the levels"
	case f.Unit == "1/s":
		return units.Requests
	}
	return f.Unit
}

// told1 tells a contrast: "-22.9 % [-25.0 %, -20.7 %], 3 pairs: worse".
func told1(k analysis.Contrast) string {
	if !k.Ratio.Known() {
		return bounded(k)
	}
	text := units.Change(*k.Ratio.Number - 1)
	if !k.Low.Known() || !k.High.Known() {
		return text + ", no interval: " + k.Low.Why
	}
	return fmt.Sprintf("%s [%s, %s], %s: %s", text, units.Change(*k.Low.Number-1), units.Change(*k.High.Number-1), basis(k), k.Verdict)
}

// bounded tells a contrast of which only bounds are known, or why there is none:
// "at most -38.3 %, 3 replicates: worse".
func bounded(k analysis.Contrast) string {
	var ends []string
	if k.Low.Known() {
		ends = append(ends, "at least "+units.Change(*k.Low.Number-1))
	}
	if k.High.Known() {
		ends = append(ends, "at most "+units.Change(*k.High.Number-1))
	}
	if len(ends) == 0 {
		return k.Ratio.Why
	}
	return fmt.Sprintf("%s, %s: %s", strings.Join(ends, " and "), basis(k), k.Verdict)
}

func basis(k analysis.Contrast) string {
	if k.Basis == analysis.BasisWithin {
		return "one deployment of each"
	}
	return units.Plural(k.Pairs, "replicate")
}

// some lists a few, and how many more there are.
func some(list []string) string {
	const most = 3
	if len(list) <= most {
		return strings.Join(list, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(list[:most], "; "), len(list)-most)
}
