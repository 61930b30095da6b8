package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// What can become of a proof.
const (
	shown    = "shown"
	notShown = "not shown"
	failed   = "failed"
)

// A proof is one claim, what became of it, and what tells so.
type proof struct{ claim, result, why string }

func (p proof) String() string { return fmt.Sprintf("%s: %s: %s", p.result, p.claim, p.why) }

func count(proofs []proof, result string) int {
	n := 0
	for _, p := range proofs {
		if p.result == result {
			n++
		}
	}
	return n
}

// facts are all that is judged.
type facts struct {
	form  string
	noMPS string
	blind string // why processes of the host cannot be seen; empty if they can
	parts map[string]measured
	// unlike are the differences between the looks before and after; looked is
	// whether there was anything to look at.
	unlike []string
	looked bool
	left   []string
}

// judge reads what the parts left and gives every proof, in their fixed order.
func (c *check) judge() []proof {
	c.facts = facts{
		form: c.form, noMPS: c.noMPS, blind: c.before.state.Blind, parts: map[string]measured{},
		unlike: differences(c.before, c.after), looked: c.before.fault == "", left: c.left,
	}
	for _, p := range c.parts {
		c.facts.parts[p.name] = readPart(p)
	}
	return c.facts.prove()
}

func (f facts) prove() []proof {
	return []proof{
		f.complete(), f.identity(), f.reports(), f.clients(true), f.clients(false), f.differencesOfMPS(),
		f.moves("NVML", "nvml:"), f.moves("GPM", "gpm:"), f.switches(), f.killed(), f.killedUnderMPS(), f.restored(), f.nothingLeft(),
	}
}

func (f facts) ordered() []measured {
	var list []measured
	for _, name := range []string{calibrate, together, withVLM, failover} {
		if m, ok := f.parts[name]; ok {
			list = append(list, m)
		}
	}
	return list
}

// complete holds what was run against what was planned.
func (f facts) complete() proof {
	p := proof{claim: "every part ran, and every cell was finished", result: shown}
	var cells, out, faults []string
	for _, m := range f.ordered() {
		if m.leftOut != "" {
			out = append(out, m.name+": "+m.leftOut)
		}
		if text := m.partRun.fault + m.fault; text != "" {
			faults = append(faults, m.name+": "+text)
		}
		if m.run == nil {
			continue
		}
		cells = append(cells, fmt.Sprintf("%s %d of %d", m.name, len(m.done()), len(m.run.Environment.Planned)))
		for _, c := range m.run.Cells {
			if c.Cell.Status == results.CellFailed {
				faults = append(faults, fmt.Sprintf("%s, cell %s: %.300s", m.name, c.Cell.Folder, c.Cell.Fault))
			}
		}
		for _, i := range m.run.Environment.Impossible {
			faults = append(faults, fmt.Sprintf("%s: impossible here: %+v", m.name, i))
		}
		for _, problem := range m.run.Problems {
			faults = append(faults, fmt.Sprintf("%s: %s: %s", m.name, problem.Path, problem.Text))
		}
		if m.leftOut == "" && m.partRun.fault == "" && len(m.run.Missing) > 0 {
			faults = append(faults, fmt.Sprintf("%s: no record of %s", m.name, strings.Join(m.run.Missing, ", ")))
		}
	}
	switch {
	case len(faults) > 0:
		p.result = failed
	case len(out) > 0 || len(cells) == 0:
		p.result = notShown
	}
	p.why = "cells finished: " + strings.Join(cells, ", ")
	if more := append(faults, out...); len(more) > 0 {
		p.why += "; " + strings.Join(more, "; ")
	}
	return p
}

// identity wants every arrival's outcome.
func (f facts) identity() proof {
	p := proof{claim: "no arrival was lost: in every step, due = the sum of all outcomes", result: notShown, why: "no step was measured"}
	var steps int
	var due int64
	var broken []string
	for _, m := range f.ordered() {
		if m.summary == nil {
			continue
		}
		for _, c := range m.summary.Cells {
			for _, s := range c.Steps {
				for _, service := range s.Services {
					steps++
					due += service.Identity.Due
					if !service.Identity.Holds {
						broken = append(broken, fmt.Sprintf("%s, cell %s, step %d, %s: %s", m.name, c.Cell.Folder, s.Index, service.Name, service.Identity.Why))
					}
				}
			}
		}
	}
	switch {
	case len(broken) > 0:
		p.result, p.why = failed, strings.Join(broken, "; ")
	case steps > 0 && due > 0:
		p.result, p.why = shown, fmt.Sprintf("%d arrivals in %d steps of a service", due, steps)
	}
	return p
}

// reports wants each run's report in each format.
func (f facts) reports() proof {
	p := proof{claim: "a report of each run in each format", result: notShown, why: "there is no run"}
	var faults []string
	n := 0
	for _, m := range f.ordered() {
		if m.dir == "" {
			continue
		}
		n += len(formats()) - len(m.reports)
		for _, fault := range m.reports {
			faults = append(faults, m.name+", "+fault)
		}
	}
	switch {
	case len(faults) > 0:
		p.result, p.why = failed, strings.Join(faults, "; ")
	case n > 0:
		p.result, p.why = shown, fmt.Sprintf("%d reports", n)
	}
	return p
}

// underMPS are the finished cells that should be on MPS, or not.
func (f facts) underMPS(mps bool) []analysis.Cell {
	var list []analysis.Cell
	for _, m := range f.ordered() {
		for _, c := range m.done() {
			if c.MPS == analysis.UseAll && mps || c.MPS == analysis.UseNone && !mps {
				list = append(list, c)
			}
		}
	}
	return list
}

// clients holds who was seen on the devices against how these are shared: under
// MPS every process is a client, before the load and after it, and under
// time-slicing none.
func (f facts) clients(mps bool) proof {
	p := proof{claim: "no process is a client of MPS in any cell under time-slicing", result: notShown}
	if mps {
		p.claim = "every process is counted as a client of MPS in every cell under MPS"
	}
	cells := f.underMPS(mps)
	if len(cells) == 0 {
		p.why = f.because("no cell of the kind was finished", mps)
		return p
	}
	least, most := -1, 0
	var faults []string
	for _, c := range cells {
		for _, after := range []bool{false, true} {
			i := slices.IndexFunc(c.Layout.Observed, func(o results.Observed) bool { return o.After == after })
			if i < 0 {
				faults = append(faults, fmt.Sprintf("%s: nobody looked (after the load: %t)", c.Cell.Folder, after))
				continue
			}
			o := c.Layout.Observed[i]
			want := 0
			if mps {
				want = len(o.Processes)
			}
			if len(o.Processes) == 0 || len(o.MPS) != want {
				faults = append(faults, fmt.Sprintf("%s: %d processes, of them %d clients of MPS (after the load: %t)", c.Cell.Folder, len(o.Processes), len(o.MPS), after))
			}
			most = max(most, len(o.Processes))
			if least < 0 || len(o.Processes) < least {
				least = len(o.Processes)
			}
		}
	}
	if most == 0 && f.blind != "" {
		p.why = "no process was seen on the device: " + f.blind
		return p
	}
	if len(faults) > 0 {
		p.result, p.why = failed, strings.Join(faults, "; ")
		return p
	}
	p.result, p.why = shown, fmt.Sprintf("%d cells, %d to %d processes on the device in each, seen before and after the load", len(cells), least, most)
	return p
}

// because gives why a thing of GPUs was not seen: that there is no GPU or no MPS,
// else other.
func (f facts) because(other string, mps bool) string {
	switch {
	case f.form == onCPU:
		return "the form for processors has no GPU"
	case mps && f.noMPS != "":
		return f.noMPS
	}
	return other
}

// enough is how many replicates intervals are wanted of.
const enough = 3

// differencesOfMPS wants what MPS did to each model, of enough pairs.
func (f facts) differencesOfMPS() proof {
	p := proof{claim: fmt.Sprintf("what MPS does to each model, from %d or more pairs of cells", enough), result: notShown}
	cells := f.parts[together].done()
	base, changed := rates(cells, "ts", 0), rates(cells, "mps", 0)
	fewest := -1
	var told []string
	for _, model := range slices.Sorted(maps.Keys(base)) {
		d, ok := pair(base[model], changed[model])
		if !ok {
			fewest = 0
			continue
		}
		if fewest < 0 || d.n < fewest {
			fewest = d.n
		}
		told = append(told, model+" "+d.text())
	}
	switch {
	case len(told) == 0:
		p.why = f.because("no pair of cells was finished", true)
	case fewest < enough:
		p.why = fmt.Sprintf("%d pairs: %s", fewest, strings.Join(told, "; "))
	default:
		p.result, p.why = shown, fmt.Sprintf("%d pairs: %s", fewest, strings.Join(told, "; "))
	}
	return p
}

// restored wants the machine as it was found.
func (f facts) restored() proof {
	p := proof{claim: "afterwards the cards' state, the first one's processes and MPS daemons are as found", result: shown, why: "evabench gpu inspect tells the same before and after"}
	switch {
	case len(f.unlike) > 0:
		p.result, p.why = failed, strings.Join(f.unlike, "; ")
	case !f.looked:
		p.result, p.why = notShown, f.because("the cards could not be looked at", false)
	case f.form == onSim:
		p.result, p.why = notShown, "each look at a simulated server is at a new one"
	}
	return p
}

func (f facts) nothingLeft() proof {
	if len(f.left) > 0 {
		return proof{"nothing of the check is left running", failed, "ended by gpu-check itself: " + strings.Join(f.left, "; ")}
	}
	return proof{"nothing of the check is left running", shown, "no process has the scratch folder in its environment"}
}
