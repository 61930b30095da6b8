package analysis

import (
	"fmt"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/results"
)

// summarize is Summarize of facts that need not lie on a disk.
func summarize(f facts) (s *Summary, err error) {
	defer recovered(&err)
	s = &Summary{
		Schema: results.SchemaVersion, Environment: f.environment,
		Cells: []Cell{}, Missing: f.missing, Warnings: f.warnings,
	}
	for _, c := range summarizeCells(f) {
		s.Cells, s.Warnings = append(s.Cells, c.cell), append(s.Warnings, c.warnings...)
	}
	for _, name := range f.missing {
		s.warn(name, CellMissing, "the cell was planned, and there is no record that it was finished; it is in no comparison")
	}
	s.Comparison = compareCells(s.Cells)
	s.Interference, s.Spikes = interferences(s), spikesOf(s.Cells)
	s.Isolations = isolations(s.Interference)
	return s, nil
}

// Done reports whether the cell ended as it should.
func (c *Cell) Done() bool { return c.Cell.Status == results.CellDone }

// use fills in what the layout uses.
func (c *Cell) use() {
	c.MIG = useOf(c.Layout.Devices, func(d device.Device) bool { return d.Instance != nil })
	c.MPS = useOf(c.Layout.Devices, func(d device.Device) bool { return d.Sharing.IsMPS() })
}

func useOf(devices []device.Device, is func(device.Device) bool) Use {
	n := 0
	for _, d := range devices {
		if is(d) {
			n++
		}
	}
	switch {
	case len(devices) == 0:
		return UseUnknown
	case n == 0:
		return UseNone
	case n == len(devices):
		return UseAll
	}
	return UseSome
}

func (s *Summary) warn(where, code, text string) {
	s.Warnings = append(s.Warnings, warning(where, code, text))
}

func warning(where, code, text string) Warning {
	return Warning{where, results.Warning{Code: code, Text: text, Count: 1}}
}

// CellMissing is the code of the warning that a planned cell was not finished.
const CellMissing = "cell-missing"

// Damaged is the code of the warning that a part of a run directory was whole once and is
// not: it is left out.
const Damaged = "damaged"

// CellsAside is the code of the warning that cells broke off and were run again.
const CellsAside = "cells-aside"

func asideText(n int) string {
	if n == 1 {
		return "one cell broke off before the run was resumed; it was run again, and what it had recorded is in this folder and in no figure"
	}
	return fmt.Sprintf("%d cells broke off before the run was resumed; they were run again, and what they had recorded is in this folder and in no figure", n)
}

func stepName(c Cell, index int) string { return fmt.Sprintf("%s step %d", c.Cell.Folder, index) }

// cellWarnings gives the recorded warnings of a cell and those that its
// numbers call for, at a scale of a simulated server.
func cellWarnings(c Cell, scale float64) []Warning {
	var list []Warning
	add := func(where, subject, code, text string) {
		list = append(list, Warning{where, results.Warning{Code: code, Subject: subject, Text: text, Count: 1}})
	}
	if !c.Done() {
		add(c.Cell.Folder, "", "cell-"+c.Cell.Status, "the cell did not end as planned: "+c.Cell.Fault)
	}
	if !c.Layout.Verified {
		add(c.Cell.Folder, "", "layout-unverified", "the layout was not read back and compared")
	}
	for _, w := range c.Cell.Warnings {
		list = append(list, Warning{c.Cell.Folder, w})
	}
	for _, step := range c.Steps {
		where := stepName(c, step.Index)
		for _, w := range stepWarnings(step) {
			list = append(list, Warning{where, w})
		}
		for _, s := range step.Services {
			for _, w := range serviceWarnings(s, step.Window, scale) {
				if (step.Failover != nil || step.spike != nil) && w.Code == "not-ok" {
					continue // that is what the step is for
				}
				if step.Stopped != "" && w.Code == "step-"+Void {
					continue // it was ended before its window, and says why
				}
				add(where, s.Name, w.Code, w.Text)
				list[len(list)-1].Count = max(1, w.Count)
			}
		}
	}
	return list
}

// serviceWarnings tells what a reader of a service's numbers must know. The
// window is in seconds; scale is that of a simulated server.
func serviceWarnings(s Service, window, scale float64) []results.Warning {
	var list []results.Warning
	add := func(code, format string, args ...any) {
		list = append(list, results.Warning{Code: code, Text: fmt.Sprintf(format, args...)})
	}
	if id := s.Identity; !id.Holds {
		add("arrivals-lost", "ARRIVALS ARE UNACCOUNTED FOR: %d due, %d samples, %d outcomes; warm-up %d due, %d samples; after the window %d due, %d samples: %s; no number of this step can be trusted",
			id.Due, id.Samples, id.Outcomes, id.WarmupDue, id.WarmupSamples, id.CooldownDue, id.CooldownSamples, id.Why)
	}
	switch s.Verdict.Is {
	case ClientLimited, Saturated, Unsteady:
		add("step-"+s.Verdict.Is, "%s", s.Verdict.Why)
	case Void:
		if s.Identity.Holds {
			add("step-"+s.Verdict.Is, "%s", s.Verdict.Why)
		}
	}
	if failed := s.Total.Due - s.Total.OK; failed > 0 {
		text := fmt.Sprintf("%d of %d arrivals did not end ok", failed, s.Total.Due)
		if n := s.Total.Retries; n > 0 {
			text += fmt.Sprintf("; %d of all were retries", n)
		}
		add("not-ok", "%s", text)
	}
	if diff := s.Total.OK - s.Total.Completed; abs(diff)*20 > s.Total.OK && diff != 0 {
		add("window-edges", "%d answers to arrivals of the window, but %d answers came within it: the window is short or the load was not steady", s.Total.OK, s.Total.Completed)
	}
	if s.median > 0.05*window && s.bare {
		add("stopped-load", "the median latency of %.3g s is more than 5 %% of the window: what was due late in it was answered by a server that no longer had the load", s.median)
	}
	list = append(list, stimulusWarnings(s, window)...)
	if asked, took := s.Sessions.Asked, s.Sessions.Pause; asked.Known() && took.Known() && longer(*asked.Number, *took.Number) {
		add("think-time", "users paused %s where %s was asked (n = %s)",
			units.Format(*took.Number, units.Seconds), units.Format(*asked.Number, units.Seconds), units.Number(float64(s.Sessions.Pauses)))
	}
	if s.Cached.Known() && *s.Cached.Number > 0.1 {
		add("cached-prompts", "%.0f %% of the prompt tokens were kept from calls before (prefix cache): prompts repeat, which may make answers faster than in use", *s.Cached.Number*100)
	}
	list = append(list, pageWarnings(s.Waiting)...)
	list = append(list, toldWarnings(s.Waiting)...)
	if s.Overhead != nil {
		if w, high := s.Overhead.warning(scale); high {
			list = append(list, w)
		}
	}
	for _, c := range []Check{s.Population, s.ServerInFlight} {
		if c.Result == Fail {
			add("little-law", "%s: %s", c.What, c.Why)
		}
	}
	for _, c := range s.Counters {
		if c.Result == Fail {
			add("counts-differ", "%s at %s: %s", c.What, c.Instance, c.Why)
		}
	}
	return list
}

// longer reports whether users paused longer than asked by more than 2 % and by
// more than 1 ms, in seconds. Users who were to ask without a pause are judged
// by their lag, as all are: see verdict.
func longer(asked, took float64) bool {
	return asked > 0 && took-asked > 0.02*asked && took-asked > 1e-3
}

func abs(n int64) int64 { return max(n, -n) }
