package analysis

// A Finding is a diagnosis that the evidence of a run carries, and what would refute it.
// Package findings makes them.
type Finding struct {
	Rule string `json:"rule"` // stable, "routing-imbalance"
	// Where is the configuration, and the service if it is of one.
	Config  string `json:"config"`
	Service string `json:"service,omitempty"`
	// Diagnosis is one sentence, Because the figures that carry it, each with its
	// interval or spread where there is one.
	Diagnosis string   `json:"diagnosis"`
	Because   []string `json:"because"`
	// Steps are the indices of the steps that the evidence is of.
	Steps []int `json:"steps,omitempty"`
	// Confidence is "strong" where the intervals lie on one side of what the rule asks
	// for, "weak" where the point does and they do not, or where there is none.
	Confidence string `json:"confidence"`
	// Try is what to change, Refute the next experiment, which would show that the
	// diagnosis is wrong.
	Try    string `json:"try"`
	Refute string `json:"refute"`
	// Class is its place in the order of precedence, 1 first.
	Class int `json:"class"`
}

// Findings are the diagnoses of one run.
type Findings struct {
	// Top has at most three of a configuration, those that come first by precedence.
	Top []Finding `json:"top"`
	// Fired names every rule that fired, by configuration; Silent says that none did.
	Fired  map[string][]string `json:"fired"`
	Silent bool                `json:"silent"`
	// Unjudged tells, by rule, of what evidence the run has none.
	Unjudged map[string]string `json:"unjudged,omitempty"`
	// Apart are the signs that the services should not share a GPU any longer; empty if
	// there is none.
	Apart []string `json:"stop_sharing,omitempty"`
	// Playbook is what to do first when the server is overloaded, in order, with the
	// figures of this run where they say how much.
	Playbook []string `json:"playbook"`
}
