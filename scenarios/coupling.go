package scenarios

import (
	"fmt"
	"slices"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/results"
)

// What a spike may leave out, and its bounds.
const (
	defaultSpikeFactor = 3
	maxSpikeFactor     = 100
)

// spikes reads the steps in which a service's load rises for a while.
func (b *builder) spikes() {
	steps := 0
	for _, s := range b.s.Services {
		steps = max(steps, len(s.Load.Levels))
	}
	for i, r := range b.raw.Spike.V {
		v, where := r.V, fmt.Sprintf("spike[%d]", i)
		k := Spike{Step: or(v.Step, 0), Spike: results.Spike{
			Service: or(v.Service, ""), Factor: or(v.Factor, defaultSpikeFactor),
			At: or(v.At, b.s.Window/3), For: or(v.For, b.s.Window/6),
		}}
		b.spiking(v, where, k)
		if !(k.Factor > 1 && k.Factor <= maxSpikeFactor) {
			b.fault(v.Factor.N, fmt.Sprintf("%s.factor is above 1 and at most %d, not %s", where, maxSpikeFactor, number(k.Factor)), "it multiplies the service's level")
		}
		if steps > 0 && (k.Step < 0 || k.Step >= steps) {
			b.fault(v.Step.N, fmt.Sprintf("%s.step: the ladder has steps 0 to %d, not %d", where, steps-1, k.Step), "")
		}
		switch {
		case k.At <= 0 || k.At >= b.s.Window:
			b.fault(v.At.N, fmt.Sprintf("%s.at is within the window, above 0s and below %v, not %v", where, b.s.Window, k.At), "what was before the spike is what is to be recovered")
		case k.For <= 0:
			b.fault(v.For.N, fmt.Sprintf("%s.for is above 0s, not %v", where, k.For), "")
		case k.At+k.For >= b.s.Window:
			n := v.For.N
			if n == nil {
				n = v.At.N
			}
			b.fault(n, fmt.Sprintf("%s ends %v after the window's start, and the window is %v", where, k.At+k.For, b.s.Window), "leave time to recover in: a longer steps.window, or a shorter or earlier spike")
		}
		b.s.Spikes = append(b.s.Spikes, k)
	}
}

// spiking checks whose load is to rise: that of an open loop without a shape of its own.
func (b *builder) spiking(v rawSpike, where string, k Spike) {
	if !v.Service.OK {
		return
	}
	var names []string
	for _, s := range b.s.Services {
		names = append(names, s.Name)
		switch {
		case s.Name != k.Service:
		case s.Load.Arrivals == Closed:
			b.fault(v.Service.N, fmt.Sprintf("%s.service %s is a closed loop, whose rate is what its users make of it", where, s.Name),
				"give it an open loop, such as load: {arrivals: poisson, levels: [RATE]}; what more users do, levels show")
		case len(s.Load.Shape) > 0:
			b.fault(v.Service.N, fmt.Sprintf("%s.service %s has a load.shape of its own, and one rate cannot have two", where, s.Name), "leave one of the two out")
		}
	}
	if !slices.Contains(names, k.Service) {
		b.fault(v.Service.N, fmt.Sprintf("%s.service %q is no service", where, cut(k.Service)), kind.Known(k.Service, names))
	}
}

// Spiked gives the load with the shape of a spike in the place of its own: the factor 1
// before and after it, and jumps between.
func (l Load) Spiked(s results.Spike) Load {
	end := s.At + s.For
	l.Shape = []RatePoint{{0, 1}, {s.At, 1}, {s.At, s.Factor}, {end, s.Factor}, {end, 1}}
	return l
}
