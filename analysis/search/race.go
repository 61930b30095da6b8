package search

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/boundary"
	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// A Race goes through the cells of a run and leaves out those of configurations that
// cannot win any more. It looks for the configuration of the largest capacity:
//
//   - The first cell of each configuration screens it: a short search, which begins at
//     the best capacity so far and ends at once where that is clearly missed twice.
//   - From then on each replicate is a block: those that are left are probed about their
//     own capacities for equally long, with the same draws of arrivals, each freshly
//     deployed. What is compared is the ratio of two capacities of one block.
//   - After each block, from the third on, the ratio of the best to each other one is tested:
//     a lead that is well within the indifference zone against one that is well beyond it
//     (sideOf). Those beyond are left out. Before that only one goes that is worse by far
//     more than the zone, by an interval that holds however often one looks. The race ends
//     when every ratio is settled: the best has won, or is equivalent to those that remain.
//   - One more cell of each that is left, the winner or the equivalent ones, confirms the
//     lower end of its interval, if a replicate is left.
//
// What it decides depends on nothing but what the steps gave and in which order cells
// were run, so that [Complete] comes to the same from a run directory. It is for one
// goroutine.
type Race struct {
	env     results.Environment
	zone    float64
	cells   []Entry
	racers  []*racer // in the order in which they are first run
	running *racing  // nil between cells
	judged  int      // up to the beginning of this replicate
	decided bool
	state   string
	why     string
	best    *racer // when it is decided
	spent   float64
	edge    edge // as of the beginning of this replicate
	// brokeOff says that cells were still to be run when the run ended.
	brokeOff bool
}

// An Entry is a cell of a race.
type Entry struct {
	Folder, Config string
	Replicate      int // from 1
}

// A racer is a configuration.
type racer struct {
	config   string
	screened *screening // nil until it was
	blocks   []block    // in their order
	told     int        // the last replicate of which a cell told something
	why      string     // of the last one that did not
	failed   bool       // it was left out for that
	left     string
	after    int
	below    float64 // a load that it missed, 0 if unknown
	spent    float64
	signed   bool // or was to be, and was not
}

// A screening is what the first cell told.
type screening struct {
	capacity, slope, tau float64 // tau is the relative variance of a probe of 1 s
	spread               float64 // standard error of the capacity's logarithm
	capped               bool    // met at the largest load that may be asked for
	look                 look    // the last: its rate and sessions
}

// A block is what one configuration gave in one replicate.
type block struct {
	replicate int
	capacity  float64
	spread    float64 // standard error of its logarithm, within the deployment
	estimate  boundary.Estimate
	probes    []boundary.Probe // none if no line was fitted
}

// The constants of a race.
const (
	// leastBlocks is after how many blocks an end may be called, LeastReplicates how many
	// replicates that takes.
	leastBlocks     = 3
	LeastReplicates = 1 + leastBlocks
	// sameLead and clearLead are leads, in zones, between which a race need not tell: of 2 % and
	// 5 % for the usual zone of 3 %. The ratio is tested for the one against the other.
	sameLead  = 2.0 / 3
	clearLead = 5.0 / 3
	// keepsWrongly is how often at most one that leads by clearLead may have another kept
	// beside it, leavesOutWrongly how often one of two that are alike may be left out.
	keepsWrongly     = 0.03
	leavesOutWrongly = 0.05
	// precision is the standard error of a ratio, in zones, from which on it counts as it
	// stands: on the side of the middle between the two on which it lies.
	precision = 0.25
	// lastPrecision is with what one is content when no replicate is left.
	lastPrecision = 0.45
	// farAhead is by how many zones a ratio must lead that is left out by an interval alone.
	farAhead = 2
	// raceLevel is the level of the intervals by which a configuration is left out.
	raceLevel = 0.05
	// deployments is the standard deviation of a capacity's logarithm over deployments
	// that is assumed until blocks tell, with the weight of so many blocks.
	deployments = 0.01
	priorBlocks = 4
	// clearlyWorse is how many standard errors below what still counts as the best's equal
	// a screening must lie. A screening's standard error comes from six probes.
	clearlyWorse = 4
	// mostTries is how many replicates in a row may tell nothing of a configuration, of
	// others something.
	mostTries = 2
)

// NewRace makes the race of what a run is to record and of its cells in their order of
// running.
func NewRace(env results.Environment, cells []Entry) (*Race, error) {
	if _, err := New(env); err != nil {
		return nil, err
	}
	r := &Race{env: env, zone: env.Zone, cells: cells}
	if r.zone == 0 {
		r.zone = analysis.DefaultZone
	}
	for _, c := range cells {
		if r.racer(c.Config) == nil {
			r.racers = append(r.racers, &racer{config: c.Config})
		}
	}
	if len(r.racers) < 2 {
		return nil, fmt.Errorf("a race needs two configurations, and there is %d", len(r.racers))
	}
	if most := r.replicates(); most < LeastReplicates {
		return nil, fmt.Errorf("a race needs at least %d replicates, one to screen and %d blocks, and there is %d: raise replicates, it stops when it is decided", LeastReplicates, leastBlocks, most)
	}
	return r, nil
}

func (r *Race) racer(config string) *racer {
	for _, x := range r.racers {
		if x.config == config {
			return x
		}
	}
	return nil
}

func (r *Race) replicates() int {
	most := 0
	for _, c := range r.cells {
		most = max(most, c.Replicate)
	}
	return most
}

func (r *Race) entry(folder string) (Entry, bool) {
	i := slices.IndexFunc(r.cells, func(c Entry) bool { return c.Folder == folder })
	if i < 0 {
		return Entry{}, false
	}
	return r.cells[i], true
}

// Skip says why a cell is not to be run; empty if it is. It is asked of the cells in
// their order, when those before have ended.
func (r *Race) Skip(folder string) string {
	r.settle()
	e, ok := r.entry(folder)
	if !ok {
		return "it is not in the race"
	}
	x := r.racer(e.Config)
	r.judge(e.Replicate)
	switch {
	case x.left != "":
		return x.left
	case r.decided && x.signed:
		return "the race is over: " + r.verdict()
	}
	return ""
}

// Decided says whether it is known who is left, so that cells only confirm.
func (r *Race) Decided() bool { return r.decided }

// Chooser gives what chooses the steps of a cell that is not skipped. The one before
// must have ended.
func (r *Race) Chooser(folder string) (*Racing, error) {
	e, ok := r.entry(folder)
	if !ok {
		return nil, fmt.Errorf("cell %s is not in the race", folder)
	}
	r.settle()
	run, err := r.begin(e)
	if err != nil {
		return nil, err
	}
	r.running = run
	return &Racing{run}, nil
}

// settle takes what the cell that ran last gave, if it ended as it should.
func (r *Race) settle() {
	run := r.running
	if run == nil {
		return
	}
	r.running = nil
	run.racer.spent += run.capacity.spent
	r.spent += run.capacity.spent
	run.learn()
}

// left lists the racers that are still in it.
func (r *Race) still() []*racer {
	var list []*racer
	for _, x := range r.racers {
		if x.left == "" {
			list = append(list, x)
		}
	}
	return list
}

// incumbent is the best of those that were screened; nil if none was.
func (r *Race) incumbent() *racer {
	var best *racer
	for _, x := range r.still() {
		if x.screened != nil && (best == nil || r.lead(x, best) > 0) {
			best = x
		}
	}
	return best
}

// capacity is the geometric mean over the blocks, or the screening's before there is any.
func (x *racer) capacity() float64 {
	if len(x.blocks) == 0 {
		return x.screened.capacity
	}
	sum := 0.0
	for _, b := range x.blocks {
		sum += math.Log(b.capacity)
	}
	return math.Exp(sum / float64(len(x.blocks)))
}

// drop leaves a configuration out.
func (r *Race) drop(x *racer, after int, why string) { x.left, x.after = why, after }

// judge decides what can be decided before a replicate begins: of all replicates before
// it, which are complete then.
func (r *Race) judge(replicate int) {
	if r.decided || replicate < 2 || replicate <= r.judged {
		return
	}
	r.judged = replicate
	r.fitAgain()
	r.leaveSilent(replicate)
	r.afterScreening(replicate - 1)
	if r.decided {
		return
	}
	best := r.incumbent()
	if best == nil {
		return
	}
	precise, enough := true, precision
	if replicate > r.replicates() {
		enough = lastPrecision
	}
	var close []*racer
	others := r.others(best)
	for _, x := range others {
		d := r.differences(best, x, replicate)
		if len(d) < 2 {
			precise = false
			close = append(close, x)
			continue
		}
		mean, low, _ := stats.Anytime(d, raceLevel/float64(len(others)))
		se := r.standardError(best, x, d)
		side := 0
		if len(d) >= leastBlocks {
			side = sideOf(mean/r.zone, se/r.zone, enough, len(others))
		}
		switch {
		case low > 0 && mean > farAhead*r.zone:
			r.drop(x, replicate-1, fmt.Sprintf("its capacity is %.2g %% below that of %s, by %d blocks of both", -100*math.Expm1(-mean), best.config, len(d)))
		case side > 0:
			r.drop(x, replicate-1, fmt.Sprintf("its capacity is %.2g %% below that of %s, known to %.2g %% by %d blocks of both", -100*math.Expm1(-mean), best.config, 100*se, len(d)))
		default:
			// One that is behind has not enough blocks in common with all to be the best.
			precise = precise && side < 0 && mean >= -sameLead*r.zone
			close = append(close, x)
		}
	}
	why := ""
	if enough > precision {
		why = fmt.Sprintf("no replicate was left, so that ratios are known to %.2g zones only", enough)
	}
	switch {
	case len(close) == 0:
		r.decide(best, analysis.RaceWon, why)
	case precise && best.screened.capped:
		r.decide(best, analysis.RaceEquivalent, join("they meet the largest load that may be asked for, and what more they carry was not asked", why))
	case precise:
		r.decide(best, analysis.RaceEquivalent, why)
	}
}

// leaveSilent leaves out those of which some replicates in a row told nothing while
// others were measured. It rests on what cells told alone: of one that never came to its
// first step a race hears nothing while it runs, and a record is found of it afterwards.
func (r *Race) leaveSilent(replicate int) {
	last := 0
	for _, x := range r.racers {
		last = max(last, min(x.told, replicate-1))
	}
	for _, x := range r.still() {
		if n := last - x.told; n >= mostTries {
			x.failed = true
			r.drop(x, replicate-1, fmt.Sprintf("it was tried %d times, and %s", n, cmp.Or(x.why, "its cell did not end as it should")))
		}
	}
}

func (r *Race) decide(best *racer, state, why string) {
	r.decided, r.best, r.state, r.why = true, best, state, why
}

// afterScreening leaves out those whose screening lies far below the best's.
func (r *Race) afterScreening(replicate int) {
	best := r.incumbent()
	if best == nil {
		return
	}
	for _, x := range r.others(best) {
		if x.screened == nil || len(x.blocks) > 0 {
			continue
		}
		lead := math.Log(best.screened.capacity / x.screened.capacity)
		se := math.Sqrt(best.screened.spread*best.screened.spread + x.screened.spread*x.screened.spread + 2*deployments*deployments)
		if lead > sameLead*r.zone+clearlyWorse*se {
			r.drop(x, replicate, fmt.Sprintf("its capacity of about %s is %.2g %% below that of %s", figure(x.screened.capacity), -100*math.Expm1(-lead), best.config))
		}
	}
	if len(r.still()) == 1 {
		r.decide(best, analysis.RaceWon, "")
	}
}

func (r *Race) others(best *racer) []*racer {
	return slices.DeleteFunc(r.still(), func(x *racer) bool { return x == best })
}
