package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/evabench/evabench/internal/units"
)

// curves draws where the tail starts: the latency of configurations at the same load, of
// levels and of steps that confirmed one.
func (c *charting) curves(list []place) {
	type key struct {
		service string
		load    string
		step    string
	}
	var keys []key
	of := map[key]*Chart{}
	series := map[key]seriesList{}
	for _, p := range list {
		if p.step.Purpose != "" && !p.step.Confirms() || len(p.service.Curve) == 0 {
			continue
		}
		step := "at the load to be allowed"
		if p.step.Purpose == "" {
			step = stepName(p.step.Name, p.step.Index)
		}
		at := key{p.service.Name, levelText(p.service), step}
		if of[at] == nil {
			keys = append(keys, at)
			of[at] = &Chart{
				ID:    fmt.Sprintf("curve-%s-%s", p.service.Name, step),
				Title: fmt.Sprintf("Latency of %s towards the tail: %s (%s)", p.service.Name, step, levelText(p.service)),
				Asks:  "Where does the tail start?", Kind: ChartLines,
				X: Axis{Name: "1 / (1 - share of answers): 10 is p90, 100 is p99", Log: true}, Y: Axis{Name: "Latency", Unit: units.Seconds, Log: true},
				Notes:  []string{"Exact. The last point of each is the slowest of all its n answers, at n."},
				Limits: curveLimits(p), Detail: true,
			}
		}
		name := c.cellName(p.cell)
		lines := series[at]
		for _, point := range p.service.Curve {
			x := 0.0
			if point.Share < 1 {
				x = 1 / (1 - point.Share)
			} else if x = float64(p.service.Total.Latency.N); x < 2 {
				continue
			}
			if point.Seconds > 0 {
				lines.add(name, configName(p.cell), Point{X: x, Y: point.Seconds})
			}
		}
		series[at] = lines
	}
	for _, at := range keys {
		of[at].Series = series[at]
		c.put(*of[at], "Steps")
	}
}

func curveLimits(p place) []Limit {
	var list []Limit
	for _, limits := range latencyLimits([]place{p}) {
		list = append(list, limits...)
	}
	slices.SortFunc(list, func(a, b Limit) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Name, b.Name)) })
	return list
}

// courses draws how steps went, of each service: what was due and done, and the latency
// over time. Those of levels and of steps that confirmed a load come first; beyond
// chartsDetail of them the JSON has the others.
func (c *charting) courses() {
	var list, others []place
	for _, p := range places(c.summary) {
		switch k := p.service.Course; {
		case k == nil || len(k.Due) == 0:
		case p.step.Purpose == "" || p.step.Confirms() || p.step.Spikes():
			list = append(list, p)
		default:
			others = append(others, p)
		}
	}
	list = append(list, others...)
	if n := len(list); n > chartsDetail {
		list = list[:chartsDetail]
		i := slices.IndexFunc(c.document.Sections, func(s Section) bool { return s.Title == "Steps" })
		c.document.Sections[i].Notes = append(c.document.Sections[i].Notes,
			fmt.Sprintf("The course of %d of %d services of steps is drawn, those of levels and of confirmations first; the JSON has that of all.", chartsDetail, n))
	}
	for _, p := range list {
		c.course(p)
	}
}

func (c *charting) course(p place) {
	k := p.service.Course
	name := fmt.Sprintf("%s, %s, %s", p.cell.Cell.Folder, stepName(p.step.Name, p.step.Index), p.service.Name)
	id := fmt.Sprintf("%s-%d-%s", p.cell.Cell.Folder, p.step.Index, p.service.Name)
	axis := Axis{Name: "Time since the load began", Unit: units.Seconds}
	warmup := float64(k.Warmup) * k.Part
	notes := []string{fmt.Sprintf("Parts of %s; the first %d are warm-up, of which nothing counts.", units.Format(k.Part, units.Seconds), k.Warmup)}
	line := func(name string, counts []int64) Series {
		s := Series{Name: name, Config: configName(p.cell)}
		any := false
		for i, n := range counts {
			s.Points = append(s.Points, Point{X: float64(i) * k.Part, Y: float64(n)})
			any = any || n > 0
		}
		if !any {
			s.Points = nil
		}
		return s
	}
	c.put(Chart{
		ID: "course-" + id, Title: "Course of " + name, Asks: "Was it steady, and did it keep up?", Kind: ChartCourse,
		X: axis, Y: Axis{Name: "Requests in a part", Unit: "n"}, Notes: notes, WarmupTo: warmup, Detail: true,
		Series: []Series{line("Due", k.Due), line("Done", k.Done), line("Failed", k.Failed)},
	}, "Steps")
	if len(k.Heat) == 0 {
		return
	}
	heat := &Heat{YBounds: slices.Clone(k.Bounds)}
	for i := range len(k.Due) + 1 {
		heat.XBounds = append(heat.XBounds, float64(i)*k.Part)
	}
	for _, h := range k.Heat {
		heat.X, heat.Y, heat.Counts = append(heat.X, int(h[0])), append(heat.Y, int(h[1])), append(heat.Counts, h[2])
	}
	c.put(Chart{
		ID: "heat-" + id, Title: "Latency over time of " + name, Asks: "Did latency drift, or come in bursts?", Kind: ChartHeat,
		X: axis, Y: Axis{Name: "Latency", Unit: units.Seconds, Log: true}, Notes: notes, WarmupTo: warmup, Detail: true, Heat: heat,
	}, "Steps")
}
