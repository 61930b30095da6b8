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
		"mid-nobatch":   {State: "found", Load: 276.248, Error: 0.00067, Binding: "p99 < 0.05 s"},
		"slow":          {State: "found", Load: 29.8258, Error: 0.00073, Binding: "p99 < 0.7 s"},
		"slow-rr":       {State: "found", Load: 31.0116, Error: 0.00061, Binding: "p99 < 1.4 s"},
		"fast-batch":    {State: "found", Load: 1540.78, Error: 0.00051, Binding: "p95 < 0.05 s"},
		"batch-delay":   {State: "found", Load: 672.435, Error: 0.00059, Binding: "p95 < 0.09 s"},
		"under-one":     {State: "found", Load: 0.430952, Error: 0.00036, Binding: "p50 < 6 s"},
		"two-classes":   {State: "found", Load: 279.281, Error: 0.00081, Binding: "frame: p95 < 0.045 s"},
		"gamma-bursts":  {State: "found", Load: 225.144, Error: 0.0021, Binding: "p99 < 0.08 s"},
		"mmpp":          {State: "found", Load: 2.04907, Error: 0.00066, Binding: "p95 < 0.06 s"},
		"heavy-tail":    {State: "found", Load: 294.795, Error: 0.0011, Binding: "p95 < 0.08 s"},
		"front-cpu":     {State: "found", Load: 165.373, Error: 0.0005, Binding: "p95 < 0.045 s"},
		"contention-10": {State: "found", Load: 240.894, Error: 0.0007, Binding: "p99 < 0.05 s"},
		"contention-25": {State: "found", Load: 23.361, Error: 0.00085, Binding: "p99 < 0.8 s"},
		"neighbour":     {State: "found", Load: 230.767, Error: 0.0015, Binding: "p99 < 0.06 s"},
		"shedding":      {State: "found", Load: 218.171, Error: 0.0012, Binding: "errors <= 0.1 %"},
		"drift-2":       {State: "found", Load: 276.248, Error: 0.00067, Binding: "p99 < 0.05 s"},
		"closed":        {State: "found", Load: 288.778, Error: 0.00081, Binding: "p99 < 0.05 s"},
		"agent-like":    {State: "found", Load: 11.1284, Error: 0.00044, Binding: "p50 < 14 s"},
		"drift-fast":    none("drift"),
		"cliff-lock":    none("cliff"),
		"cliff-ban":     none("cliff"),
		"non-monotone":  none("non-monotone"),
		"delay-window":  none("non-monotone"),
		"never":         none("never met"),
		"always":        none("always met"),
	}
}
