package analysis

import "slices"

// A Race is how the configurations of a run were raced: which were left out when, and
// what became of the others.
type Race struct {
	// Zone is the indifference zone, as a share.
	Zone    float64  `json:"zone"`
	Runners []Runner `json:"runners"` // in the order in which they were first run
	// Winner is the configuration that was measured to be better by more than the zone than
	// each of the others that were judged; empty if there is none.
	Winner string `json:"winner,omitempty"`
	// Equivalent are those within the zone of the best, the best first; empty with a
	// Winner.
	Equivalent []string `json:"equivalent,omitempty"`
	// State is RaceWon, RaceEquivalent or RaceOpen, which Why explains.
	State string `json:"state"`
	Why   string `json:"why,omitempty"`
	Spent Value  `json:"spent_seconds"` // under load, of all cells
}

// The ends of a race.
const (
	RaceWon        = "won"
	RaceEquivalent = "equivalent"
	RaceOpen       = "open" // it ended before either could be said
)

// A Runner is a configuration in a race.
type Runner struct {
	Config string `json:"config"`
	// Left is why it was left out, empty if it ran to the end, and After the replicate
	// after whose cell it was.
	Left  string `json:"left_out,omitempty"`
	After int    `json:"left_after_replicate,omitempty"`
	// Failed says that it was left out because its cells told nothing: it was not judged.
	Failed bool `json:"failed,omitempty"`
	// Ratio is its capacity ÷ the best one's over the blocks that both ran, with its
	// 95 % interval, which holds however often was looked; unknown of the best and
	// where there are none.
	Ratio  Value `json:"ratio"`
	Low    Value `json:"low"`
	High   Value `json:"high"`
	Blocks int   `json:"blocks"`
	// Capacity is the geometric mean over the blocks, Below a load at which it missed
	// the SLO where that is all that is known.
	Capacity Value `json:"capacity"`
	Below    Value `json:"below"`
	Spent    Value `json:"spent_seconds"`
}

// Beat says why a configuration was left out since it could not win. It is empty of one
// that ran to the end, and of one whose cells told nothing, which nobody beat; and of a
// nil Race.
func (r *Race) Beat(config string) string {
	if r == nil {
		return ""
	}
	at := slices.IndexFunc(r.Runners, func(x Runner) bool { return x.Config == config && !x.Failed })
	if at < 0 {
		return ""
	}
	return r.Runners[at].Left
}
