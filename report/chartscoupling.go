package report

import (
	"fmt"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

const besideTitle = "Services beside one another"

// couplings draws the joint frontier, and what services felt of their neighbours.
func (c *charting) couplings() {
	c.frontier()
	type pair struct{ victim, neighbour string }
	var pairs []pair
	of := map[pair][]analysis.Interference{}
	for _, i := range c.summary.Interference {
		p := pair{i.Victim, i.Neighbour}
		if of[p] == nil {
			pairs = append(pairs, p)
		}
		of[p] = append(of[p], i)
	}
	for _, p := range pairs {
		c.interference(p.victim, p.neighbour, of[p])
	}
}

func (c *charting) frontier() {
	chart := Chart{
		ID: "frontier", Title: "Vision and Agent together", Asks: "How much of both can be had at once?", Kind: ChartScatter,
		X: Axis{Name: "Vision", Unit: units.Requests}, Y: Axis{Name: "Agent", Unit: units.PerMinute},
		Notes: []string{"Each point met every objective, in the replicates that confirmed it. Frontier: every replicate did, and no such point of any configuration has more of both."},
	}
	best := Series{Name: "Frontier"}
	for _, f := range c.summary.Frontiers {
		s := Series{Name: f.Config, Config: f.Config}
		for _, p := range f.Points {
			if !p.Vision.Known() || !p.Agent.Known() {
				continue
			}
			point := Point{X: *p.Vision.Number, Y: *p.Agent.Number, Note: p.Mix}
			if p.N < p.Of {
				point.Note += fmt.Sprintf(", confirmed in %d of %s", p.N, units.Plural(p.Of, "replicate"))
			}
			s.Points = append(s.Points, point)
			if p.Best {
				point.Note = f.Config + ": " + p.Mix
				best.Points = append(best.Points, point)
			}
		}
		chart.Series = append(chart.Series, s)
	}
	chart.Series = append(chart.Series, best)
	seriesList(chart.Series[len(chart.Series)-1:]).sorted()
	c.put(chart, besideTitle)
}

// interference draws by how much the victim's tail grew, and what it lost of its
// throughput, by the neighbour's load.
func (c *charting) interference(victim, neighbour string, list []analysis.Interference) {
	tail := Chart{
		ID: "interference-" + victim + "-" + neighbour, Title: "What " + victim + " felt of " + neighbour, Asks: "By how much does its tail grow with its neighbour's load?",
		X: Axis{Name: "Load of " + neighbour}, Y: Axis{Name: "Growth of the tail latency", Unit: units.Ratio},
		Notes: []string{"Against the least load of the neighbour that any configuration has, in the same replicate. Bars: 95 % intervals over replicates, where one is known."},
	}
	loss := Chart{
		ID: "loss-" + victim + "-" + neighbour, Title: "What " + victim + " lost to " + neighbour, Asks: "How much of its throughput is lost with its neighbour's load?",
		X: Axis{Name: "Load of " + neighbour}, Y: Axis{Name: "Loss of throughput", Unit: units.Ratio}, Detail: true,
	}
	var tails, losses seriesList
	for _, i := range list {
		for _, p := range i.Points {
			if !p.Load.Known() {
				continue
			}
			tail.X.Unit, loss.X.Unit = p.Load.Unit, p.Load.Unit
			if point := effectPoint(p.Inflation, *p.Load.Number); point != nil {
				if p.Quantile > 0 {
					point.Note = quantileName(p.Quantile)
				}
				tails.add(i.Config, i.Config, *point)
			}
			if point := effectPoint(p.Loss, *p.Load.Number); point != nil {
				losses.add(i.Config, i.Config, *point)
			}
		}
	}
	tail.Kind, loss.Kind = tails.sorted(), losses.sorted()
	tail.Series, loss.Series = tails, losses
	c.put(tail, besideTitle)
	c.put(loss, besideTitle)
}

func effectPoint(e analysis.Effect, x float64) *Point {
	p := valuePoint(e.Value)
	if p != nil {
		p.X, p.Low, p.High = x, numberOf(e.Low), numberOf(e.High)
	}
	return p
}
