package findings

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/results"
)

var outOfMemory = rule{
	name: "out-of-memory", class: exhaustion, needs: "answers, logs or ends of instances that tell of memory that ran out",
	judge: func(v view) outcome {
		if len(v.places) == 0 {
			return unjudged("no step was run")
		}
		var answers, told int64
		names := map[string]bool{}
		bad := where(v.places, func(p place) bool {
			n := p.service.Total.OutOfMemory()
			answers += n
			for _, i := range p.instances() {
				if more := p.step.OutOfMemory[i.Name]; more > 0 {
					told += more
					n += more
					names[i.Name] = true
				}
			}
			return n > 0
		})
		if len(bad) == 0 {
			return outcome{}
		}
		because := []string{fmt.Sprintf("%s said that memory ran out, and logs or ends of instances told of it %s, in %s",
			units.Plural(int(answers), "answer"), units.Plural(int(told), "time"), units.Plural(len(bad), "step"))}
		return next(finding(strong, "device memory ran out"+onInstances(names), append(because, ofHeavy(bad)...), bad),
			"smaller batches or fewer requests at once; a device with more memory, such as a larger MIG profile; fewer workers",
			"the same load with half the batch: no memory runs out")
	},
}

func onInstances(names map[string]bool) string {
	if len(names) == 0 {
		return ""
	}
	var list []string
	for name := range names {
		list = append(list, name)
	}
	slices.Sort(list)
	return " at " + listed(list)
}

// leakSpan is how long memory has to grow for that to be more than a suspicion, s.
const leakSpan = 600

var memoryLeak = rule{
	name: "memory-leak", class: exhaustion, needs: "readings of the memory of devices, or of the instances' processes, while load runs",
	explains: []string{"out-of-memory", "memory-near-limit", "errors-before-latency", "regime-shift"},
	judge: func(v view) outcome {
		read := false
		why := "memory was not read"
		var best *analysis.MemoryTrend
		for _, c := range v.cells {
			for i := range c.Memory {
				t := &c.Memory[i]
				if !ofService(c, t, v.service) {
					continue
				}
				if t.Result == analysis.NotJudged {
					why = t.Why
					continue
				}
				read = true
				if t.Result == analysis.Grew && (best == nil || rate(t) > rate(best)) {
					best = t
				}
			}
		}
		switch {
		case !read:
			return unjudged(why)
		case best == nil:
			return outcome{}
		}
		confidence := weak
		if span, ok := of(best.Span); ok && span >= leakSpan {
			confidence = strong
		}
		because := []string{fmt.Sprintf("%s grew by %s a minute within the windows (p = %s), from %s to %s over %s under load",
			best.Of, units.Format(rate(best)*60, units.Bytes), units.Measure(value(best.P)), text(best.First), text(best.Last), text(best.Span))}
		if best.Full.Known() {
			because = append(because, "at that rate its memory is used up in "+text(best.Full))
		}
		return next(finding(confidence, "memory grows as long as load runs: a leak, or a cache without a bound", because, v.withHeavy()),
			"find what is kept for each request; until then restart the instance before its memory is used up, and bound its caches",
			"an hour at 70 % of this load: memory stays where it is after the first minutes")
	},
}

func rate(t *analysis.MemoryTrend) float64 { return value(t.PerSecond) }

// value is a number, 0 if it is unknown.
func value(v analysis.Value) float64 {
	x, _ := of(v)
	return x
}

func text(v analysis.Value) string { return units.FormatOr(v.Number, v.Unit) }

// ofService reports whether memory is that of an instance of the service, or of the device
// that one is on.
func ofService(c *analysis.Cell, t *analysis.MemoryTrend, service string) bool {
	return slices.ContainsFunc(c.Cell.Instances, func(i results.Instance) bool {
		if i.Service != service {
			return false
		}
		if t.Process {
			return i.Name == t.Of
		}
		for _, d := range c.Layout.Devices {
			if d.UUID == i.Device && d.Name == t.Of {
				return true
			}
		}
		return false
	})
}

// nearLimit is the share of a device's memory above which little is left for a larger
// batch.
const nearLimit = 0.9

var memoryNearLimit = rule{
	name: "memory-near-limit", class: exhaustion, needs: "readings of the memory of devices while load runs",
	judge: func(v view) outcome {
		var near []place
		var because []string
		read := false
		for _, p := range v.withHeavy() {
			if p.service.Role != results.RoleVision || besideAgent(p) {
				continue // vLLM takes what it is given, at its start
			}
			for _, a := range p.devices() {
				most, ok := of(a.MemoryPeak)
				limit := memoryOf(p.cell, a.UUID)
				if !ok || limit == 0 {
					continue
				}
				read = true
				if most > nearLimit*limit {
					near = append(near, p)
					because = append(because, fmt.Sprintf("%s used %s of %s", a.Device, units.Format(most, units.Bytes), units.Format(limit, units.Bytes)))
				}
			}
		}
		switch {
		case !read:
			return unjudged("no memory was read of a device that only detectors use")
		case len(near) == 0:
			return outcome{}
		}
		slices.Sort(because)
		return next(finding(weak, "little of the device's memory is left", append([]string{listed(slices.Compact(because))}, ofHeavy(near)...), near),
			"check the sizes of models and batches, and fragmentation; a device with more memory",
			"the heavy requests of the same classes: no memory runs out")
	},
}

func memoryOf(c *analysis.Cell, uuid string) float64 {
	for _, d := range c.Layout.Devices {
		if d.UUID == uuid {
			return float64(d.MemoryBytes)
		}
	}
	return 0
}

// besideAgent reports whether an agent's engine is on a device of the service.
func besideAgent(p place) bool {
	agents := map[string]bool{}
	for _, s := range p.step.Services {
		agents[s.Name] = s.Role == results.RoleAgent
	}
	return slices.ContainsFunc(p.instances(), func(mine results.Instance) bool {
		return slices.ContainsFunc(p.cell.Cell.Instances, func(i results.Instance) bool { return i.Device == mine.Device && agents[i.Service] })
	})
}

// errorShare is the share of arrivals above which errors are more than single ones.
const errorShare = 0.005

var errorsBeforeLatency = rule{
	name: "errors-before-latency", class: exhaustion, needs: "outcomes, and latencies to hold beside them",
	judge: func(v view) outcome {
		list := v.withHeavy()
		if len(list) == 0 {
			return unjudged("no step measures the server")
		}
		var bad []place
		confidence := weak
		var worst place
		most := 0.0
		for _, p := range list {
			n, failed := float64(p.service.Total.Due), float64(p.service.Total.Due-p.service.Total.OK-p.service.Total.OutOfMemory()-cancelled(p))
			if n == 0 || failed/n <= errorShare || late(p) || p.service.Verdict.Is == analysis.Saturated || slowed(p, where(list, func(o place) bool { return o.step.Heavy == p.step.Heavy })) {
				continue
			}
			if low := wilsonLow(failed, n); low > errorShare {
				confidence = strong
			}
			bad = append(bad, p)
			if failed/n > most {
				most, worst = failed/n, p
			}
		}
		if len(bad) == 0 {
			return outcome{}
		}
		because := []string{fmt.Sprintf("%s of the arrivals of %s did not end ok (%s), while no queue grew and latency was not up", ratio(most), stepName(worst), outcomes(worst))}
		because = append(because, ofHeavy(bad)...)
		return next(finding(confidence, "requests fail before latency breaks: a limit, a time-out or a full pool, not the GPU", because, bad),
			"read the first fault of each outcome; raise the limit that it names: connections, pool sizes, length of the queue, time-outs, and the balancer's",
			"raise that limit only, at the same load: the errors are gone and latency is the same")
	},
}

// late reports whether answers that came miss a clause on latency, in whatever step. One that
// is missed only since arrivals failed, which rank above all answers, says nothing of latency.
func late(p place) bool {
	return slices.ContainsFunc(p.service.SLO, func(c analysis.ClauseValue) bool {
		if c.Clause.Metric != "latency" && c.Clause.Metric != "ttft" || c.Result != analysis.NotMet {
			return false
		}
		if c.Judged == 0 {
			return c.Value.Known()
		}
		all := p.service.Total
		if at := slices.IndexFunc(p.service.Classes, func(g analysis.Group) bool { return g.Name == c.Clause.Class }); at >= 0 {
			all = p.service.Classes[at]
		}
		failed := all.Due - all.OK
		return float64(c.Over-failed) > (1-c.Clause.Quantile)*float64(c.Judged-failed)
	})
}

func cancelled(p place) int64 {
	for _, c := range p.service.Total.Outcomes {
		if c.Outcome == results.Cancelled {
			return c.N
		}
	}
	return 0
}

// slowed reports whether the median is more than twice the least of the service's steps
// in the cell.
func slowed(p place, list []place) bool {
	mine, ok := of(p.service.Median)
	least := math.Inf(1)
	for _, o := range list {
		if m, ok := of(o.service.Median); ok && o.cell == p.cell {
			least = min(least, m)
		}
	}
	return ok && mine > 2*least
}

func outcomes(p place) string {
	var list []string
	for _, c := range p.service.Total.Outcomes {
		if c.Outcome != results.OK {
			list = append(list, fmt.Sprintf("%s %d", c.Outcome, c.N))
		}
	}
	return strings.Join(list, ", ")
}

// wilsonLow is the lower end of Wilson's 95 % interval of a share.
func wilsonLow(k, n float64) float64 {
	const z = 1.96
	p := k / n
	return (p + z*z/(2*n) - z*math.Sqrt(p*(1-p)/n+z*z/(4*n*n))) / (1 + z*z/n)
}

// stepName names a step and its cell.
func stepName(p place) string {
	if p.step.Name != "" {
		return fmt.Sprintf("%q of %s", p.step.Name, p.cell.Cell.Folder)
	}
	return fmt.Sprintf("step %d of %s", p.step.Index, p.cell.Cell.Folder)
}
