package analysis

// The goals that a recommendation is made for.
const (
	GoalVision  = "vision"  // the most Vision requests
	GoalAgent   = "agent"   // the most VLM responses
	GoalJoint   = "joint"   // the largest load of all services together
	GoalLatency = "latency" // the least tail latency at the common load
)

// A Recommendation says which configuration to use. Package recommend makes it.
type Recommendation struct {
	// Environment is which of the operating environments of the guide the server is,
	// one of package recommend's, with Why it was taken for that.
	Environment string `json:"environment"`
	Why         string `json:"environment_why"`
	// Rule is what the documents say of that environment, and Agrees whether what was
	// measured here says the same: "agrees", "disagrees" or "not shown".
	Rule   string `json:"documented_rule"`
	Agrees string `json:"measured"`
	// Choices has one for each goal that the run can judge.
	Choices []Choice `json:"choices"`
	// Against names what the recommendation does not rest on: "not tested: …".
	NotTested []string `json:"not_tested,omitempty"`
}

// A Choice is the configuration for one goal.
type Choice struct {
	Goal   string `json:"goal"` // one of the Goal constants
	Config string `json:"config"`
	// Because tells the evidence in words, with the intervals.
	Because []string `json:"because"`
	// Equivalent are the configurations within the indifference zone of the best, of
	// which Config is the simplest; empty if there is none.
	Equivalent []string `json:"equivalent,omitempty"`
	// RunnerUp is the next best, and Costs the share of the goal's figure that would be
	// lost with it.
	RunnerUp string `json:"runner_up,omitempty"`
	Costs    Effect `json:"runner_up_costs"`
	// Sure says "shown", or why the choice is not sure: "no difference shown".
	Sure string `json:"sure"`
}
