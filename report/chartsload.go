package report

import (
	"slices"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// A loaded is a service with what its load is told by: its own level, or if that never
// varies, that of the neighbour whose load does.
type loaded struct {
	service string
	by      string // whose level x is; empty if no load varies
	unit    string
	places  []place
}

// loadeds lists the services in the order of running. A service whose level has several
// units has one for each.
func loadeds(list []place) []loaded {
	var all []loaded
	for _, p := range list {
		i := slices.IndexFunc(all, func(l loaded) bool { return l.service == p.service.Name && l.unit == p.service.Level.Unit })
		if i < 0 {
			i = len(all)
			all = append(all, loaded{service: p.service.Name, unit: p.service.Level.Unit})
		}
		all[i].places = append(all[i].places, p)
	}
	for i := range all {
		all[i].choose()
	}
	return all
}

// choose finds whose load varies.
func (l *loaded) choose() {
	for _, name := range append([]string{l.service}, neighbours(l.places)...) {
		unit, varies := "", false
		var first float64
		for i, p := range l.places {
			at := levelOf(p.step, name)
			if at == nil || i > 0 && at.Level.Unit != unit {
				varies = false
				break
			}
			if i == 0 {
				first, unit = at.Level.Value, at.Level.Unit
			}
			varies = varies || at.Level.Value != first
		}
		if varies {
			l.by, l.unit = name, unit
			return
		}
	}
}

// neighbours lists the services of the places' steps.
func neighbours(list []place) []string {
	var names []string
	for _, p := range list {
		for _, s := range p.step.Services {
			if s.Name != p.service.Name && !slices.Contains(names, s.Name) {
				names = append(names, s.Name)
			}
		}
	}
	return names
}

func levelOf(step analysis.Step, service string) *analysis.Service {
	return serviceIn(&step, service)
}

// axis is that of the load; of configurations where no load varies.
func (l loaded) axis() Axis {
	if l.by == "" {
		return Axis{Name: "Configuration"}
	}
	return Axis{Name: "Load of " + l.by, Unit: l.unit}
}

// loadChart draws a figure of each place against its load, a series for each configuration;
// where no load varies, as bars.
func (c *charting) loadChart(l loaded, chart Chart, of func(place) *Point) Chart {
	chart.X = l.axis()
	var series seriesList
	for _, p := range l.places {
		if l.by == "" {
			chart.X.Names = append(chart.X.Names, c.barName(l, p))
		}
		point := of(p)
		if point == nil {
			continue
		}
		point.Note = c.pointNote(p)
		if l.by == "" {
			point.X = float64(len(chart.X.Names) - 1)
			series.add(chart.Y.Name, "", *point)
			continue
		}
		point.X = levelOf(p.step, l.by).Level.Value
		series.add(configName(p.cell), configName(p.cell), *point)
	}
	chart.Kind = series.sorted()
	if l.by == "" {
		chart.Kind = ChartBars
		chart.Detail = chart.Detail || l.places[0].step.Purpose != "" // a search that never came to another load
		if len(chart.X.Names) < 2 {
			return Chart{} // nothing to compare
		}
	}
	chart.Series = series
	return chart
}

// barName tells a place from the others.
func (c *charting) barName(l loaded, p place) string {
	name := c.cellName(p.cell)
	for _, other := range l.places {
		if other.step.Index != p.step.Index {
			return name + ", " + stepName(p.step.Name, p.step.Index)
		}
	}
	return name
}

// against ends a chart's title.
func (l loaded) against() string {
	switch l.by {
	case "":
		return ", by configuration"
	case l.service:
		return " against load"
	}
	return " against the load of " + l.by
}

// latencies has a chart for each service and quantile. Those of an objective, or the
// highest that is known if there is none, are on the first level.
func (c *charting) latencies(list []place) {
	for _, l := range loadeds(list) {
		limits := latencyLimits(l.places)
		qs := knownQuantiles(l.places)
		for i, q := range qs {
			name := quantileName(q)
			chart := Chart{
				ID: "latency-" + name + "-" + l.service, Title: name + " latency of " + l.service + l.against(),
				Asks: "Up to which load does it keep its objective?", Y: Axis{Name: name + " latency", Unit: units.Seconds},
				Limits: limits[q],
				Notes:  []string{"Of ok answers, from due to done. Bars: 95 % intervals, where one is known."},
			}
			if len(chart.Limits) == 0 && (len(limits) > 0 || i < len(qs)-1) {
				chart.Detail = true
			}
			c.put(c.loadChart(l, chart, func(p place) *Point { return quantilePoint(p.service.Total.Latency, q) }), "Capacity", "Comparison")
		}
	}
}

// knownQuantiles lists the quantiles that are known at one place at least.
func knownQuantiles(list []place) []float64 {
	var qs []float64
	for _, p := range list {
		for _, q := range p.service.Total.Latency.Quantiles {
			if q.Known() {
				qs = append(qs, q.Q)
			}
		}
	}
	slices.Sort(qs)
	return slices.Compact(qs)
}

// latencyLimits lists, by quantile, the limits that objectives set all of a service's
// requests.
func latencyLimits(list []place) map[float64][]Limit {
	limits := map[float64][]Limit{}
	for _, p := range list {
		for _, v := range p.service.SLO {
			k := v.Clause
			if k.Metric != "latency" || k.Class != "" || k.Quantile == 0 {
				continue
			}
			if limit := (Limit{Name: k.Text, At: k.Limit, Of: "y"}); !slices.Contains(limits[k.Quantile], limit) {
				limits[k.Quantile] = append(limits[k.Quantile], limit)
			}
		}
	}
	return limits
}

func quantilePoint(d analysis.Distribution, q float64) *Point {
	i := slices.IndexFunc(d.Quantiles, func(has analysis.Quantile) bool { return has.Q == q })
	if i < 0 || !d.Quantiles[i].Known() {
		return nil
	}
	at := d.Quantiles[i]
	return &Point{Y: *at.Number, Low: at.Low, High: at.High}
}

// valuePoint is nil of a value that is not known.
func valuePoint(v analysis.Value) *Point {
	if !v.Known() {
		return nil
	}
	return &Point{Y: *v.Number}
}

// rates has a chart of throughput for each service whose load varies: what it did by
// what was asked.
func (c *charting) rates(list []place) {
	for _, l := range loadeds(list) {
		if l.by == "" {
			continue // the comparison has it
		}
		c.put(c.loadChart(l, Chart{
			ID: "throughput-" + l.service, Title: "Throughput of " + l.service + l.against(),
			Asks: "Up to which load does it do what is asked?", Y: Axis{Name: "Completed", Unit: units.Requests},
			Detail: l.by != l.service,
		}, func(p place) *Point { return valuePoint(p.service.Total.Throughput) }), "Capacity", "Comparison")
	}
}

// queues has a chart of what waits at the servers, of each service that tells it.
func (c *charting) queues(list []place) {
	for _, l := range loadeds(list) {
		limits := []Limit{}
		for _, p := range l.places {
			for _, v := range p.service.SLO {
				limit := Limit{Name: v.Clause.Text, At: v.Clause.Limit, Of: "y"}
				if v.Clause.Metric == "queue" && !slices.Contains(limits, limit) {
					limits = append(limits, limit)
				}
			}
		}
		c.put(c.loadChart(l, Chart{
			ID: "queue-" + l.service, Title: "Queue of " + l.service + l.against(),
			Asks: "From which load do requests wait?", Y: Axis{Name: "Waiting at the servers, mean", Unit: "requests"}, Limits: limits,
		}, func(p place) *Point { return valuePoint(p.service.Queue.Mean) }), "Capacity", "Comparison")
	}
}
