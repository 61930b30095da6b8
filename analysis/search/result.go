package search

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// Capacity is what the search came to; before its end, what it knows so far.
func (c *Capacity) Capacity() analysis.Capacity {
	if c.stage != ended && c.state == "" {
		c.bounds()
	}
	unit := c.ray.unit()
	out := analysis.Capacity{
		Raised: c.search.Raise, Arrivals: c.ray.arrivals(), Unit: unit, State: c.state, Why: c.why,
		Above: value(c.above, unit), Below: value(c.below, unit),
		Confirmations: c.confirmed, Tolerance: c.tolerance(),
		Spent: value(c.spent, "s"), Quoted: value(zeroIsUnknown(c.quoted), "s"),
		Signed: value(zeroIsUnknown(c.signed), unit), Saturation: value(c.saturation(), "1/s"),
	}
	if out.State == "" {
		out.State, out.Why = analysis.CapacityUnfinished, "the cell ended before the search did"
	}
	estimate := math.NaN()
	if c.state == analysis.CapacityFound {
		e := c.estimate
		estimate = e.Load
		out.Low, out.High = value(e.Low, unit), value(e.High, unit)
		out.Probes, out.Requests = e.Probes, int64(math.Round(e.Requests))
		out.Binding = c.clauses[e.Binding].Name
	} else {
		out.Low, out.High = value(math.NaN(), unit), value(math.NaN(), unit)
	}
	out.Estimate = value(estimate, unit)
	for i, s := range c.env.Services {
		load := analysis.CapacityLoad{Service: s.Name, Role: s.Role, Unit: c.ray.levels[i].Unit}
		load.Estimate, load.Signed = c.loadOf(i, estimate), c.loadOf(i, zeroIsUnknown(c.signed))
		out.Loads = append(out.Loads, load)
	}
	out.Sentence = c.sentence(out)
	return out
}

// loadOf gives a service's load where the ray's is load.
func (c *Capacity) loadOf(service int, load float64) analysis.Value {
	l := c.ray.levels[service]
	switch {
	case math.IsNaN(load):
		return value(load, l.Unit)
	case c.ray.raised < 0:
		return value(l.Value*load, l.Unit)
	case service == c.ray.raised:
		return value(load, l.Unit)
	}
	return value(l.Value, l.Unit)
}

// saturation is the largest throughput of a step whose backlog grew.
func (c *Capacity) saturation() float64 {
	most := math.NaN()
	for _, l := range c.looks {
		if l.beyond && !l.ended && l.served > 0 && !(most >= l.served) {
			most = l.served
		}
	}
	return most
}

func zeroIsUnknown(x float64) float64 {
	if x == 0 {
		return math.NaN()
	}
	return x
}

func value(x float64, unit string) analysis.Value {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return analysis.Value{Unit: unit, Why: "not known"}
	}
	return analysis.Value{Number: &x, Unit: unit}
}

// sentence puts the result in words.
func (c *Capacity) sentence(out analysis.Capacity) string {
	var what []string
	for _, s := range c.env.Services {
		if len(s.SLO) == 0 {
			continue
		}
		var clauses []string
		for _, k := range s.SLO {
			clauses = append(clauses, k.Text)
		}
		what = append(what, fmt.Sprintf("%s at %s", s.Name, strings.Join(clauses, ", ")))
	}
	name, its, sustains, unit := c.search.Raise, "its", "sustains", c.ray.words()
	if name == "" {
		name, its, sustains = "The services together", "their", "sustain"
	}
	slo := strings.Join(what, "; ")
	if out.State != analysis.CapacityFound {
		return fmt.Sprintf("%s: no capacity is stated (%s): %s. SLO: %s.", name, out.State, out.Why, slo)
	}
	text := ""
	if out.Signed.Known() {
		text = fmt.Sprintf("%s %s %g %s (%s) with %s, without queues that grow, as confirmed for %s%s", name, sustains, *out.Signed.Number, unit, out.Arrivals, slo, c.confirmedFor().Round(time.Second), c.heavily())
	} else {
		text = fmt.Sprintf("%s: no load was confirmed for %s (%s)", name, slo, out.Why)
	}
	where := "on this deployment"
	if c.deployments > 0 {
		where = fmt.Sprintf("over %d deployments before it", c.deployments)
	}
	return text + fmt.Sprintf("; %s capacity is %s %s [%s, %s] with 95 %% confidence %s (%d probes, %d requests); %s binds.",
		its, figure(*out.Estimate.Number), unit, figure(*out.Low.Number), figure(*out.High.Number), where, out.Probes, out.Requests, out.Binding)
}

// figure writes a load with four digits, and all of those before its point.
func figure(x float64) string {
	if math.Abs(x) >= 1000 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.4g", x)
}

// heavily tells of the confirmation with heavy requests; empty if there was none.
func (c *Capacity) heavily() string {
	for _, k := range c.confirmed {
		switch {
		case k.Heavy && k.Met:
			return ", and with heavy requests as well"
		case k.Heavy:
			return ", but not with heavy requests: " + k.Why
		}
	}
	return ""
}

// confirmedFor is how long the signed load was driven for that.
func (c *Capacity) confirmedFor() time.Duration {
	for _, k := range c.confirmed {
		for _, l := range c.looks {
			if k.Met && !k.Heavy && l.index == k.Step {
				return seconds(l.probe.Seconds)
			}
		}
	}
	return 0
}

// Complete says in each cell of a summary what its search came to: the same that the
// search said when the cell was run, since it rests on nothing but the steps. A summary of
// a run without a search for capacity is left as it is. It fails where the run does not tell what was
// searched.
func Complete(s *analysis.Summary) error {
	if s.Environment.Search == nil {
		return nil
	}
	if s.Environment.Search.Race {
		return completeRace(s)
	}
	switch s.Environment.Search.Kind {
	case InterferenceKind:
		return nil // it looks for no capacity
	case FrontierKind:
		return completeFrontier(s)
	}
	for i := range s.Cells {
		c, err := of(s.Environment, s.Cells[i].Steps)
		if err != nil {
			return fmt.Errorf("cell %s: %w", s.Cells[i].Cell.Folder, err)
		}
		s.Cells[i].Capacity = &c
	}
	return nil
}

// of gives what a search comes to that the steps are of.
func of(env results.Environment, steps []analysis.Step) (analysis.Capacity, error) {
	if env.Search.Kind == Ladder {
		l, err := NewClimb(env)
		if err != nil {
			return analysis.Capacity{}, err
		}
		for _, s := range steps {
			l.take(s)
		}
		return l.Capacity(), nil
	}
	c, err := New(env)
	if err != nil {
		return analysis.Capacity{}, err
	}
	for _, s := range steps {
		c.take(s)
	}
	return c.Capacity(), nil
}
