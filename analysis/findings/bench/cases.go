package main

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// Times of one request that is alone on its instance, in seconds: one worker of llmdet on
// an RTX PRO 5000 (sim/parameters). They only decide how much load a run gets.
const (
	before   = 0.015                  // on the host, in front of the GPU
	host     = before + 0.010 + 0.008 // all of it: launches, and boxes behind
	onGPU    = 7.293 / 110            // work over the card's SMs
	alone    = host + onGPU
	replicas = 3 // instances, each on a GPU of its own
)

// The loads of a run: the share of the time for which the busiest instance has work.
const (
	lightest = 0.25
	heaviest = 0.75
)

// A fault is one case: what is injected, and how its strength is drawn.
type fault struct {
	name   string // of the rule that should come first; noFault for none
	ranges string // what is drawn, uniformly unless it is said otherwise
	draw   func(*rand.Rand) drawn
}

// noFault is the case without one.
const noFault = "none"

// drawn is one case with its strength.
type drawn struct {
	seed uint64
	text string // of what was drawn
	// launcher is the argument fault of the launcher, empty for none.
	launcher string
	routing  string  // empty for round-robin
	slowest  float64 // seconds that a request takes, alone, at the slowest instance
	crowd    float64 // share of the requests that the busiest instance gets
	stopped  float64 // share of the time for which the load generator is stopped
}

// of draws the case of a seed: the same one, whatever else is run.
func (f fault) of(seed uint64) drawn {
	h := fnv.New64a()
	h.Write([]byte(f.name))
	d := f.draw(rand.New(rand.NewPCG(seed, h.Sum64())))
	d.seed = seed
	if d.slowest == 0 {
		d.slowest = alone
	}
	if d.crowd == 0 {
		d.crowd = 1.0 / replicas
	}
	return d
}

// uniform draws from low to high, to three digits.
func uniform(r *rand.Rand, low, high float64) float64 {
	x := low + (high-low)*r.Float64()
	digits := math.Pow(10, 2-math.Floor(math.Log10(x)))
	return math.Round(x*digits) / digits
}

// faults are all cases, the names as of the rules.
func faults() []fault {
	return []fault{
		{"slow-preprocessing", "factor 5 to 12", func(r *rand.Rand) drawn {
			x := uniform(r, 5, 12)
			return drawn{text: fmt.Sprintf("factor %v", x), launcher: fmt.Sprintf("{kind: slow-preprocessing, factor: %v}", x),
				slowest: alone + (x-1)*before}
		}},
		{"clock-drop", "0.4 to 0.8 of the clock; power cap or heat; one of the three GPUs", func(r *rand.Rand) drawn {
			x, why, which := uniform(r, 0.4, 0.8), []string{"power-cap", "thermal"}[r.IntN(2)], r.IntN(replicas)
			return drawn{text: fmt.Sprintf("share %v, %s, GPU %d", x, why, which),
				launcher: fmt.Sprintf("{kind: clock-drop, share: %v, reason: %s, instance: %d}", x, why, which), slowest: alone + (1/x-1)*onGPU}
		}},
		{"slow-worker", "factor 3 to 6; one of the three instances", func(r *rand.Rand) drawn {
			x, which := uniform(r, 3, 6), r.IntN(replicas)
			return drawn{text: fmt.Sprintf("factor %v, instance %d", x, which),
				launcher: fmt.Sprintf("{kind: slow-worker, factor: %v, instance: %d}", x, which), slowest: alone + (x-1)*host}
		}},
		{"memory-leak", "10 to 100 MiB a request", func(r *rand.Rand) drawn {
			x := uniform(r, 10, 100)
			return drawn{text: fmt.Sprintf("%v MiB a request", x), launcher: fmt.Sprintf("{kind: memory-leak, mebibytes: %v}", x)}
		}},
		{"packet-delay", "100 to 400 ms", func(r *rand.Rand) drawn {
			x := 100 + r.IntN(301)
			return drawn{text: fmt.Sprintf("%d ms", x), launcher: fmt.Sprintf("{kind: packet-delay, delay: %dms}", x)}
		}},
		{throttled, "stopped for 0.2 to 0.6 of each 100 ms of the clock", func(r *rand.Rand) drawn {
			x := uniform(r, 0.2, 0.6)
			return drawn{text: fmt.Sprintf("stopped for %v of the time", x), stopped: x}
		}},
		{"launch-bound", "factor 4 to 10", func(r *rand.Rand) drawn {
			x := uniform(r, 4, 10)
			return drawn{text: fmt.Sprintf("factor %v", x), launcher: fmt.Sprintf("{kind: launch-bound, factor: %v}", x), slowest: alone + (x-1)*onGPU}
		}},
		{"routing-imbalance", "weight 2 to 5 of one of the three instances, 1 of the others", func(r *rand.Rand) drawn {
			weights := []string{"1", "1", "1"}
			x, which := 2+r.IntN(4), r.IntN(replicas)
			weights[which] = fmt.Sprint(x)
			routing := "weighted(" + strings.Join(weights, ",") + ")"
			return drawn{text: routing, routing: routing, crowd: float64(x) / float64(x+2)}
		}},
		{noFault, "", func(*rand.Rand) drawn { return drawn{text: "sound"} }},
	}
}

// chosen gives the cases of a list of names, all of an empty one.
func chosen(names string) ([]fault, error) {
	all := faults()
	if names == "" {
		return all, nil
	}
	var list []fault
	for name := range strings.SplitSeq(names, ",") {
		at := slices.IndexFunc(all, func(f fault) bool { return f.name == name })
		if at < 0 {
			var known []string
			for _, f := range all {
				known = append(known, f.name)
			}
			return nil, fmt.Errorf("unknown fault %q; known: %s", name, strings.Join(known, ", "))
		}
		list = append(list, all[at])
	}
	return list, nil
}

// scenario is the text of a run: three equal instances of one detector, a light load and
// then a heavy one.
func (d drawn) scenario(scale float64) string {
	launcher, routing := "{kind: sim}", "round-robin"
	if d.launcher != "" {
		launcher = "{kind: sim, fault: " + d.launcher + "}"
	}
	if d.routing != "" {
		routing = d.routing
	}
	rate := func(busy float64) float64 { return math.Round(100*busy/(d.slowest*d.crowd)) / 100 }
	return fmt.Sprintf(`version: 1
name: findings-bench
server:
  backend: {kind: sim, server: pro5000x3, scale: %v}
  gpus: ["0", "1", "2"]
services:
  vision:
    role: vision
    launcher: %s
    endpoint: torchserve
    models: {llmdet: {workers: 1}}
    workload:
      kind: vision
      images: {width: 640, height: 360, kilobytes: 20, count: 4}
      classes: [{model: llmdet}]
    scrape: [torchserve, torchserve-metrics]
    load: {arrivals: poisson, levels: [%v, %v]}
    warm: 5s
    timeout: 60s
    percentiles: [0.5, 0.95]
    slo: ["p95 < 10 s", "errors <= 0 %%"]
steps: {warmup: 10s, window: 20s}
collect: {every: 1s}
seed: %d
matrix:
  layout: ["off"]
  routing: ["%s"]
`, scale, launcher, rate(lightest), rate(heaviest), d.seed, routing)
}
