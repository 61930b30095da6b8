package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"

	"gonum.org/v1/gonum/mat"
)

func printFree(p *problem, x []float64) {
	fmt.Println("Fitted parameters (factor on what stands in the files)")
	for i, f := range p.free {
		fmt.Printf("  %-75s %.4f\n", f.name, math.Exp(x[i]))
	}
	for key, think := range p.base {
		if f, ok := trialOf(p.free, x).think[key]; ok {
			fmt.Printf("  think time of %-60s %.4f s\n", key, think.Seconds()*f)
		}
	}
	fmt.Println()
}

// writeParameters writes a trial's parameters, its changed numbers rounded to
// four digits.
func writeParameters(file string, t *trial) error {
	p := t.parameters
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
		for gpu, on := range e.WorkOn {
			round(&on)
			e.WorkOn[gpu] = on
		}
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

// leaveOneOut predicts each row from a fit to the others: from the fit to all,
// one step with the linear model, without the row.
func (p *problem) leaveOneOut(x []float64) (map[*row]map[string]float64, error) {
	r, err := p.residuals(x)
	if err != nil {
		return nil, err
	}
	var j *mat.Dense
	if j, err = p.jacobian(x); err != nil {
		return nil, err
	}
	out := make(map[*row]map[string]float64)
	for _, left := range p.rows {
		without, err := p.step(x, r, j, 0, left)
		if err != nil {
			return nil, err
		}
		figures, err := p.predict(without, []*row{left})
		if err != nil {
			return nil, err
		}
		out[left] = figures[left]
	}
	return out, nil
}
