package analysis

// The goals that a recommendation is made for.
const (
	GoalVision  = "vision"  // the most Vision requests
	GoalAgent   = "agent"   // the most VLM responses
	GoalJoint   = "joint"   // the largest load of all services together
	GoalLatency = "latency" // the least tail latency at the common load
)

// Whether what was measured says what the guide says.
const (
	Agrees    = "agrees"
	Disagrees = "disagrees"
	NotShown  = "not shown" // no evidence, or none that decides
)

// A Recommendation says which configuration to use. Package recommend makes it.
type Recommendation struct {
	// Environments are those of the guide's operating environments that the server is,
	// the most specific first; none if it is none of them.
	Environments []OperatingEnvironment `json:"environments"`
	// Choices has one for each goal that the run can judge.
	Choices []Choice `json:"choices"`
	// NotTested names what the recommendation does not rest on.
	NotTested []string `json:"not_tested,omitempty"`
}

// An OperatingEnvironment is one of the guide's, and what was measured of its rule.
type OperatingEnvironment struct {
	Name string `json:"name"`
	Why  string `json:"why"` // the facts by which the server is one
	// Rule is what the guide recommends there, Measured one of Agrees, Disagrees and
	// NotShown, Because the evidence that decides it or what of it is missing.
	Rule     string `json:"documented_rule"`
	Measured string `json:"measured"`
	Because  string `json:"because"`
}

// A Choice is the configuration for one goal.
type Choice struct {
	Goal string `json:"goal"` // one of the Goal constants
	// Figure is what it was chosen by, in words.
	Figure string `json:"figure"`
	// Config is the simplest of those within the indifference zone of the best.
	Config string `json:"config"`
	// Because tells the evidence in words, with the intervals.
	Because []string `json:"because"`
	// Equivalent are the configurations within the zone of the best, the best first;
	// empty if it is alone there.
	Equivalent []string `json:"equivalent,omitempty"`
	// RunnerUp is the best of the others, and Costs what using it would change of the
	// figure, as its figure ÷ that of Config less 1, with a 95 % interval.
	RunnerUp string `json:"runner_up,omitempty"`
	Costs    Value  `json:"runner_up_costs"`
	Low      Value  `json:"runner_up_costs_low"`
	High     Value  `json:"runner_up_costs_high"`
	// Sure says "shown", or why the choice is not sure: "no difference shown against …".
	Sure string `json:"sure"`
}

// What a Choice.Sure says of a choice that is: Shown by an interval, or Alone in having met
// every objective, so that nothing else may be chosen.
const (
	Shown = "shown"
	Alone = "the only one that is known to have met every objective"
)
