// Package analysis turns the facts of a run into what they mean: outcomes,
// throughput, latency, self-checks and the comparison of configurations.
//
// It is pure. [Summarize] gives data; package report lays it out. A number that
// cannot be told is a [Value] that says why, never zero.
package analysis

import (
	"math"
	"slices"

	"github.com/evabench/evabench/results"
)

// A Value is a number in a base unit, or the reason why there is none.
type Value struct {
	Number *float64 `json:"value"` // nil if unknown; never NaN or infinite
	Unit   string   `json:"unit"`  // "s", "1/s", "1", "ratio", "B"
	Why    string   `json:"why,omitempty"`
	// Inapplicable says that there can be no number, for the reason in Why: it
	// is not missing.
	Inapplicable bool `json:"inapplicable,omitempty"`
}

// Known reports whether there is a number.
func (v Value) Known() bool { return v.Number != nil }

// known makes a Value; NaN and the infinities give an unknown one.
func known(number float64, unit string) Value {
	if math.IsNaN(number) || math.IsInf(number, 0) {
		return unknown(unit, "no data")
	}
	return Value{Number: &number, Unit: unit}
}

func unknown(unit, why string) Value { return Value{Unit: unit, Why: why} }

// inapplicable makes a Value of what there can be no number of.
func inapplicable(unit, why string) Value {
	return Value{Unit: unit, Why: why, Inapplicable: true}
}

// A Summary is everything that is told of a run. It is data: the same run
// gives the same Summary.
type Summary struct {
	Schema      int                 `json:"schema"` // results.SchemaVersion
	Environment results.Environment `json:"environment"`
	Cells       []Cell              `json:"cells"`
	// Comparison has one entry for each step of the scenario's levels; none for those
	// of a search.
	Comparison []Comparison `json:"comparison"`
	// Contrasts compares configurations in pairs, figure by figure.
	Contrasts []Contrast `json:"contrasts,omitempty"`
	// Interference, Isolations, Spikes and Frontiers tell what services do to one another.
	Interference []Interference `json:"interference,omitempty"`
	Isolations   []Isolation    `json:"isolations,omitempty"`
	Spikes       []SpikeResult  `json:"spikes,omitempty"`
	Frontiers    []Frontier     `json:"frontiers,omitempty"`
	Costs        []Cost         `json:"costs,omitempty"`
	// Spent is nil of a run without a step.
	Spent *Spent `json:"spent,omitempty"`
	// Race is nil unless the configurations were raced, Findings and Recommendation
	// until packages findings and recommend have seen the Summary.
	Race           *Race           `json:"race,omitempty"`
	Findings       *Findings       `json:"findings,omitempty"`
	Recommendation *Recommendation `json:"recommendation,omitempty"`
	Warnings       []Warning       `json:"warnings,omitempty"`
	// Missing names the planned cells of which there is no record.
	Missing []string `json:"missing,omitempty"`
}

// Confirms reports whether the step was run at a load that is to be signed.
func (s Step) Confirms() bool { return s.Purpose == results.PurposeConfirm }

// Spikes reports whether a service's load rose for a while within the step.
func (s Step) Spikes() bool { return s.Purpose == results.PurposeSpike }

// Looks reports whether the step was run to see what happens where objectives may be
// missed, so that it says nothing against the server if they are: to find a capacity, what
// a neighbour does, or what a spike does.
func (s Step) Looks() bool {
	switch s.Purpose {
	case results.PurposeClimb, results.PurposeProbe, results.PurposeInterference, results.PurposeSpike:
		return true
	}
	return false
}

// ValidSteps counts the steps of finished cells in which every service's
// Verdict measures the server, but those in which an instance was made to end or a load
// to rise.
func (s *Summary) ValidSteps() int {
	n := 0
	for _, c := range s.Cells {
		if !c.Done() {
			continue
		}
		for _, step := range c.Steps {
			if step.Failover != nil || step.Purpose == results.PurposeSpike {
				continue
			}
			if step.Measures() {
				n++
			}
		}
	}
	return n
}

// InvalidSteps are those of finished cells that ValidSteps does not count, though they were
// run to measure: the folder of the cell and the index of the step.
func (s *Summary) InvalidSteps() []StepPlace {
	var list []StepPlace
	for _, c := range s.Cells {
		for _, step := range c.Steps {
			if c.Done() && step.Failover == nil && step.Purpose != results.PurposeSpike && !step.Measures() {
				list = append(list, StepPlace{c.Cell.Folder, step.Index})
			}
		}
	}
	return list
}

// A StepPlace says which step is meant.
type StepPlace struct {
	Cell string // its folder
	Step int    // its index
}

// Measures reports whether a step tells of the server: whether every service's verdict does,
// and there is one.
func (s Step) Measures() bool {
	return len(s.Services) > 0 && !slices.ContainsFunc(s.Services, func(v Service) bool { return !v.Verdict.Measures() })
}

// A Warning is a warning and where it belongs: "cell 001…, step 0, vision".
type Warning struct {
	Where string `json:"where,omitempty"`
	results.Warning
}

// A Cell is what is told of one cell.
type Cell struct {
	Cell   results.Cell   `json:"cell"`
	Layout results.Layout `json:"layout"`
	// MIG and MPS say how many of the layout's devices are MIG instances, and
	// are shared through MPS.
	MIG   Use    `json:"mig"`
	MPS   Use    `json:"mps"`
	Steps []Step `json:"steps"`
	// Idle is the power of all the GPUs together once the services had been started and
	// warmed up and before load came; zero where nothing was read then.
	Idle Value `json:"idle_power,omitzero"`
	// Capacity is nil where no search was run, and where it was run along several rays:
	// then Capacities has one of each, in their order.
	Capacity   *Capacity  `json:"capacity,omitempty"`
	Capacities []Capacity `json:"capacities,omitempty"`
	// Late is the most that a simulated server's timer was late, in seconds of
	// the clock, until the cell's end; nil where none told.
	Late *float64 `json:"simulator_late_seconds_max,omitempty"`
	// Memory tells of each device, and of each instance's processes, whether it grew;
	// of those of which it was read.
	Memory []MemoryTrend `json:"memory_trends,omitempty"`
}

// A Use says on how many of a layout's devices something is used.
type Use string

// The extents of use.
const (
	UseNone    Use = "none"
	UseSome    Use = "some"
	UseAll     Use = "all"
	UseUnknown Use = "unknown" // the layout tells no devices
)

// A Step is what is told of one step.
type Step struct {
	Index    int       `json:"index"`
	Name     string    `json:"name"`
	Window   float64   `json:"window_seconds"`
	Start    float64   `json:"start_seconds"` // of the load, within the cell
	Warmup   float64   `json:"warmup_seconds"`
	Loaded   float64   `json:"load_seconds"` // from the step's begin until nothing fell due any more
	Services []Service `json:"services"`
	// Purpose, Ray and Heavy are the plan's: why the step was run, along which of several
	// rays, and whether with heavy payloads. Stopped is why it was ended early.
	Purpose string `json:"purpose,omitempty"`
	Ray     int    `json:"ray,omitempty"`
	Heavy   bool   `json:"heavy,omitempty"`
	Stopped string `json:"stopped,omitempty"`
	// Client is nil where the load generator did not tell what it used.
	Client *Client `json:"client,omitempty"`
	// Roofline is the share of what the client was measured to do on its machine
	// that the step asked of it.
	Roofline Value `json:"client_roofline_share"`
	// Failover is nil unless an instance was made to end in the step.
	Failover *Failover    `json:"failover,omitempty"`
	spike    *SpikeResult // nil but in a step with a spike
	// OutOfMemory is the step's, by instance: one that cannot tell is missing, and it
	// is nil if none can.
	OutOfMemory map[string]int64 `json:"out_of_memory,omitzero"`
	// Activity is nil where nothing but memory was read of any device in the cell.
	Activity *Activity `json:"activity,omitempty"`
	// Host is nil where nothing was read of the machine.
	Host *HostUse `json:"host,omitempty"`
}

// A Service is what is told of one service in one step.
type Service struct {
	Name  string        `json:"name"`
	Role  string        `json:"role"`
	Level results.Level `json:"level"`
	Total Group         `json:"total"`
	// Classes, Models and Instances cut Total three ways, sorted by name.
	Classes   []Group `json:"classes"`
	Models    []Group `json:"models"`
	Instances []Group `json:"instances"`
	// Imbalances is empty with fewer than two instances.
	Imbalances []Imbalance       `json:"imbalances,omitempty"`
	Identity   Identity          `json:"identity"`
	Stimulus   Stimulus          `json:"stimulus"`
	Integrity  results.Integrity `json:"integrity"`
	Sessions   Sessions          `json:"sessions"`
	Queue      Queue             `json:"queue"`
	// Waiting is of all instances together, and then of each.
	Waiting []Waiting `json:"waiting,omitempty"`
	// Cached is the share of the prompt tokens that the server had kept from
	// calls before, over the completed answers that told both.
	Cached Value `json:"cached_prompt_share"`
	// InFlight is the client's own time-averaged number of requests between
	// Sent and Done within the window.
	InFlight Value `json:"client_in_flight"`
	// Population and ServerInFlight are Little's law, twice.
	Population     Check     `json:"little_population"`
	ServerInFlight Check     `json:"little_in_flight"`
	Counters       []Counter `json:"server_counters,omitempty"`
	// Overhead is over all instances; nil where no server tells its own time
	// for requests. Overheads has each instance's.
	Overhead  *Overhead     `json:"overhead,omitempty"`
	Overheads []Overhead    `json:"instance_overheads,omitempty"`
	SLO       []ClauseValue `json:"slo,omitempty"`
	// Growth and Drift are what the Verdict's saturated and unsteady rest on.
	Growth  QueueGrowth `json:"growth"`
	Drift   Drift       `json:"drift"`
	Verdict Verdict     `json:"verdict"`
	// Course is nil where there was no part to tell of. Curve is the distribution of Total's
	// latencies towards its tail; empty without an ok arrival.
	Course *Course           `json:"course,omitempty"`
	Curve  []PercentilePoint `json:"latency_curve,omitempty"`
	// Median is that of the latencies of ok answers, whatever percentiles are asked for
	// and however few answers there were.
	Median Value `json:"median_latency"`

	median float64 // the same in seconds, NaN if there were none
	bare   bool    // of its answers more than 1 % came when load had ended
}

// A Group is what is told of some of a service's arrivals.
type Group struct {
	Name string `json:"name"`
	// Due is the number of arrivals that fell due within the window, and
	// Outcomes what became of them, in results.Outcomes' order without zeros.
	// Retries of them are the second or a later attempt of a request: each attempt
	// is an arrival, and has an outcome and a latency of its own.
	Due      int64   `json:"due"`
	Retries  int64   `json:"retries"`
	Outcomes []Count `json:"outcomes"`
	OK       int64   `json:"ok"`
	// Answered is OK ÷ window: arrivals due in the window that were answered,
	// whenever the answer came.
	Answered Value `json:"answered_per_second"`
	// Completed counts the ok answers that came within the window, whenever
	// they were due, and Throughput is Completed ÷ window. That is what the
	// server did in the time; under overload it lies below Answered.
	Completed  int64 `json:"completed"`
	Throughput Value `json:"throughput_per_second"`
	// PerHour is Completed · 3600 s ÷ window.
	PerHour Value `json:"completed_per_hour"`
	// InFlight is the time-averaged number of requests between Sent and Done
	// within the window.
	InFlight Value `json:"in_flight"`

	// Latency (Due to Done), Wait (Due to Sent) and Served (Sent to Done) are
	// those of the OK arrivals. Without a fault in the clock,
	// Latency = Wait + Served for every one.
	Latency Distribution `json:"latency"`
	Wait    Distribution `json:"wait"`
	Served  Distribution `json:"service"`
	// TTFT (Due to First), SentTTFT (Sent to First) and TPOT, the time per
	// output token after the first, (Final-First) ÷ (output tokens - 1) of each
	// answer that told two or more, are of OK streamed answers. So is LongestGap,
	// the longest time between two chunks of each answer.
	TTFT       Distribution `json:"ttft"`
	SentTTFT   Distribution `json:"ttft_from_sent"`
	TPOT       Distribution `json:"tpot"`
	LongestGap Distribution `json:"longest_chunk_gap"`
	// TokensPerChunk is the mean, over all chunks of the answers that told their
	// tokens. Only where it is 1 is a gap between chunks the time of a token.
	TokensPerChunk Value `json:"tokens_per_chunk"`
	// Prompt and Output are the tokens of the Completed answers.
	Prompt Tokens `json:"prompt_tokens"`
	Output Tokens `json:"output_tokens"`
}

// OutOfMemory counts the answers that said that memory ran out.
func (g Group) OutOfMemory() int64 {
	for _, c := range g.Outcomes {
		if c.Outcome == results.OOM {
			return c.N
		}
	}
	return 0
}

// A Count is how often an outcome was seen.
type Count struct {
	Outcome results.Outcome `json:"outcome"`
	N       int64           `json:"n"`
}

// A Distribution tells of N values in Unit. A quantile from fewer values than
// stats.MinSamples asks for is unknown, and says how many are needed.
type Distribution struct {
	N    int64 `json:"n"`
	Mean Value `json:"mean"`
	// Deviation is the standard deviation of these N themselves, √(Σ(x - mean)² ÷ N): no
	// estimate of another's. It is unknown of fewer than two.
	Deviation Value      `json:"standard_deviation"`
	Min       Value      `json:"min"`
	Max       Value      `json:"max"`
	Quantiles []Quantile `json:"quantiles"`
}

// A Quantile is the smallest value that at least a share Q of all do not pass.
type Quantile struct {
	Q float64 `json:"q"`
	Value
	// Low and High, in the unit of Value, bound the quantile of the long run with 95 %
	// confidence, told from how much parts of the window differ: see
	// [stats.QuantileInterval]. One that cannot be told is nil, and Open says what it
	// would take.
	Low  *float64 `json:"low,omitempty"`
	High *float64 `json:"high,omitempty"`
	Open string   `json:"open_because,omitempty"`
}

// Tokens tells of tokens. Untold answers are those whose server told no usage;
// with any, the rate is unknown.
type Tokens struct {
	Sum       int64 `json:"sum"` // over the answers that told
	Untold    int64 `json:"untold_answers"`
	PerSecond Value `json:"per_second"`
}

// An Identity states that no arrival was lost: Due, counted by the load
// generator apart from the samples, equals the samples of the window and the
// sum of their outcomes; likewise in the warm-up. In an open loop, the
// arrivals that the schedule had in the window equal the samples of it that
// are the first attempt of their session's first call. What was sent, counted
// apart too, equals the samples that were.
type Identity struct {
	Due           int64 `json:"due"`
	Samples       int64 `json:"samples"`
	Outcomes      int64 `json:"sum_of_outcomes"`
	WarmupDue     int64 `json:"warmup_due"`
	WarmupSamples int64 `json:"warmup_samples"`
	// What fell due after the window, while it was not answered.
	CooldownDue     int64 `json:"cooldown_due"`
	CooldownSamples int64 `json:"cooldown_samples"`
	// Scheduled is null in a closed loop; Begun counts first calls.
	Scheduled *int64 `json:"scheduled"`
	Begun     int64  `json:"first_calls"`
	// Sent is the load generator's count, SentSamples that of the window's samples.
	Sent        int64 `json:"sent"`
	SentSamples int64 `json:"sent_samples"`
	Holds       bool  `json:"holds"`
	// Why says which of the counts differ, if they do.
	Why string `json:"why,omitempty"`
}

// Sessions tells of the sessions that ended within the window and whose begin
// is known. Time is from the first call's Due to the last call's Done.
type Sessions struct {
	Ended     int64        `json:"ended"`
	PerSecond Value        `json:"per_second"`
	Time      Distribution `json:"time"`
	// Think is the mean think time between a closed loop's sessions, that is
	// until the next is due, and Asked what it should have been. Pause is until
	// the next is sent: our lateness, and the wait for a slot, are in it. Pauses
	// is how many were taken.
	Think  Value `json:"think_mean"`
	Asked  Value `json:"think_asked_mean"`
	Pause  Value `json:"pause_mean"`
	Pauses int64 `json:"pauses"`
}

// A Queue is the number of requests waiting at the servers, as they tell it.
// Mean is over time and summed over instances; Max is the most that one
// instance told of at one moment, its models added up. Readings counts the
// moments at which a page told of all of them.
type Queue struct {
	Mean     Value  `json:"mean"`
	Max      Value  `json:"max"`
	Source   string `json:"source,omitempty"` // collectors and series
	Readings int64  `json:"readings"`
}

// The results of a check.
const (
	Pass      = "pass"
	Fail      = "fail"
	NotJudged = "not judged"
)

// A Check compares two ways to know one number.
type Check struct {
	What   string `json:"what"`
	Left   Value  `json:"left"`
	Right  Value  `json:"right"`
	Ratio  Value  `json:"ratio"` // left ÷ right
	Result string `json:"result"`
	Why    string `json:"why,omitempty"` // why it was not judged, or failed
}

// A Counter compares a server's own count with ours, between two readings of
// its page.
type Counter struct {
	What string `json:"what"` // "completed", "output tokens", "prompt tokens"
	// Source names the collector and the series, Instance whose page it is.
	Source   string `json:"source"`
	Instance string `json:"instance"`
	Server   Value  `json:"server"`
	Ours     Value  `json:"ours"`
	// From and To are when the two readings were in. Idle tells that the first
	// was in before the step's first request was sent to the instance, and the
	// other began after the last was done, so that both counts must agree.
	From   results.Offset `json:"from_ns"`
	To     results.Offset `json:"to_ns"`
	Idle   bool           `json:"idle_to_idle"`
	Result string         `json:"result"`
	Why    string         `json:"why,omitempty"`
}

// The fates of an SLO clause.
const (
	Met     = "met"
	NotMet  = "not met"
	Unknown = "unknown"
)

// A ClauseValue is a clause of an SLO and what became of it.
type ClauseValue struct {
	Clause results.Clause `json:"clause"`
	Value  Value          `json:"value"`
	Result string         `json:"result"` // Met, NotMet or Unknown
	// Judged counts the arrivals of the window that a clause on latency, TTFT or
	// errors is about, and Over those of them that were over its limit or did not
	// end ok; 0 of other clauses.
	Judged int64 `json:"judged,omitempty"`
	Over   int64 `json:"over,omitempty"`
	// Luck is how many more of the same arrivals than usual would have waited long in a plain
	// queue, as a share of what is usual: 0 as usual, -1 if none. Only in steps of a search that
	// its estimate rests on, of clauses on latency and TTFT; null where it cannot be told. See
	// analysis/luck.
	Luck *float64 `json:"luck,omitempty"`
}
