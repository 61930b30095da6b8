package queues

import (
	"time"

	"github.com/evabench/evabench/results"
)

// integrity tells what a load generator would of the step, by service in the order
// of the plan's levels.
func (t *Target) integrity(plan results.StepPlan, step results.Step) []results.Integrity {
	var all []results.Integrity
	for _, l := range plan.Levels {
		for i, v := range t.system.Services {
			if v.Name == l.Service {
				all = append(all, t.integrityOf(i, l.Value, step))
			}
		}
	}
	return all
}

func (t *Target) integrityOf(service int, level float64, step results.Step) results.Integrity {
	source := &t.system.Sources[service]
	out := results.Integrity{Service: t.system.Services[service].Name}
	var sessions, thinks int64
	var paused float64
	dues, dones := t.dues[:0], t.dones[:0]
	for i := range t.records {
		r := &t.records[i]
		if int(r.service) != service {
			continue
		}
		dues, dones = append(dues, r.due), append(dones, r.done)
		switch due := offset(r.due); {
		case due < step.WindowStart:
			out.WarmupDue++
		case due < step.WindowEnd:
			out.Due++
			if r.call == 0 {
				sessions++
			}
			if r.think > 0 {
				thinks++
				paused += float64(r.think)
			}
		default:
			out.CooldownDue++
		}
	}
	t.dues, t.dones = dues, dones
	out.Sent, out.Lag.N = out.Due, out.Due
	if source.Arrivals == Closed {
		if thinks > 0 {
			mean := time.Duration(paused / float64(thinks) * float64(time.Second))
			out.Think, out.ThinkAsked = &mean, &mean
		}
	} else {
		rate := source.rate(level)
		out.Scheduled, out.Offered = &sessions, &rate
	}
	if step.WindowEnd > step.WindowStart {
		out.InFlight, out.PeakInFlight = Occupancy(dues, dones, step.WindowStart.Seconds(), step.WindowEnd.Seconds())
	}
	return out
}

// rate is an open loop's mean rate in arrivals a second.
func (s *Source) rate(level float64) float64 {
	if s.Arrivals == Trace {
		return level * (s.Rates[0]*s.Spells[0] + s.Rates[1]*s.Spells[1]) / (s.Spells[0] + s.Spells[1])
	}
	return level
}

// parts is how many parts of a window are told of.
const parts = 60

// Occupancy tells how many of the spans from dues (ascending) to dones hold each
// of 60 parts of a window, on average and at most, and at most at all. Moments are in
// seconds. It sorts dones, which should nearly be in order.
func Occupancy(dues, dones []float64, from, to float64) ([]results.Occupancy, int64) {
	for i := 1; i < len(dones); i++ { // they are nearly in order
		x, j := dones[i], i
		for ; j > 0 && dones[j-1] > x; j-- {
			dones[j] = dones[j-1]
		}
		dones[j] = x
	}
	all := make([]results.Occupancy, parts)
	length := (to - from) / parts
	var inFlight, peak int64
	at, d := from, 0
	part := func(now float64) int { return min(int((now-from)/length), parts-1) }
	until := func(now float64) { // inFlight was from at on
		for at < now {
			p := part(at)
			next := now
			if end := from + float64(p+1)*length; p < parts-1 && end < now {
				next = max(end, at+length*1e-9)
			}
			all[p].Mean += (next - at) * float64(inFlight) / length
			all[p].Max = max(all[p].Max, inFlight)
			at = next
		}
	}
	for i := 0; i < len(dues) || d < len(dones); {
		if i < len(dues) && dues[i] <= dones[d] {
			until(min(dues[i], to))
			inFlight++
			if dues[i] < to {
				peak = max(peak, inFlight)
			}
			if dues[i] >= from && dues[i] < to {
				p := part(dues[i])
				all[p].Max = max(all[p].Max, inFlight)
			}
			i++
			continue
		}
		until(min(dones[d], to))
		inFlight--
		d++
	}
	return all, peak
}
