package recommend

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/results"
)

// singleMixed: with MIG, with or without MPS, against neither, of all services together.
// The guide has measured no MPS without MIG there; where that does better than MIG, it is
// told beside.
func (r run) singleMixed() (string, string) {
	mig := side{"MIG", r.where(func(c candidate) bool { return c.mig == analysis.UseAll })}
	measured, because := verdict(r.sides(analysis.GoalJoint, mig, side{"neither MIG nor MPS", r.neither()}), true)
	mps := side{"MPS without MIG", r.where(func(c candidate) bool { return c.mig == analysis.UseNone && c.mps == analysis.UseAll })}
	if o := r.sides(analysis.GoalJoint, mps, mig); o.verdict == analysis.ContrastBetter {
		because += ". Better still, which the guide has not measured: " + o.text
	}
	return measured, because
}

// multiVLM: MIG with MPS, as published, or with MIG alone where that was not run, against
// neither. The guide's rule holds as long as MIG is not better.
func (r run) multiVLM() (string, string) {
	both := side{"MIG+MPS", r.where(func(c candidate) bool { return c.mig == analysis.UseAll && c.mps == analysis.UseAll })}
	if len(both.list) == 0 {
		both = side{"MIG", r.where(func(c candidate) bool { return c.mig == analysis.UseAll })}
	}
	goal := analysis.GoalJoint
	if !r.role(results.RoleVision) {
		goal = analysis.GoalAgent
	}
	return verdict(r.sides(goal, both, side{"neither", r.neither()}), false)
}

// manyVision: MPS against time-slicing without MIG, by Vision.
func (r run) manyVision() (string, string) {
	return verdict(r.sides(analysis.GoalVision,
		side{"MPS", r.where(func(c candidate) bool { return c.mig == analysis.UseNone && c.mps == analysis.UseAll })},
		side{"time-slicing", r.neither()}), true)
}

// separable: roles on GPUs of their own against both on one, of all services together.
func (r run) separable() (string, string) {
	return verdict(r.sides(analysis.GoalJoint,
		side{"roles on GPUs of their own", r.apart()}, side{"both roles on a GPU", r.together()}), true)
}

// scarceMemory: is there a configuration without MIG that had memory enough, where one
// with other workers or another placement had not?
func (r run) scarceMemory() (string, string) {
	short := r.short()
	fits := func(c candidate) bool { return short[c.name] == "" }
	plain := r.where(func(c candidate) bool { return fits(c) && c.mig == analysis.UseNone })
	split := r.where(func(c candidate) bool { return fits(c) && c.mig != analysis.UseNone })
	var lacking []results.Config
	for _, c := range r.Cells {
		if short[c.Cell.Config.Name] != "" {
			lacking = append(lacking, c.Cell.Config)
		}
	}
	for _, i := range r.Environment.Impossible {
		if short[i.Config.Name] != "" {
			lacking = append(lacking, i.Config)
		}
	}
	for _, c := range plain {
		for _, without := range lacking {
			if differInPlacing(without, c.config) {
				return analysis.Agrees, fmt.Sprintf("%s had memory enough without MIG, where %s had not: they differ in placement or workers", c.name, without.Name)
			}
		}
	}
	switch {
	case len(plain) == 0 && len(split) > 0:
		return analysis.Disagrees, fmt.Sprintf("only with MIG was there memory enough, in %s", strings.Join(names(split), ", "))
	case len(plain) == 0:
		return analysis.NotShown, "no configuration had memory enough"
	}
	return analysis.NotShown, "no two configurations without MIG differ in placement or workers alone, one of which had memory enough and one not"
}

// differInPlacing reports whether two configurations differ in placement or workers, and in
// nothing else: a parameter may decide by itself how much memory is taken.
func differInPlacing(a, b results.Config) bool {
	return a.Layout == b.Layout && a.Sharing == b.Sharing && a.Routing == b.Routing && maps.Equal(a.Params, b.Params) &&
		(a.Placement != b.Placement || !maps.Equal(a.Workers, b.Workers))
}

// neither are the configurations without MIG and MPS.
func (r run) neither() []candidate {
	return r.where(func(c candidate) bool { return c.mig == analysis.UseNone && c.mps == analysis.UseNone })
}

// A side is one side of a comparison.
type side struct {
	name string
	list []candidate
}

// An outcome is how the best of one side stands to the best of the other.
type outcome struct {
	verdict string // one of analysis's Contrast constants
	text    string
}

// sides sets the best configuration of one side against the best of the other, by the
// figure of a goal. Where one side has configurations that met every objective at the load,
// and each of the other missed one, that decides, if it was seen in two replicates of each.
// An objective of which nothing is known was not missed.
func (r run) sides(goal string, a, b side) outcome {
	none := func(format string, args ...any) outcome {
		return outcome{analysis.ContrastUnknown, fmt.Sprintf(format, args...)}
	}
	f, met, ok := r.figure(goal)
	if !ok {
		return none("the run has no figure for it")
	}
	measured := func(s side) []candidate {
		return slices.DeleteFunc(slices.Clone(s.list), func(c candidate) bool { return !f.Mean(c.name).Known() })
	}
	as, bs := measured(a), measured(b)
	for i, list := range [][]candidate{as, bs} {
		if len(list) == 0 {
			if s := []side{a, b}[i]; len(s.list) > 0 {
				return none("with %s nothing was measured: %s", s.name, f.Mean(s.list[0].name).Why)
			}
			return none("no configuration with %s was run", []side{a, b}[i].name)
		}
	}
	metOf := func(list []candidate) []candidate {
		return slices.DeleteFunc(slices.Clone(list), func(c candidate) bool { return !met(c) })
	}
	aMet, bMet := metOf(as), metOf(bs)
	if len(aMet) > 0 && len(bMet) > 0 {
		as, bs = aMet, bMet
	}
	x, y := bestOf(f, as), bestOf(f, bs)
	k := f.Contrast(x.name, y.name)
	out := outcome{k.Verdict, fmt.Sprintf("%s (%s) against %s (%s), by %s: %s%s", a.name, x.name, b.name, y.name, f.Name, told1(k), r.parts(goal, f, x, y))}
	switch {
	case k.Basis == analysis.BasisWithin:
		out.verdict = analysis.ContrastUnknown // how deployments differ is not in it
	case k.Verdict == analysis.ContrastBetter:
		out.amongst(k, x, len(as))
	case k.Verdict == analysis.ContrastWorse:
		out.amongst(k, y, len(bs))
	}
	again := func(c candidate) bool { return f.Replicates(c.name) >= 2 }
	missed := func(c candidate) bool { return c.missedAgain(f.Step) }
	seen := func(met, others []candidate) bool {
		return slices.ContainsFunc(met, again) && !slices.ContainsFunc(others, func(c candidate) bool { return !missed(c) })
	}
	switch {
	case len(aMet) > 0 && len(bMet) == 0 && seen(aMet, bs):
		out.verdict = analysis.ContrastBetter
		out.text += fmt.Sprintf("; and at this load %s met every objective and no configuration with %s did", strings.Join(names(aMet), ", "), b.name)
	case len(bMet) > 0 && len(aMet) == 0 && seen(bMet, as):
		out.verdict = analysis.ContrastWorse
		out.text += fmt.Sprintf("; and at this load %s met every objective and no configuration with %s did", strings.Join(names(bMet), ", "), a.name)
	}
	return out
}

// amongst puts right that what is better is the best of several, chosen from the same data: by
// luck alone the best of many is often better than another. Its p counts as many times
// (Bonferroni's). The other side was chosen as well, but that speaks against what is told.
func (o *outcome) amongst(k analysis.Contrast, best candidate, of int) {
	if of < 2 {
		return
	}
	o.text += fmt.Sprintf("; %s is the best of %d by the same data", best.name, of)
	if !k.P.Known() {
		return // only bounds are known
	}
	p := min(1, float64(of)**k.P.Number)
	o.text += ": p = " + units.Measure(p) + " over all of them"
	if p > 0.05 {
		o.verdict = analysis.ContrastNone
		o.text += ", so that it is not shown"
	}
}

// parts tells each role's change beside that of both together.
func (r run) parts(goal string, f analysis.Criterion, x, y candidate) string {
	if goal != analysis.GoalJoint || f.Step < 0 {
		return ""
	}
	text := ""
	for _, g := range []string{analysis.GoalVision, analysis.GoalAgent} {
		if part, ok := r.Criterion(g, f.Step); ok {
			text += fmt.Sprintf("; %s %s", part.Name, told1(part.Contrast(x.name, y.name)))
		}
	}
	return text
}

// verdict tells whether what was measured agrees with a rule that has the first side be
// better, or not be better.
func verdict(o outcome, better bool) (measured, because string) {
	switch o.verdict {
	case analysis.ContrastBetter:
		measured = agrees(better)
	case analysis.ContrastWorse, analysis.ContrastEquivalent:
		measured = agrees(!better)
	default:
		measured = analysis.NotShown
	}
	return measured, o.text
}

func agrees(yes bool) string {
	if yes {
		return analysis.Agrees
	}
	return analysis.Disagrees
}
