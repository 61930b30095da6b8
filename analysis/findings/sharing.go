package findings

import (
	"fmt"
	"math"
	"slices"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/results"
)

// The limits of interference: what a neighbour may cost.
const (
	interferes     = 0.05
	interferesWeak = 0.10 // where there is no spread
	neighbourUp    = 1.3  // times its load
)

var interference = rule{
	name: "interference", class: interfering, needs: "steps in which the service is held and a neighbour on the same GPU is raised",
	explains: []string{"queueing", "capacity-reached"},
	judge: func(v view) outcome {
		if o, ok := measuredInterference(v); ok {
			return o
		}
		return ownInterference(v)
	},
}

// measuredInterference judges by the run's own steps of that purpose.
func measuredInterference(v view) (outcome, bool) {
	known := false
	for _, i := range v.summary.Interference {
		if i.Config != v.config || i.Victim != v.service || len(i.Points) < 2 {
			continue
		}
		last := i.Points[0]
		for _, p := range i.Points {
			if value(p.Load) > value(last.Load) {
				last = p
			}
		}
		tail, loss := sureAbove(last.Inflation), sureAbove(last.Loss)
		if !last.Inflation.Value.Known() && !last.Loss.Value.Known() {
			continue
		}
		known = true
		if tail == "" && loss == "" {
			continue
		}
		confidence := weak
		if tail == strong || loss == strong {
			confidence = strong
		}
		because := []string{fmt.Sprintf("with %s at %s, %s's p%g was %s longer and its throughput %s less (n = %d)",
			i.Neighbour, text(last.Load), v.service, last.Quantile*100, effectText(last.Inflation), effectText(last.Loss), last.N)}
		if d := v.dram(); d != "" {
			because = append(because, d)
		}
		f := finding(confidence, fmt.Sprintf("%s slows %s down: they share what the partition does not divide", i.Neighbour, v.service), because, nil)
		f.Steps = slices.Clone(last.Steps)
		return separate(f), true
	}
	return outcome{}, known
}

func separate(f *analysis.Finding) outcome {
	return next(f, "separate them: MIG instances instead of MPS or time-slicing, or GPUs of their own; else fewer MPS clients, with a limit on each",
		"the same load of the service with its neighbour standing still: as slow as before")
}

// sureAbove judges an effect by its interval over replicates.
func sureAbove(e analysis.Effect) string {
	x, ok := of(e.Value)
	low, ranged := of(e.Low)
	switch {
	case !ok:
		return ""
	case e.N >= 2 && ranged && low > interferes:
		return strong
	case x > interferesWeak:
		return weak
	}
	return ""
}

func effectText(e analysis.Effect) string {
	if !e.Value.Known() {
		return units.Unknown
	}
	out := units.Change(*e.Value.Number)
	if e.Low.Known() && e.High.Known() {
		out += fmt.Sprintf(" [%s, %s]", units.Change(*e.Low.Number), units.Change(*e.High.Number))
	}
	return out
}

// dram tells how busy the memory of the service's devices was; empty if it is unknown.
func (v view) dram() string {
	busy := over(each(heavy(v.ofServer()), func(p place) (float64, bool) {
		values := each1(p.devices(), func(d analysis.DeviceActivity) analysis.Value { return d.DRAM })
		return mean(values)
	}))
	if busy.n == 0 {
		return ""
	}
	return "the devices' memory was busy for " + busy.text(units.Ratio)
}

// ownInterference judges by pairs of steps of one cell at the same load of the service and
// different ones of its neighbours on the same GPU.
func ownInterference(v view) outcome {
	shared := false
	growths := map[*analysis.Cell][]float64{}
	var used []place
	list := where(v.ofServer(), func(p place) bool { return p.service.Verdict.Is != analysis.Saturated })
	for _, a := range list {
		if !shares(a) {
			continue
		}
		shared = true
		for _, b := range list {
			if a.cell != b.cell || a.service.Level != b.service.Level || !neighboursRaised(a, b) {
				continue
			}
			x, okX := of(a.service.Total.Served.Mean)
			y, okY := of(b.service.Total.Served.Mean)
			if okX && okY && x > 0 {
				growths[a.cell] = append(growths[a.cell], y/x-1)
				used = append(used, a, b)
			}
		}
	}
	switch {
	case len(list) == 0:
		return unjudged("no step measures the server")
	case !shared:
		return outcome{} // it has its GPU to itself
	case len(growths) == 0:
		return unjudged("no two steps of one cell hold the service and raise a neighbour on its GPU")
	}
	s := overCells(growths)
	confidence := s.above(interferes)
	if confidence == "" || confidence == weak && s.mean <= interferesWeak {
		return outcome{}
	}
	because := []string{"at the same load of its own, requests took " + s.text(units.Ratio) + " longer with more load beside"}
	if d := v.dram(); d != "" {
		because = append(because, d)
	}
	return separate(finding(confidence, "a neighbour on the same GPU slows "+v.service+" down", because, used))
}

// shares reports whether another service has an instance on a GPU of the service.
func shares(p place) bool {
	gpu := map[string]string{}
	for _, d := range p.cell.Layout.Devices {
		gpu[d.UUID] = d.GPU
	}
	mine := map[string]bool{}
	for _, i := range p.instances() {
		if g := gpu[i.Device]; g != "" {
			mine[g] = true
		}
	}
	return slices.ContainsFunc(p.cell.Cell.Instances, func(i results.Instance) bool {
		return i.Service != p.service.Name && mine[gpu[i.Device]]
	})
}

// neighboursRaised reports whether b has more load of every other service, by neighbourUp
// of one at least. A service that is not in a step stood still.
func neighboursRaised(a, b place) bool {
	level := func(p place, name string) (float64, bool) {
		for _, s := range p.step.Services {
			if s.Name == name {
				return s.Level.Value, true
			}
		}
		return 0, false
	}
	raised := false
	for _, s := range b.step.Services {
		if s.Name == b.service.Name {
			continue
		}
		before, _ := level(a, s.Name)
		if s.Level.Value < before {
			return false
		}
		raised = raised || s.Level.Value >= neighbourUp*before && s.Level.Value > before
	}
	return raised
}

// The limits of contextSwitching.
const (
	switchingMost = 0.05 // share of the engine's time
	busyLeast     = 0.7
)

var contextSwitching = rule{
	name: "context-switching", class: tuning,
	needs: "the engines' own time of switching (GPM), or the same load with MPS or MIG beside time-slicing",
	judge: func(v view) outcome {
		list := heavy(v.ofServer())
		sliced := where(list, timeSliced)
		if len(list) == 0 {
			return unjudged("no step measures the server")
		}
		if len(sliced) == 0 {
			return outcome{}
		}
		share := over(each(sliced, func(p place) (float64, bool) {
			return mean(each1(p.devices(), func(d analysis.DeviceActivity) analysis.Value { return d.Switching }))
		}))
		gain, by, sure := gainOfSharing(v)
		busy := over(each(sliced, busyOf))
		because := []string{}
		confidence := ""
		if c := share.above(switchingMost); c != "" {
			confidence = c
			because = append(because, "the engines spent "+share.text(units.Ratio)+" of the time on switching contexts")
		}
		if gain > 0 && (busy.n == 0 || busy.mean >= busyLeast) {
			if confidence == "" {
				confidence = weak
				if sure && busy.n > 0 {
					confidence = strong
				}
			}
			because = append(because, by)
			if busy.n > 0 {
				because = append(because, "something ran on its devices for "+busy.text(units.Ratio)+" of the time")
			}
		}
		switch {
		case confidence == "" && share.n == 0 && gain == 0 && !comparedWithSharing(v):
			return unjudged("no engine told its switching, and no configuration with MPS or MIG took the same load")
		case confidence == "":
			return outcome{}
		}
		because = append(because, fmt.Sprintf("%s share the device by time-slicing", units.Plural(processesOn(sliced[0]), "process")))
		return next(finding(confidence, "processes take turns on the GPU, and the turns cost: GPU ownership switches between them", because, sliced),
			"MPS for many small processes of one kind; MIG where the services differ; fewer processes",
			"one process alone on the device at its share of the load: as slow as among the others")
	},
}

// timeSliced reports whether several processes take turns on a device of the service.
func timeSliced(p place) bool { return processesOn(p) > 1 }

// processesOn is the most processes that take turns on a device of the service: by NVML,
// or else the workers that were started.
func processesOn(p place) int {
	most := 0
	for _, d := range p.cell.Layout.Devices {
		if d.Sharing.IsMPS() || !slices.ContainsFunc(p.instances(), func(i results.Instance) bool { return i.Device == d.UUID }) {
			continue
		}
		n := 0
		for _, i := range p.cell.Cell.Instances {
			if i.Device != d.UUID {
				continue
			}
			workers := 0
			for _, w := range i.Workers {
				workers += w
			}
			n += max(1, workers)
		}
		for _, a := range p.devices() {
			if x, ok := of(a.Processes); a.UUID == d.UUID && ok {
				n = max(n, int(x))
			}
		}
		most = max(most, n)
	}
	return most
}

func (v view) role() string {
	if len(v.places) == 0 {
		return ""
	}
	return v.places[0].service.Role
}

// busyOf is the share of time in which anything ran on the service's devices, on average.
func busyOf(p place) (float64, bool) {
	return mean(each1(p.devices(), func(d analysis.DeviceActivity) analysis.Value { return d.Graphics }))
}

func each1[T any](list []T, figure func(T) analysis.Value) []float64 {
	var values []float64
	for _, x := range list {
		if v, ok := of(figure(x)); ok {
			values = append(values, v)
		}
	}
	return values
}

func mean(values []float64) (float64, bool) {
	if len(values) == 0 {
		return 0, false
	}
	s := over(values)
	return s.mean, !math.IsNaN(s.mean)
}

var pcieContention = rule{
	name: "pcie-contention", class: interfering, needs: "what the link to the GPU can carry, and what share of a request is copies",
	judge: func(v view) outcome {
		return unjudged("no collector reads what the link to the GPU can carry, nor the time of copies within a request")
	},
}
