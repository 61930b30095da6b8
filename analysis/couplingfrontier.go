package analysis

import (
	"cmp"
	"slices"
)

// A joint is what one step completed of both roles, at a load at which every objective was
// met.
type joint struct {
	vision, agent float64 // 1/s, 1/min
	low, high     Value
}

// A mixed is a point of a frontier, before its replicates are put together.
type mixed struct {
	mix  string
	step int // -1: of a capacity
	all  []joint
	of   int // replicates that looked for it
}

// frontiers gives what each configuration sustained of both roles: at the confirmed load of
// each ray, and at the steps of levels at which every replicate met every objective.
func frontiers(s *Summary) []Frontier {
	var list []Frontier
	for _, config := range configsOf(s.Cells) {
		var cells []Cell
		for _, c := range s.Cells {
			if c.Cell.Config.Name == config {
				cells = append(cells, c)
			}
		}
		f := Frontier{Config: config}
		for _, m := range append(alongRays(cells), atLevels(cells)...) {
			f.Points = append(f.Points, m.point())
		}
		if len(f.Points) == 0 {
			continue
		}
		slices.SortStableFunc(f.Points, func(a, b FrontierPoint) int { return cmp.Compare(*a.Vision.Number, *b.Vision.Number) })
		list = append(list, f)
	}
	markBest(list)
	return list
}

// point puts the replicates together.
func (m mixed) point() FrontierPoint {
	p := FrontierPoint{Mix: m.mix, Step: m.step, N: len(m.all), Of: m.of}
	var vision, agent float64
	for i, j := range m.all {
		vision, agent = vision+j.vision, agent+j.agent
		switch {
		case i == 0 || p.Low.Known() && !j.low.Known():
			p.Low, p.High = j.low, j.high
		case p.Low.Known():
			p.Low, p.High = known(min(*p.Low.Number, *j.low.Number), "ratio"), known(max(*p.High.Number, *j.high.Number), "ratio")
		}
	}
	n := float64(len(m.all))
	p.Vision, p.Agent = known(vision/n, "1/s"), known(agent/n, "1/min")
	return p
}

// alongRays gives a point for each ray along which some replicate has a confirmed load.
func alongRays(cells []Cell) []mixed {
	var list []mixed
	for _, c := range cells {
		for _, capacity := range c.Capacities {
			at := slices.IndexFunc(list, func(m mixed) bool { return m.mix == capacity.Mix })
			if at < 0 {
				at, list = len(list), append(list, mixed{mix: capacity.Mix, step: -1})
			}
			list[at].of++
			step, ok := confirmedAt(c, capacity)
			if !ok {
				continue
			}
			j, both := sustainedIn(step)
			if !both {
				continue
			}
			j.low, j.high = overSigned(capacity.Low, capacity.Signed), overSigned(capacity.High, capacity.Signed)
			list[at].all = append(list[at].all, j)
		}
	}
	return slices.DeleteFunc(list, func(m mixed) bool { return len(m.all) == 0 })
}

// confirmedAt is the last step that confirmed a capacity.
func confirmedAt(c Cell, capacity Capacity) (Step, bool) {
	for _, k := range slices.Backward(capacity.Confirmations) {
		if !k.Met || k.Heavy {
			continue
		}
		if at := slices.IndexFunc(c.Steps, func(s Step) bool { return s.Index == k.Step }); at >= 0 {
			return c.Steps[at], true
		}
	}
	return Step{}, false
}

// overSigned is a load over another, less 1.
func overSigned(load, of Value) Value {
	if !load.Known() || !of.Known() || *of.Number == 0 {
		return unknown("ratio", "there is no interval")
	}
	return known(*load.Number / *of.Number - 1, "ratio")
}

// atLevels gives a point for each step of levels at which all replicates met everything.
func atLevels(cells []Cell) []mixed {
	none := inapplicable("ratio", "a load that was asked for, and not a capacity")
	var list []mixed
	for index := range stepCount(cells) {
		m, all := mixed{step: index}, true
		for _, c := range cells {
			for _, s := range c.Steps {
				if s.Index != index {
					continue
				}
				m.mix = s.Name
				j, both := sustainedIn(s)
				all = all && both && s.Purpose == "" && s.Failover == nil && s.metAll()
				j.low, j.high = none, none
				m.all, m.of = append(m.all, j), m.of+1
			}
		}
		if all && len(m.all) > 0 {
			list = append(list, m)
		}
	}
	return list
}

// sustainedIn is false where one of the roles is not in the step.
func sustainedIn(s Step) (joint, bool) {
	f := figureOf(s)
	if !f.hasVLM || !f.hasEyes || !(f.window > 0) {
		return joint{}, false
	}
	return joint{vision: float64(f.vision) / f.window, agent: float64(f.answers) * 60 / f.window}, true
}

// metAll reports whether the step has objectives, met all of them, and measures a server
// whose queues do not grow.
func (s Step) metAll() bool {
	asked := 0
	for _, v := range s.Services {
		if v.Verdict.Is != Valid {
			return false
		}
		for _, c := range v.SLO {
			if asked++; c.Result != Met {
				return false
			}
		}
	}
	return asked > 0
}

// markBest marks the points that no other has more of both, or as much of one and more of
// the other. One that a replicate did not confirm is not known to be sustained, and neither
// is best nor beats another.
func markBest(list []Frontier) {
	for i := range list {
		for j := range list[i].Points {
			p := &list[i].Points[j]
			p.Best = p.N == p.Of && !slices.ContainsFunc(list, func(f Frontier) bool {
				return slices.ContainsFunc(f.Points, func(o FrontierPoint) bool { return o.N == o.Of && o.beats(*p) })
			})
		}
	}
}

func (p FrontierPoint) beats(o FrontierPoint) bool {
	v, a := *p.Vision.Number-*o.Vision.Number, *p.Agent.Number-*o.Agent.Number
	return v >= 0 && a >= 0 && v+a > 0
}
