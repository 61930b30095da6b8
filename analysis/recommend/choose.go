package recommend

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// choose gives the configuration for a goal; false where the run cannot judge it: with less
// than two configurations that tell the figure there is nothing to choose from. What a
// race came to stands before what its cells tell otherwise.
func (r run) choose(goal string) (analysis.Choice, bool) {
	if r.Race != nil && len(r.Race.Runners) > 0 && goal == r.RaisedGoal() {
		return r.raced(goal), true
	}
	f, met, ok := r.figure(goal)
	if !ok || len(r.told(f)) < 2 {
		return analysis.Choice{}, false
	}
	return r.pick(goal, f, met), true
}

// told are the configurations of which a figure is known.
func (r run) told(f analysis.Criterion) []candidate {
	return r.where(func(c candidate) bool { return f.Mean(c.name).Known() })
}

// figure gives what a goal is judged by, and which configurations may be chosen. Where the
// loads are levels it is of the last step at which any met every objective, which is that
// with the largest load of an ascending ladder, or, if none ever did, of the last step.
func (r run) figure(goal string) (f analysis.Criterion, met func(candidate) bool, ok bool) {
	if f, ok = r.Criterion(goal, -1); ok {
		return f, func(candidate) bool { return true }, true // a capacity meets them by definition
	}
	for _, c := range slices.Backward(r.Comparison) {
		at, ok := r.Criterion(goal, c.Index)
		if !ok {
			continue
		}
		met := func(k candidate) bool { return k.met(c.Index) }
		if f.Name == "" {
			f = at
		}
		if slices.ContainsFunc(r.all, func(k candidate) bool { return met(k) && at.Mean(k.name).Known() }) {
			return at, met, true
		}
	}
	return f, func(candidate) bool { return false }, f.Name != ""
}

// met reports whether every objective was met in every cell that has the step. Without
// objectives there is none to miss.
func (c candidate) met(step int) bool {
	return len(c.objectives(step, analysis.NotMet)) == 0 && len(c.objectives(step, analysis.Unknown)) == 0
}

// objectives lists those of a step that came to a result.
func (c candidate) objectives(step int, result string) []string {
	var list []string
	for _, cell := range c.cells {
		for _, s := range cell.Steps {
			if s.Index == step {
				list = append(list, objectivesOf(s, fmt.Sprintf("r%d", cell.Cell.Replicate), result)...)
			}
		}
	}
	slices.Sort(list)
	return list
}

func objectivesOf(s analysis.Step, replicate, result string) (list []string) {
	for _, v := range s.Services {
		for _, k := range v.SLO {
			if k.Result == result {
				list = append(list, fmt.Sprintf("%s %s: %s: %s", v.Name, replicate, k.Clause.Text, k.Result))
			}
		}
	}
	return list
}

// missedAgain reports whether an objective was missed at a step in two replicates that
// measure the server.
func (c candidate) missedAgain(step int) bool {
	n := 0
	for _, cell := range c.cells {
		if slices.ContainsFunc(cell.Steps, func(s analysis.Step) bool {
			return s.Index == step && s.Measures() && len(objectivesOf(s, "", analysis.NotMet)) > 0
		}) {
			n++
		}
	}
	return n >= 2
}

// pick takes the simplest of those within the zone of the best.
func (r run) pick(goal string, f analysis.Criterion, met func(candidate) bool) analysis.Choice {
	out := analysis.Choice{Goal: goal, Figure: f.Name}
	told := r.told(f)
	may := slices.DeleteFunc(slices.Clone(told), func(c candidate) bool { return !met(c) })
	none := len(may) == 0
	if none {
		may = slices.Clone(told)
	}
	slices.SortFunc(may, byFigure(f))
	best := bestOf(f, may)
	alike, others := []candidate{best}, []candidate(nil)
	for _, c := range may {
		if c.name != best.name && r.within(f, c, best) {
			alike = append(alike, c)
		}
	}
	chosen := simplest(alike)
	for _, c := range may {
		if c.name != chosen.name {
			others = append(others, c)
		}
	}
	out.Config = chosen.name
	if len(alike) > 1 {
		out.Equivalent = names(alike)
	}
	out.Costs, out.Low, out.High = unknown(alone), unknown(alone), unknown(alone)
	out.Because = []string{r.mean(f, chosen)}
	if len(others) > 0 {
		next := bestOf(f, others)
		k := f.Contrast(next.name, chosen.name)
		out.RunnerUp, out.Costs, out.Low, out.High = next.name, less1(k.Ratio), less1(k.Low), less1(k.High)
	}
	for _, c := range others {
		out.Because = append(out.Because, r.mean(f, c)+": "+told1(f.Contrast(c.name, chosen.name)))
	}
	for _, c := range told {
		what := fmt.Sprintf("%s (%s) ", c.name, units.Format(*f.Mean(c.name).Number, unitOf(f)))
		if missed := c.objectives(f.Step, analysis.NotMet); f.Step >= 0 && len(missed) > 0 {
			out.Because = append(out.Because, what+"missed "+some(missed))
		}
		if open := c.objectives(f.Step, analysis.Unknown); f.Step >= 0 && len(open) > 0 {
			out.Because = append(out.Because, what+"is not known to have met "+some(open))
		}
	}
	out.Sure = r.sure(f, best, chosen, others, alike, none)
	if len(others) == 0 {
		out.Sure = analysis.Alone
	}
	var left []string
	for _, u := range r.uncompared(f) {
		out.Because = append(out.Because, u.name+" was not compared: "+u.why)
		if !u.never {
			left = append(left, u.words())
		}
	}
	lost, refused := r.lost(chosen.name), f.Refused(chosen.name)
	refused = slices.DeleteFunc(refused, func(why string) bool { return slices.ContainsFunc(lost, sameReplicate(why)) })
	if len(lost) > 0 {
		out.Because = append(out.Because, fmt.Sprintf("%s was not finished in %s", chosen.name, byReason(lost)))
	}
	if len(refused) > 0 {
		out.Because = append(out.Because, fmt.Sprintf("%s was not compared in %s", chosen.name, byReason(refused)))
	}
	out.Sure = besides(failing(out.Sure, chosen.name, lost), left)
	return out
}

// sure says whether what was chosen is shown to be right.
func (r run) sure(f analysis.Criterion, best, chosen candidate, others, alike []candidate, none bool) string {
	var why []string
	if none {
		why = append(why, "no configuration is known to have met every objective; it is the best without regard to them")
	}
	var open, unjudged, once, bounds []string
	for _, c := range others {
		from := best // what was chosen lies within the zone of the best, which must be better
		if slices.ContainsFunc(alike, func(o candidate) bool { return o.name == c.name }) {
			from = chosen
		}
		switch k := f.Contrast(from.name, c.name); {
		case k.Verdict == analysis.ContrastNone:
			open = append(open, c.name)
		case k.Verdict == analysis.ContrastUnknown && k.Pairs > 0 && (f.AtLeast(from.name) || f.AtLeast(c.name)):
			bounds = append(bounds, from.name, c.name)
		case k.Verdict == analysis.ContrastUnknown:
			unjudged = append(unjudged, c.name)
		case k.Verdict == analysis.ContrastWorse:
			why = append(why, fmt.Sprintf("%s is shown to be worse than %s, and not to be within %.3g %% of it", from.name, c.name, 100*r.zone))
		case k.Basis == analysis.BasisWithin:
			once = append(once, c.name)
		}
	}
	if len(open) > 0 {
		why = append(why, "no difference shown against "+strings.Join(open, ", "))
	}
	if len(unjudged) > 0 {
		why = append(why, "too few valid replicates to compare it with "+strings.Join(unjudged, ", ")+" by more than means; repeat them")
	}
	if len(bounds) > 0 {
		bounds = slices.DeleteFunc(bounds, func(name string) bool { return !f.AtLeast(name) })
		slices.Sort(bounds)
		why = append(why, "only a load that was met is known of "+strings.Join(slices.Compact(bounds), ", ")+", not how much more is")
	}
	if len(once) > 0 {
		why = append(why, "compared with "+strings.Join(once, ", ")+" on one deployment of each, and how deployments differ is not known; repeat them")
	}
	if len(why) == 0 {
		return analysis.Shown
	}
	return strings.Join(why, "; ")
}

// within reports whether a configuration differs from the best by no more than the zone, by
// the ratio alone: on the log scale, as contrasts are judged. Where only bounds are known
// it is by the most that it may be behind.
func (r run) within(f analysis.Criterion, c, best candidate) bool {
	k := f.Contrast(best.name, c.name)
	ratio, most := k.Ratio, k.High
	if f.Less {
		most = k.Low
	}
	if !ratio.Known() {
		ratio = most
	}
	return ratio.Known() && *ratio.Number <= 1+r.zone && *ratio.Number >= 1/(1+r.zone)
}

// bestOf candidates whose figure is known, at least one: by the replicates that each two
// have, which met the same arrivals, and where none has both by the means; of those that
// are alike the simplest.
func bestOf(f analysis.Criterion, list []candidate) candidate {
	list = slices.SortedFunc(slices.Values(list), byFigure(f))
	best := list[0]
	for _, c := range list[1:] {
		k := f.Contrast(c.name, best.name)
		if k.Ratio.Known() && (f.Less && *k.Ratio.Number < 1-rounding || !f.Less && *k.Ratio.Number > 1+rounding) {
			best = c
		}
	}
	return best
}

// rounding is by how much ratios of what is alike may differ from 1.
const rounding = 1e-9

// alone is why there is no runner-up.
const alone = "no other configuration may be chosen"

// byFigure puts the better first, and of those that are alike the simpler.
func byFigure(f analysis.Criterion) func(a, b candidate) int {
	return func(a, b candidate) int {
		x, y := *f.Mean(a.name).Number, *f.Mean(b.name).Number
		if !f.Less {
			x, y = y, x
		}
		return cmp.Or(cmp.Compare(x, y), simpler(a, b), byName(a, b))
	}
}

func names(list []candidate) []string {
	var all []string
	for _, c := range list {
		all = append(all, c.name)
	}
	return all
}

func unknown(why string) analysis.Value { return analysis.Value{Unit: "ratio", Why: why} }

// less1 turns a ratio into a change.
func less1(v analysis.Value) analysis.Value {
	if v.Known() {
		change := *v.Number - 1
		v.Number = &change
	}
	return v
}
