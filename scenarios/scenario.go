// Package scenarios reads the file that a person writes: which server, which
// services, how much load, which configurations. It turns the file into a
// [Scenario], and a Scenario into the cells to be run. It knows nothing of how
// anything is done: kinds are checked by the functions in [Checks].
//
// Reading is strict. A key that nobody knows, a number without its unit or a
// value of the wrong type is a [Fault] with file, line and column, and all
// faults of a file are told at once. Environment variables are not expanded;
// anchors, aliases, tags and merge keys are refused, so what the file says is
// what stands in it.
package scenarios

import (
	"time"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/results"
)

// A Scenario is what [Read] made of a file. It is not changed after Read;
// concurrent use is safe then.
type Scenario struct {
	Version     int    // of the format; always 1
	Name, About string // Name is fit for a folder; About is one line for people

	Server   Server
	Services []Service // at least one, in the file's order

	Warmup, Window time.Duration // of every step: Warmup ≥ 0, Window > 0
	CollectEvery   time.Duration // between two readings of a collector, at least 100 ms
	DCGM           string        // URL of dcgm-exporter's page; empty for none
	DCGMAccess     trust.Access  // how that page is reached

	// Search looks for capacity in every cell; nil runs the ladder of levels.
	Search *Search
	// Failovers are the steps in which an instance ends under load. They follow
	// the ladder, in the file's order.
	Failovers []Failover
	// Spikes are the steps in which a service's load rises for a while. They follow
	// the failovers, in the file's order.
	Spikes []Spike

	// Zone is the indifference zone of comparisons, 0.005 to 0.5.
	Zone float64

	Replicates int    // at least 1
	Seed       uint64 // every other seed is made from it

	Matrix Matrix

	File   string // as given to Read
	Source []byte // the bytes that were read; not to be changed
}

// A Server is the machine under test and what may be done to it.
type Server struct {
	Backend kind.Spec // of partition
	GPUs    []string  // indices or UUIDs; a GPU that is not named is not touched
	// Allow lists what may be changed: a subset of [AllowWords].
	Allow []string
	// CostPerHour is what an hour of it costs in Currency; 0 if nobody said.
	CostPerHour float64
	Currency    string
}

// The words of a server's allow list. Package partition has the same ones.
const (
	AllowLayout = "layout"     // make and delete MIG instances
	AllowMode   = "mode"       // switch MIG mode
	AllowReset  = "reset"      // switch it where that resets the GPU
	AllowSlice  = "time-slice" // set the time slice of a GPU
	AllowMPS    = "mps"        // start and stop MPS daemons of our own
	AllowDrain  = "drain"      // quit idle MPS daemons of others, and start them again
)

// AllowWords lists the words of a server's allow list. The caller owns it.
func AllowWords() []string {
	return []string{AllowLayout, AllowMode, AllowReset, AllowSlice, AllowMPS, AllowDrain}
}

// A Service is one server under load: the Vision detectors or the Agent's VLM.
type Service struct {
	Name string // unique, fit for a folder
	Role string // results.RoleVision or results.RoleAgent

	Launcher, Endpoint, Workload kind.Spec
	// Scrapes are the collectors' sources that tell of the service.
	Scrapes []kind.Spec
	Models  []Model // at least one, in the file's order
	Load    Load

	Retry   Retry
	Timeout time.Duration // of one exchange, above 0
	// Warm bounds the time for which requests are sent, before the first step,
	// until the service time no longer falls; 0 sends none.
	Warm        time.Duration
	MaxInFlight int // 0 means the load generator's own bound
	// Percentiles are those to be told, each in (0, 1), ascending.
	Percentiles []float64
	SLO         []results.Clause // all must hold; empty means no SLO
}

// A Model is one model of a service.
type Model struct {
	Name    string
	Workers int // processes, at least 1; a matrix may say otherwise
	// Memory is what one process takes of its device's memory: MemoryBytes, or
	// MemoryShare of the whole, above 0 and at most 1. Both 0 is unknown.
	MemoryBytes uint64
	MemoryShare float64
}

// A Spike is a step in which a service's load rises for a while.
type Spike struct {
	results.Spike
	Step int // the step of the ladder whose levels are driven, from 0
}

// A Failover is a step in which one instance of a service ends under load.
type Failover struct {
	results.Failover
	Step int // the step of the ladder whose levels are driven, from 0
}

// Checks judge what this package cannot know. A nil check is not made. Each
// must have no side effect: it builds and throws away. A [Fault] inside an
// error keeps its place; any other error is placed at the value it is about.
type Checks struct {
	Backend, Launcher, Endpoint, Workload, Source, Router func(kind.Spec) error
	// Heavy says why a workload has no heavy requests.
	Heavy func(workload kind.Spec) error
	// Asks lists the classes of a workload's requests, and the models that they ask;
	// nil is not known.
	Asks func(workload kind.Spec) (classes, models []string, err error)
	// Tells says what an endpoint's answers tell: when their first token came, and
	// how many tokens they have.
	Tells func(endpoint kind.Spec) (first, tokens bool, err error)
	// Queues reports whether a source tells how many requests wait.
	Queues func(source kind.Spec) bool
	// Models says why a service's launcher has not its models.
	Models func(s Service) error
	// Arrivals checks a service's load at one of its levels.
	Arrivals func(l Load, level float64) error
	// Layout checks a layout and gives its canonical text.
	Layout             func(text string) (canonical string, err error)
	Sharing, Placement func(text string) error
	// Rewrite runs after decoding and before the checks above; it serves
	// --sim. It may replace values and kinds, but must leave the services'
	// number and order as they are. It also sees a Scenario that has faults.
	Rewrite func(*Scenario)
}

// Cooldown gives that of a step of such a window, as [results.Cooldown] has it.
func (s *Scenario) Cooldown(window time.Duration) time.Duration {
	var slos [][]results.Clause
	for _, v := range s.Services {
		slos = append(slos, v.SLO)
	}
	return results.Cooldown(window, slos...)
}

// StepPlans gives the ladder: step i takes level i of each service, and a
// service with one level is held at it. The failovers follow, and the spikes. Of a scenario with a
// Search it is where that begins, less From.
func (s *Scenario) StepPlans() []results.StepPlan {
	steps := 0
	for _, v := range s.Services {
		steps = max(steps, len(v.Load.Levels))
	}
	plans := make([]results.StepPlan, 0, steps)
	for i := range steps {
		p := results.StepPlan{Warmup: s.Warmup, Window: s.Window, Cooldown: s.Cooldown(s.Window)}
		for j, v := range s.Services {
			if len(v.Load.Levels) == 0 {
				continue
			}
			level := v.level(min(i, len(v.Load.Levels)-1))
			p.Levels = append(p.Levels, level)
			if j > 0 {
				p.Name += ", "
			}
			p.Name += v.Name + " " + number(level.Value) + " " + level.Unit
		}
		plans = append(plans, p)
	}
	for _, f := range s.Failovers {
		p := plans[f.Step]
		p.Name += ", " + f.Failover.String()
		p.Failover = &f.Failover
		plans = append(plans, p)
	}
	for _, k := range s.Spikes {
		p := plans[k.Step]
		p.Name += ", " + k.Spike.String()
		p.Purpose, p.Spike = results.PurposeSpike, &k.Spike
		plans = append(plans, p)
	}
	return plans
}
