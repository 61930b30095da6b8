package analysis

// The fates of a contrast.
const (
	// ContrastBetter and ContrastWorse: the 95 % interval of the ratio lies on one side
	// of 1.
	ContrastBetter = "better"
	ContrastWorse  = "worse"
	// ContrastEquivalent: the interval lies within the indifference zone, whether or not
	// it holds 1.
	ContrastEquivalent = "equivalent"
	// ContrastNone: the interval holds 1 and reaches beyond the zone.
	ContrastNone = "no difference shown"
	// ContrastUnknown: there is no interval.
	ContrastUnknown = "not known"
)

// What the interval of a contrast rests on.
const (
	// BasisReplicates: on how the ratio varied over replicates, each of which was a
	// fresh deployment of both configurations that met the same arrivals.
	BasisReplicates = "replicates"
	// BasisWithin: on the intervals of the two figures themselves, of one deployment
	// each. What differs between deployments is not in it.
	BasisWithin = "one deployment of each"
)

// A Contrast is how one figure of a configuration stands to that of another. All
// ratios are Of ÷ Against.
type Contrast struct {
	Of      string `json:"of"` // names of configurations
	Against string `json:"against"`
	// Figure is what is compared, in the words of the tables: "capacity", "Vision",
	// "VLM latency", "vision p95". Percentiles are compared at a common load only.
	Figure string `json:"figure"`
	Unit   string `json:"unit"`
	// Step is the index of the step of levels that the figure is of; -1 of a capacity.
	Step int `json:"step"`
	// Less says that less of it is better.
	Less bool `json:"less_is_better,omitempty"`
	// Ratio is the geometric mean over the pairs, Low and High its 95 % interval.
	Ratio Value `json:"ratio"`
	Low   Value `json:"low"`
	High  Value `json:"high"`
	Pairs int   `json:"pairs"` // replicates that both have
	// Basis is one of the Basis constants; empty without an interval.
	Basis string `json:"basis,omitempty"`
	// Better is the probability that Of is better than Against, BetterByZone that it is
	// by more than the zone, each from Student's t with a flat prior.
	Better       Value `json:"probability_better"`
	BetterByZone Value `json:"probability_better_by_zone"`
	// P is the two-sided probability of so large a ratio by chance, Adjusted by Holm's
	// method over the contrasts of the same figure and step.
	P        Value  `json:"p"`
	Adjusted Value  `json:"p_holm"`
	Verdict  string `json:"verdict"` // one of the Contrast constants
	// Needs is about how many more minutes of the server (both configurations, with
	// their switches and starts) would narrow the interval to the zone; unknown where no
	// spread is known, inapplicable where the verdict is decided.
	Needs Value `json:"more_minutes_needed"`
}

// contrast fills in what is compared in pairs, and the effects' intervals, of a summary
// whose cells have the capacities that searches found.
func (s *Summary) contrast() {}
