package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/analysis"
)

// findingsOf tells the diagnoses, the signs to stop sharing and the playbook; a Section without a title if there is nothing to tell.
func findingsOf(s *analysis.Summary) Section {
	f := s.Findings
	if f == nil {
		return Section{}
	}
	section := Section{Title: "Findings", Tables: []Table{findingTable(f), apartTable(f), playbookTable(f), firedTable(f), unjudgedTable(f)}}
	section.Notes = []string{
		"A finding is what the evidence of this run points at, and not a proof: the last column is the experiment that would show it wrong. Strong: intervals, or a test of its own, lie on one side of what the rule asks for; weak: single figures do. At most three of a configuration, by precedence: an invalid run first, then errors and memory, a server that changed within a step, throttling, neighbours, what lies before the GPU, capacity, and tuning.",
	}
	if f.Silent {
		section.Notes = append(section.Notes, "No rule fired.")
	}
	section.Tables = slices.DeleteFunc(section.Tables, func(t Table) bool { return len(t.Rows) == 0 })
	return section
}

func findingTable(f *analysis.Findings) Table {
	t := Table{ID: "findings", Title: "What the evidence points at", Columns: []Column{
		words("Configuration"), words("Service"), words("Rule"), words("Confidence"), words("Diagnosis"),
		words("Because"), words("Try"), words("Would be refuted by"), words("Steps"),
	}}
	for _, one := range f.Top {
		t.Rows = append(t.Rows, []Cell{
			Text(one.Config), Text(one.Service), Text(one.Rule), Text(one.Confidence), Text(one.Diagnosis),
			Text(strings.Join(one.Because, "; ")), Text(one.Try), Text(one.Refute), Text(stepList(one.Steps)),
		})
	}
	return t
}

// stepList names steps by their indices, runs of them by their ends.
func stepList(steps []int) string {
	var parts []string
	for i := 0; i < len(steps); {
		end := i
		for end+1 < len(steps) && steps[end+1] == steps[end]+1 {
			end++
		}
		part := strconv.Itoa(steps[i])
		if end > i {
			part += "-" + strconv.Itoa(steps[end])
		}
		parts = append(parts, part)
		i = end + 1
	}
	return strings.Join(parts, ", ")
}

func apartTable(f *analysis.Findings) Table {
	t := Table{ID: "stop-sharing", Title: "Signs that services should stop sharing a GPU", Columns: []Column{words("Sign")}}
	for _, sign := range f.Apart {
		t.Rows = append(t.Rows, []Cell{Text(sign)})
	}
	return t
}

func playbookTable(f *analysis.Findings) Table {
	t := Table{
		ID: "playbook", Title: "First actions when the server is overloaded", Columns: []Column{words("In this order")},
		Notes: []string{"Figures are this run's. None of the actions was tried under overload."},
	}
	for _, action := range f.Playbook {
		t.Rows = append(t.Rows, []Cell{Text(action)})
	}
	return t
}

func firedTable(f *analysis.Findings) Table {
	t := Table{ID: "rules-fired", Title: "Every rule that fired", Columns: []Column{words("Configuration"), words("Rules")}}
	for _, config := range slices.Sorted(maps.Keys(f.Fired)) {
		t.Rows = append(t.Rows, []Cell{Text(config), Text(strings.Join(f.Fired[config], ", "))})
	}
	return detail(t)
}

func unjudgedTable(f *analysis.Findings) Table {
	t := Table{
		ID: "rules-unjudged", Title: "What could not be judged", Columns: []Column{words("Rule"), words("Because")},
		Notes: []string{"A rule that is not here, and did not fire, was judged and found nothing."},
	}
	for _, rule := range slices.Sorted(maps.Keys(f.Unjudged)) {
		t.Rows = append(t.Rows, []Cell{Text(rule), Text(f.Unjudged[rule])})
	}
	return detail(t)
}

// briefFindings has a line for the first finding of each configuration.
func briefFindings(s *analysis.Summary) []string {
	f := s.Findings
	if f == nil {
		return nil
	}
	var order []string
	by := map[string][]string{}
	for _, one := range f.Top {
		if slices.Contains(order, one.Config) {
			continue
		}
		order = append(order, one.Config)
		key := fmt.Sprintf("%s (%s, %s): %s", one.Rule, one.Service, one.Confidence, one.Diagnosis)
		by[key] = append(by[key], one.Config)
	}
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(by)) {
		lines = append(lines, "Finding on "+joined(by[key])+": "+key+".")
	}
	if more := len(lines) - briefFindingLines; more > 0 {
		lines = append(lines[:briefFindingLines], fmt.Sprintf("And %d findings more: see the full report.", more))
	}
	if len(f.Apart) > 0 {
		lines = append(lines, "Stop sharing? "+f.Apart[0]+".")
	}
	return lines
}

// briefFindingLines is how many findings the short form has.
const briefFindingLines = 3
