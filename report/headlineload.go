package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// load is what a configuration was found to carry, or what it did at the load that was
// asked for.
func (h head) load(config string) Answer {
	a := Answer{Asks: "How much load?"}
	var of []searched
	for _, c := range h.searched {
		if config == "" || c.cell.Cell.Config.Name == config {
			of = append(of, c)
		}
	}
	switch {
	case len(of) > 0 && config != "":
		h.allowed(&a, of)
	case len(of) > 0:
		h.allowedEach(&a, of)
	case len(h.Comparison) > 0:
		h.carried(&a, config)
	default:
		a.Says, a.Doubt = "Not known", true
		a.Notes = []string{"No finished step tells it."}
	}
	return a
}

// allowed tells the load of the cell to which the least is allowed.
func (h head) allowed(a *Answer, of []searched) {
	if some := confirmedOf(h.Race != nil, of); len(some) > 0 {
		of = some
	}
	least, without := of[0], 0
	for _, c := range of {
		switch {
		case !c.capacity.Signed.Known():
			without++
		case !least.capacity.Signed.Known() || *c.capacity.Signed.Number < *least.capacity.Signed.Number:
			least = c
		}
	}
	k := least.capacity
	if !k.Signed.Known() {
		a.Says, a.Doubt = "No load is allowed yet", true
		a.Notes = sentencesOf(least.state())
		return
	}
	a.Says = least.loads()
	note := "Allowed load, " + least.confirmed()
	if n := len(of) - without; n > 1 {
		note += fmt.Sprintf("; the least of %d replicates", n)
	}
	a.Notes = append(a.Notes, note+".")
	if without > 0 {
		a.Doubt = true
		a.Notes = append(a.Notes, fmt.Sprintf("%s of it came to no load.", units.Plural(without, "replicate")))
	}
	if step := least.confirmation(false); step != nil {
		if text := marginsText([]analysis.Step{*step}); text != "" {
			a.Notes = append(a.Notes, "Against its objectives: "+text+".")
		}
	}
	if k.Estimate.Known() && k.Low.Known() && k.High.Known() {
		text := fmt.Sprintf("Capacity %s, 95 %% interval %s to %s", amount(k.Estimate, k.Unit), loadText(k.Low), loadText(k.High))
		if k.Binding != "" {
			text += "; fails first: " + k.Binding
		}
		a.Notes = append(a.Notes, text+".")
	}
}

// loads lists what each service may be given.
func (c searched) loads() string {
	var list []string
	for _, l := range c.capacity.Loads {
		list = append(list, l.Service+" "+amount(l.Signed, l.Unit))
	}
	if len(list) == 0 {
		return amount(c.capacity.Signed, c.capacity.Unit)
	}
	return listed(list, headlineLoads)
}

// allowedEach lists the cells where no configuration is the one.
func (h head) allowedEach(a *Answer, of []searched) {
	a.Says, a.Doubt = "Another for each configuration", true
	if !slices.ContainsFunc(of, func(c searched) bool { return c.capacity.Signed.Known() }) {
		a.Says = "No load is allowed yet"
	}
	for i, c := range of {
		if i == headlineLoads {
			a.Notes = append(a.Notes, fmt.Sprintf("And %d more: see Capacity.", len(of)-i))
			break
		}
		if c.capacity.Signed.Known() {
			a.Notes = append(a.Notes, c.cell.Cell.Folder+": "+c.loads()+".")
		} else {
			a.Notes = append(a.Notes, c.cell.Cell.Folder+": no load is allowed yet.")
		}
	}
}

// carried tells what a configuration did at the largest levels at which it met every
// objective, or at the last that it has.
func (h head) carried(a *Answer, config string) {
	at, row := h.lastMet(config)
	if row == nil {
		a.Says, a.Doubt = "Not known", true
		a.Notes = []string{"Without a configuration there is no load: see Comparison."}
		return
	}
	var did []string
	for _, f := range []struct {
		of   analysis.Aggregate
		what string
	}{{row.VLMResponses, "VLM responses/h"}, {row.Vision, "Vision req/s"}} {
		if f.of.Mean.Known() {
			did = append(did, units.Number(*f.of.Mean.Number)+" "+f.what)
		}
	}
	step := stepName(at.Step, at.Index)
	gave := "What it gave there is not known."
	if len(did) > 0 {
		gave = "There it gave " + and(did) + "."
	}
	missed, _ := missedOf(*row)
	switch {
	case missed:
		a.Says, a.Doubt = "Failed at "+step, true
		a.Notes = []string{fmt.Sprintf("Objectives NOT met: %s.", listed(row.Unmet, headlineLoads)), gave}
	case len(row.Unmet) > 0:
		a.Says, a.Doubt = "Not known at "+step, true
		a.Notes = []string{fmt.Sprintf("Objectives not known to be met: %s.", listed(row.Unmet, headlineLoads)), gave}
	case row.Objectives > 0:
		a.Says = "At least " + step
		a.Notes = []string{"Every objective was met there" + h.marginsAt(config, at.Index) + "."}
		if why := unsound(*row); why != "" {
			a.Says, a.Doubt = "Perhaps "+step, true
			a.Notes = append(a.Notes, "But "+why+".")
		}
		beyond, doubt := h.beyond(config, at.Index)
		a.Doubt = a.Doubt || doubt
		a.Notes = append(a.Notes, gave+" "+beyond)
	default:
		a.Says, a.Doubt = "Not known: no objective was set", true
		a.Notes = []string{fmt.Sprintf("It was run at %s.", step), gave}
	}
}

// missedOf tells whether a row missed an objective, and whether it is not known of one.
func missedOf(row analysis.Row) (missed, unknown bool) {
	for _, u := range row.Unmet {
		if wasMissed(u) {
			missed = true
		} else {
			unknown = true
		}
	}
	return missed, unknown
}

// wasMissed reports whether an objective of a row's Unmet was missed, and is not merely unknown.
func wasMissed(unmet string) bool { return strings.HasSuffix(unmet, ": "+analysis.NotMet) }

// unsound says why what a row met does not show that its load can be carried; empty if it
// does.
func unsound(row analysis.Row) string {
	var why []string
	if len(row.Verdicts) > 0 {
		why = append(why, "not valid there: "+listed(row.Verdicts, headlineLoads))
	}
	if row.Failed > 0 {
		why = append(why, fmt.Sprintf("%s of it did not end as they should", units.Plural(row.Failed, "cell")))
	}
	return strings.Join(why, "; ")
}

// lastMet is the step of the largest levels at which a configuration met every objective,
// sound ones before others, or the last that it has; its row is nil if it has none.
func (h head) lastMet(config string) (at analysis.Comparison, row *analysis.Row) {
	worth := func(r *analysis.Row) int {
		switch {
		case len(r.Unmet) > 0:
			return 0
		case unsound(*r) != "":
			return 1
		}
		return 2
	}
	for _, c := range slices.Backward(h.Comparison) {
		i := slices.IndexFunc(c.Rows, func(r analysis.Row) bool { return r.Config == config })
		if i < 0 {
			continue
		}
		r := &c.Rows[i]
		if row == nil || worth(r) > worth(row) || worth(r) == worth(row) && worth(r) > 0 && h.larger(config, c.Index, at.Index) {
			at, row = c, r
		}
	}
	return at, row
}

// larger reports whether one step of a configuration asked more than another of every
// service, or as much, and of one more.
func (h head) larger(config string, one, other int) bool {
	x, y := h.levels(config, one), h.levels(config, other)
	more := false
	for service, v := range x {
		if v < y[service] {
			return false
		}
		more = more || v > y[service]
	}
	return more
}

// levels are those of a step of a configuration, by service.
func (h head) levels(config string, index int) map[string]float64 {
	all := map[string]float64{}
	for _, c := range h.cellsOf(config) {
		for _, step := range c.Steps {
			if step.Index == index {
				for _, s := range step.Services {
					all[s.Name] = s.Level.Value
				}
				return all
			}
		}
	}
	return all
}

// beyond says what is known of other loads than a step's, and whether one of them puts that
// in doubt: a smaller one that was missed.
func (h head) beyond(config string, index int) (text string, doubt bool) {
	var missed, open, bad []string
	for _, c := range h.Comparison {
		i := slices.IndexFunc(c.Rows, func(r analysis.Row) bool { return r.Config == config })
		if i < 0 || c.Index == index {
			continue
		}
		name := stepName(c.Step, c.Index)
		switch m, unknown := missedOf(c.Rows[i]); {
		case m:
			missed = append(missed, name)
			doubt = doubt || h.larger(config, index, c.Index)
		case unknown:
			open = append(open, name)
		case unsound(c.Rows[i]) != "":
			bad = append(bad, name)
		}
	}
	var told []string
	for _, k := range []struct {
		at   []string
		what string
	}{
		{missed, "At %s it missed an objective."}, {open, "Whether it met every objective at %s is not known."},
		{bad, "It met every objective at %s, where its steps are not all sound."},
	} {
		if len(k.at) > 0 {
			told = append(told, fmt.Sprintf(k.what, listed(k.at, headlineLoads)))
		}
	}
	if len(told) == 0 {
		told = []string{"The maximum was not searched: no larger load was tested."}
	}
	return strings.Join(told, " "), doubt
}

// marginsAt tells what a configuration's objectives left it at a step of levels, in the
// replicates that measure the server.
func (h head) marginsAt(config string, index int) string {
	steps := h.measured(config, index)
	text := marginsText(steps)
	switch {
	case text == "":
		return ""
	case len(steps) > 1:
		return fmt.Sprintf(", in the worst of %d replicates: %s", len(steps), text)
	}
	return ": " + text
}

// measured are the replicates of a configuration's step of levels that measure the server.
func (h head) measured(config string, index int) (steps []analysis.Step) {
	for _, c := range h.cellsOf(config) {
		for _, s := range c.Steps {
			if s.Index == index && s.Failover == nil && s.Measures() {
				steps = append(steps, s)
			}
		}
	}
	return steps
}

// A margin is what a clause's worst value leaves of its limit.
type margin struct {
	name  string
	value analysis.ClauseValue
}

// left is the share; below all others where it is not known.
func (m margin) left() float64 {
	if v := m.value.Left(); v.Known() {
		return *v.Number
	}
	return -1
}

// marginsText lists the objectives of steps at one load, the one with the least room first.
func marginsText(steps []analysis.Step) string {
	var list []margin
	for _, step := range steps {
		for _, s := range step.Services {
			for _, v := range s.SLO {
				if v.Left().Inapplicable && v.Result == analysis.Met {
					continue // no errors were allowed, and there were none
				}
				m := margin{s.Name + " " + clauseText(v.Clause.Class, v.Clause.Text), v}
				switch i := slices.IndexFunc(list, func(o margin) bool { return o.name == m.name }); {
				case i < 0:
					list = append(list, m)
				case m.left() < list[i].left():
					list[i] = m
				}
			}
		}
	}
	slices.SortStableFunc(list, func(a, b margin) int { return cmp.Compare(a.left(), b.left()) })
	var told []string
	for _, m := range list {
		told = append(told, m.String())
	}
	return listed(told, headlineLoads)
}

// String tells a margin: "vision p95 5.825 s of 15 s allowed".
func (m margin) String() string {
	name, limit, ok := strings.Cut(m.name, m.value.Clause.Op)
	if !ok || !m.value.Value.Known() {
		return m.name + " " + textOf(m.value.Value)
	}
	of := "allowed"
	if strings.HasPrefix(m.value.Clause.Op, ">") {
		of = "needed"
	}
	return fmt.Sprintf("%s %s of %s %s", strings.TrimSpace(name), textOf(m.value.Value), strings.TrimSpace(limit), of)
}
