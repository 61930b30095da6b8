package main

import (
	"fmt"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// moves wants the means of a source's gauges to differ between one user and
// saturation, within the calibration's one cell.
func (f facts) moves(name, prefix string) proof {
	p := proof{claim: name + "'s values move with load: with one user, and at saturation", result: notShown}
	list, err := f.movement(prefix)
	switch {
	case err != nil:
		p.result, p.why = failed, err.Error()
		return p
	case len(list) == 0:
		p.why = f.because("no such readings in the calibration's steps"+f.warned(strings.TrimSuffix(prefix, ":")), false)
		return p
	case f.form == onSim:
		p.why = "the readings are simulated"
		return p
	}
	var told []string
	few := true
	for _, m := range list {
		few = few && (m.rest.n < 3 || m.load.n < 3)
		if m.differs {
			told = append(told, fmt.Sprintf("%s %.4g to %.4g %s", m.name, m.rest.mean, m.load.mean, m.load.unit))
		}
	}
	switch {
	case len(told) > 0:
		p.result, p.why = shown, strings.Join(told, "; ")
	case few:
		p.why = "fewer than 3 readings of each in a step"
	default:
		p.result, p.why = failed, fmt.Sprintf("none of %d gauges differs", len(list))
	}
	return p
}

// movement gives the gauges of the calibration's first and last step.
func (f facts) movement(prefix string) ([]moved, error) {
	m := f.parts[calibrate]
	if m.run == nil {
		return nil, nil
	}
	for _, c := range m.run.Cells {
		if n := len(c.Steps); c.Cell.Status == results.CellDone && n >= 2 {
			rest, err := levels(c, c.Steps[0].Step, prefix)
			if err != nil {
				return nil, err
			}
			load, err := levels(c, c.Steps[n-1].Step, prefix)
			if err != nil {
				return nil, err
			}
			return movement(rest, load), nil
		}
	}
	return nil, nil
}

// warned gives what cells warn of a source, once each.
func (f facts) warned(source string) string {
	seen := map[string]bool{}
	text := ""
	for _, m := range f.ordered() {
		if m.run == nil {
			continue
		}
		for _, c := range m.run.Cells {
			for _, w := range c.Cell.Warnings {
				if line := w.Subject + ": " + w.Text; strings.Contains(strings.ToLower(line), source) && !seen[line] {
					seen[line] = true
					text += "; " + line
				}
			}
		}
	}
	return text
}

// switching is how the series of requests for a context switch are named.
const switching = "_ctxsw_requests"

// switches wants context switches while several processes share the device in
// turns.
func (f facts) switches() proof {
	p := proof{claim: "context switching is seen under time-slicing (GPM)", result: notShown}
	m := f.parts[together]
	if m.run == nil {
		p.why = f.because("the part was not measured", false)
		return p
	}
	by := map[string]map[string]float64{} // by sharing and series, the largest of the cells' means
	codes := map[string]float64{}
	readings := 0
	for _, c := range m.run.Cells {
		if c.Cell.Status != results.CellDone || len(c.Steps) == 0 {
			continue
		}
		found, err := levels(c, c.Steps[0].Step, "gpm:")
		if err != nil {
			p.result, p.why = failed, err.Error()
			return p
		}
		for key, l := range found {
			if strings.Contains(key.name, switching) && !counts(key.name) {
				readings += l.n
				keepMost(by, c.Cell.Config.Sharing, key.name, l.mean)
			}
		}
		if err := refused(c, codes); err != nil {
			p.result, p.why = failed, err.Error()
			return p
		}
	}
	var told []string
	for _, name := range keys(by["ts"]) {
		if v := by["ts"][name]; v > 0 {
			told = append(told, fmt.Sprintf("%s: %.4g between two readings under ts, %.4g under mps (largest mean of a cell)", name, v, by["mps"][name]))
		}
	}
	switch {
	case f.form == onSim && readings > 0:
		p.why = "the readings are simulated"
	case len(told) > 0:
		p.result, p.why = shown, strings.Join(told, "; ")
	case len(by["ts"]) > 0:
		p.why = fmt.Sprintf("%d readings, all of them 0", readings)
	case len(codes) > 0:
		p.why = "NVML refused:"
		for _, name := range keys(codes) {
			p.why += fmt.Sprintf(" %s with return code %.0f;", name, codes[name])
		}
	default:
		p.why = f.because("GPM told nothing of it"+f.warned("gpm"), false)
	}
	return p
}

// refused collects the return codes with which context switching was refused.
func refused(c *results.CellData, into map[string]float64) error {
	const prefix = "gpm:refused:"
	for o, err := range c.Observations() {
		if err != nil {
			return err
		}
		if strings.HasPrefix(o.Series, prefix) && strings.Contains(o.Series, switching) {
			into[strings.TrimPrefix(o.Series, prefix)] = o.Value
		}
	}
	return nil
}

// keepMost keeps the largest of the cells' means.
func keepMost(all map[string]map[string]float64, sharing, name string, mean float64) {
	if all[sharing] == nil {
		all[sharing] = map[string]float64{}
	}
	all[sharing][name] = max(all[sharing][name], mean)
}

// failovers gives the steps in which an instance was made to end, of finished
// cells.
func (f facts) failovers() (cells []analysis.Cell, steps []analysis.Step) {
	for _, c := range f.parts[failover].done() {
		for _, s := range c.Steps {
			if s.Failover != nil {
				cells, steps = append(cells, c), append(steps, s)
			}
		}
	}
	return cells, steps
}

// killed wants the instance back, and answers from it.
func (f facts) killed() proof {
	p := proof{claim: "a worker instance that was killed under load came back", result: notShown, why: "no such step was measured"}
	cells, steps := f.failovers()
	if len(steps) == 0 {
		return p
	}
	p.result, p.why = shown, ""
	for i, s := range steps {
		v := s.Failover
		if !v.Answered.Known() {
			p.result = failed
			p.why += fmt.Sprintf("%s: %s ended (%s) and did not answer again: %s", cells[i].Cell.Folder, v.Instance, v.How, v.Answered.Why)
			continue
		}
		p.why += fmt.Sprintf("%s (%s): %s, answered %.1f s after its end", v.Instance, cells[i].Cell.Config.Sharing, v.How, *v.Answered.Number)
		if len(v.Others) > 0 {
			p.why += "; ended with it: " + strings.Join(v.Others, ", ")
		} else {
			p.why += "; no other instance ended"
		}
		p.why += meanwhile(*v)
	}
	return p
}

// meanwhile tells what the other services did until the instance was back.
func meanwhile(v analysis.Failover) string {
	text := ""
	for _, stretch := range v.Stretches {
		if stretch.Name != analysis.StretchEnded && stretch.Name != analysis.StretchEjected {
			continue
		}
		for _, s := range stretch.Services {
			if s.Name == v.Plan.Service {
				continue
			}
			text += fmt.Sprintf("; %s, %q of %.1f s: ", s.Name, stretch.Name, stretch.Length)
			if s.OfBefore.Known() {
				text += fmt.Sprintf("%.0f %% of its rate before", 100**s.OfBefore.Number)
			} else {
				text += "rate unknown (" + s.OfBefore.Why + ")"
			}
			if s.Failed.Known() {
				text += fmt.Sprintf(", %.1f %% failed", 100**s.Failed.Number)
			}
		}
	}
	return text
}

// killedUnderMPS wants that step on a device that is shared through MPS.
func (f facts) killedUnderMPS() proof {
	p := proof{claim: "a worker instance was killed under MPS, and what became of the others is told", result: notShown}
	cells, _ := f.failovers()
	for _, c := range cells {
		if c.MPS == analysis.UseAll {
			p.result, p.why = shown, "cell "+c.Cell.Folder+", sharing "+c.Cell.Config.Sharing+": see the line before"
			return p
		}
	}
	p.why = f.because("no such step was measured", true)
	return p
}
