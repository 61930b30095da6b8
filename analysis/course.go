package analysis

// A Course is how a step went, in equal parts of time from its begin to its window's end,
// for one service. It is for looking at: what is judged rests on the samples themselves.
type Course struct {
	// Part is the length of a part in seconds, Warmup how many of them the warm-up has:
	// the window begins with a part.
	Part   float64 `json:"part_seconds"`
	Warmup int     `json:"warmup_parts"`
	// Due, OK and Failed count, by part, arrivals that were due, those that ended ok, and
	// those that ended otherwise, by when they were due. Done counts ok answers by when
	// they came.
	Due    []int64 `json:"due"`
	OK     []int64 `json:"ok"`
	Failed []int64 `json:"failed"`
	Done   []int64 `json:"done"`
	// Bounds are those of the bins of latency in seconds, ascending, one more than bins,
	// each 10^(1/8) of the one before. Heat lists, by part and then by bin, the bins that
	// are not empty: part, bin, count of ok arrivals that were due then.
	Bounds []float64  `json:"latency_bounds_seconds"`
	Heat   [][3]int64 `json:"latency_counts"`
}

// A PercentilePoint is one point of a distribution's curve towards its tail: exact, of
// the latency of a window's ok arrivals. The last is the largest of all.
type PercentilePoint struct {
	Share   float64 `json:"share"` // of arrivals that are no later, in (0, 1]
	Seconds float64 `json:"seconds"`
}
