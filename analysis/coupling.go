package analysis

// An Interference is what a service at a held load felt of a neighbour whose load was
// raised, on one configuration: the number that decides between MIG and MPS.
type Interference struct {
	Config    string              `json:"config"`
	Victim    string              `json:"victim"`
	Neighbour string              `json:"neighbour"`
	Points    []InterferencePoint `json:"points"` // by the neighbour's load, ascending
	// Left counts the steps that are in no point, since the load generator spoiled them.
	Left int `json:"steps_left_out"`
}

// An InterferencePoint is one load of the neighbour, over the replicates that have it.
// Ratios are to the least load that any configuration has, of the same replicate; means are geometric,
// so that their ratio is the mean of the ratios. Steps that the load generator spoiled are
// left out.
type InterferencePoint struct {
	Load  Value `json:"neighbour_load"` // in its level's unit; 0: it stood still
	Steps []int `json:"steps"`          // indices within the cells
	N     int   `json:"n"`              // replicates
	// Tail is the victim's highest percentile, of ok answers, that could be told at every
	// point of every configuration, or else of this one; Quantile names it, 0 if there is
	// none. Inflation is its ratio less 1. Throughput is what the victim completed a
	// second, Loss 1 less its ratio.
	Quantile   float64 `json:"quantile"`
	Tail       Value   `json:"tail"`
	Inflation  Effect  `json:"tail_inflation"`
	Throughput Value   `json:"throughput_per_second"`
	Loss       Effect  `json:"throughput_loss"`
	// Errors is the share of the victim's arrivals that did not end ok, of all replicates
	// together.
	Errors Value `json:"error_share"`

	tails map[int]float64 // ratios by replicate
}

// An Isolation ranks the configurations by how little a victim felt of its neighbour, at
// the highest of the neighbour's loads that all of them have.
type Isolation struct {
	Victim    string          `json:"victim"`
	Neighbour string          `json:"neighbour"`
	Load      Value           `json:"neighbour_load"`
	From      Value           `json:"neighbour_from,omitzero"` // the load that it is compared with
	Quantile  float64         `json:"quantile"`
	Ranks     []IsolationRank `json:"ranks"` // the least inflation first
	// Unranked are the configurations of which the inflation is not known.
	Unranked []string `json:"unranked,omitempty"`
}

// An IsolationRank is one configuration's place.
type IsolationRank struct {
	Config    string `json:"config"`
	Tail      Value  `json:"tail"` // at that load
	Inflation Effect `json:"tail_inflation"`
	// Over is by how much more the tail grew than on the first, over the replicates that
	// both have:
	//
	//	(1 + inflation) / (1 + the first's inflation) - 1
	//
	// It does not apply to the first.
	Over Effect `json:"over_first"`
}

// A SpikeResult is what one step with a spike came to, in one cell.
type SpikeResult struct {
	Config    string  `json:"config"`
	Replicate int     `json:"replicate"`
	Step      int     `json:"step"`
	Service   string  `json:"service"` // whose load rose
	Factor    float64 `json:"factor"`
	From      float64 `json:"from_seconds"` // since the window's start
	To        float64 `json:"to_seconds"`
	// Recovery is how long after the spike's end the service's latency and requests in
	// flight were back where they had been before, and stayed there: see [recoveryOf].
	// It is a multiple of Resolution, the length in seconds of the parts that the window
	// was cut into; unknown if they were not back within the window, and Why tells how far
	// they were.
	Recovery   Value   `json:"recovery"`
	Resolution float64 `json:"recovery_resolution_seconds,omitempty"`
	// Services tell of each service, the one whose load rose first.
	Services []SpikeService `json:"services"`
}

// A SpikeService is what one service felt of a spike: before it, in it, and after it
// until the window's end.
type SpikeService struct {
	Service string `json:"service"`
	Before  Spell  `json:"before"`
	Within  Spell  `json:"within"`
	After   Spell  `json:"after"`
}

// A Spell tells of the arrivals that were due in a part of a window.
type Spell struct {
	Seconds  float64 `json:"seconds"`
	Due      int64   `json:"due"`
	Failed   int64   `json:"failed"` // did not end ok
	Median   Value   `json:"median_latency"`
	Quantile float64 `json:"quantile"` // the highest that Before could tell, else the lowest
	Tail     Value   `json:"tail_latency"`
	// Completed counts the ok answers that came in it, whenever they were due, a second.
	Completed Value `json:"completed_per_second"`
	// InFlight is how many were due and had not ended, over time.
	InFlight Value `json:"in_flight"`
}

// A Frontier is what a configuration sustained of Vision and of Agent together.
type Frontier struct {
	Config string          `json:"config"`
	Points []FrontierPoint `json:"points"` // by Vision, ascending
}

// A FrontierPoint is one load of both at which every objective was met.
type FrontierPoint struct {
	Vision Value `json:"vision_per_second"`
	Agent  Value `json:"agent_per_minute"`
	// Mix names the loads that it was measured at; Step is the index within its cells,
	// -1 of a capacity along a ray, which then has the interval as a share of the point.
	Mix  string `json:"mix"`
	Step int    `json:"step"`
	// Low and High are the ends of the capacity's 95 % interval over the load that was
	// confirmed, which the point is of; the widest of the replicates, unknown if one has none.
	Low  Value `json:"low_share"`  // of the point, less 1
	High Value `json:"high_share"` // likewise
	// N counts the replicates that the point is of, and Of those that looked for it: in
	// the others no load was confirmed.
	N  int `json:"n"`
	Of int `json:"of,omitempty"`
	// Best says that every replicate confirmed it, and that no such point of any
	// configuration has more of both.
	Best bool `json:"best"`
}
