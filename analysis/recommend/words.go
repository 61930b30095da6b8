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
	return fmt.Sprintf("%s: %s %s", c.name, f.Name, units.Format(*v.Number, unitOf(f)))
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
		return k.Ratio.Why
	}
	text := units.Change(*k.Ratio.Number - 1)
	if !k.Low.Known() || !k.High.Known() {
		return text + ", no interval: " + k.Low.Why
	}
	basis := units.Plural(k.Pairs, "replicate")
	if k.Basis == analysis.BasisWithin {
		basis = "one deployment of each"
	}
	return fmt.Sprintf("%s [%s, %s], %s: %s", text, units.Change(*k.Low.Number-1), units.Change(*k.High.Number-1), basis, k.Verdict)
}

// some lists a few, and how many more there are.
func some(list []string) string {
	const most = 3
	if len(list) <= most {
		return strings.Join(list, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(list[:most], "; "), len(list)-most)
}
