package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// Build lays a Summary out. The Document keeps s; nobody may change it after.
func Build(s *analysis.Summary) *Document {
	d := newDocument(s)
	d.Headline = headline(s)
	d.Sections = []Section{
		comparison(s),
		factorials(s),
		perModel(s),
		placement(s),
		steps(s),
		little(s),
		integrity(s),
		warnings(s),
		environment(s),
	}
	if hasFailover(s) {
		d.Sections = slices.Insert(d.Sections, 4, failovers(s))
	}
	if hasActivity(s) {
		at := slices.IndexFunc(d.Sections, func(s Section) bool { return s.Title == "Steps" })
		d.Sections = slices.Insert(d.Sections, at+1, activities(s))
	}
	if s.Environment.Simulated != "" {
		d.Sections = slices.Insert(d.Sections, len(d.Sections)-2, simulatedTime(s))
	}
	for _, section := range []func(*analysis.Summary) Section{contrasts, couplings, costTable, findingsOf} {
		if made := section(s); made.Title != "" {
			d.Sections = slices.Insert(d.Sections, len(d.Sections)-2, made)
		}
	}
	list := searches(s)
	d.Alerts = alertsOf(s, list)
	if len(s.Comparison) == 0 && (len(list) > 0 || s.Environment.Search != nil) { // a search's steps stand beside no others
		d.Sections = slices.DeleteFunc(d.Sections, func(s Section) bool {
			return slices.Contains([]string{"Comparison", "MIG x MPS", "Vision models"}, s.Title)
		})
	}
	if len(list) > 0 {
		d.Sections = slices.Concat([]Section{capacities(list), capacityTable(list, s.Race != nil), checklist(list, d.Alerts), found(list)}, d.Sections)
	}
	if first := recommendation(s); first.Title != "" {
		d.Sections = slices.Insert(d.Sections, 0, first)
	}
	addCharts(d, s)
	d.clean()
	return d
}

func newDocument(s *analysis.Summary) *Document {
	return &Document{Title: "evabench: " + s.Environment.Scenario, Banner: banner(s), Summary: s}
}

// A place is one service in one step of one cell.
type place struct {
	cell    analysis.Cell
	step    analysis.Step
	service analysis.Service
}

// places lists all services of all steps, in the order of running.
func places(s *analysis.Summary) []place {
	var list []place
	for _, c := range s.Cells {
		for _, step := range c.Steps {
			for _, service := range step.Services {
				list = append(list, place{c, step, service})
			}
		}
	}
	return list
}

// measured lists the places but those of failovers.
func measured(s *analysis.Summary) []place {
	return slices.DeleteFunc(places(s), func(p place) bool { return p.step.Failover != nil })
}

// placeColumns head the tables with a row for each place.
func placeColumns(more ...Column) []Column {
	return append([]Column{words("Cell"), words("Step"), words("Service")}, more...)
}

func (p place) cells(more ...Cell) []Cell {
	return append([]Cell{Text(p.cell.Cell.Folder), Text(stepName(p.step.Name, p.step.Index)), Text(p.service.Name)}, more...)
}

func stepName(name string, index int) string {
	if name == "" {
		return "step " + strconv.Itoa(index)
	}
	return name
}

func placement(s *analysis.Summary) Section {
	t := Table{ID: "placement", Title: "Which instance runs where", Columns: []Column{
		words("Configuration"), words("Instance"), words("Device"), words("Profile"), words("Card"),
		numbers("SMs", "1"), numbers("Memory", "GiB"), words("Sharing"), words("Workers"), words("UUID"),
	}}
	var seen []string
	for _, c := range s.Cells {
		if name := c.Cell.Config.Name; !slices.Contains(seen, name) {
			seen = append(seen, name)
			t.Rows = append(t.Rows, placementRows(c)...)
		}
	}
	return Section{
		Title: "Placement", Tables: []Table{t},
		Notes: []string{"From the first cell of each configuration. A device without an instance is left out."},
	}
}

func placementRows(c analysis.Cell) [][]Cell {
	var rows [][]Cell
	for _, i := range c.Cell.Instances {
		row := []Cell{Text(c.Cell.Config.Name), Text(i.Name)}
		known := false
		for _, d := range c.Layout.Devices {
			if d.UUID != i.Device || i.Device == "" {
				continue
			}
			known = true
			profile := "whole GPU"
			if d.Instance != nil {
				profile = d.Instance.Profile
			}
			row = append(row, Text(d.Name), Text(profile), Text(d.Model), smCount(d.SMs),
				gibibytes(d.MemoryBytes), Text(d.Sharing.String()))
		}
		if !known {
			row = append(row, Text("unknown"), Text("unknown"), Text("unknown"), Text("unknown"), Text("unknown"), Text("unknown"))
		}
		rows = append(rows, append(row, Text(workers(i.Workers)), Text(i.Device)))
	}
	return rows
}

// smCount shows a device's SMs; 0 are not known.
func smCount(n int) Cell {
	if n == 0 {
		return missing(analysis.Value{}, units.One)
	}
	return count(n)
}

// memoryText tells a device's memory in words; 0 is not known.
func memoryText(bytes uint64) string {
	if bytes == 0 {
		return units.Unknown + " memory"
	}
	return units.Format(float64(bytes), units.Bytes)
}

// gibibytes shows a device's memory; 0 is not known.
func gibibytes(bytes uint64) Cell {
	if bytes == 0 {
		return missing(analysis.Value{}, "GiB")
	}
	value := float64(bytes) / (1 << 30)
	return Cell{Text: units.Number(value), Value: &value, Unit: "GiB"}
}

func workers(by map[string]int) string {
	var list []string
	for model, n := range by {
		list = append(list, fmt.Sprintf("%s %d", model, n))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func warnings(s *analysis.Summary) Section {
	t := Table{ID: "warnings", Title: "Warnings", Columns: []Column{
		words("Where"), words("About"), words("Code"), numbers("Count", "1"), words("Text"),
	}}
	for _, w := range s.Warnings {
		t.Rows = append(t.Rows, []Cell{Text(w.Where), Text(w.Subject), Text(w.Code), count(w.Count), Text(w.Text)})
	}
	section := Section{Title: "Warnings", Tables: []Table{meaningTable(s.Warnings), t, faults(s)}}
	if len(t.Rows) == 0 {
		section.Notes = []string{"There are none."}
	}
	return section
}

// faults shows the first words of each outcome that was not ok.
func faults(s *analysis.Summary) Table {
	t := Table{ID: "first-faults", Title: "First fault of each outcome", Columns: placeColumns(words("Outcome"), words("Text"))}
	for _, p := range places(s) {
		first := p.service.Integrity.FirstErrors
		for _, outcome := range slices.Sorted(maps.Keys(first)) {
			t.Rows = append(t.Rows, p.cells(Text(outcome), Text(first[outcome])))
		}
	}
	return t
}

func environment(s *analysis.Summary) Section {
	e := s.Environment
	t := Table{ID: "environment", Title: "What the run was made with and on", Columns: []Column{words("What"), words("Value")}}
	add := func(what, value string) {
		if value == "" {
			value = "unknown"
		}
		t.Rows = append(t.Rows, []Cell{Text(what), Text(value)})
	}
	add("Scenario", e.Scenario)
	add("Scenario SHA-256", e.ScenarioSHA256)
	add("Started", e.Started.UTC().Format(time.RFC3339))
	add("evabench", e.Evabench)
	add("Command", strings.Join(e.Command, " "))
	for i, session := range e.Sessions {
		add(fmt.Sprintf("Session %d", i+1), session.String())
	}
	if e.Simulated != "" {
		add("Simulated server", e.Simulated)
		add("Simulated server rests on", e.SimulatedAbout)
		add("Simulated time over the clock's", scale(e.SimulatedScale))
	}
	add("Host", e.Host.Name)
	add("System", e.Host.OS+"/"+e.Host.Arch+", "+e.Host.GoVersion)
	add("CPUs", strings.TrimSpace(strconv.Itoa(e.Host.CPUs)+" "+e.Host.CPUModel))
	if e.Host.MemoryBytes > 0 {
		add("Memory", fmt.Sprintf("%.1f GiB", float64(e.Host.MemoryBytes)/(1<<30)))
	}
	section := Section{Title: "Environment", Tables: []Table{detail(t), detail(cellList(s)), detail(versions(s))}}
	if len(e.Impossible) > 0 {
		left := Table{ID: "impossible", Title: "Points of the matrix that cannot be", Columns: []Column{words("Configuration"), words("Reason")}}
		for _, i := range e.Impossible {
			left.Rows = append(left.Rows, []Cell{Text(i.Config.Name), Text(i.Reason)})
		}
		section.Tables = append(section.Tables, left)
	}
	return section
}

func cellList(s *analysis.Summary) Table {
	t := Table{ID: "cells", Title: "Cells in the order of running", Columns: []Column{
		words("Cell"), words("Configuration"), numbers("Replicate", "1"), words("Seed"), words("Started"), words("Status"),
		words("Layout asked"), words("Layout read back"), words("Verified"),
	}}
	for _, c := range s.Cells {
		if c.Cell.Status == "" {
			t.Rows = append(t.Rows, []Cell{Text(c.Cell.Folder), Text(""), Text(""), Text(""), Text(""), Text("not finished"), Text(c.Layout.Asked), Text(c.Layout.Applied), Text("")})
			continue
		}
		verified := "yes"
		if !c.Layout.Verified {
			verified = "NO"
		}
		t.Rows = append(t.Rows, []Cell{
			Text(c.Cell.Folder), Text(c.Cell.Config.Name), count(c.Cell.Replicate), Text(strconv.FormatUint(c.Cell.Seed, 10)),
			Text(c.Cell.Started.UTC().Format(time.RFC3339)), Text(c.Cell.Status), Text(c.Layout.Asked), Text(c.Layout.Applied), Text(verified),
		})
	}
	for _, name := range s.Missing {
		if !slices.ContainsFunc(s.Cells, func(c analysis.Cell) bool { return c.Cell.Folder == name }) {
			t.Rows = append(t.Rows, []Cell{Text(name), Text(""), Text(""), Text(""), Text(""), Text("missing"), Text(""), Text(""), Text("")})
		}
	}
	return t
}

func versions(s *analysis.Summary) Table {
	t := Table{ID: "instances", Title: "Instances", Columns: []Column{words("Cell"), words("Instance"), words("Service"), words("URL"), words("Version")}}
	for _, c := range s.Cells {
		for _, i := range c.Cell.Instances {
			t.Rows = append(t.Rows, []Cell{Text(c.Cell.Folder), Text(i.Name), Text(i.Service), Text(i.URL), Text(cmp.Or(versionOf(i.Version, i.Image), "unknown"))})
		}
	}
	return t
}

// versionOf names an instance's version, and the image where it has one.
func versionOf(version, image string) string {
	if image == "" {
		return version
	}
	return version + " (" + image + ")"
}
