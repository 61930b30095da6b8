package findings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// The limits of what lies before the GPU.
const (
	beforeShare = 0.2 // of a request's time
	idleShare   = 0.5 // of the time that the GPU could have worked
	cpuShare    = 0.3 // of a request's time that is processor time
	cpuLittle   = 0.1
	hostBusy    = 0.85
	// delayLeast is the share of all of the time from sent to done that a delay on the way must
	// be: where nearly all of it is waiting, what is left is of the wait's own error.
	delayLeast = 0.1
)

// Stages are what places tell of the parts of a request's time: see [split].
type stages struct {
	inside, network, outside, work, cpu    spread // shares of the time that was not waited
	ofAll                                  spread // network, as a share of all of the time from sent to done
	idle                                   spread
	insideTime, networkTime, outsideTime   spread // s
	crowded                                string // words on the host's processors; empty if they are not short
	cpuKnown, placed, gpuKnown, anyOutside bool
}

// scale is that of a simulated server's time, 0 on a real one.
func (v view) scale() float64 { return v.summary.Environment.SimulatedScale }

func (v view) stagesOf(list []place) stages {
	s := stages{}
	var splits []split
	for _, p := range list {
		splits = append(splits, splitOf(p, v.scale()))
	}
	share := func(figure func(split) float64) (spread, spread) {
		var shares, times []float64
		for _, x := range splits {
			if known(figure(x)) && known(x.unqueued) {
				shares, times = append(shares, figure(x)/x.unqueued), append(times, figure(x))
			}
		}
		return over(shares), over(times)
	}
	s.inside, s.insideTime = share(func(x split) float64 { return x.inside })
	s.network, s.networkTime = share(func(x split) float64 { return x.network })
	s.ofAll = over(each(list, func(p place) (float64, bool) {
		x := splitOf(p, v.scale())
		return x.network / x.client, known(x.network)
	}))
	s.outside, s.outsideTime = share(func(x split) float64 { return x.outside })
	s.work, _ = share(func(x split) float64 { return x.work })
	s.cpu, _ = share(func(x split) float64 { return x.cpu })
	s.idle = over(each(list, func(p place) (float64, bool) { x := idleOf(p); return x, known(x) }))
	s.cpuKnown, s.gpuKnown = s.cpu.n > 0, s.idle.n > 0
	s.placed = s.inside.n > 0 || s.network.n > 0
	s.anyOutside = s.outside.n > 0
	s.crowded = crowdedHost(list)
	return s
}

// crowdedHost says in words that processors were short; empty if they were not, or if
// nothing tells. The host's own share counts only where the service's processes are on it.
func crowdedHost(list []place) string {
	threads := over(each(list, waitingThreads))
	busy := over(each(list, func(p place) (float64, bool) {
		if _, here := coresOf(p); !here {
			return 0, false
		}
		return of(p.step.Host.Busy)
	}))
	var parts []string
	if threads.above(1) != "" {
		parts = append(parts, units.Measure(threads.mean)+" of its threads waited for a processor")
	}
	if busy.above(hostBusy) != "" {
		parts = append(parts, "the host's processors were busy for "+busy.text(units.Ratio))
	}
	return strings.Join(parts, " and ")
}

var slowPreprocessing = rule{
	name: "slow-preprocessing", class: beforeGPU,
	needs:    "the server's own word on a request's time, or the GPU's activity and the processes' processor time",
	explains: []string{"hidden-stage", "launch-bound"},
	judge: func(v view) outcome {
		list := heavy(v.ofServer())
		if len(list) == 0 {
			return unjudged("no step measures the server")
		}
		s := v.stagesOf(list)
		if !s.placed && !s.gpuKnown && !s.cpuKnown {
			return unjudged("nothing tells how long requests were in the server before the GPU, how busy the GPU was, or what processor time they took")
		}
		var because []string
		confidence := ""
		take := func(c, why string) {
			if c == "" {
				return
			}
			because = append(because, why)
			if confidence == "" || c == strong {
				confidence = c
			}
		}
		inside := s.inside.above(beforeShare)
		take(inside, fmt.Sprintf("for %s a request was in the server but neither in its queue nor computed, %s of what it did not wait", s.insideTime.text(units.Seconds), s.inside.text(units.Ratio)))
		idle := s.idle.above(idleShare)
		cpu := s.cpu.above(cpuShare)
		network := s.network.n > 0 && s.network.mean > beforeShare && s.network.mean > s.inside.mean
		if idle != "" && !network {
			idleText := fmt.Sprintf("while requests were there, nothing ran on the GPU for %s of the time", s.idle.text(units.Ratio))
			// That the GPU idles says where the time is not; something else has to say
			// where it is.
			if work := s.work.above(idleShare); work != "" {
				take(surer(idle, work), idleText+", though the server says that it computed for "+s.work.text(units.Ratio)+" of what a request did not wait")
			} else if cpu != "" {
				take(surer(idle, cpu), idleText)
			} else if s.crowded != "" {
				take(weak, idleText)
			}
		}
		if confidence == "" {
			return outcome{}
		}
		if cpu != "" {
			because = append(because, "its processes used processors for "+s.cpu.text(units.Ratio)+" of what a request did not wait")
		}
		if s.crowded != "" {
			because = append(because, s.crowded)
		}
		return next(finding(confidence, "a stage before the GPU is slow: decoding, resizing, tokenizing, or Python", because, list),
			"more processes or cores for it; a faster decoder, or decoding on the GPU; smaller inputs; fewer slices for each core",
			"the same load with inputs that need no preparing (small, decoded, or the server's no-op model): latency falls by that stage's time")
	},
}

var packetDelay = rule{
	name: "packet-delay", class: beforeGPU, needs: "the server's own time of a request beside the client's",
	explains: []string{"hidden-stage"},
	judge: func(v view) outcome {
		list := v.ofServer()
		if len(list) == 0 {
			return unjudged("no step measures the server")
		}
		s := v.stagesOf(list)
		confidence := surer(s.network.above(beforeShare), s.ofAll.above(delayLeast))
		var because []string
		switch {
		case s.network.n > 0 && confidence == "":
			return outcome{}
		case confidence != "":
			because = append(because, fmt.Sprintf("%s of a request is not the server's by its own clock: %s of what it did not wait", s.networkTime.text(units.Seconds), s.network.text(units.Ratio)))
		case s.outside.n == 0:
			return unjudged("no server told its own time of requests")
		case s.outside.above(beforeShare) == "" || !s.cpuKnown:
			if s.outside.above(beforeShare) != "" {
				return unjudged("time passes outside of the server's queue and computing, and nothing tells whether it is on the way or in the server")
			}
			return outcome{}
		case s.cpu.below(cpuLittle) == "" || s.crowded != "":
			return outcome{} // slow-preprocessing, or hidden-stage
		default: // neither queue, nor computing, nor processors
			confidence = weak
			because = append(because, fmt.Sprintf("%s of a request is neither waiting nor computing, %s of what it did not wait, and its processes used processors for only %s", s.outsideTime.text(units.Seconds), s.outside.text(units.Ratio), s.cpu.text(units.Ratio)))
		}
		if flat := v.ownFlat(); flat != "" {
			because = append(because, flat)
		}
		if lost := over(each(list, func(p place) (float64, bool) {
			if p.step.Host == nil {
				return 0, false
			}
			return of(p.step.Host.Retransmitted)
		})); lost.n > 0 && lost.mean >= 1 {
			because = append(because, units.Measure(lost.mean)+" TCP segments a second were sent again")
		}
		return next(finding(confidence, "requests spend their time between client and server: network, proxy or connections", because, list),
			"keep connections open and enough of them; look at the balancer or proxy, and at lost packets; move evabench nearer to the server",
			"the same load over the server's own loopback: the difference is gone")
	},
}

// ownFlat tells how the server's own time of a request changed with load; empty if it is
// not known at two.
func (v view) ownFlat() string {
	own := func(p place) (float64, bool) {
		if p.service.Overhead == nil {
			return 0, false
		}
		return of(p.service.Overhead.Server)
	}
	high, low := over(each(heavy(v.ofServer()), own)), over(each(light(v.ofServer()), own))
	if high.n == 0 || low.n == 0 || low.mean <= 0 {
		return ""
	}
	return fmt.Sprintf("the server's own time was %s at the least load and %s at the largest", low.text(units.Seconds), high.text(units.Seconds))
}

var hiddenStage = rule{
	name: "hidden-stage", class: tuning, needs: "the server's own word on waiting and computing, or what its engine has of our requests in flight",
	judge: func(v view) outcome {
		list := v.ofServer()
		s := v.stagesOf(list)
		if !s.anyOutside {
			return unjudged("no server told how long requests waited and were computed")
		}
		confidence := s.outside.above(beforeShare)
		if confidence == "" {
			return outcome{}
		}
		because := []string{fmt.Sprintf("%s of a request is neither in the server's queue nor computing: %s of what it did not wait", s.outsideTime.text(units.Seconds), s.outside.text(units.Ratio))}
		if s.idle.n > 0 {
			because = append(because, "while requests were there, nothing ran on the GPU for "+s.idle.text(units.Ratio)+" of the time")
		}
		return next(finding(confidence, "requests pass a stage that nothing told of: on the way, in a proxy, or in the server's HTTP part", because, list),
			"trace one request in a hundred from end to end; read the processes' processor time and the server's HTTP part (vllm-load)",
			"the same load over loopback and with inputs that need no preparing: where the time goes shows which it is")
	},
}

// jitterTimes is how many times the median the tail must be for jitter.
const jitterTimes = 3

var jitter = rule{
	name: "jitter", class: beforeGPU, needs: "a percentile of 95 or more with its interval in each class, and the queue's depth",
	explains: []string{"hidden-stage"},
	judge: func(v view) outcome {
		var seen []place
		var because []string
		judged := false
		confidence := weak
		for _, p := range v.ofServer() {
			depth := emptyQueue(p)
			if depth == "" {
				continue
			}
			for _, g := range p.service.Classes {
				median, tail := tails(g.Served)
				if median == nil || tail == nil {
					continue
				}
				judged = true
				x, y := value(median.Value), value(tail.Value)
				if x <= 0 || y < jitterTimes*x {
					continue
				}
				if tail.Low != nil && median.High != nil && *tail.Low > jitterTimes**median.High {
					confidence = strong
				}
				if len(seen) == 0 || seen[len(seen)-1] != p { // classes of one step are one sight
					seen = append(seen, p)
				}
				because = append(because, fmt.Sprintf("%s in %s: p%g %s, %s times the median of %s, with %s", g.Name, stepName(p), tail.Q*100, seconds(y), number(float64(int(y/x))), seconds(x), depth))
			}
		}
		switch {
		case !judged:
			return unjudged("no class has a percentile of 95 or more at a load where the queue is known to be empty")
		case len(seen) < 2 && len(v.ofServer()) > 1 || len(seen) == 0:
			return outcome{}
		}
		return next(finding(confidence, "single requests are slow while the queue is empty: jitter, such as garbage collection, page faults, clocks that ramp up, or another tenant", firstOf(because), seen),
			"pin processes to cores; look for a period in the times of slow requests; huge pages; lock the clocks",
			"the same at a tenth of the load: the slow ones are as many")
	},
}

// emptyQueue says in words that the servers' queue was empty; empty if it was not, or if
// nobody told.
func emptyQueue(p place) string {
	if w := p.waiting(); w != nil && !w.Depth.Inferred {
		if depth, ok := of(w.Depth.Value); ok {
			if depth < 0.1*float64(max(1, len(p.instances()))) {
				return "a mean of " + units.Measure(depth) + " waiting"
			}
			return ""
		}
	}
	if flight, ok := of(p.service.InFlight); ok && flight < aliveLeast {
		return "a mean of " + units.Measure(flight) + " in flight"
	}
	return ""
}

// tails gives the median and the highest quantile of 95 % or more, nil if unknown.
func tails(d analysis.Distribution) (median, tail *analysis.Quantile) {
	for i := range d.Quantiles {
		q := &d.Quantiles[i]
		if !q.Known() {
			continue
		}
		if q.Q == 0.5 {
			median = q
		}
		if q.Q >= 0.95 && (tail == nil || q.Q > tail.Q) {
			tail = q
		}
	}
	return median, tail
}

// sortedNames gives the names of groups that had arrivals.
func sortedNames(groups []analysis.Group) []string {
	var names []string
	for _, g := range groups {
		if g.Due > 0 {
			names = append(names, g.Name)
		}
	}
	slices.Sort(names)
	return names
}
