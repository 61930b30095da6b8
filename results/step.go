package results

import (
	"fmt"
	"math"
	"time"
)

// A Level is one service's load in a step.
type Level struct {
	Service string `json:"service"`
	// Arrivals is "constant", "poisson", "gamma", "trace", "cameras" (open loops)
	// or "closed".
	Arrivals string `json:"arrivals"`
	// Value is the level in Unit: requests (sessions) a second for constant,
	// poisson and gamma, how many times as fast a trace is played as it was
	// recorded, cameras, or users of a closed loop.
	Value float64 `json:"value"`
	Unit  string  `json:"unit"` // "req/s", "cameras", "users"
}

// A StepPlan is a step before it is run.
type StepPlan struct {
	Name string `json:"name"`
	// Levels are the services' that are driven, in the scenario's order. A service that
	// is not among them stands still: its instances run, and nobody asks them.
	Levels []Level       `json:"levels"`
	Warmup time.Duration `json:"warmup_ns"` // load runs, nothing counts
	Window time.Duration `json:"window_ns"` // arrivals due here are the step's
	// Cooldown is for how long, at most, load goes on after the window, until all that fell
	// due in it is answered. What falls due then counts as little as in the warm-up. Without
	// it the window's last requests would meet a server that has less and less to do: of an
	// Agent's calls of a window's last minute a seventh as many took longer than a minute.
	Cooldown time.Duration `json:"cooldown_ns,omitempty"`
	// Purpose is why the step is run, one of the Purpose constants; empty for a
	// step of a scenario's ladder of levels.
	Purpose string `json:"purpose,omitempty"`
	// Heavy makes every request whose class has a heavy variant that variant: its samples'
	// class ends with [HeavySuffix].
	Heavy bool `json:"heavy,omitempty"`
	// Failover makes an instance end within the window; nil in most steps.
	Failover *Failover `json:"failover,omitempty"`
	// Spike raises a service's load for a part of the window; nil in most steps.
	Spike *Spike `json:"spike,omitempty"`
	// Ray numbers, in a search along several rays, the one that the step is of, from 1;
	// else 0.
	Ray int `json:"ray,omitempty"`
}

// Cooldown gives a plan's Cooldown for services of these objectives: the longest of what each
// takes, which is the largest of its limits on latency and time to first token, after which
// nothing that happens changes whether a request kept them, or a tenth of the window where it
// has none.
func Cooldown(window time.Duration, slos ...[]Clause) time.Duration {
	longest := time.Duration(0)
	for _, clauses := range slos {
		limit := 0.0
		for _, c := range clauses {
			if c.OfTime() {
				limit = max(limit, c.Limit)
			}
		}
		own := window / 10
		if limit > 0 {
			own = time.Duration(min(limit, float64(math.MaxInt64/4)/1e9) * float64(time.Second))
		}
		longest = max(longest, own)
	}
	return longest
}

// CooldownOf is Cooldown for services.
func CooldownOf(window time.Duration, services []Service) time.Duration {
	var slos [][]Clause
	for _, s := range services {
		slos = append(slos, s.SLO)
	}
	return Cooldown(window, slos...)
}

// Load is for how long a step's load lasts at most.
func (p StepPlan) Load() time.Duration { return p.Warmup + p.Window + p.Cooldown }

// Why a search runs a step.
const (
	PurposeClimb   = "climb"   // looks for a load that is too much
	PurposeProbe   = "probe"   // near the boundary; the estimate rests on these
	PurposeConfirm = "confirm" // at the load that is to be signed
	// PurposeInterference: one service is held while a neighbour is raised; objectives
	// may be missed.
	PurposeInterference = "interference"
	PurposeSpike        = "spike" // with Spike; objectives may be missed
)

// A Spike is a sudden rise of one service's load. The load is open.
type Spike struct {
	Service string  `json:"service"`
	Factor  float64 `json:"factor"` // of the level, above 1
	// At is when, since the window's start, and For how long: 0 < At, At + For < Window.
	At  time.Duration `json:"at_ns"`
	For time.Duration `json:"for_ns"`
}

// String tells it in words: "vision x3 for 10s after 1m0s".
func (s Spike) String() string {
	return fmt.Sprintf("%s x%g for %s after %s", s.Service, s.Factor, s.For, s.At)
}

// A Failover is the end of one instance under load.
type Failover struct {
	Service  string `json:"service"`
	Instance int    `json:"instance"` // its number among the service's, from 0
	How      string `json:"how"`      // services.CrashKill or services.CrashFault
	// At is when, since the window's start: 0 < At < Window.
	At time.Duration `json:"at_ns"`
	// Eject is how long requests still go to it afterwards, as to an instance
	// behind a balancer that has not noticed yet; at least 0.
	Eject time.Duration `json:"eject_ns"`
	// Restart starts it again once it is out of the balancing; requests go to it
	// again from its first right answer on.
	Restart bool `json:"restart"`
}

// String tells it in words: "agent-1 killed after 1m0s".
func (f Failover) String() string {
	return fmt.Sprintf("%s-%d %sed after %s", f.Service, f.Instance, f.How, f.At)
}

// An Event is something that happened to an instance within a step.
type Event struct {
	At       Offset `json:"at_ns"`
	Kind     string `json:"kind"` // one of the Event constants
	Instance string `json:"instance"`
	Text     string `json:"text,omitempty"` // for people: how it ended
}

// What can happen to an instance within a step.
const (
	EventEnded     = "ended"     // its process was gone
	EventEjected   = "ejected"   // no request went to it from here on
	EventRestarted = "restarted" // it was started again
	EventAnswered  = "answered"  // it gave its first right answer again; requests go to it
)

// A Step is a step that was run: facts only. It stands in step.json.
type Step struct {
	Index int      `json:"index"` // from 0 within the cell
	Plan  StepPlan `json:"plan"`
	// Start ≤ WindowStart ≤ WindowEnd ≤ LoadEnd ≤ End. Load is from Start to LoadEnd;
	// arrivals with WindowStart ≤ Due < WindowEnd are the window's; at End the last
	// answer was in. The window is as long as planned unless the step was Stopped;
	// it is empty if that was in the warm-up.
	Start       Offset `json:"start_ns"`
	WindowStart Offset `json:"window_start_ns"`
	WindowEnd   Offset `json:"window_end_ns"`
	LoadEnd     Offset `json:"load_end_ns"`
	End         Offset `json:"end_ns"`
	// Stopped is why the window was ended early, at WindowEnd; empty if it was not.
	Stopped string `json:"stopped,omitempty"`
	// Broken is why the step was not driven to its end: the run was interrupted, or an
	// instance ended. Nothing is to be concluded from it; what was sent until then, and
	// what became of it, is kept. LoadEnd and End may be before WindowEnd.
	Broken string `json:"broken,omitempty"`
	// Halts are the stretches of the step in which evabench did not run.
	Halts []Halt `json:"halts,omitempty"`
	// Services holds what the load generator counted by itself, apart from
	// the samples, one entry per Level in the same order.
	Services []Integrity `json:"services"`
	// Client is what the load generator used; null in virtual time.
	Client   *Client   `json:"client,omitempty"`
	Warnings []Warning `json:"warnings,omitempty"`
	// Events are what happened to instances, in the order of time.
	Events []Event `json:"events,omitempty"`
	// OutOfMemory counts, by instance, what told of memory that ran out during
	// the step: lines of its log, and its end. An instance that can tell of none has
	// 0; one that cannot tell is missing. nil means that no instance can tell.
	OutOfMemory map[string]int64 `json:"out_of_memory,omitzero"`
}

// A Halt is a stretch, somewhere From ≤ moments ≤ To, in which the load generator did not
// run for a while, so that what it sent and read then was late.
type Halt struct {
	From Offset        `json:"from_ns"`
	To   Offset        `json:"to_ns"`
	For  time.Duration `json:"for_ns"`
	What string        `json:"what"` // HaltStopped or HaltSuspended
}

// Loaded is how long load ran: the warm-up, the window and what came after it.
func (s Step) Loaded() time.Duration { return max(s.WindowEnd, s.LoadEnd).Sub(s.Start) }

// What can halt a load generator.
const (
	HaltStopped   = "stopped"   // its process did not run
	HaltSuspended = "suspended" // the machine did not run
)

// Integrity is what the load generator says of its own work on one service in
// one step, so that analysis can judge whether the step measures the server
// or the client. Counts are over the window (Due within it).
type Integrity struct {
	Service string `json:"service"`
	// Due counts the arrivals that fell due, when they did, apart from the
	// samples: it must equal the number of samples of the window.
	Due int64 `json:"due"`
	// WarmupDue is the same for the warm-up.
	WarmupDue int64 `json:"warmup_due"`
	// CooldownDue is the same for what fell due after the window.
	CooldownDue int64 `json:"cooldown_due,omitempty"`
	// Scheduled counts the sessions that the schedule put into the window, or
	// into what there was of it when the step was stopped. It is read off the
	// schedule itself, so that an arrival which never fell due shows: it must
	// equal the number of the window's samples with Call 0 and Attempt 0. Null in
	// a closed loop, which has no schedule.
	Scheduled *int64 `json:"scheduled"`
	// Offered is the arrival rate that was asked for in arrivals a second;
	// null in a closed loop, where none is.
	Offered *float64 `json:"offered_per_second"`
	// Lag is our own lateness over the window's arrivals but those that were
	// cancelled before they were sent: the time from Due to when a slot was
	// asked for, and from when one was had to Sent. The wait for a slot is not
	// in it. An arrival that was not sent counts with the first part.
	Lag Lateness `json:"lag"`
	// Sent counts the window's arrivals that were sent, later calls and attempts
	// too: it must equal the number of the window's samples that have Sent.
	Sent int64 `json:"sent"`
	// Dispersions tell how evenly an open loop's arrivals were asked for and
	// sent; empty in a closed loop.
	Dispersions []Dispersion `json:"dispersions,omitempty"`
	// InFlight is what was in flight over the window, cut into equal parts in
	// their order.
	InFlight []Occupancy `json:"in_flight,omitempty"`
	// Gaps is the distribution of the time between two chunks of content of one
	// answer, over all answers due in the window.
	Gaps Gaps `json:"chunk_gaps"`
	// PeakInFlight is the largest number of requests in flight at once, until the window's end.
	PeakInFlight int64 `json:"peak_in_flight"`
	// ClientFaults counts the exchanges that failed for want of our own
	// descriptors, ports or memory. Their Outcome is Connect.
	ClientFaults int64 `json:"client_faults"`
	// FirstErrors holds the beginning of the first answer (or fault's text) of
	// each outcome but ok, at most 512 bytes each.
	FirstErrors map[string]string `json:"first_errors,omitempty"`
	// Think is the mean think time that closed-loop users really took within
	// the window, null if none was taken; ThinkAsked is the mean of what the
	// same think times should have been.
	Think      *time.Duration `json:"think_mean_ns"`
	ThinkAsked *time.Duration `json:"think_asked_mean_ns,omitempty"`
}

// Lateness is the distribution of our own lag. N is 0 and the rest
// meaningless if there was no arrival to measure.
type Lateness struct {
	N   int64         `json:"n"`
	P50 time.Duration `json:"p50_ns"`
	P99 time.Duration `json:"p99_ns"`
	Max time.Duration `json:"max_ns"`
}

// A Dispersion is the variance of the counts of arrivals in equal parts of the
// window over their mean: 1 for a Poisson process, near 0 for an even rate.
type Dispersion struct {
	Part time.Duration `json:"part_ns"` // length of a part
	N    int64         `json:"n"`       // whole parts in the window, at least 2
	// Scheduled is that of the sessions' due times, Sent that of when their first
	// requests were sent.
	Scheduled float64 `json:"scheduled"`
	Sent      float64 `json:"sent"`
}

// An Occupancy is the number of requests in flight during a part of the window.
type Occupancy struct {
	Mean float64 `json:"mean"` // over time
	Max  int64   `json:"max"`
}

// Gaps is a distribution of times between chunks. N is 0 and the rest
// meaningless if there was none. Precise to three digits.
type Gaps struct {
	N   int64         `json:"n"`
	P50 time.Duration `json:"p50_ns"`
	P90 time.Duration `json:"p90_ns"`
	P99 time.Duration `json:"p99_ns"`
	Max time.Duration `json:"max_ns"`
}

// A Client is what the load generator itself used during a step's window. All of
// it is time of the clock of its own machine, also where a simulated server's
// time passes faster: a core that was busy for half of Wall was half busy at any
// scale.
type Client struct {
	Wall time.Duration `json:"wall_ns"` // what the rest is of
	// CPU is the processor time of the whole process, Loop that of the thread that
	// sends and reads, by its own account: 1 core is Wall.
	CPU  time.Duration `json:"cpu_ns"`
	Loop time.Duration `json:"loop_busy_ns"`
	// GCs counts garbage collections, GCPause adds up their pauses.
	GCs     int64         `json:"gcs"`
	GCPause time.Duration `json:"gc_pause_ns"`
	// Stamped counts the reads whose time the kernel told, Unstamped those whose
	// time is when we came to read.
	Stamped   int64 `json:"reads_stamped"`
	Unstamped int64 `json:"reads_unstamped"`
}

// A Warning is what does not stop a run but changes what a number is worth.
type Warning struct {
	Code    string `json:"code"` // stable, lower-case, hyphenated
	Subject string `json:"subject,omitempty"`
	Text    string `json:"text"`
	Count   int64  `json:"count"` // how often it was seen, at least 1
}
