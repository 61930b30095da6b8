package results

import "time"

// A Search is how a run looked for capacity: what its scenario asked for, defaults
// filled in where the scenario has them.
type Search struct {
	Kind string `json:"kind"` // "capacity", "ladder", "interference" or "frontier"
	// Race says that configurations which could not win were left out.
	Race bool `json:"race,omitempty"`
	// Loads are, of kind interference, the factors of the raised service's level, 0 for
	// none, ascending. Mixes are, of kind frontier, the factors of the services' levels
	// that stand for one load, by ray and then by service.
	Loads []float64   `json:"loads,omitempty"`
	Mixes [][]float64 `json:"mixes,omitempty"`
	// Raise is the service whose load was raised from its Target's on, with the others
	// held at theirs; empty raised all by one factor of theirs.
	Raise string  `json:"raise,omitempty"`
	From  float64 `json:"from"`           // the first load, or factor
	Grow  float64 `json:"grow"`           // share by which steps that climb grow
	Most  float64 `json:"most,omitempty"` // the largest load; 0 set no bound
	// Tolerance is the share to within which the capacity was asked for; 0 left it to
	// the search, as Budget's and Confirm's 0 do.
	Tolerance float64       `json:"tolerance,omitempty"`
	Budget    time.Duration `json:"budget_ns,omitempty"`  // most load time of a cell
	Confirm   time.Duration `json:"confirm_ns,omitempty"` // window of confirmations
	Heavy     bool          `json:"heavy,omitempty"`      // confirmed with heavy requests, too
	// Warmup and Window are the least of a step's.
	Warmup time.Duration `json:"warmup_ns"`
	Window time.Duration `json:"window_ns"`
}
