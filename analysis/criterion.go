package analysis

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/evabench/evabench/results"
)

// A Criterion is what configurations are chosen by for one goal: at a step of levels, or
// their capacity. It is made by [Summary.Criterion].
type Criterion struct {
	Name, Unit string
	Step       int  // -1 of a capacity
	Less       bool // less of it is better

	measure *measure
	matcher matcher
}

// Zone is the indifference zone of a run, as a share: that of its scenario, or 3 % where
// none was recorded.
func (s *Summary) Zone() float64 {
	if s.Environment.Zone > 0 {
		return s.Environment.Zone
	}
	return DefaultZone
}

// Criterion gives what the configurations are chosen by for a goal, at the step of levels of
// an index, or, if it is negative, by the capacities that searches found. It reports false
// where the run does not tell it: one role without the other has no joint figure of steps,
// and a capacity is that of the service that was raised, or of all together.
//
// Of a step, GoalVision is answered by "Vision", GoalAgent by "VLM responses", GoalJoint
// by the geometric mean of the two rates, which changes as much where either changes by
// the same factor, and GoalLatency by that of each service's highest percentile that can
// be told in every cell.
func (s *Summary) Criterion(goal string, step int) (Criterion, bool) {
	f := Criterion{matcher: matcher{
		zone: s.Zone(), minutes: minutesOf(s.Cells), race: s.raced(),
	}}
	if step < 0 {
		m, searched := capacitiesOf(s.Cells, s.raced())
		if !searched || len(m.by) == 0 || goal != s.RaisedGoal() {
			return f, false
		}
		f.measure = m
	} else {
		f.measure = s.measureAt(goal, step)
	}
	if f.measure == nil || len(f.measure.by) == 0 {
		return f, false
	}
	f.Name, f.Unit, f.Step, f.Less = f.measure.name, f.measure.unit, f.measure.step, f.measure.less
	return f, true
}

// RaisedGoal is the goal that capacities answer: GoalJoint where all loads were raised
// by one factor, else that of the service that was; empty without a search.
func (s *Summary) RaisedGoal() string {
	search := s.Environment.Search
	switch {
	case search == nil:
		return ""
	case search.Raise == "":
		return GoalJoint
	}
	for _, v := range s.Environment.Services {
		if v.Name == search.Raise && v.Role == results.RoleVision {
			return GoalVision
		}
	}
	return GoalAgent
}

// measureAt is nil where the steps have no such figure.
func (s *Summary) measureAt(goal string, step int) *measure {
	name := map[string]string{GoalVision: "Vision", GoalAgent: "VLM responses"}[goal]
	if name != "" {
		for _, m := range figuresAt(s.Cells, step) {
			if m.name == name {
				return m
			}
		}
		return nil
	}
	m := &measure{step: step, by: map[string]map[int]reading{}, why: map[string][]string{}}
	of := bothOf
	m.name, m.unit = "Vision and VLM responses (geometric mean)", "1/s"
	if goal == GoalLatency {
		tails := tailsOf(s.Cells, step)
		if len(tails) == 0 {
			return nil
		}
		m.name, m.unit, m.less = "tail latency ("+strings.Join(namesOf(tails), ", ")+")", "s", true
		of = func(s Step) (reading, bool) { return tailOf(s, tails) }
	}
	for _, c := range s.Cells {
		at := slices.IndexFunc(c.Steps, func(s Step) bool { return s.Index == step })
		if c.Cell.Config.Name == "" || at < 0 {
			continue
		}
		if why := unfit(c, c.Steps[at]); why != "" {
			m.refuse(c, why)
		} else if r, ok := of(c.Steps[at]); ok {
			m.add(c, r)
		}
	}
	return m
}

// bothOf is √(Vision · VLM responses), in 1/s.
func bothOf(s Step) (reading, bool) {
	f := figureOf(s)
	if !f.hasEyes || !f.hasVLM {
		return reading{}, false
	}
	vision, answers := float64(f.vision), float64(f.answers)
	// Half of each one's grain: the root of a product moves by half of what either does.
	grain := math.Hypot(1/max(vision, 1), 1/max(answers, 1)) / 2
	return reading{value: math.Sqrt(vision*answers) / f.window, grain: grain, deviation: math.NaN()}, true
}

// A tail is a service's percentile.
type tail struct {
	service string
	q       float64
}

// tailsOf gives each service's highest percentile that every cell can tell at a step.
func tailsOf(cells []Cell, step int) []tail {
	var names []string
	told := map[tail]int{}
	n := 0
	for _, c := range cells {
		at := slices.IndexFunc(c.Steps, func(s Step) bool { return s.Index == step })
		if c.Cell.Config.Name == "" || at < 0 || unfit(c, c.Steps[at]) != "" {
			continue
		}
		n++
		for _, v := range c.Steps[at].Services {
			if !slices.Contains(names, v.Name) {
				names = append(names, v.Name)
			}
			for _, q := range v.Total.Latency.Quantiles {
				if q.Known() {
					told[tail{v.Name, q.Q}]++
				}
			}
		}
	}
	slices.Sort(names)
	var list []tail
	for _, name := range names {
		best := tail{name, 0}
		for t, cells := range told {
			if t.service == name && cells == n && t.q > best.q {
				best = t
			}
		}
		if best.q > 0 {
			list = append(list, best)
		}
	}
	return list
}

func namesOf(tails []tail) []string {
	var names []string
	for _, t := range tails {
		names = append(names, fmt.Sprintf("%s p%g", t.service, math.Round(t.q*1e5)/1e3))
	}
	return names
}

// tailOf is the geometric mean of the services' tails.
func tailOf(s Step, tails []tail) (reading, bool) {
	var logs float64
	for _, t := range tails {
		for _, v := range s.Services {
			for _, q := range v.Total.Latency.Quantiles {
				if v.Name == t.service && q.Q == t.q && q.Known() {
					logs += math.Log(*q.Number)
				}
			}
		}
	}
	return reading{value: math.Exp(logs / float64(len(tails))), deviation: math.NaN(), load: loadOf(s)}, true
}

// Mean is the geometric mean of a configuration's figure over the replicates that tell
// it; unknown if none does. Where [Criterion.AtLeast] it is so much or more.
func (f Criterion) Mean(config string) Value {
	readings := f.measure.by[config]
	if len(readings) == 0 {
		return unknown(f.Unit, "not measured"+because(f.measure.why[config]))
	}
	// In the order of replicates: sums depend on their order.
	var logs float64
	for _, r := range sortedReadings(readings) {
		logs += math.Log(r.value)
	}
	return known(math.Exp(logs/float64(len(readings))), f.Unit)
}

// Refused says, for each replicate of a configuration that does not tell the figure, which
// it is and why, sorted: "r2: eyes is client-limited".
func (f Criterion) Refused(config string) []string {
	var list []string
	for _, why := range f.measure.why[config] {
		list = append(list, strings.TrimPrefix(why, config+" "))
	}
	slices.Sort(list)
	return list
}

// AtLeast reports whether a configuration's Mean is a bound: in some replicate a search met
// a load and could not say how much more the configuration carries.
func (f Criterion) AtLeast(config string) bool { return f.measure.bounds(config) }

// Replicates is how many replicates of a configuration tell the figure.
func (f Criterion) Replicates(config string) int { return len(f.measure.by[config]) }

func sortedReadings(by map[int]reading) []reading {
	var replicates []int
	for r := range by {
		replicates = append(replicates, r)
	}
	slices.Sort(replicates)
	var list []reading
	for _, r := range replicates {
		list = append(list, by[r])
	}
	return list
}

// Contrast compares the figure of two configurations as [Summary.Complete] does, also of
// pairs that are not in Contrasts.
func (f Criterion) Contrast(of, against string) Contrast {
	c := f.matcher.pair(f.measure, of, against)
	c.Adjusted = c.P
	return c
}

// SummarizeSteps makes a Summary of cells whose Steps were judged one by one, by [Judge]:
// what [Summarize] makes of a run directory, but for what only readings of devices and
// recorded warnings tell. It fills in MIG and MPS of each cell from its layout.
func SummarizeSteps(env results.Environment, cells []Cell) *Summary {
	cells = slices.Clone(cells)
	for i := range cells {
		cells[i].use()
	}
	s := &Summary{Schema: results.SchemaVersion, Environment: env, Cells: cells, Comparison: compareCells(cells)}
	s.Interference, s.Spikes = interferences(s), spikesOf(cells)
	return s
}
