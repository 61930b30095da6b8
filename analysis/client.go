package analysis

import (
	"fmt"
	"math"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/results"
)

// A Stimulus sets the load that was asked for beside the load that was sent.
// Rates are of sessions, over the window; a retry is no session of its own.
type Stimulus struct {
	// Requested is the rate that the scenario asks for, Scheduled what the
	// schedule had in the window (a Poisson process has it by chance); both do not
	// apply in a closed loop.
	Requested Value `json:"requested_per_second"`
	Scheduled Value `json:"scheduled_per_second"`
	// Achieved counts the sessions whose first request was sent within the window,
	// whenever it was due.
	Achieved Value `json:"achieved_per_second"`
	Begun    int64 `json:"begun_in_window"` // Achieved · window
	// SlotWait is the mean time that the window's arrivals which were sent waited
	// for a free slot: Sent - Due without our own lag.
	SlotWait Value `json:"slot_wait_mean"`
}

// A Client is what the load generator used of its own machine over the window.
type Client struct {
	results.Client
	// Cores is the whole process' CPU ÷ Wall, Busy the sending and reading thread's
	// share of Wall, Stamped the share of reads whose time the kernel told.
	Cores   Value `json:"cores"`
	Busy    Value `json:"loop_busy_share"`
	Stamped Value `json:"kernel_stamped_share"`
}

func clientOf(c *results.Client) *Client {
	if c == nil {
		return nil
	}
	share := func(part, whole float64, unit, why string) Value {
		if whole <= 0 {
			return unknown(unit, why)
		}
		return known(part/whole, unit)
	}
	return &Client{
		Client:  *c,
		Cores:   share(c.CPU.Seconds(), c.Wall.Seconds(), "1", "no time passed"),
		Busy:    share(c.Loop.Seconds(), c.Wall.Seconds(), "ratio", "no time passed"),
		Stamped: share(float64(c.Stamped), float64(c.Stamped+c.Unstamped), "ratio", "nothing was read"),
	}
}

func (r serviceReader) stimulus() Stimulus {
	s := Stimulus{Begun: r.tally.begunInside, Achieved: perSecond(float64(r.tally.begunInside), r.window)}
	s.SlotWait = unknown("s", "nothing was sent")
	if n := r.tally.sentOfWindow; n > 0 {
		s.SlotWait = known(max(0, r.tally.slotWait)/float64(n), "s")
	}
	if r.level.Arrivals == closedLoop {
		s.Requested = inapplicable("1/s", "a closed loop has no rate of its own")
		s.Scheduled = s.Requested
		return s
	}
	s.Requested, s.Scheduled = unknown("1/s", "it was not recorded"), unknown("1/s", "it was not recorded")
	if r.integrity.Offered != nil {
		s.Requested = known(*r.integrity.Offered, "1/s")
	}
	if r.integrity.Scheduled != nil {
		s.Scheduled = perSecond(float64(*r.integrity.Scheduled), r.window)
	}
	return s
}

// The limits of what the client may be before it is part of what is measured.
const (
	// BusyLimit is the share of a core above which the thread that sends and reads
	// is too busy: an event then waits for those before it (in M/M/1, ρ ÷ (1 - ρ) =
	// 4 times what one takes), and more at each pause. It is the share of the machine
	// above which all of us is, too.
	BusyLimit = 0.8
	// lagLeast in seconds and lagShare of a median bound our own lag's p99, whichever is
	// more; the median is the least of those that objectives are about.
	lagLeast = 1e-3
	lagShare = 0.05
)

// limits lists in words what of our own is part of the numbers.
func (r serviceReader) limits(s Service) []string {
	var list []string
	for _, h := range r.step.Halts {
		list = append(list, haltText(h, r.step))
	}
	if n := s.Integrity.ClientFaults; n > 0 {
		list = append(list, fmt.Sprintf("%d requests failed for want of something on our own machine", n))
	}
	if lag, limit := s.Integrity.Lag, r.lagLimit(s); lag.N > 0 && lag.P99.Seconds() > limit {
		list = append(list, fmt.Sprintf("our own lag has p99 %.3g ms, more than %.3g ms", lag.P99.Seconds()*1e3, limit*1e3))
	}
	if c := clientOf(r.step.Client); c != nil && c.Busy.Known() && *c.Busy.Number > BusyLimit {
		list = append(list, fmt.Sprintf("our thread that sends and reads was busy for %s of the window, more than %.0f %%",
			units.Format(*c.Busy.Number, units.Ratio), BusyLimit*100))
	}
	if c := clientOf(r.step.Client); c != nil && c.Cores.Known() && r.cpus > 0 && *c.Cores.Number > BusyLimit*float64(r.cpus) {
		list = append(list, fmt.Sprintf("we used %s of our machine's %s, more than %.0f %%: what TLS, HTTP/2 and proxies take of it is part of the server's times",
			units.Measure(*c.Cores.Number), units.Plural(r.cpus, "processor"), BusyLimit*100))
	}
	return list
}

// haltText says when the load generator did not run, from the step's start on. One within
// the warm-up counts too: all that fell due meanwhile was sent at once, and the server had to
// get over it.
func haltText(h results.Halt, step results.Step) string {
	what := "evabench was stopped, or had no processor,"
	if h.What == results.HaltSuspended {
		what = "the machine of evabench slept, or was paused,"
	}
	return fmt.Sprintf("%s for %.3g s, %.3g s after the step's start", what, h.For.Seconds(), max(0, h.From.Sub(step.Start).Seconds()))
}

// lagLimit is in seconds, infinite where no answer was ok. What a clause is about, of a class
// or to the first token, may be much shorter than the service's latency, and lag is in it
// whole.
func (r serviceReader) lagLimit(s Service) float64 {
	least := math.Inf(1)
	take := func(sorted []float64) {
		if len(sorted) > 0 {
			least = min(least, stats.Quantile(sorted, 0.5))
		}
	}
	take(r.tally.total.latency)
	for _, c := range r.clauses() {
		t := r.judged(c.Class)
		switch {
		case t == nil:
		case c.Metric == "latency":
			take(t.latency)
		case c.Metric == "ttft":
			take(t.ttft)
		}
	}
	return max(lagLeast, lagShare*least)
}

// format writes a value with its unit.
func format(v Value) string {
	if !v.Known() {
		return units.Unknown
	}
	return units.Format(*v.Number, v.Unit)
}

// stimulusWarnings tells where the load that was sent is not the load that was
// asked for, whosever fault it is. The window is in seconds.
func stimulusWarnings(s Service, window float64) []results.Warning {
	var list []results.Warning
	add := func(code, format string, args ...any) {
		list = append(list, results.Warning{Code: code, Text: fmt.Sprintf(format, args...), Count: 1})
	}
	stopped := false
	for _, c := range s.Total.Outcomes {
		stopped = stopped || c.Outcome == results.Cancelled
	}
	st := s.Stimulus
	if st.Requested.Known() && st.Scheduled.Known() && !stopped {
		asked, had := *st.Requested.Number*window, *st.Scheduled.Number*window
		if math.Abs(had-asked) > scheduleTolerance(s, asked) {
			add("schedule-rate", "the schedule has %s arrivals in the window where %s were asked for, more of a difference than chance makes",
				units.Number(math.Round(had)), units.Number(math.Round(asked)))
		}
	}
	if st.Scheduled.Known() && !stopped {
		had := math.Round(*st.Scheduled.Number * window)
		if math.Abs(float64(st.Begun)-had) > max(2, heldShare*had) {
			add("rate-not-held", "%s sessions were begun within the window where %s were scheduled: requests waited %s for a free slot, in the mean, and our own lag was %s at its p99",
				units.Number(float64(st.Begun)), units.Number(had), format(st.SlotWait), units.Format(s.Integrity.Lag.P99.Seconds(), units.Seconds))
		}
	}
	for _, d := range s.Integrity.Dispersions {
		if distorted(d) {
			add("dispersion", "what was sent was not as even or uneven as what was scheduled: variance over mean of counts in parts of %s is %.3g scheduled and %.3g sent",
				units.Format(d.Part.Seconds(), units.Seconds), d.Scheduled, d.Sent)
		}
	}
	return list
}

// heldShare is how far what was begun in the window may be from what the
// schedule has there: less than anyone would take for another rate, and more
// than the ends of a window make, which 2 sessions are allowed for.
const heldShare = 0.01

// scheduleTolerance is how far the number of a schedule's arrivals in the window
// may be from the mean that was asked for. Of a random process it is 4 standard
// deviations, which chance passes in 6 of 100,000 steps: a count's variance is
// its mean in a Poisson process, and as many times that as its dispersion in
// long parts is in another. Of an even process it is an arrival, of each camera
// one, and one part in a thousand for rates that are rounded.
func scheduleTolerance(s Service, mean float64) float64 {
	switch s.Level.Arrivals {
	case "poisson":
		return 4*math.Sqrt(mean) + 1
	case "gamma":
		longest := results.Dispersion{Scheduled: math.Inf(1)} // not known: nothing is judged
		for _, d := range s.Integrity.Dispersions {
			if d.N >= 10 && d.Part > longest.Part {
				longest = d
			}
		}
		return 4*math.Sqrt(longest.Scheduled*mean) + 1
	case "cameras":
		return s.Level.Value + 1 + mean/1000
	}
	return 1 + mean/1000
}

// distorted reports whether the stimulus differs so much from its schedule that
// queues differ. A queue's wait grows with Ca² + Cs² (Kingman's formula), the
// squared variations of gaps and of service times, and Ca² is what the
// dispersion of counts tends to. So at Poisson arrivals, where Ca² is 1, a
// difference of 0.1 makes a wait at most 10 % longer or shorter. Both are of the
// same arrivals: chance is in both alike. With fewer than 10 parts one arrival
// makes as much.
func distorted(d results.Dispersion) bool {
	return d.N >= 10 && math.Abs(d.Sent-d.Scheduled) > 0.1
}

// stepWarnings tells what a reader of all services' numbers of a step must know.
func stepWarnings(s Step) []results.Warning {
	var list []results.Warning
	streams := false
	for _, service := range s.Services {
		streams = streams || service.Total.TTFT.N > 0
	}
	if c := s.Client; streams && c != nil {
		stamped := 0.0 // net/http reads for HTTP/2 and proxies, uncounted
		if c.Stamped.Known() {
			stamped = *c.Stamped.Number
		}
		if stamped < 0.99 {
			list = append(list, results.Warning{Code: "unstamped-reads", Count: 1, Text: fmt.Sprintf(
				"%s of the reads have no time of the kernel's: first tokens and gaps between chunks have our own delay in them there",
				units.Format(1-stamped, units.Ratio))})
		}
	}
	if w, near := nearRoofline(s.Roofline); near {
		list = append(list, w)
	}
	return list
}
