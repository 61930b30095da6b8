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

// An Answer is one of those that a Document begins with: which configuration, how much
// load, how sure.
type Answer struct {
	Asks string // the question, in a few words
	Says string // the answer, to be written large
	// Notes are what must be read with it, a sentence each.
	Notes []string
	// Doubt says that the answer is not sure, or that there is none.
	Doubt bool
}

// Limits of what an Answer lists.
const (
	headlineLoads   = 4
	headlineConfigs = 6
)

// headline answers what is asked first of a run, three times, and a fourth time if
// anything speaks against its numbers.
func headline(s *analysis.Summary) []Answer {
	h := head{s, searches(s), nil}
	if r := s.Recommendation; r != nil && len(r.Choices) > 0 {
		h.choice = &r.Choices[0]
	}
	config, which := h.which()
	answers := []Answer{which, h.load(config), h.sure(config)}
	if against := h.against(); against.Says != "" {
		answers = append(answers, against)
	}
	return answers
}

// A head is what answers are made of.
type head struct {
	*analysis.Summary
	searched []searched
	choice   *analysis.Choice // for what is asked first; nil without a recommendation
}

// configs lists those of finished cells, in the order of running.
func (h head) configs() []string {
	var names []string
	for _, c := range h.Cells {
		if name := c.Cell.Config.Name; name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// which configuration it is, and the answer that says so; empty if there is none.
func (h head) which() (string, Answer) {
	a := Answer{Asks: "Which configuration?"}
	if h.choice != nil {
		a.Says = h.choice.Config
		a.Notes = append(h.sharing(a.Says), h.goals()...)
		a.Doubt = !settled(*h.choice)
		return h.choice.Config, a
	}
	if r := h.Race; r != nil {
		switch {
		case r.State == analysis.RaceWon:
			a.Says, a.Notes = r.Winner, h.sharing(r.Winner)
			return r.Winner, a
		case r.State == analysis.RaceEquivalent && len(r.Equivalent) > 0:
			a.Says = listed(r.Equivalent, headlineConfigs)
			a.Notes = []string{"They are as good as each other."}
			return r.Equivalent[0], a
		}
		a.Says, a.Doubt = "Not decided", true
		a.Notes = sentencesOf(r.Why)
		return "", a
	}
	switch names := h.configs(); len(names) {
	case 0:
		a.Says, a.Doubt = "None: no cell was finished", true
		return "", a
	case 1:
		a.Says = names[0]
		a.Notes = append(h.sharing(a.Says), "It is the only one that was measured.")
		return names[0], a
	default:
		a.Says, a.Doubt = "None is shown to be best", true
		a.Notes = []string{"Measured: " + listed(names, headlineConfigs) + "."}
		return "", a
	}
}

// sharing says of a configuration, whose name is the scenario's or a code, how it shares
// out the GPUs.
func (h head) sharing(config string) []string {
	told := map[analysis.Use]string{analysis.UseAll: "on every device", analysis.UseSome: "on some devices", analysis.UseNone: "off"}
	for _, c := range h.Cells {
		if c.Cell.Config.Name == config && told[c.MIG] != "" && told[c.MPS] != "" {
			return []string{fmt.Sprintf("MIG %s, MPS %s.", told[c.MIG], told[c.MPS])}
		}
	}
	return nil
}

// goals tells what the configuration is for, and which are for the other goals. One that is
// but the best by chance for a goal is not named among those that it is for.
func (h head) goals() []string {
	var same, others []string
	for i, c := range h.Recommendation.Choices {
		switch shown := settled(c); {
		case c.Config == h.choice.Config && (shown || i == 0):
			same = append(same, goals[c.Goal])
		case shown:
			others = append(others, fmt.Sprintf("For %s: %s.", goals[c.Goal], c.Config))
		default:
			others = append(others, fmt.Sprintf("For %s none is shown to be best.", goals[c.Goal]))
		}
	}
	notes := []string{"For " + and(same) + "."}
	if n := len(h.choice.Equivalent); n > 1 {
		notes[0] = fmt.Sprintf("For %s; the simplest of %d within %s of the best.", and(same), n, units.Format(h.Zone(), units.Ratio))
	}
	return append(notes, others...)
}

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

// carried tells what a configuration did at the last step of levels at which it met
// every objective, or at the last that it has.
func (h head) carried(a *Answer, config string) {
	var at analysis.Comparison
	var row *analysis.Row
	for _, c := range slices.Backward(h.Comparison) {
		i := slices.IndexFunc(c.Rows, func(r analysis.Row) bool { return r.Config == config })
		if i >= 0 && (row == nil || len(c.Rows[i].Unmet) == 0) {
			at, row = c, &c.Rows[i]
			if len(row.Unmet) == 0 {
				break
			}
		}
	}
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
	gave := "What it gave there is not known"
	if len(did) > 0 {
		gave = "There it gave " + and(did)
	}
	switch {
	case len(row.Unmet) > 0:
		a.Says, a.Doubt = "Failed at "+step, true
		a.Notes = []string{gave + ".", fmt.Sprintf("Objectives NOT met: %s.", listed(row.Unmet, headlineLoads))}
	case row.Objectives > 0:
		a.Says = "Passed at " + step + "; the maximum was not searched"
		a.Notes = []string{gave + ", and met every objective."}
	default:
		a.Says, a.Doubt = "Not known: no objective was set", true
		a.Notes = []string{fmt.Sprintf("It was run at %s. %s.", step, gave)}
	}
	var missed []string
	for _, r := range at.Rows {
		if r.Config != config && len(r.Unmet) > 0 {
			missed = append(missed, r.Config)
		}
	}
	if len(missed) > 0 {
		a.Notes = append(a.Notes, fmt.Sprintf("Objectives were missed at that load by %s.", listed(missed, headlineConfigs)))
	}
}

// sure says whether the configuration is shown to be the right one.
func (h head) sure(config string) Answer {
	a := Answer{Asks: "How sure?"}
	switch {
	case h.choice != nil:
		a.Says = "The ranking is clear"
		switch {
		case !settled(*h.choice):
			a.Says, a.Doubt = "Not sure", true
			a.Notes = sentencesOf(h.choice.Sure)
		case h.choice.Sure == analysis.Alone && h.Environment.Simulated != "":
			a.Says, a.Doubt = "It alone met every objective, in simulation; on a real GPU it is untested", true
		case h.choice.Sure == analysis.Alone:
			a.Says = "It alone is known to have met every objective"
		case h.Environment.Simulated != "":
			a.Says, a.Doubt = "The ranking is clear in simulation; on a real GPU it is untested", true
		}
		if k := h.choice; k.RunnerUp != "" && k.Costs.Known() {
			a.Notes = append(a.Notes, fmt.Sprintf("The next is %s: %s %s.", k.RunnerUp, k.Figure, otherwise(k.Costs, k.Low, k.High)))
		}
	case h.Race != nil && h.Race.State != analysis.RaceOpen:
		a.Says = "Shown by the race"
	case config == "" && h.steps() > 0 && h.ValidSteps() == 0:
		a.Says, a.Doubt = "Nothing is shown: no step measures the server", true
		if f := h.Findings; f != nil && len(f.Top) > 0 {
			a.Notes = sentencesOf(f.Top[0].Diagnosis)
		}
	case config == "":
		a.Says, a.Doubt = "Nothing is shown", true
		a.Notes = []string{"What was measured does not say which is better, or was not compared."}
	default:
		a.Says, a.Doubt = "There is nothing to compare it with", true
	}
	return a
}

// against tells what speaks against the numbers; without words if nothing does.
func (h head) against() Answer {
	a := Answer{Asks: "What speaks against it?", Doubt: true}
	var told []string
	if n := len(h.Missing); n > 0 {
		told = append(told, units.Plural(n, "cell")+" missing")
	}
	if list := h.invalid(); len(list) > 0 && h.ValidSteps() > 0 {
		told = append(told, units.Plural(len(list), "step")+" not valid")
		a.Notes = append(a.Notes, fmt.Sprintf("Not valid, and in no figure: %s.", listed(list, headlineLoads)))
	}
	if n := len(h.Warnings); n > 0 {
		told = append(told, units.Plural(n, "warning"))
		a.Notes = append(a.Notes, fmt.Sprintf("Warnings of %s: %s. See Warnings before you rely on a number.", units.Plural(len(h.kinds()), "kind"), listed(h.kinds(), headlineLoads)))
	}
	a.Says = and(told)
	if r := h.Recommendation; r != nil && len(r.NotTested) > 0 {
		a.Notes = append(a.Notes, "Not tested: "+strings.Join(r.NotTested[:min(len(r.NotTested), headlineLoads)], "; ")+".")
	}
	return a
}

// kinds lists the codes of the warnings, with how many there are of each, the most
// frequent first.
func (h head) kinds() []string {
	count := map[string]int{}
	for _, w := range h.Warnings {
		count[w.Code]++
	}
	codes := slices.Sorted(maps.Keys(count))
	slices.SortStableFunc(codes, func(a, b string) int { return cmp.Compare(count[b], count[a]) })
	for i, code := range codes {
		codes[i] = fmt.Sprintf("%s (%d)", code, count[code])
	}
	return codes
}

// invalid names the steps that were run to measure and cannot be judged.
func (h head) invalid() []string {
	var list []string
	for _, p := range h.InvalidSteps() {
		list = append(list, fmt.Sprintf("%s step %d", p.Cell, p.Step))
	}
	return list
}

// steps counts those that were run to measure.
func (h head) steps() int {
	n := 0
	for _, c := range h.Cells {
		for _, step := range c.Steps {
			if step.Failover == nil {
				n++
			}
		}
	}
	return n
}
