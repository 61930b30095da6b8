package analysis

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/units"
)

// A reading is a figure in one replicate.
type reading struct {
	value float64 // above 0
	// more is the logarithm of how many times value the figure may be: 0 where it is value,
	// +Inf where value is all that is known to be reached.
	more float64
	// grain is what one answer more or less would change value by, as a share of it; 0
	// of what is no count.
	grain float64
	// deviation is that of the log of value over repeats on the same deployment; NaN
	// if nothing tells it.
	deviation float64
	load      string // see Contrast.Load
}

// A measure is one figure of all configurations.
type measure struct {
	name, unit string
	rank       string // sorts
	less       bool
	step       int
	by         map[string]map[int]reading // by configuration and replicate
	// why tells, by configuration, what does not enter: "r2: agent client-limited".
	why map[string][]string
}

func (m *measure) add(c Cell, r reading) {
	config := c.Cell.Config.Name
	if !(r.value > 0) || math.IsInf(r.value, 0) {
		m.refuse(c, fmt.Sprintf("it is %s, of which there is no ratio", units.Measure(r.value)))
		return
	}
	if m.by[config] == nil {
		m.by[config] = map[int]reading{}
	}
	m.by[config][c.Cell.Replicate] = r
}

func (m *measure) refuse(c Cell, why string) {
	config := c.Cell.Config.Name
	m.why[config] = append(m.why[config], fmt.Sprintf("%s r%d: %s", config, c.Cell.Replicate, why))
}

// best names the configuration with the best mean, of what is bounded the mean of what it
// is at least; empty if none has any.
func (m *measure) best(configs []string) string {
	best, most := "", 0.0
	for _, config := range configs {
		readings := m.by[config]
		if len(readings) == 0 {
			continue
		}
		sum := 0.0
		for _, r := range sortedReadings(readings) { // sums depend on their order
			sum += math.Log(r.value)
		}
		mean := sum / float64(len(readings))
		if m.less {
			mean = -mean
		}
		if best == "" || mean > most {
			best, most = config, mean
		}
	}
	return best
}

// figuresAt gives the figures of the cells' steps of an index, in the order of the
// published tables: those of all services, of the models, and each service's latencies.
func figuresAt(cells []Cell, index int) []*measure {
	var list []*measure
	type refusal struct {
		cell Cell
		why  string
	}
	var refused []refusal
	for _, c := range cells {
		at := slices.IndexFunc(c.Steps, func(s Step) bool { return s.Index == index })
		if c.Cell.Config.Name == "" || at < 0 {
			continue
		}
		if why := unfit(c, c.Steps[at]); why != "" {
			refused = append(refused, refusal{c, why})
			continue
		}
		for _, f := range figuresOf(c.Steps[at]) {
			i := slices.IndexFunc(list, func(m *measure) bool { return m.name == f.name })
			if i < 0 {
				m := f.measure
				m.step, m.by, m.why = index, map[string]map[int]reading{}, map[string][]string{}
				i, list = len(list), append(list, &m)
			}
			list[i].add(c, f.reading)
		}
	}
	for _, m := range list {
		for _, r := range refused {
			m.refuse(r.cell, r.why)
		}
	}
	slices.SortStableFunc(list, func(a, b *measure) int { return cmp.Compare(a.rank, b.rank) })
	return list
}

// unfit says why a step is in no comparison of pairs; empty if it is.
func unfit(c Cell, s Step) string {
	if !c.Done() {
		return "the cell ended as " + cmp.Or(c.Cell.Status, "not finished")
	}
	for _, v := range s.Services {
		if !v.Verdict.Measures() {
			return v.Name + " is " + v.Verdict.Is
		}
	}
	return ""
}

// A single is one figure of one step.
type single struct {
	measure
	reading
}

// figuresOf lists a step's figures.
func figuresOf(s Step) []single {
	f := figureOf(s)
	load := loadOf(s)
	var list []single
	count := func(rank, name, unit string, n int64, scale float64) {
		list = append(list, single{measure{name: name, unit: unit, rank: rank}, reading{value: float64(n) * scale / f.window, grain: 1 / float64(max(n, 1)), deviation: math.NaN()}})
	}
	latency := func(rank, name string, v float64, load string) {
		list = append(list, single{measure{name: name, unit: "s", rank: rank, less: true}, reading{value: v, deviation: math.NaN(), load: load}})
	}
	if f.hasVLM {
		count("1", "VLM responses", "1", f.answers, 3600)
		if v := f.latencyMean(); v.Known() {
			latency("2", "VLM latency", *v.Number, load)
		}
		count("4", "Agent", "1/min", f.answers, 60)
	}
	if f.hasEyes {
		count("3", "Vision", "1/s", f.vision, 1)
	}
	for model, n := range f.models {
		count("5"+model, "Vision "+model, "1/s", n, 1)
	}
	for i, v := range s.Services {
		for _, q := range v.Total.Latency.Quantiles {
			if q.Known() {
				name := fmt.Sprintf("%s p%g", v.Name, math.Round(q.Q*1e5)/1e3)
				latency(fmt.Sprintf("6%03d%.5f", i, q.Q), name, *q.Number, load)
			}
		}
	}
	return list
}

// loadOf tells the load of every service in a step.
func loadOf(s Step) string {
	var all []string
	for _, v := range s.Services {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s", v.Name, units.Number(v.Level.Value), v.Level.Unit)))
	}
	return strings.Join(all, ", ")
}

// capacitiesOf gives the capacities that searches found or bounded; false if none was run.
// Of a race, cells that screened, or confirmed what the replicates before had told, are
// left out.
func capacitiesOf(cells []Cell, race bool) (*measure, bool) {
	m := &measure{name: "capacity", step: -1, by: map[string]map[int]reading{}, why: map[string][]string{}}
	searched := false
	for _, c := range cells {
		found := c.Capacity
		if found == nil || c.Cell.Config.Name == "" {
			continue
		}
		searched = true
		m.unit = found.Unit
		r, told := capacityReading(*found)
		switch {
		case !c.Done():
			m.refuse(c, "the cell ended as "+cmp.Or(c.Cell.Status, "not finished"))
		case !told:
			m.refuse(c, "the search ended: "+found.State)
		case race && c.Cell.Replicate == 1:
			m.refuse(c, "it screened, and is no block of the race")
		case race && (len(found.Confirmations) > 0 || len(c.Steps) == 0):
			m.refuse(c, "it confirms what the replicates before told")
		default:
			m.add(c, r)
		}
	}
	return m, searched
}
