package analysis

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/evabench/evabench/results"
)

// Against sets two or more runs side by side: before and after a change of the server,
// or two servers. Each run but the first is compared with the first.
type Against struct {
	Schema int          `json:"schema"`
	Runs   []AgainstRun `json:"runs"`
	// Same says that all are records of the same measurement.
	Same bool `json:"same_measurement,omitempty"`
	// Zone is the indifference zone, the widest of the runs'.
	Zone float64 `json:"indifference_zone"`
	// Differences are what the runs' environments do not have in common, Common the names
	// of what they do.
	Differences []Difference `json:"differences"`
	Common      []string     `json:"common"`
	// Figures are compared, by configuration, run and step.
	Figures []AgainstFigure `json:"figures"`
	// Alone are the configurations and steps that only one of two runs has.
	Alone []AgainstAlone `json:"alone,omitempty"`
}

// An AgainstRun is one of the runs.
type AgainstRun struct {
	Label       string              `json:"label"` // "A", "B", …
	Name        string              `json:"name"`  // as it was named: its folder
	Environment results.Environment `json:"environment"`
	Cells       int                 `json:"cells"`
	ValidSteps  int                 `json:"valid_steps"`
}

// A Difference is one thing in which runs differ, with the text of each run, in order.
type Difference struct {
	What   string   `json:"what"`
	Values []string `json:"values"`
	// Means says what it does to the comparison; empty if it is what was to be compared,
	// or does nothing.
	Means string `json:"means,omitempty"`
}

// What the interval of a figure of two runs rests on.
const (
	// BasisSameArrivals: on how the ratio varied over replicates that met the same
	// arrivals in both runs.
	BasisSameArrivals = "pairs with the same arrivals"
	// BasisUnpaired: on how each run's replicates vary, by Welch's method.
	BasisUnpaired = "unpaired replicates"
)

// An AgainstFigure is one figure of one configuration in two runs.
type AgainstFigure struct {
	Config string `json:"configuration"`
	// Run is the index of the run that is set against the first.
	Run int `json:"run"`
	// Step is the name of the step of levels, and empty of a capacity; Load is the load
	// of every service in it.
	Step   string `json:"step,omitempty"`
	Load   string `json:"load,omitempty"`
	Figure string `json:"figure"` // as in [Contrast]
	Unit   string `json:"unit"`
	Less   bool   `json:"less_is_better,omitempty"`
	// First and Other are the geometric means over the replicates, so that Ratio is
	// Other ÷ First; N is how many there are.
	First  Value `json:"first"`
	FirstN int   `json:"first_replicates"`
	Other  Value `json:"other"`
	OtherN int   `json:"other_replicates"`
	// LeftOut is why a race of the other run left the configuration out, since it could not
	// win: what it then does not tell is nothing that it lost.
	LeftOut string `json:"left_out,omitempty"`
	// Ratio has a 95 % interval from Low to High. Where a search could say only that a load is
	// met, that side and Ratio are unknown, and Low and High are how far the ratio lies at
	// least and at most: either may be unknown. Basis is one of the Basis constants;
	// empty without an interval.
	Ratio Value  `json:"ratio"`
	Low   Value  `json:"low"`
	High  Value  `json:"high"`
	Basis string `json:"basis,omitempty"`
	P     Value  `json:"p"`
	// Verdict is one of the Contrast constants, of Other against First.
	Verdict string `json:"verdict"`
	// Needs is how many more replicates of each would decide it, if ratio and spread stay
	// what they are; inapplicable where it is decided.
	Needs Value `json:"more_replicates_needed"`
}

// A NamedSummary is a run and what people call it.
type NamedSummary struct {
	Name    string
	Summary *Summary // searched and completed
}

// CompareRuns sets runs side by side. It refuses, with every reason, what cannot be
// compared: fewer than two runs, other schemas, services or units of load, and runs that
// have no configuration with a step or a capacity in common.
func CompareRuns(runs []NamedSummary) (*Against, error) {
	if len(runs) < 2 {
		return nil, errors.New("it takes two runs or more")
	}
	a := &Against{Schema: results.SchemaVersion, Differences: []Difference{}, Figures: []AgainstFigure{}}
	var faults []error
	for i, r := range runs {
		a.Runs = append(a.Runs, AgainstRun{
			Label: label(i), Name: r.Name, Environment: r.Summary.Environment, Cells: len(r.Summary.Cells), ValidSteps: r.Summary.ValidSteps(),
		})
		a.Zone = max(a.Zone, r.Summary.Zone())
		if i > 0 {
			faults = append(faults, unlike(runs[0], r)...)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	a.Differences, a.Common = differencesOf(runs)
	a.Same = !slices.ContainsFunc(runs[1:], func(r NamedSummary) bool { return !sameCells(runs[0].Summary.Cells, r.Summary.Cells) })
	for i, r := range runs[1:] {
		before := len(a.Figures)
		p := runPair{first: runs[0].Summary, other: r.Summary, run: i + 1, zone: a.Zone}
		a.Figures = append(a.Figures, p.figures()...)
		a.Alone = append(a.Alone, p.alone()...)
		if !slices.ContainsFunc(a.Figures[before:], func(f AgainstFigure) bool { return f.OtherN > 0 }) {
			return nil, fmt.Errorf("%s and %s have nothing to compare: no configuration of both has a finished step with the same levels that measures the server, or a capacity; %s has %s, %s has %s",
				runs[0].Name, r.Name, runs[0].Name, listed(configsOf(runs[0].Summary.Cells)), r.Name, listed(configsOf(r.Summary.Cells)))
		}
	}
	return a, nil
}

// label names runs A to Z, and then by number.
func label(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return fmt.Sprintf("run %d", i+1)
}

func listed(names []string) string { return cmp.Or(strings.Join(names, ", "), "none") }

// unlike gives the reasons why two runs cannot be compared.
func unlike(a, b NamedSummary) []error {
	var faults []error
	refuse := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if x, y := a.Summary.Schema, b.Summary.Schema; x != y {
		refuse("%s has schema %d, %s has schema %d: they were measured by other rules", a.Name, x, b.Name, y)
	}
	of := func(s *Summary) (services []string) {
		for _, v := range s.Environment.Services {
			services = append(services, fmt.Sprintf("%s (%s)", v.Name, v.Role))
		}
		slices.Sort(services)
		return services
	}
	if x, y := of(a.Summary), of(b.Summary); !slices.Equal(x, y) {
		refuse("%s and %s drive other services: %s against %s", a.Name, b.Name, listed(x), listed(y))
		return faults
	}
	x, y := unitsOf(a.Summary), unitsOf(b.Summary)
	for _, v := range a.Summary.Environment.Services {
		if u, w := x[v.Name], y[v.Name]; u != w && u != "" && w != "" {
			refuse("%s drives %s in %s, %s in %s: such loads have nothing in common", a.Name, v.Name, u, b.Name, w)
		}
	}
	return faults
}

// unitsOf gives the unit of each service's load.
func unitsOf(s *Summary) map[string]string {
	all := map[string]string{}
	for _, c := range s.Cells {
		for _, step := range c.Steps {
			for _, v := range step.Services {
				all[v.Name] = v.Level.Unit
			}
		}
	}
	for _, v := range s.Environment.Services {
		if v.Target != nil {
			all[v.Name] = v.Target.Unit
		}
	}
	return all
}

// sameCells reports whether the cells are records of the same measurements.
func sameCells(a, b []Cell) bool {
	return slices.EqualFunc(a, b, func(x, y Cell) bool { return sameCell(x, y) })
}

func sameCell(a, b Cell) bool {
	return a.Cell.Folder == b.Cell.Folder && a.Cell.Nonce == b.Cell.Nonce && a.Cell.Started.Equal(b.Cell.Started)
}

// A runPair compares two runs.
type runPair struct {
	first, other *Summary
	run          int
	zone         float64
}

// figures compares each configuration that both have: each step of levels that both
// have, and the capacities.
func (p runPair) figures() []AgainstFigure {
	var list []AgainstFigure
	names := configsOf(p.other.Cells)
	for _, config := range configsOf(p.first.Cells) {
		if !slices.Contains(names, config) {
			continue
		}
		a, b := cellsOf(p.first.Cells, config), cellsOf(p.other.Cells, config)
		shared, _, _ := p.pairSteps(levelSteps(a), levelSteps(b))
		for _, s := range shared {
			theirs := figuresAt(b, s.other)
			for _, f := range figuresAt(a, s.first) {
				other := gone(f, b, s.other)
				if at := slices.IndexFunc(theirs, func(m *measure) bool { return m.name == f.name }); at >= 0 {
					other = theirs[at]
				}
				made := p.compare(config, f, other, pairedAt(a, b, s))
				made.Step, made.Load = s.name, s.load
				list = append(list, made)
			}
		}
		if f, ok := p.capacity(config, a, b); ok {
			list = append(list, f)
		}
	}
	return list
}

// gone is a figure of which no replicate of a step has a reading, with the reasons.
func gone(f *measure, cells []Cell, index int) *measure {
	m := &measure{name: f.name, unit: f.unit, less: f.less, why: map[string][]string{}}
	for _, c := range cells {
		if at := slices.IndexFunc(c.Steps, func(s Step) bool { return s.Index == index }); at >= 0 {
			m.refuse(c, cmp.Or(unfit(c, c.Steps[at]), "it does not tell "+f.name))
		}
	}
	return m
}

func cellsOf(cells []Cell, config string) []Cell {
	return slices.DeleteFunc(slices.Clone(cells), func(c Cell) bool { return c.Cell.Config.Name != config })
}

// A sharedStep is a step of levels that two runs have, by its index in each.
type sharedStep struct {
	first, other int
	name, load   string
}

// pairSteps pairs the steps of levels that have the same levels and arrivals; of several
// alike, in their order. Mine and theirs are those that only one side has.
func (p runPair) pairSteps(a, b []levelStep) (shared []sharedStep, mine, theirs []levelStep) {
	differ := p.otherArrivals()
	theirs = slices.Clone(b)
	for _, s := range a {
		at := slices.IndexFunc(theirs, func(t levelStep) bool { return t.key == s.key })
		if at < 0 || slices.ContainsFunc(s.services, func(name string) bool { return differ[name] != "" }) {
			mine = append(mine, s)
			continue
		}
		shared = append(shared, sharedStep{s.index, theirs[at].index, s.name, s.load})
		theirs = slices.Delete(theirs, at, at+1)
	}
	return shared, mine, theirs
}

// A levelStep is a step of levels of some cell of a configuration.
type levelStep struct {
	index           int
	name, key, load string
	services        []string // that are driven
}

func levelSteps(cells []Cell) []levelStep {
	var list []levelStep
	for _, c := range cells {
		for _, s := range c.Steps {
			if s.Purpose != "" || s.Failover != nil || slices.ContainsFunc(list, func(l levelStep) bool { return l.index == s.Index }) {
				continue
			}
			var services []string
			for _, v := range s.Services {
				services = append(services, v.Name)
			}
			list = append(list, levelStep{s.Index, cmp.Or(s.Name, fmt.Sprintf("step %d", s.Index)), keyOf(s), loadOf(s), services})
		}
	}
	slices.SortFunc(list, func(a, b levelStep) int { return cmp.Compare(a.index, b.index) })
	return list
}

// keyOf is equal for steps with the same levels of every service.
func keyOf(s Step) string {
	var all []string
	for _, v := range s.Services {
		all = append(all, fmt.Sprintf("%s %s %v %s", v.Name, v.Level.Arrivals, v.Level.Value, v.Level.Unit))
	}
	slices.Sort(all)
	if s.Heavy {
		all = append(all, "heavy")
	}
	return strings.Join(all, "\n")
}

// pairing says which replicates of two runs met the same arrivals.
type pairing struct {
	paired bool
	same   bool // they are not only alike: they are the same measurement
}

// pairedAt tells of a step. The arrivals of a replicate's step come from the cell's seed
// and the step's index, for as long as load runs.
func pairedAt(a, b []Cell, s sharedStep) pairing {
	step := func(c Cell, index int) (Step, bool) {
		at := slices.IndexFunc(c.Steps, func(s Step) bool { return s.Index == index })
		if at < 0 {
			return Step{}, false
		}
		return c.Steps[at], true
	}
	out := pairing{paired: s.first == s.other, same: s.first == s.other}
	seen := false
	for _, x := range a {
		for _, y := range b {
			if x.Cell.Replicate != y.Cell.Replicate {
				continue
			}
			u, has := step(x, s.first)
			v, had := step(y, s.other)
			if !has || !had {
				continue
			}
			seen = true
			out.paired = out.paired && x.Cell.Seed == y.Cell.Seed && u.Window == v.Window && math.Abs(u.Warmup-v.Warmup) < 1e-6
			out.same = out.same && sameCell(x, y)
		}
	}
	out.paired, out.same = out.paired && seen, out.same && seen
	return out
}
