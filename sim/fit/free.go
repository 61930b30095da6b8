package main

import (
	"math"
	"slices"
	"time"

	"github.com/evabench/evabench/sim/parameters"
)

// detectors are those of the published tables.
var detectors = []string{"rt-detrv2", "owl-v2", "omdet", "llmdet"}

// A free parameter is a number that the fit may change, by a factor.
type free struct {
	name string
	// width is the standard deviation of what is believed of the factor's
	// logarithm before any measurement: how far from 1 it may well be.
	width float64
	apply func(t *trial, factor float64)
}

// A trial is one set of parameters and loads.
type trial struct {
	parameters parameters.Set
	think      map[string]float64 // factor on the think time, by preset and service
}

const (
	pro5000 = "NVIDIA RTX PRO 5000 Blackwell 48GB"
	pro6000 = "NVIDIA RTX PRO 6000 Blackwell Server Edition"
	vlm     = "qwen3-vl-8b"
)

// freeParameters are what is fitted: of hardware and models few numbers, and
// of each published load how busy its users were, which nobody published.
func freeParameters() []free {
	all := []free{
		{"gpus." + pro6000 + ".sm_speed", 0.3, func(t *trial, f float64) { t.parameters.GPUs[pro6000].SMSpeed *= f }},
		{"gpus.*.switch_seconds", 0.5, func(t *trial, f float64) {
			for _, g := range t.parameters.GPUs {
				g.Switch *= f
			}
		}},
		{"detectors.EVA.parallel_sms", 0.3, func(t *trial, f float64) {
			for _, name := range detectors {
				t.parameters.Detectors[name].Parallel *= f
			}
		}},
		{"detectors.EVA.bursts", 0.4, func(t *trial, f float64) {
			for _, name := range detectors {
				d := t.parameters.Detectors[name]
				d.Bursts = int(math.Round(float64(d.Bursts) * f))
			}
		}},
		{"detectors.owl-v2.parallel_sms", 0.3, func(t *trial, f float64) { t.parameters.Detectors["owl-v2"].Parallel *= f }},
		{"detectors.owl-v2.host_before", 0.5, func(t *trial, f float64) { t.parameters.Detectors["owl-v2"].Before *= f }},
		{"engines." + vlm + ".prompt_token_sm_seconds", 0.7, func(t *trial, f float64) { t.parameters.Engines[vlm].PerToken *= f }},
		{"engines." + vlm + ".gap_seconds", 1, func(t *trial, f float64) { t.parameters.Engines[vlm].Gap *= f }},
		{"engines." + vlm + ".work_on." + pro6000, 0.5, func(t *trial, f float64) { t.parameters.Engines[vlm].WorkOn[pro6000] *= f }},
	}
	for _, name := range detectors {
		all = append(all, free{"detectors." + name + ".sm_seconds", 0.25, func(t *trial, f float64) { t.parameters.Detectors[name].Work *= f }})
	}
	for _, load := range []string{"mps-vision/rt-detrv2", "mps-vision/omdet", "mps-vision/llmdet"} {
		all = append(all, free{"load " + load + ".think", 1, func(t *trial, f float64) { t.think[load] = f }})
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
	for _, r := range slices.Backward(rows) {
		for _, s := range r.bench.Scenario.Services {
			base[r.preset+"/"+s.Name] = s.Load.Think
		}
	}
	return base
}
