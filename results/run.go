package results

import (
	"time"

	"github.com/evabench/evabench/internal/device"
)

// SchemaVersion counts the changes of the run directory's form. A program reads
// its own version only. Version 2 came with the last chunk of content, chunk
// gaps, and what the load generator tells of the load that it sent and of
// itself. Version 3 came with the server's own word on each request, version 4 with
// races, steps of interference and spikes, and costs. Version 5 came with sessions, the
// state before the run, and cells that are set aside.
const SchemaVersion = 6

// Environment is what a run was made with and on. It stands in
// environment.json and is written before the first change.
type Environment struct {
	Schema   int    `json:"schema"`
	Evabench string `json:"evabench"` // version of the program
	Scenario string `json:"scenario"` // its name
	// ScenarioSHA256 is the hash of scenario.yaml in the run directory.
	ScenarioSHA256 string    `json:"scenario_sha256"`
	Started        time.Time `json:"started"` // UTC
	// Measurement is the version of how cells were measured; set when it is written.
	Measurement int `json:"measurement,omitempty"`
	// Sessions are the commands that measured, in their order; the first began the run.
	Sessions []Session `json:"sessions,omitempty"`
	// Flags are what the first session's flags said.
	Flags Flags `json:"flags,omitzero"`
	// Simulated names the simulated server; empty on a real one. Every page
	// and sheet made from a simulated run says so.
	Simulated string `json:"simulated,omitempty"`
	// SimulatedAbout is what the simulated server's numbers rest on.
	SimulatedAbout string `json:"simulated_about,omitempty"`
	// SimulatedFaults is what was wrong with the simulated services on purpose.
	SimulatedFaults string `json:"simulated_faults,omitempty"`
	// SimulatedScale is how many seconds of the simulated server's time passed
	// in one of the clock, at least 1; absent on a real server. All moments and
	// spans of a run are server time.
	SimulatedScale float64 `json:"simulated_scale,omitempty"`

	// Lost is why environment.json could not be read: nothing here is what the run recorded
	// then, but the folders of the cells that are there, and what a reader knows otherwise.
	// It stands in no run directory.
	Lost string `json:"lost,omitempty"`

	Command []string `json:"command"` // arguments, secrets left out
	Host    Host     `json:"host"`
	// SelfTest is what the load generator can do on the host; null if it was not
	// measured.
	SelfTest *SelfTest `json:"self_test,omitempty"`
	Services []Service `json:"services"`
	// Search is null where the steps are a ladder of levels.
	Search *Search `json:"search,omitempty"`
	// Zone is the indifference zone: configurations whose figures differ by less than
	// this share are as good as each other.
	Zone float64 `json:"indifference_zone,omitempty"`
	// CostPerHour is what an hour of the server costs in Currency; 0 if nobody said.
	CostPerHour float64 `json:"cost_per_hour,omitempty"`
	Currency    string  `json:"currency,omitempty"`
	// Memory says in words, by configuration, how what the models were told to need
	// fits the memory of its devices. One of which nothing is known is missing.
	Memory map[string]string `json:"memory_arithmetic,omitempty"`
	// Planned names the folders of the cells, in their order of running.
	Planned []string `json:"planned"`
	// Impossible lists the points of the matrix that were left out.
	Impossible []Impossible `json:"impossible,omitempty"`
	Warnings   []Warning    `json:"warnings,omitempty"`
}

// Host is the machine that evabench ran on.
type Host struct {
	Name        string `json:"name"`
	OS          string `json:"os"`
	Arch        string `json:"arch"`
	CPUs        int    `json:"cpus"`
	CPUModel    string `json:"cpu_model,omitempty"`
	MemoryBytes uint64 `json:"memory_bytes,omitempty"`
	GoVersion   string `json:"go_version"`
}

// The roles a service can have in the documents' tables.
const (
	RoleVision = "vision"
	RoleAgent  = "agent"
)

// A Service is what a run says of one service of its scenario.
type Service struct {
	Name string `json:"name"`
	Role string `json:"role"` // RoleVision or RoleAgent
	// Percentiles are those to be told, each in (0, 1), ascending.
	Percentiles []float64 `json:"percentiles"`
	SLO         []Clause  `json:"slo,omitempty"`
	// Target is the first of the levels that the scenario gives: what the service is
	// meant to bear, or a ladder's first step. Null if it was not recorded.
	Target *Level `json:"target,omitempty"`
	// Load says how its load arrives, whatever the level: "cameras, 5 fps". Empty if it was
	// not recorded.
	Load string `json:"load,omitempty"`
	// GapShape says that gaps between arrivals are independent and of a gamma distribution of
	// this shape, 1 for Poisson's, at an even rate. Null of other loads, and if it was not
	// recorded.
	GapShape *float64 `json:"gap_shape,omitempty"`
	// Timeout is that of one exchange; 0 if it was not recorded.
	Timeout time.Duration `json:"timeout_ns,omitempty"`
}

// A Clause is one condition of a service's SLO, such as p95 < 0.3 s. All
// clauses of a service must hold.
type Clause struct {
	// Metric is "latency" (from Due), "ttft", "errors" (share of due arrivals
	// that did not end ok, 0 to 1; a request that was asked again is as many
	// arrivals), "queue" (mean waiting requests) or "tokens_per_second".
	Metric string `json:"metric"`
	// Quantile is the share below, in (0, 1), for latency and ttft, else 0.
	Quantile float64 `json:"quantile,omitempty"`
	Class    string  `json:"class,omitempty"` // only requests of this class
	Op       string  `json:"op"`              // "<", "<=", ">", ">="
	Limit    float64 `json:"limit"`           // in Unit
	Unit     string  `json:"unit"`            // "s", "ratio", "1", "1/s"
	Text     string  `json:"text"`            // as it was written
}

// OfTime says that the limit is one of each request's time: of its latency, or to its first
// token.
func (c Clause) OfTime() bool { return c.Metric == "latency" || c.Metric == "ttft" }

// A Config is one point of the matrix.
type Config struct {
	// Name is short, unique within a run and fit for a folder.
	Name      string            `json:"name"`
	Layout    string            `json:"layout"`    // canonical text
	Sharing   string            `json:"sharing"`   // of every device that the layout does not say otherwise
	Placement string            `json:"placement"` // "auto" or explicit
	Routing   string            `json:"routing"`
	Workers   map[string]int    `json:"workers,omitempty"` // by model
	Params    map[string]string `json:"params,omitempty"`  // "service.name" → value
}

// Impossible is a point that cannot be, with the reason.
type Impossible struct {
	Config Config `json:"config"`
	Reason string `json:"reason"`
}

// The ways in which a cell ends.
const (
	CellDone        = "done"
	CellFailed      = "failed"
	CellInterrupted = "interrupted"
)

// A Cell is one configuration and one replicate, as it was run. It stands in
// cell.json, which is written when the cell has ended.
type Cell struct {
	Index     int    `json:"index"` // order of running, from 0
	Folder    string `json:"folder"`
	Config    Config `json:"config"`
	Replicate int    `json:"replicate"` // from 1
	Seed      uint64 `json:"seed"`
	// Nonce is random text that made this cell's unique requests unlike those
	// of every other cell and run; with it and Seed they can be made again.
	Nonce string `json:"nonce,omitempty"`
	// Started is the moment of Offset 0 by the wall clock, UTC, to the nanosecond.
	// An Offset o is Started + o (on a simulated server, + o ÷
	// Environment.SimulatedScale), as long as nobody stepped that clock: so stamps
	// of other machines can be placed beside ours.
	Started   time.Time  `json:"started"`
	Status    string     `json:"status"`
	Fault     string     `json:"fault,omitempty"` // why it failed
	Instances []Instance `json:"instances"`
	Phases    []Phase    `json:"phases"`
	// Warmed tells, for each instance and class, how service time fell before
	// the first step.
	Warmed   []Warmed  `json:"warmed,omitempty"`
	Warnings []Warning `json:"warnings,omitempty"`
}

// Warmed is how one class of requests warmed one instance up: rounds of
// Parallel requests at once, until the time that a round takes no longer fell.
type Warmed struct {
	Instance string `json:"instance"`
	Class    string `json:"class,omitempty"`
	Parallel int    `json:"parallel"` // requests of a round, one for each worker
	// Rounds are the median service times of the rounds, in their order.
	Rounds []time.Duration `json:"rounds_ns"`
	// Settled says that it no longer fell; else the time was up.
	Settled bool `json:"settled"`
	// Alone says that this is no warm-up but what came after it: each round is one
	// request while nothing else ran at any instance. Settled means nothing then.
	Alone bool `json:"alone,omitempty"`
}

// Layout is what layout.json holds: the devices of a cell, read back after the
// layout was applied.
type Layout struct {
	Asked    string   `json:"asked"`
	Applied  string   `json:"applied"` // canonical text of what was read back
	Verified bool     `json:"verified"`
	Plan     []string `json:"plan"` // the steps that led here, as printed
	// Driver is the version of the GPUs' driver; empty if nothing told.
	Driver  string          `json:"driver,omitempty"`
	Devices []device.Device `json:"devices"`
	// Observed is how the devices were seen to be shared once the services
	// answered and before load came, in the order of Devices, and then once more
	// after the load; empty if nothing could tell.
	Observed []Observed `json:"observed,omitempty"`
}

// Observed are the processes that were on a device at one moment.
type Observed struct {
	Device string `json:"device"` // UUID
	// Processes are the pids of its compute processes, MPS those of them that
	// were clients of the device's MPS daemon.
	Processes []int `json:"processes"`
	MPS       []int `json:"mps"`
	// After says that it was after the load.
	After bool `json:"after,omitempty"`
}

// An Instance is one running copy of a service.
type Instance struct {
	Service string `json:"service"`
	Name    string `json:"name"`   // unique within the cell: "agent-0"
	Device  string `json:"device"` // UUID; empty if unknown
	URL     string `json:"url"`    // where requests go
	// Scrapes are the pages that tell of the instance.
	Scrapes []Scrape       `json:"scrapes,omitempty"`
	Workers map[string]int `json:"workers,omitempty"`
	// Version is what the server says of itself, if it does, and of a container the ID of
	// its image: with another version it is another server.
	Version string `json:"version,omitempty"`
	// Image is how a container's image is found again: a registry's digest, else its name.
	// One image may have several, and get them later. Empty for other servers.
	Image string `json:"image,omitempty"`
}

// A Scrape is a page that tells of an instance, and the kind of collector that
// reads it.
type Scrape struct {
	Kind string `json:"kind"`
	URL  string `json:"url"`
}

// A Phase is a stretch of a cell that is no step: plan, apply, adapt, launch,
// ready, warm, alone, count, recount, stop.
type Phase struct {
	Name  string `json:"name"`
	Start Offset `json:"start_ns"`
	End   Offset `json:"end_ns"`
}
