package analysis

import (
	"fmt"
	"slices"
	"time"

	"github.com/evabench/evabench/results"
)

// A Failover is what is told of a step in which an instance was made to end.
// Such a step is in no comparison, is held against no objective, and its servers'
// counts, which begin anew with an instance, against none of ours.
type Failover struct {
	Plan     results.Failover `json:"plan"`
	Instance string           `json:"instance"` // that was made to end
	How      string           `json:"how_it_ended"`
	// Ended is when its end was known, since the moment at which it was to be made
	// to end. Ejected, Restarted and Answered are when that came about, since its end
	// was known.
	Ended     Value `json:"ended_after"`
	Ejected   Value `json:"ejected_after"`
	Restarted Value `json:"restarted_after"`
	Answered  Value `json:"answered_after"`
	// Others are the instances that ended with it.
	Others []string        `json:"others,omitempty"`
	Events []results.Event `json:"events"`
	// Stretches cut the window where the instance ended, was ejected, and
	// answered again.
	Stretches []Stretch `json:"stretches"`
}

// The stretches of a failover's window, in their order.
const (
	StretchBefore   = "before"
	StretchEnding   = "being ended" // only where that took long
	StretchEnded    = "ended, not ejected"
	StretchEjected  = "ejected"
	StretchAnswered = "answered again"
)

// A Stretch is a part of a failover's window.
type Stretch struct {
	Name     string           `json:"name"`
	Length   float64          `json:"seconds"`
	Services []StretchService `json:"services"` // in the order of the step's
}

// A StretchService is what became of a service's requests that ended within a
// stretch, whenever they were due.
type StretchService struct {
	Name     string  `json:"name"`
	Ended    int64   `json:"ended"`
	Outcomes []Count `json:"outcomes"`
	// Throughput is the ok ones ÷ length, OfBefore that ÷ the stretch before the
	// end's.
	Throughput Value `json:"throughput_per_second"`
	OfBefore   Value `json:"throughput_of_before"`
	Failed     Value `json:"failed_share"` // of Ended
	// Latency is of the ok ones, from Due.
	Latency Distribution `json:"latency"`
}

// failovers gathers a failover step's samples; nil for other steps.
type failovers struct {
	step      results.Step
	instance  string
	stretches []stretchTally
}

type stretchTally struct {
	name     string
	window   window
	services map[string]*endTally
}

type endTally struct {
	ended    int64
	outcomes map[results.Outcome]int64
	latency  []float64
}

// longEnding is from when on an instance's being ended is a stretch of its own.
const longEnding = time.Second

// failoversOf cuts a step's window at the moments of the instance that was made
// to end. What happened before or after the window cuts nothing.
//
// Note: the stretch before ends at the planned moment, not at the event: an end is
// known some 10 to 100 ms after its requests have failed, and these would count as
// failures before it. Where the two are further apart (a command that takes its
// time) what lies between is neither, and stands apart.
func failoversOf(s results.Step) *failovers {
	plan := s.Plan.Failover
	if plan == nil {
		return nil
	}
	f := &failovers{step: s, instance: fmt.Sprintf("%s-%d", plan.Service, plan.Instance)}
	from, name := s.WindowStart, StretchBefore
	cut := func(to results.Offset, next string) {
		if to > from {
			f.stretches = append(f.stretches, stretchTally{name, window{from, to}, map[string]*endTally{}})
		}
		from, name = max(from, to), next
	}
	for _, e := range s.Events {
		next := map[string]string{
			results.EventEnded: StretchEnded, results.EventEjected: StretchEjected, results.EventAnswered: StretchAnswered,
		}[e.Kind]
		if e.Instance != f.instance || next == "" {
			continue
		}
		if planned := s.WindowStart.Add(plan.At); e.Kind == results.EventEnded {
			if e.At.Sub(planned) <= longEnding {
				e.At = min(e.At, planned)
			} else {
				cut(planned, StretchEnding)
			}
		}
		if e.At < s.WindowEnd {
			cut(e.At, next)
		}
	}
	cut(s.WindowEnd, "")
	return f
}

// add takes a sample of the step.
func (f *failovers) add(s results.Sample) {
	if f == nil {
		return
	}
	for _, t := range f.stretches {
		if !t.window.holds(s.Done) {
			continue
		}
		e := t.services[s.Service]
		if e == nil {
			e = &endTally{outcomes: map[results.Outcome]int64{}}
			t.services[s.Service] = e
		}
		e.ended++
		e.outcomes[s.Outcome]++
		if s.Outcome == results.OK {
			e.latency = append(e.latency, s.Done.Sub(s.Due).Seconds())
		}
	}
}

// summary tells of the failover; nil for other steps.
func (f *failovers) summary(env results.Environment) *Failover {
	if f == nil {
		return nil
	}
	out := &Failover{
		Plan: *f.step.Plan.Failover, Instance: f.instance, Events: f.step.Events, Stretches: []Stretch{},
		Ended:   unknown("s", "it did not end"),
		Ejected: unknown("s", "it was not ejected within the step"), Restarted: unknown("s", "it was not started again"),
		Answered: unknown("s", "it gave no right answer again"),
	}
	if !out.Plan.Restart {
		out.Restarted = inapplicable("s", "it was to be left ended")
		out.Answered = out.Restarted
	}
	out.times(f.step.WindowStart.Add(out.Plan.At))
	before := map[string]Value{}
	for _, t := range f.stretches {
		s := Stretch{Name: t.name, Length: t.window.seconds()}
		for _, level := range f.step.Plan.Levels {
			e := t.services[level.Service]
			if e == nil {
				e = &endTally{}
			}
			v := e.of(level.Service, t.window, serviceOf(env, level.Service).Percentiles)
			if t.name == StretchBefore {
				before[v.Name] = v.Throughput
				v.OfBefore = inapplicable("ratio", "it is the stretch before")
			} else {
				v.OfBefore = ofBefore(v.Throughput, before[v.Name], s.Length)
			}
			s.Services = append(s.Services, v)
		}
		out.Stretches = append(out.Stretches, s)
	}
	return out
}

// times reads the events; planned is when the instance was to be made to end.
func (f *Failover) times(planned results.Offset) {
	end := results.NoOffset
	for _, e := range f.Events {
		if e.Instance != f.Instance {
			if e.Kind == results.EventEnded && !slices.Contains(f.Others, e.Instance) {
				f.Others = append(f.Others, e.Instance)
			}
			continue
		}
		if e.Kind == results.EventEnded {
			end, f.How = e.At, e.Text
			f.Ended = known(max(e.At.Sub(planned).Seconds(), 0), "s")
			continue
		}
		if end == results.NoOffset {
			continue
		}
		since := known(e.At.Sub(end).Seconds(), "s")
		switch e.Kind {
		case results.EventEjected:
			f.Ejected = since
		case results.EventRestarted:
			f.Restarted = since
		case results.EventAnswered:
			f.Answered = since
		}
	}
}

// of tells of a service in a stretch.
func (e *endTally) of(name string, w window, quantiles []float64) StretchService {
	v := StretchService{
		Name: name, Ended: e.ended, Outcomes: []Count{}, Throughput: perSecond(float64(e.outcomes[results.OK]), w),
		Failed: unknown("ratio", "no request ended in it"), Latency: distribution(e.latency, quantiles),
	}
	for _, outcome := range results.Outcomes() {
		if n := e.outcomes[outcome]; n > 0 {
			v.Outcomes = append(v.Outcomes, Count{outcome, n})
		}
	}
	if e.ended > 0 {
		v.Failed = known(float64(e.ended-e.outcomes[results.OK])/float64(e.ended), "ratio")
	}
	return v
}

// fewestBefore is how many requests the rate before must give in a stretch for
// the two to be compared: with fewer, one more or less is 20 % or more.
const fewestBefore = 5

// ofBefore is a rate in a stretch of so many seconds ÷ the rate before.
func ofBefore(rate, before Value, length float64) Value {
	switch {
	case !before.Known() || *before.Number == 0:
		return unknown("ratio", "nothing was completed before")
	case !rate.Known():
		return Value{Unit: "ratio", Why: rate.Why}
	case *before.Number*length < fewestBefore:
		return unknown("ratio", fmt.Sprintf("too short: before, fewer than %d were completed in as long", fewestBefore))
	}
	return known(*rate.Number / *before.Number, "ratio")
}

// apart takes from a failover step's service what its instance's end makes
// meaningless.
func (s *Service) apart() {
	const why = "an instance ended in the step"
	for _, c := range []*Check{&s.Population, &s.ServerInFlight} {
		c.Result, c.Why = NotJudged, why
	}
	s.SLO, s.Counters, s.Overhead, s.Overheads = nil, nil, nil, nil
}

// failoverAt reports whether a step of the index is a failover in any cell.
func failoverAt(cells []Cell, index int) bool {
	return slices.ContainsFunc(cells, func(c Cell) bool {
		return slices.ContainsFunc(c.Steps, func(s Step) bool { return s.Index == index && s.Failover != nil })
	})
}
