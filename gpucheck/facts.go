package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// A measured is a part that left a run directory, read.
type measured struct {
	partRun
	run     *results.Run
	summary *analysis.Summary
	fault   string // why it could not be read
}

func readPart(r partRun) measured {
	m := measured{partRun: r}
	if r.dir == "" {
		return m
	}
	run, err := results.Read(r.dir)
	if err != nil {
		m.fault = err.Error()
		return m
	}
	summary, err := analysis.Summarize(run)
	if err != nil {
		m.fault = err.Error()
		return m
	}
	m.run, m.summary = run, summary
	return m
}

// done gives the cells that were finished.
func (m measured) done() []analysis.Cell {
	if m.summary == nil {
		return nil
	}
	var list []analysis.Cell
	for _, c := range m.summary.Cells {
		if c.Cell.Status == results.CellDone {
			list = append(list, c)
		}
	}
	return list
}

// A series is one series of one subject.
type series struct{ source, subject, name string }

func (s series) String() string { return s.name + " of " + s.subject }

// A level is how a series stood within a window.
type level struct {
	n              int
	mean, variance float64 // of single readings, n-1
	most           float64
	unit           string
}

// levels gives the series whose name begins with prefix, over one step's window.
func levels(c *results.CellData, step results.Step, prefix string) (map[series]level, error) {
	values := map[series][]float64{}
	units := map[series]string{}
	for o, err := range c.Observations() {
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(o.Series, prefix) && o.At >= step.WindowStart && o.At < step.WindowEnd {
			key := series{o.Source, strings.TrimSpace(string(o.Subject.Kind) + " " + o.Subject.ID + " " + o.Subject.Detail), o.Series}
			values[key] = append(values[key], o.Value)
			units[key] = o.Unit
		}
	}
	all := map[series]level{}
	for key, list := range values {
		l := level{n: len(list), unit: units[key], most: slices.Max(list)}
		for _, v := range list {
			l.mean += v / float64(l.n)
		}
		for _, v := range list {
			l.variance += (v - l.mean) * (v - l.mean) / max(1, float64(l.n-1))
		}
		all[key] = l
	}
	return all, nil
}

// A moved is a series at rest and under load.
type moved struct {
	series
	rest, load level
	differs    bool
}

// movement compares the series of two steps that are gauges. The means differ if
// they lie further apart than four standard errors of their difference, and than
// 1 % of the larger: readings follow each other closely, so that four such errors
// are fewer in truth.
func movement(rest, load map[series]level) []moved {
	var list []moved
	for key, r := range rest {
		l, both := load[key]
		if !both || counts(key.name) {
			continue
		}
		m := moved{series: key, rest: r, load: l}
		if r.n >= 3 && l.n >= 3 {
			apart := math.Abs(l.mean - r.mean)
			errorOf := math.Sqrt(r.variance/float64(r.n) + l.variance/float64(l.n))
			m.differs = apart > 4*errorOf && apart > 0.01*max(math.Abs(l.mean), math.Abs(r.mean))
		}
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b moved) int { return cmp.Compare(a.String(), b.String()) })
	return list
}

// counts tells series that are no gauge of what a device does: those that only
// grow, and those that stand for what is there.
func counts(name string) bool {
	for _, part := range []string{"_total", "_joules", "reason", "memory_used", "processes", "span_seconds", "refused"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// rates gives the completed requests a second of each model in a step, and of all
// Vision services together under "total", by replicate.
func rates(cells []analysis.Cell, sharing string, step int) map[string]map[int]float64 {
	all := map[string]map[int]float64{}
	for _, c := range cells {
		if c.Cell.Config.Sharing != sharing {
			continue
		}
		for _, s := range c.Steps {
			if s.Index != step || s.Failover != nil {
				continue
			}
			for _, service := range s.Services {
				if service.Role != results.RoleVision {
					continue
				}
				for _, m := range service.Models {
					if m.Throughput.Known() {
						add(all, m.Name, c.Cell.Replicate, *m.Throughput.Number)
						add(all, total, c.Cell.Replicate, *m.Throughput.Number)
					}
				}
			}
		}
	}
	return all
}

const total = "total"

func add(all map[string]map[int]float64, name string, replicate int, value float64) {
	if all[name] == nil {
		all[name] = map[int]float64{}
	}
	all[name][replicate] += value
}

// A paired is what a change did to one figure: base and changed are means over
// the n replicates that have both, Change is the mean of the logarithms of their
// ratios, taken back, less 1, and Low to High its 95 % interval by Student's t;
// NaN with fewer than two pairs.
type paired struct {
	n                 int
	base, changed     float64
	change, low, high float64
}

func pair(base, changed map[int]float64) (p paired, ok bool) {
	var logs []float64
	for _, replicate := range slices.Sorted(maps.Keys(base)) {
		b, c := base[replicate], changed[replicate]
		if b <= 0 || c <= 0 {
			continue
		}
		logs = append(logs, math.Log(c/b))
		p.base += b
		p.changed += c
	}
	p.n = len(logs)
	if p.n == 0 {
		return p, false
	}
	n := float64(p.n)
	p.base, p.changed = p.base/n, p.changed/n
	var mean, squares float64
	for _, l := range logs {
		mean += l / n
	}
	for _, l := range logs {
		squares += (l - mean) * (l - mean)
	}
	p.change, p.low, p.high = math.Expm1(mean), math.NaN(), math.NaN()
	if p.n >= 2 {
		half := distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(0.975) * math.Sqrt(squares/(n-1)/n)
		p.low, p.high = math.Expm1(mean-half), math.Expm1(mean+half)
	}
	return p, true
}

// text tells the change with its interval.
func (p paired) text() string {
	text := fmt.Sprintf("%+.1f %%", 100*p.change)
	if math.IsNaN(p.low) {
		return text + " (one pair: no interval)"
	}
	text += fmt.Sprintf(" [%+.1f, %+.1f]", 100*p.low, 100*p.high)
	if p.low <= 0 && p.high >= 0 {
		text += ", no difference shown"
	}
	return text
}

// keys gives a map's names, sorted.
func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
