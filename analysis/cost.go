package analysis

// A Cost is what a configuration takes of the server for what it gives, over its cells.
// Rates are of the capacity where a search found one, else of the step of levels with
// the most throughput that met every objective.
type Cost struct {
	Config string `json:"config"`
	At     string `json:"at"` // what the rates are of: "capacity", "step 2"
	// GPUs counts the parent GPUs that the scenario names, Slices the devices in use,
	// Unused those that no instance stands on, whose share of the GPUs' memory is
	// UnusedMemory.
	GPUs         int   `json:"gpus"`
	Slices       int   `json:"slices"`
	Unused       int   `json:"unused_devices"`
	UnusedMemory Value `json:"unused_memory_share"`

	Vision CostRates `json:"vision"` // requests
	Agent  CostRates `json:"agent"`  // VLM responses

	// Power is the mean of all the GPUs' together within the windows, in W; Idle that
	// before load came.
	Power Value `json:"power"`
	Idle  Value `json:"idle_power"`
	// Switch is how long it took to apply the layout, Start from then until the first
	// step could begin: each the median over the cells in which it was done.
	Switch Value `json:"switch"`
	Start  Value `json:"start"`
}

// CostRates are what one role gives for what is taken.
type CostRates struct {
	PerSecond Value `json:"per_second"`
	PerGPU    Value `json:"per_second_and_gpu"`
	PerSlice  Value `json:"per_second_and_slice"`
	PerJoule  Value `json:"per_joule"`
	// PerCost is for one unit of the currency in which the scenario states the cost of
	// an hour of the server; inapplicable if it states none.
	PerCost Value `json:"per_cost"`
}

// costs gives what each configuration takes of the server.
func costs(s *Summary) []Cost { return nil }
