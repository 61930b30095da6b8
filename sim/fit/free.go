package main

import (
	"math"
	"time"

	"github.com/evabench/evabench/sim/parameters"
)

// A free parameter is a number that the fit may change, by a factor on what
// stands in the files.
type free struct {
	name string
	// paths are the numbers that it changes, as in parameters.Set.Fitted; none
	// for a load's.
	paths []string
	// now is the present value of the first of them; believed is what it was
	// taken to be before any measurement, and width how far from that, as the
	// standard deviation of its logarithm, it may well be.
	now, believed, width float64
	apply                func(t *trial, factor float64)
}

// prior is where the logarithm of the factor is believed to be.
func (f free) prior() float64 { return math.Log(f.believed / f.now) }

// A trial is one set of parameters and loads.
type trial struct {
	parameters parameters.Set
	think      map[string]float64 // factor on the think time, by preset and service
}

const (
	pro6000 = "NVIDIA RTX PRO 6000 Blackwell Server Edition"
	vlm     = "qwen3-vl-8b"
	owl     = "owl-v2"
)

// detectors are those of the published tables.
var detectors = []string{"rt-detrv2", owl, "omdet", "llmdet"}

// freeParameters are what is fitted: of hardware and models few numbers, and
// of one published load how long its cameras paused, which nobody published.
func freeParameters(think map[string]time.Duration) []free {
	now := parameters.Default()
	gpu, engine := now.GPUs[pro6000], now.Engines[vlm]
	all := []free{
		{"speed of an SM", []string{"gpus." + pro6000 + ".sm_speed"}, gpu.SMSpeed, 1.3, 0.3,
			func(t *trial, f float64) { t.parameters.GPUs[pro6000].SMSpeed *= f }},
		{"cost of a switch", nil, gpu.Switch, 0.00015, 0.5, func(t *trial, f float64) {
			for _, g := range t.parameters.GPUs {
				g.Switch *= f
			}
		}},
		{"SMs that a detector fills", nil, now.Detectors["omdet"].Parallel, 60, 0.3, func(t *trial, f float64) {
			for _, name := range detectors {
				t.parameters.Detectors[name].Parallel *= f
			}
		}},
		{"bursts of an image", nil, float64(now.Detectors["omdet"].Bursts), 40, 0.4, func(t *trial, f float64) {
			for _, name := range detectors {
				d := t.parameters.Detectors[name]
				d.Bursts = int(math.Round(float64(d.Bursts) * f))
			}
		}},
		{"OWLv2's SMs against the others'", []string{"detectors." + owl + ".parallel_sms"},
			now.Detectors[owl].Parallel / now.Detectors["omdet"].Parallel, 1.8, 0.3,
			func(t *trial, f float64) { t.parameters.Detectors[owl].Parallel *= f }},
		{"OWLv2's work on the host", []string{"detectors." + owl + ".host_before"}, now.Detectors[owl].Before, 0.06, 0.5,
			func(t *trial, f float64) { t.parameters.Detectors[owl].Before *= f }},
		{"work of a prompt's token", []string{"engines." + vlm + ".prompt_token_sm_seconds"}, engine.PerToken, 0.08, 0.7,
			func(t *trial, f float64) { t.parameters.Engines[vlm].PerToken *= f }},
		{"host between two steps", []string{"engines." + vlm + ".gap_seconds"}, engine.Gap, 0.01, 1,
			func(t *trial, f float64) { t.parameters.Engines[vlm].Gap *= f }},
	}
	for name := range now.GPUs {
		all[1].paths = append(all[1].paths, "gpus."+name+".switch_seconds")
	}
	believed := map[string]float64{"rt-detrv2": 1.1, owl: 3.5, "omdet": 1, "llmdet": 4.5}
	for _, name := range detectors {
		all[2].paths = append(all[2].paths, "detectors."+name+".parallel_sms")
		all[3].paths = append(all[3].paths, "detectors."+name+".bursts")
		path := "detectors." + name + ".sm_seconds"
		all = append(all, free{"work of " + name, []string{path}, now.Detectors[name].Work, believed[name], 0.25,
			func(t *trial, f float64) { t.parameters.Detectors[name].Work *= f }})
	}
	// What the models' rates with MPS ask for if an answer takes no time.
	for load, seconds := range map[string]float64{"rt-detrv2": 3.5, "omdet": 2.9, "llmdet": 4.1} {
		key := "mps-vision/" + load
		all = append(all, free{"think time of " + key, nil, think[key].Seconds(), seconds, 0.5,
			func(t *trial, f float64) { t.think[key] = f }})
	}
	return all
}

// trialOf applies factors, given as logarithms, to the present parameters.
func trialOf(all []free, x []float64) *trial {
	t := &trial{parameters: parameters.Default(), think: map[string]float64{}}
	for i, p := range all {
		p.apply(t, math.Exp(x[i]))
	}
	return t
}

// loads sets a row's think times to the trial's.
func (t *trial) loads(r *row, base map[string]time.Duration) {
	for i := range r.bench.Scenario.Services {
		s := &r.bench.Scenario.Services[i]
		key := r.preset + "/" + s.Name
		if f, ok := t.think[key]; ok {
			s.Load.Think = time.Duration(float64(base[key]) * f)
		}
	}
}

// thinkTimes gives the presets' own think times.
func thinkTimes(rows []*row) map[string]time.Duration {
	base := map[string]time.Duration{}
	for _, r := range rows {
		for _, s := range r.bench.Scenario.Services {
			base[r.preset+"/"+s.Name] = s.Load.Think
		}
	}
	return base
}
