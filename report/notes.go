package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// briefNotes says what speaks for and against the numbers.
func briefNotes(s *analysis.Summary) []string {
	if len(s.Comparison) == 0 && len(measured(s)) == 0 {
		return append([]string{"No step was measured."}, briefWarnings(s)...)
	}
	notes := append(briefVerdicts(s), briefObjectives(s)...)
	if line := briefHTTP(s); line != "" {
		notes = append(notes, line)
	}
	return append(notes, briefWarnings(s)...)
}

func briefVerdicts(s *analysis.Summary) []string {
	var doubts, saturated, ended tally
	all := 0
	for _, p := range measured(s) {
		all++
		switch v := p.service.Verdict; {
		case v.Is == analysis.Void && p.step.Stopped != "":
			ended.add(p, p.service.Name)
		case v.Is == analysis.Saturated:
			saturated.add(p, p.service.Name)
		case !v.Measures():
			doubts.add(p, p.service.Name+": "+v.Is)
		}
	}
	over := append(saturated.lines("Saturated, queues grew: ", s), ended.lines("Ended before there was a window, clearly too much: ", s)...)
	if len(doubts.keys) == 0 && len(over) == 0 {
		return []string{fmt.Sprintf("Validity: all %s valid: no sign that the load generator spoiled them.", units.Plural(all, "measurement"))}
	}
	return append(doubts.lines("Not valid: ", s), over...)
}

// briefObjectives leaves out the steps with which a search looks for the load at which
// objectives are missed.
func briefObjectives(s *analysis.Summary) []string {
	var unmet tally
	all := 0
	for _, p := range measured(s) {
		if p.step.Looks() {
			continue
		}
		for _, clause := range p.service.SLO {
			all++
			if clause.Result != analysis.Met {
				unmet.add(p, fmt.Sprintf("%s %s: %s", p.service.Name, clause.Clause.Text, clause.Result))
			}
		}
	}
	switch {
	case len(s.Interference) > 0:
		return []string{"Objectives: not judged: what a neighbour does is seen where they are missed, too."}
	case all == 0 && s.Environment.Search != nil:
		return []string{"Objectives: no load was run only to confirm it."}
	case all == 0:
		return []string{"Objectives: none asked."}
	case len(unmet.keys) == 0:
		return []string{fmt.Sprintf("Objectives: all %d met.", all)}
	}
	return unmet.lines("Objective ", s)
}

// A tally counts what was found, by configuration.
type tally struct {
	keys  []string
	count map[string]map[string]int
}

func (t *tally) add(p place, key string) {
	if t.count == nil {
		t.count = map[string]map[string]int{}
	}
	if t.count[key] == nil {
		t.keys = append(t.keys, key)
		t.count[key] = map[string]int{}
	}
	t.count[key][cmp.Or(p.cell.Cell.Config.Name, p.cell.Cell.Folder)]++
}

// lines tells of each thing in which configurations it was found, and how
// often, if that is not once in each of their steps.
func (t *tally) lines(begin string, s *analysis.Summary) []string {
	steps := map[string]int{}
	for _, c := range s.Cells {
		for _, step := range c.Steps {
			if step.Failover == nil {
				steps[cmp.Or(c.Cell.Config.Name, c.Cell.Folder)]++
			}
		}
	}
	var lines []string
	for i, key := range t.keys {
		if i == briefLines {
			lines = append(lines, fmt.Sprintf("And %d more: see the full report.", len(t.keys)-i))
			break
		}
		var where []string
		for _, config := range slices.Sorted(maps.Keys(t.count[key])) {
			if n := t.count[key][config]; n != steps[config] {
				config += fmt.Sprintf(" (%d of %s)", n, units.Plural(steps[config], "step"))
			}
			where = append(where, config)
		}
		in := strings.Join(where, ", ")
		if len(where) == len(steps) && len(where) > 1 && !strings.Contains(in, "(") {
			in = fmt.Sprintf("each of the %d configurations", len(steps))
		}
		lines = append(lines, begin+key+" in "+in+".")
	}
	return lines
}

// briefHTTP tells what part of the times between sending and answer HTTP took
// on a simulated server, and why where that is unknown; it is empty of a real
// one.
func briefHTTP(s *analysis.Summary) string {
	if s.Environment.Simulated == "" {
		return ""
	}
	var services []string
	costs := map[string]*cost{}
	for _, p := range measured(s) {
		name := p.service.Name
		if costs[name] == nil {
			costs[name] = &cost{}
			services = append(services, name)
		}
		costs[name].add(p.service.Overhead)
	}
	known := 0
	for _, name := range services {
		known += len(costs[name].shares)
	}
	if known == 0 {
		var reasons []string
		for _, name := range services {
			if why := costs[name].why; !slices.Contains(reasons, why) {
				reasons = append(reasons, why)
			}
		}
		return "HTTP cost: unknown (" + cmp.Or(strings.Join(reasons, "; "), "no step was measured") + ")."
	}
	var told []string
	for _, name := range services {
		told = append(told, name+" "+costs[name].String())
	}
	return "HTTP cost, in server time, of the time from sending to answer: " + strings.Join(told, ", ") + "."
}

// A cost is what is known of one service's Overheads.
type cost struct {
	shares  []float64
	unknown int
	why     string // of the last unknown one
}

func (c *cost) add(o *analysis.Overhead) {
	switch {
	case o == nil:
		c.unknown++
		c.why = "the server did not tell its own time for requests"
	case !o.Share.Known():
		c.unknown++
		c.why = o.Share.Why
	default:
		c.shares = append(c.shares, *o.Share.Number)
	}
}

func (c *cost) String() string {
	if len(c.shares) == 0 {
		return units.Unknown + " (" + c.why + ")"
	}
	low, high := units.Fixed(slices.Min(c.shares)*100, 1), units.Fixed(slices.Max(c.shares)*100, 1)
	if low != high {
		low += " to " + high
	}
	text := low + " %"
	if c.unknown > 0 {
		text += fmt.Sprintf(" (unknown in %d of %d: %s)", c.unknown, c.unknown+len(c.shares), c.why)
	}
	return text
}

// briefWarnings folds the warnings into a line for each kind, most important
// first.
func briefWarnings(s *analysis.Summary) []string {
	if len(s.Warnings) == 0 {
		return []string{"Warnings: none."}
	}
	kinds := kindsOf(s.Warnings)
	lines := []string{fmt.Sprintf("Warnings: %s of %s; the full report has each.",
		units.Number(float64(len(s.Warnings))), units.Plural(len(kinds), "kind"))}
	for i, k := range kinds {
		if i == briefLines {
			lines = append(lines, fmt.Sprintf("And %s more.", units.Plural(len(kinds)-i, "kind")))
			break
		}
		times := "once"
		if k.n > 1 {
			times = units.Plural(k.n, "time")
		}
		lines = append(lines, fmt.Sprintf("- %s, %s: %s.", k.code, times, k.means))
	}
	return lines
}
