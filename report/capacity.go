package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// A searched is a cell in which a search ran.
type searched struct {
	cell     analysis.Cell
	capacity *analysis.Capacity
	summary  *analysis.Summary
}

// searches lists the cells with a capacity, in the order of running.
func searches(s *analysis.Summary) []searched {
	var list []searched
	for _, c := range s.Cells {
		if c.Capacity != nil {
			list = append(list, searched{c, c.Capacity, s})
		}
	}
	return list
}

// capacities tells what each configuration sustains: in sentences, and in numbers.
func capacities(list []searched) Section {
	t := Table{
		ID: "capacity", Title: "What each configuration sustains",
		Columns: []Column{
			words("Cell"), words("Service"), words("Unit"), numbers("Allowed load", ""), numbers("Capacity", ""), numbers("95 % from", ""), numbers("to", ""),
			words("Fails first"), words("State"),
		},
		Notes: []string{
			"Allowed load: that of the last step which was run only to confirm it, and met every clause of every service with no queue that grew. Capacity: the load at which the first clause fails; its 95 % interval is over repeats of the probes on this deployment, and what differs between deployments is not in it.",
		},
	}
	section := Section{Title: "Capacity"}
	for _, c := range list {
		section.Notes = append(section.Notes, c.sentences()...)
		t.Rows = append(t.Rows, c.rows()...)
	}
	section.Tables = []Table{t}
	return section
}

// allServices is what a row of the ray is named where all are raised by one factor.
const allServices = "(all)"

// rayRow says whether a row of a service's name is that of the ray.
func (c searched) rayRow(name string) bool {
	return name == c.capacity.Raised || c.capacity.Raised == "" && name == allServices
}

// rows has one for the ray, if all services are raised together, and one for each
// service.
func (c searched) rows() [][]Cell {
	a := c.capacity
	folder := c.cell.Cell.Folder
	begin := func(service, unit string, signed analysis.Value) []Cell {
		return []Cell{Text(folder), Text(service), Text(unit), number(signed, "").keyed("allowed", service, folder)}
	}
	raised := cmp.Or(a.Raised, "all")
	ray := []Cell{
		number(a.Estimate, "").keyed("capacity", raised, folder), number(a.Low, "").keyed("capacity low", raised, folder),
		number(a.High, "").keyed("capacity high", raised, folder), Text(a.Binding), Text(c.state()),
	}
	var rows [][]Cell
	if a.Raised == "" {
		rows = append(rows, append(begin(allServices, "x target", a.Signed), ray...))
	}
	for _, l := range a.Loads {
		row := begin(l.Service, l.Unit, l.Signed)
		switch l.Service {
		case a.Raised:
			row = append(row, ray...)
		default:
			none := missing(analysis.Value{Inapplicable: true}, "") // the state says why
			estimate, state := none, "held beside "+a.Raised
			if a.Raised == "" {
				estimate, state = number(l.Estimate, "").keyed("capacity", l.Service, folder), "see (all)"
			}
			row = append(row, estimate, none, none, Text(""), Text(state))
		}
		rows = append(rows, row)
	}
	return rows
}

// confirmedOf gives those that were to be confirmed: all, or of a race those that were.
func confirmedOf(race bool, list []searched) []searched {
	if !race {
		return list
	}
	var some []searched
	for _, c := range list {
		if len(c.capacity.Confirmations) > 0 {
			some = append(some, c)
		}
	}
	return some
}

// capacityTable is the documents' own table of what each service is allowed, where
// a load is.
func capacityTable(list []searched, race bool) Section {
	t := Table{
		ID: "capacity-table", Title: "What each service may be given",
		Columns: []Column{
			words("Cell"), words("Service"), words("Profile and GPU"), words("Models and version"), words("Workers, batch and parameters"), words("Allowed load"),
			words("SLA"), words("At the allowed load"), words("Headroom: when to revisit"),
		},
		Notes: []string{"Headroom: what the allowed load lies above the target that the scenario sets the service; capacity and saturation are told against the allowed load."},
	}
	var without []string
	for _, c := range confirmedOf(race, list) {
		if !c.capacity.Signed.Known() {
			without = append(without, c.cell.Cell.Folder)
			continue
		}
		for _, l := range c.capacity.Loads {
			t.Rows = append(t.Rows, []Cell{
				Text(c.cell.Cell.Folder), Text(l.Service), Text(c.devices(l.Service)), Text(c.versions(l.Service)), Text(c.parameters(l.Service)),
				Text(amount(l.Signed, l.Unit)), Text(c.sla(l.Service)), Text(c.atSigned(l.Service)), Text(c.headroom(l)),
			})
		}
	}
	section := Section{Title: "Capacity table", Tables: []Table{t}}
	if len(without) > 0 {
		section.Notes = []string{"No load is allowed yet, so that they are left out: " + strings.Join(without, ", ") + "."}
	}
	return section
}

// confirmation is the last step that met everything, heavy or not; nil if none
// did.
func (c searched) confirmation(heavy bool) *analysis.Step {
	for _, k := range slices.Backward(c.capacity.Confirmations) {
		if !k.Met || k.Heavy != heavy {
			continue
		}
		if i := slices.IndexFunc(c.cell.Steps, func(s analysis.Step) bool { return s.Index == k.Step }); i >= 0 {
			return &c.cell.Steps[i]
		}
	}
	return nil
}

// serviceIn finds a service in a step; nil in no step.
func serviceIn(step *analysis.Step, name string) *analysis.Service {
	if step == nil {
		return nil
	}
	i := slices.IndexFunc(step.Services, func(s analysis.Service) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &step.Services[i]
}

// atSigned tells what a service did in the confirmation.
func (c searched) atSigned(service string) string {
	step := c.confirmation(false)
	v := serviceIn(step, service)
	if v == nil {
		return units.Unknown + ": no step confirmed a load"
	}
	var told []string
	for _, clause := range v.SLO {
		told = append(told, clauseText(clause.Clause.Class, clause.Clause.Text)+": "+textOf(clause.Value))
	}
	told = append(told, "queue: mean "+textOf(v.Queue.Mean)+", max "+textOf(v.Queue.Max))
	if rate := v.Total.Output.PerSecond; rate.Known() {
		told = append(told, "output: "+units.Format(*rate.Number, units.Tokens))
	}
	return strings.Join(told, "; ")
}

// clauseText is a clause with its class before it, if its text lacks that.
func clauseText(class, text string) string {
	if class == "" || strings.HasPrefix(text, class) {
		return text
	}
	return class + ": " + text
}

// textOf writes a value, or why there is none.
func textOf(v analysis.Value) string {
	c := scaled(v)
	if !v.Known() && v.Why != "" {
		return c.Text + " (" + v.Why + ")"
	}
	return c.Text
}

// sla is what is asked of a service, defaults too.
func (c searched) sla(service string) string {
	var clauses []string
	for i := range c.cell.Steps {
		v := serviceIn(&c.cell.Steps[i], service)
		if v == nil {
			continue
		}
		for _, clause := range v.SLO {
			clauses = append(clauses, clauseText(clause.Clause.Class, clause.Clause.Text))
		}
		break
	}
	return cmp.Or(strings.Join(clauses, "; "), "none is asked")
}

// headroom sets the signed load against the service's target, and what lies above
// it.
func (c searched) headroom(l analysis.CapacityLoad) string {
	var told []string
	switch target := c.target(l.Service); {
	case target == nil:
		told = append(told, "the target was not recorded")
	case target.Unit != l.Unit:
		told = append(told, fmt.Sprintf("the target is in another unit (%s %s)", units.Number(*target.Value.Number), target.Unit))
	default:
		if room := analysis.Room(target.Value, l.Signed); room.Known() {
			told = append(told, fmt.Sprintf("%s against the target of %s", units.Change(*room.Number), amount(target.Value, target.Unit)))
		}
	}
	told = append(told, "revisit before it passes "+amount(l.Signed, l.Unit))
	a := c.capacity
	for _, above := range []struct {
		what     string
		from, to analysis.Value
	}{{"capacity", a.Signed, a.Estimate}, {"lower end of its interval", a.Signed, a.Low}} {
		if room := analysis.Room(above.from, above.to); room.Known() && (a.Raised == "" || a.Raised == l.Service) {
			told = append(told, above.what+" "+units.Change(*room.Number))
		}
	}
	if a.Raised == l.Service {
		told = append(told, c.saturation())
	}
	return strings.Join(told, "; ")
}

// saturation tells how far the throughput at which backlogs grew lies above that
// of the confirmation.
func (c searched) saturation() string {
	most := c.capacity.Saturation
	if !most.Known() {
		return "saturation " + textOf(most)
	}
	text := "saturation at " + units.Format(*most.Number, units.Requests)
	v := serviceIn(c.confirmation(false), c.capacity.Raised)
	if v == nil {
		return text
	}
	if room := analysis.Room(v.Total.Throughput, most); room.Known() {
		text += " (" + units.Change(*room.Number) + ")"
	}
	return text
}

// A target is the load that a scenario sets a service.
type target struct {
	Value analysis.Value
	Unit  string
}

func (c searched) target(service string) *target {
	for _, s := range c.summary.Environment.Services {
		if s.Name == service && s.Target != nil {
			return &target{analysis.Value{Number: &s.Target.Value, Unit: s.Target.Unit}, s.Target.Unit}
		}
	}
	return nil
}

// devices tells what a service's instances run on, alike ones together.
func (c searched) devices(service string) string {
	var kinds []string
	n := map[string]int{}
	add := func(text string) {
		if n[text]++; n[text] == 1 {
			kinds = append(kinds, text)
		}
	}
	for _, i := range c.cell.Cell.Instances {
		if i.Service != service {
			continue
		}
		text := "an unknown device"
		for _, d := range c.cell.Layout.Devices {
			if d.UUID != i.Device || i.Device == "" {
				continue
			}
			text = "whole GPU"
			if d.Instance != nil {
				text = d.Instance.Profile
			}
			text += " of " + d.Model + ", " + memoryText(d.MemoryBytes)
			if sharing := d.Sharing.String(); sharing != "" {
				text += ", " + sharing
			}
		}
		add(text)
	}
	for i, text := range kinds {
		if n[text] > 1 {
			kinds[i] = fmt.Sprintf("%d instances on %s", n[text], text)
		}
	}
	return cmp.Or(strings.Join(kinds, "; "), units.Unknown)
}

// versions names a service's models and what its servers say of themselves.
func (c searched) versions(service string) string {
	var models, versions []string
	for _, step := range c.cell.Steps {
		if v := serviceIn(&step, service); v != nil {
			for _, m := range v.Models {
				models = append(models, m.Name)
			}
		}
	}
	for _, i := range c.cell.Cell.Instances {
		if i.Service == service {
			versions = append(versions, cmp.Or(versionOf(i.Version, i.Image), "version unknown"))
		}
	}
	return joined(models) + " on " + cmp.Or(joined(versions), "version unknown")
}

// joined sorts words and leaves each once.
func joined(texts []string) string {
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), ", ")
}

// parameters tells of a service's workers and batches, and what the configuration
// sets.
func (c searched) parameters(service string) string {
	config := c.cell.Cell.Config
	var told []string
	var seats []string
	instances := 0
	for _, i := range c.cell.Cell.Instances {
		if i.Service != service {
			continue
		}
		instances++
		if text := workers(i.Workers); text != "" {
			seats = append(seats, text)
		}
	}
	if len(seats) > 0 {
		slices.Sort(seats)
		told = append(told, "workers of an instance: "+strings.Join(slices.Compact(seats), " or "))
	}
	var set []string
	for name, value := range config.Params {
		if of, ok := strings.CutPrefix(name, service+"."); ok {
			set = append(set, of+" = "+value)
		}
	}
	if len(set) > 0 {
		told = append(told, joined(set))
	}
	if config.Routing != "" && instances > 1 {
		told = append(told, "routing "+config.Routing)
	}
	batch := units.Unknown
	if v := serviceIn(c.confirmation(false), service); v != nil {
		for _, w := range v.Waiting {
			if w.Instance == "" && w.Batch.Known() {
				batch = units.Measure(*w.Batch.Number) + " requests computed together, mean"
			}
		}
	}
	return strings.Join(append(told, "batch: "+batch), "; ")
}
