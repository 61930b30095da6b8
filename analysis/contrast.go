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
	// "VLM latency", "vision p95". Latencies are compared at a common load only.
	Figure string `json:"figure"`
	Unit   string `json:"unit"`
	// Step is the index of the step of levels that the figure is of; -1 of a capacity.
	Step int `json:"step"`
	// Load is the common load at which a latency was measured, service by service:
	// "vision 30 req/s, agent 8 users". Users are a common population, not a common
	// rate: those of a slower server ask less. Empty of other figures.
	Load string `json:"load,omitempty"`
	// Less says that less of it is better.
	Less bool `json:"less_is_better,omitempty"`
	// Ratio is the geometric mean over the pairs, Low and High its 95 % interval. In a
	// race, whose replicates end when it is decided, that holds however often was looked.
	// Where a search could say only that a load is met, Ratio is unknown, and Low and High
	// are how far it lies at least and at most: either may be unknown.
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
	// method over the contrasts of the same figure and step against the same
	// configuration.
	P        Value  `json:"p"`
	Adjusted Value  `json:"p_holm"`
	Verdict  string `json:"verdict"` // one of the Contrast constants
	// Needs is about how many more minutes of the server (both configurations, with
	// their switches, starts and load) would decide it, by a ratio outside of the interval
	// or an interval within the zone, if ratio and spread stay what they are; unknown
	// where no spread is known, inapplicable where the verdict is decided.
	Needs Value `json:"more_minutes_needed"`
}

// DefaultZone is the indifference zone of a run that recorded none.
const DefaultZone = 0.03

// raced reports whether configurations that could not win were left out.
func (s *Summary) raced() bool { return s.Environment.Search != nil && s.Environment.Search.Race }

// contrast fills in what is compared in pairs, of a summary whose cells have the
// capacities that searches found: each figure of each step of levels, and capacity.
//
// To keep the list short not every pair of configurations is in it: each is set against
// the base, which is that of the tables of changes, and against the best where that is
// another. The best is the one with the best mean of the figure, so that a contrast
// against it is of a configuration that luck may have favoured: what lies behind it by
// little is not shown to be worse until replicates say so.
//
// Only the steps of finished cells in which every service measures the server enter.
func (s *Summary) contrast() {
	s.Contrasts = nil
	m := matcher{zone: s.Zone(), minutes: minutesOf(s.Cells), race: s.raced()}
	for _, c := range s.Comparison {
		var configs []string
		for _, r := range c.Rows {
			configs = append(configs, r.Config)
		}
		if len(configs) == 0 {
			continue
		}
		for _, f := range figuresAt(s.Cells, c.Index) {
			s.Contrasts = append(s.Contrasts, m.all(f, configs, configs[c.Base])...)
		}
	}
	if f, ok := capacitiesOf(s.Cells, s.raced()); ok {
		configs := configsOf(s.Cells)
		s.Contrasts = append(s.Contrasts, m.all(f, configs, baseOf(s.Cells))...)
	}
}

// baseOf names the configuration that capacities are compared with: the first with
// neither MIG nor MPS, else the first.
func baseOf(cells []Cell) string {
	for _, c := range cells {
		if c.Cell.Config.Name != "" && c.MIG == UseNone && c.MPS == UseNone {
			return c.Cell.Config.Name
		}
	}
	return configsOf(cells)[0]
}
