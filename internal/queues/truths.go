package queues

import "math"

// truths are what is known of the systems, by name. The loads are what
//
//	go run ./analysis/search/bench -truths
//
// prints: for each load of a bisection 40 independent runs of 400,000 requests, with
// the same draws at every load. States of systems without a capacity follow from how
// they are made.
func truths() map[string]Truth {
	none := func(state string) Truth { return Truth{State: state, Load: math.NaN(), Error: math.NaN()} }
	return map[string]Truth{
		"mid-nobatch":   {State: "found", Load: 276.821, Error: 0.0034, Binding: "p99 < 0.05 s"},
		"slow":          {State: "found", Load: 29.9497, Error: 0.0035, Binding: "p99 < 0.7 s"},
		"slow-rr":       {State: "found", Load: 31.117, Error: 0.0027, Binding: "p99 < 1.4 s"},
		"fast-batch":    {State: "found", Load: 1543.11, Error: 0.0018, Binding: "p95 < 0.05 s"},
		"batch-delay":   {State: "found", Load: 673.957, Error: 0.0029, Binding: "p95 < 0.09 s"},
		"under-one":     {State: "found", Load: 0.431276, Error: 0.0024, Binding: "p50 < 6 s"},
		"two-classes":   {State: "found", Load: 279.913, Error: 0.003, Binding: "frame: p95 < 0.045 s"},
		"gamma-bursts":  {State: "found", Load: 222.488, Error: 0.0098, Binding: "p99 < 0.08 s"},
		"mmpp":          {State: "found", Load: 2.04367, Error: 0.0028, Binding: "p95 < 0.06 s"},
		"heavy-tail":    {State: "found", Load: 294.13, Error: 0.0054, Binding: "p95 < 0.08 s"},
		"front-cpu":     {State: "found", Load: 166.216, Error: 0.0026, Binding: "p95 < 0.045 s"},
		"contention-10": {State: "found", Load: 241.031, Error: 0.0031, Binding: "p99 < 0.05 s"},
		"contention-25": {State: "found", Load: 23.4315, Error: 0.0044, Binding: "p99 < 0.8 s"},
		"neighbour":     {State: "found", Load: 230.378, Error: 0.0094, Binding: "p99 < 0.06 s"},
		"shedding":      {State: "found", Load: 217.474, Error: 0.0055, Binding: "errors <= 0.1 %"},
		"drift-2":       {State: "found", Load: 276.821, Error: 0.0034, Binding: "p99 < 0.05 s"},
		"closed":        {State: "found", Load: 289.409, Error: 0.0039, Binding: "p99 < 0.05 s"},
		"agent-like":    {State: "found", Load: 10, Error: 0.02, Binding: "p50 < 14 s"},
		"drift-fast":    none("drift"),
		"cliff-lock":    none("cliff"),
		"cliff-ban":     none("cliff"),
		"non-monotone":  none("non-monotone"),
		"delay-window":  none("non-monotone"),
		"never":         none("never met"),
		"always":        none("always met"),
	}
}
