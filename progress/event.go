// Package progress tells how a run goes on while it does: the facts of a runner become
// events, which are data, and a [State] says what the events so far come to. One
// [Stream] makes the events; any number of consumers take them, for none of which the
// run waits.
package progress

import (
	"time"

	"github.com/evabench/evabench/results"
)

// Schema counts the changes of the events' form. It stands in the first event.
const Schema = 1

// A Kind says what an event tells.
type Kind string

// The kinds of event, and which fields beside At and Kind they have.
const (
	SweepBegins Kind = "sweep-begins"  // Sweep
	SweepEnds   Kind = "sweep-ends"    // Status; Text if it is not done
	LayoutPhase Kind = "layout-phase"  // Layout, Phase
	CellLeftOut Kind = "cell-left-out" // Cell, Config, Replicate, Text
	CellBegins  Kind = "cell-begins"   // Cell, Config, Replicate, Devices
	CellPhase   Kind = "cell-phase"    // Cell, Phase
	CellEnds    Kind = "cell-ends"     // Cell, Status, Text if it failed
	StepBegins  Kind = "step-begins"   // Cell, Step, Plan
	StepRuns    Kind = "step-runs"     // Cell, Step, Figures
	StepEnds    Kind = "step-ends"     // Cell, Step, Figures; Text if it was ended early
	Said        Kind = "said"          // Text: a line for people
)

// An Event is one thing that happened. It is not changed once it is made.
type Event struct {
	At        time.Time         `json:"at"` // UTC
	Kind      Kind              `json:"event"`
	Sweep     *Sweep            `json:"sweep,omitempty"`
	Layout    string            `json:"layout,omitempty"`
	Cell      string            `json:"cell,omitempty"` // its folder
	Config    string            `json:"config,omitempty"`
	Replicate int               `json:"replicate,omitempty"` // from 1
	Devices   []Device          `json:"devices,omitempty"`
	Phase     string            `json:"phase,omitempty"`
	Step      *int              `json:"step,omitempty"` // from 0
	Plan      *results.StepPlan `json:"plan,omitempty"`
	Figures   *Figures          `json:"figures,omitempty"`
	Status    string            `json:"status,omitempty"` // one of results' Cell constants
	Text      string            `json:"text,omitempty"`
}

// A Sweep is what is known of a run before it begins.
type Sweep struct {
	Schema   int    `json:"schema"`
	Evabench string `json:"evabench"` // version of the program
	Scenario string `json:"scenario"`
	Dir      string `json:"dir"` // the run directory
	// Simulated names the simulated server, empty on a real one; Scale is how many
	// seconds of its time pass in one of the clock.
	Simulated string   `json:"simulated,omitempty"`
	Scale     float64  `json:"scale,omitempty"`
	Faults    string   `json:"faults,omitempty"` // injected ones
	Cells     []string `json:"cells"`            // folders, in their order of running
	// Steps is how many a cell has; 0 where a search decides.
	Steps int `json:"steps,omitempty"`
	// LoadSeconds is how long a cell's load takes on the clock, or a search's at most;
	// 0 where nobody knows.
	LoadSeconds float64           `json:"load_seconds,omitempty"`
	Services    []results.Service `json:"services"`
}

// A Device is one of those that a cell's services run on.
type Device struct {
	UUID string `json:"uuid"`
	Name string `json:"name"`
}

// Figures are those of a step at a moment. Rates, latencies and spans are of the
// server's time. What nobody told is null, never 0.
type Figures struct {
	// Into is how far the step is, of Warmup and Window.
	IntoSeconds   float64 `json:"into_seconds"`
	WarmupSeconds float64 `json:"warmup_seconds"`
	WindowSeconds float64 `json:"window_seconds"`
	// Part is one of the Part constants.
	Part     string           `json:"part"`
	Services []ServiceFigures `json:"services"`
	Devices  []DeviceFigures  `json:"devices,omitempty"`
}

// The parts of a step.
const (
	PartWarmup = "warm-up"
	PartWindow = "window"
	PartAfter  = "after" // the window is over, its answers are waited for, and load may go on
)

// ServiceFigures are one service's. Counts, quantiles and clauses are of the arrivals
// that were due in the warm-up while that lasts, and of the window's from then on; those
// that are not done are not among them, so that a rising latency shows late here.
type ServiceFigures struct {
	Service string  `json:"service"`
	Level   float64 `json:"level"` // as asked for, in Unit
	Unit    string  `json:"unit"`
	// Offered and Delivered are arrivals that fell due and answers that were ok, each a
	// second over the last seconds; null before there is any.
	Offered   *float64 `json:"offered_per_second"`
	Delivered *float64 `json:"delivered_per_second"`
	// Unfinished fell due and are not done.
	Unfinished int64            `json:"unfinished"`
	Done       int64            `json:"done"`
	Failed     int64            `json:"failed"`             // of Done
	Outcomes   map[string]int64 `json:"outcomes,omitempty"` // of those that failed
	// Queue is how many requests the servers say wait; null if none says.
	Queue     *float64   `json:"queue"`
	Quantiles []Quantile `json:"quantiles"`
	Clauses   []Clause   `json:"clauses,omitempty"`
}

// A Quantile is one of latency, from Due. Failed arrivals count as slower than all.
type Quantile struct {
	Quantile float64  `json:"quantile"`
	Seconds  *float64 `json:"seconds"` // null with too few arrivals, or where it is a failed one
}

// A Clause is one of an SLO with its value so far. It is no verdict: analysis judges a
// step when it is over.
type Clause struct {
	Text  string   `json:"text"`
	Value *float64 `json:"value"` // in Unit
	Unit  string   `json:"unit"`
	Limit float64  `json:"limit"`
	// Holds is null where the value is; a quantile that falls among failed arrivals
	// does not hold, nor does anything of a window that is over and had no arrival.
	Holds *bool `json:"holds"`
}

// DeviceFigures are what the last reading tells of a device.
type DeviceFigures struct {
	Device
	Activity *float64 `json:"activity_ratio"` // of its SMs, or of its engine where that is all that is told
	Memory   *float64 `json:"memory_bytes"`
}
