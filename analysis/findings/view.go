package findings

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/results"
)

// A place is one service in one step of one cell.
type place struct {
	cell    *analysis.Cell
	step    *analysis.Step
	service *analysis.Service
}

// A view is one service on one configuration, over all replicates.
type view struct {
	summary         *analysis.Summary
	config, service string
	cells           []*analysis.Cell // of the configuration, by replicate
	// places are the service's steps, in the order of cells and steps, but those in which
	// an instance was made to end or a load to jump.
	places []place
}

// configsOf names the configurations of finished cells in their order of running, as
// the cells' indices tell it.
func configsOf(s *analysis.Summary) []string {
	var names []string
	for _, c := range cellsOf(s, "") {
		if name := c.Cell.Config.Name; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// cellsOf gives a configuration's cells, or all, in the order of running.
func cellsOf(s *analysis.Summary, config string) []*analysis.Cell {
	var list []*analysis.Cell
	for i := range s.Cells {
		if name := s.Cells[i].Cell.Config.Name; name != "" && (name == config || config == "") {
			list = append(list, &s.Cells[i])
		}
	}
	slices.SortStableFunc(list, func(a, b *analysis.Cell) int {
		return cmp.Or(cmp.Compare(a.Cell.Index, b.Cell.Index), cmp.Compare(a.Cell.Replicate, b.Cell.Replicate), cmp.Compare(a.Cell.Folder, b.Cell.Folder))
	})
	return list
}

// viewsOf gives a configuration's services, sorted.
func viewsOf(s *analysis.Summary, config string) []view {
	by := map[string]*view{}
	var names []string
	cells := cellsOf(s, config)
	for _, c := range cells {
		for i := range c.Steps {
			step := &c.Steps[i]
			for j := range step.Services {
				v := &step.Services[j]
				if by[v.Name] == nil {
					by[v.Name] = &view{summary: s, config: config, service: v.Name, cells: cells}
					names = append(names, v.Name)
				}
				if step.Failover == nil && step.Purpose != results.PurposeSpike {
					by[v.Name].places = append(by[v.Name].places, place{c, step, v})
				}
			}
		}
	}
	slices.Sort(names)
	var list []view
	for _, name := range names {
		list = append(list, *by[name])
	}
	return list
}

// ofServer are the places whose figures are the server's, steady or not, but those of a step
// of heavy requests alone: what is slow there is slow for what was asked.
func (v view) ofServer() []place {
	return where(v.withHeavy(), func(p place) bool { return !p.step.Heavy })
}

// withHeavy are the same with those of heavy requests, which need the most memory.
func (v view) withHeavy() []place {
	return where(v.places, func(p place) bool {
		is := p.service.Verdict.Is
		return is == analysis.Valid || is == analysis.Saturated || is == analysis.Unsteady
	})
}

// ofHeavy says how many of the places are of steps of heavy requests alone; nothing if none is.
func ofHeavy(list []place) []string {
	n := len(where(list, func(p place) bool { return p.step.Heavy }))
	if n == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d of %s with heavy requests", n, units.Plural(len(list), "step"))}
}

// heavyShare is how near a load must be to the largest of its cell to be called heavy.
const heavyShare = 0.8

// heavy are the places of the largest loads of each cell, and light those of its least,
// where that is another.
func heavy(list []place) []place {
	most := map[*analysis.Cell]float64{}
	for _, p := range list {
		most[p.cell] = max(most[p.cell], load(p))
	}
	return where(list, func(p place) bool { return load(p) >= heavyShare*most[p.cell] })
}

func light(list []place) []place {
	least, most := map[*analysis.Cell]float64{}, map[*analysis.Cell]float64{}
	for _, p := range list {
		if at, ok := least[p.cell]; !ok || load(p) < at {
			least[p.cell] = load(p)
		}
		most[p.cell] = max(most[p.cell], load(p))
	}
	return where(list, func(p place) bool { return load(p) == least[p.cell] && least[p.cell] < heavyShare*most[p.cell] })
}

func load(p place) float64 { return p.service.Level.Value }

func where(list []place, is func(place) bool) []place {
	var out []place
	for _, p := range list {
		if is(p) {
			out = append(out, p)
		}
	}
	return out
}

// of gives the number of a value.
func of(v analysis.Value) (float64, bool) {
	if v.Number == nil || math.IsNaN(*v.Number) || math.IsInf(*v.Number, 0) {
		return 0, false
	}
	return *v.Number, true
}

// each gathers a figure of the places that have it.
func each(list []place, figure func(place) (float64, bool)) []float64 {
	var values []float64
	for _, p := range list {
		if x, ok := figure(p); ok && !math.IsNaN(x) && !math.IsInf(x, 0) {
			values = append(values, x)
		}
	}
	return values
}

// waiting is the service's Waiting, nil if there is none.
func (p place) waiting() *analysis.Waiting { return p.waitingOf("") }

func (p place) waitingOf(instance string) *analysis.Waiting {
	for i := range p.service.Waiting {
		if p.service.Waiting[i].Instance == instance {
			return &p.service.Waiting[i]
		}
	}
	return nil
}

// instances are the cell's of the service.
func (p place) instances() []results.Instance {
	var list []results.Instance
	for _, i := range p.cell.Cell.Instances {
		if i.Service == p.service.Name {
			list = append(list, i)
		}
	}
	return list
}

// devices are what was read of the devices that the service's instances are on.
func (p place) devices() []analysis.DeviceActivity {
	if p.step.Activity == nil {
		return nil
	}
	var list []analysis.DeviceActivity
	for _, d := range p.step.Activity.Devices {
		if slices.ContainsFunc(p.instances(), func(i results.Instance) bool { return i.Device == d.UUID }) {
			list = append(list, d)
		}
	}
	return list
}

// gpus are what was read of the physical GPUs of these devices.
func (p place) gpus() []analysis.GPUActivity {
	if p.step.Activity == nil {
		return nil
	}
	on := map[string]bool{}
	for _, d := range p.cell.Layout.Devices {
		if slices.ContainsFunc(p.instances(), func(i results.Instance) bool { return i.Device == d.UUID }) {
			on[d.GPU] = true
		}
	}
	var list []analysis.GPUActivity
	for _, g := range p.step.Activity.GPUs {
		if on[g.UUID] {
			list = append(list, g)
		}
	}
	return list
}

// perSecond is how many answers came in a second.
func (p place) perSecond() (float64, bool) {
	x, ok := of(p.service.Total.Throughput)
	return x, ok && x > 0
}

// unmet reports whether answers miss a clause on latency, in a step that was not run to look
// for where they do.
func (p place) unmet() bool {
	if p.step.Looks() || p.step.Purpose == results.PurposeInterference {
		return false
	}
	return late(p)
}

// finding makes a finding of places, whose steps it names.
func finding(confidence, diagnosis string, because []string, list []place) *analysis.Finding {
	f := &analysis.Finding{Confidence: confidence, Diagnosis: diagnosis, Because: because}
	for _, p := range list {
		if !slices.Contains(f.Steps, p.step.Index) {
			f.Steps = append(f.Steps, p.step.Index)
		}
	}
	slices.Sort(f.Steps)
	return f
}

// next adds what to change, and what would show that the diagnosis is wrong.
func next(f *analysis.Finding, try, refute string) outcome {
	f.Try, f.Refute = try, refute
	return outcome{finding: f}
}

func plural(n int, one string) string {
	if one == "more" {
		return fmt.Sprintf("%d more", n)
	}
	return units.Plural(n, one)
}

func ratio(x float64) string   { return units.Format(x, units.Ratio) }
func seconds(x float64) string { return units.Format(x, units.Seconds) }
func number(x float64) string  { return units.Number(x) }
