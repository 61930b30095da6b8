package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
)

func printFree(p *problem, x []float64) {
	fmt.Printf("%d numbers were freed for %d figures of %d rows; responses and latency of a row are tied by Little's law\n",
		len(p.free), len(p.noted), len(p.rows))
	fmt.Printf("  %-40s %12s %12s %12s\n", "parameter", "believed", "before", "fitted")
	for i, f := range p.free {
		fmt.Printf("  %-40s %12.5g %12.5g %12.5g\n", f.name, f.believed, f.now, f.now*math.Exp(x[i]))
	}
	fmt.Println()
}

// writeParameters writes a trial's parameters, its changed numbers rounded to
// four digits.
func writeParameters(file string, all []free, t *trial) error {
	p := t.parameters
	p.Fitted = nil
	for _, f := range all {
		p.Fitted = append(p.Fitted, f.paths...)
	}
	slices.Sort(p.Fitted)
	p.Fitted = slices.Compact(p.Fitted)
	round := func(numbers ...*float64) {
		for _, n := range numbers {
			*n, _ = strconv.ParseFloat(strconv.FormatFloat(*n, 'g', 4, 64), 64)
		}
	}
	for _, g := range p.GPUs {
		round(&g.SMSpeed, &g.Switch)
	}
	for _, d := range p.Detectors {
		round(&d.Before, &d.Work, &d.Parallel)
	}
	for _, e := range p.Engines {
		round(&e.Gap, &e.PerToken)
	}
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}

func printRows(title string, rows []*row, figures map[*row]map[string]float64) {
	fmt.Println(title)
	fmt.Printf("  %-26s %-14s %10s %10s %8s\n", "row", "figure", "published", "model", "off by")
	for _, r := range rows {
		names := slices.Sorted(maps.Keys(figures[r]))
		for _, name := range names {
			target, ok := r.targets[name]
			switch {
			case ok:
				fmt.Printf("  %-26s %-14s %10.4g %10.4g %+7.1f %%\n", r.name, name, target, figures[r][name], (figures[r][name]/target-1)*100)
			case len(r.targets) == 0:
				fmt.Printf("  %-26s %-14s %10s %10.4g\n", r.name, name, "", figures[r][name])
			}
		}
	}
	fmt.Println()
}
