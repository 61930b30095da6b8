package queues

import (
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/evabench/evabench/results"
)

// A record is an arrival; moments are seconds since the first step.
type record struct {
	due, start, done float64
	work             float64
	think            float32 // seconds paused before it
	user             int32
	session, seq     int32
	call             int16
	service, class   uint8
	outcome          results.Outcome // 0 until it was served
	last             bool
}

// A Target is a system under test: it runs steps one after the other, each on a
// server that has answered everything before. It is for one goroutine.
type Target struct {
	system *System
	seed   uint64
	own    uint64 // of the server's draws; 0 takes those that go with the seed
	steps  int
	now    float64

	endpoints   []string // by service
	streams     []*stream
	server      *serving
	records     []record // of the step, in the order of their due
	served      int      // so many of them have an outcome
	open        []int    // of those that were due before the last look, not done then
	seen        int      // those before were due before the last look
	looked      float64
	samples     []results.Sample // for watch
	dues, dones []float64        // for the integrity
	begun       int              // steps
}

// Start gives a target that has run nothing yet. Targets of one seed that are asked
// for the same steps give the same results, and those of a step do not depend on
// the steps before but for their times and what drifts.
func (s *System) Start(seed uint64) *Target {
	t := &Target{system: s, seed: seed}
	for _, v := range s.Services {
		t.endpoints = append(t.endpoints, v.Name+"-0")
	}
	return t
}

// Deploy gives a target of a deployment of its own: it meets the arrivals that every
// target of the seed meets, and draws services for itself.
func (s *System) Deploy(seed, deployment uint64) *Target {
	t := s.Start(seed)
	t.own = deployment
	return t
}

// Step runs a step. The plan's levels are of services of the system, of their arrivals
// and with values that are above 0; a service without one stands still. Anything else, a
// plan without any level and one with a spike are mistakes of the caller's and panic.
//
// Watch, if it is not nil, is called during warm-up and window once a second or 60
// times a step, whichever is less often, and ends the arrivals of the step when it
// returns a reason. A server of batches, which does not know yet when a request will be
// done, is given load for the whole Cooldown; others for as long of it as something of the
// window is not done. The Samples of its Progress are overwritten after it has
// returned. The result's Samples can be ranged over until the next Step.
func (t *Target) Step(plan results.StepPlan, watch func(results.Progress) string) results.StepResult {
	t.begin(plan)
	start := t.now
	windowStart := start + plan.Warmup.Seconds()
	end := windowStart + plan.Window.Seconds()
	step := results.Step{Index: t.steps, Plan: plan}
	if watch != nil {
		every := max(1, (end-start)/60)
		for at := start + every; at < end; at += every {
			t.runTo(at)
			if step.Stopped = watch(t.look(at)); step.Stopped != "" {
				end = at
				windowStart = min(windowStart, end)
				break
			}
		}
	}
	loadEnd := end
	if step.Stopped == "" {
		loadEnd = t.cool(plan, windowStart, end)
	}
	t.finish(loadEnd)
	last := loadEnd
	for i := range t.records {
		last = max(last, t.records[i].done)
	}
	step.Start, step.WindowStart, step.WindowEnd, step.LoadEnd, step.End = offset(start), offset(windowStart), offset(end), offset(loadEnd), offset(last)
	step.Services = t.integrity(plan, step)
	t.steps++
	t.now = last
	return results.StepResult{Step: step, Samples: t.all()}
}

// offset is a moment in seconds as a results.Offset; rounded down, so that it does
// not reach over a moment that lay beyond it.
func offset(seconds float64) results.Offset {
	return results.Offset(math.Floor(seconds * float64(time.Second)))
}

// begin makes the sources and the server of a step.
func (t *Target) begin(plan results.StepPlan) {
	s := t.system
	// One step's draws are of its own: odd multiples keep steps and seeds apart.
	seed := t.seed*0x9e3779b97f4a7c15 + uint64(t.steps)*0xd1342543de82ef95
	t.streams = t.streams[:0]
	known := 0
	for i, v := range s.Services {
		level, ok := levelOf(plan, v.Name)
		if !ok {
			continue
		}
		if known++; !(level.Value > 0) || level.Arrivals != s.Sources[i].Arrivals {
			panic(fmt.Sprintf("queues: system %s: step %q has no level of %s arrivals above 0 for service %s", s.Name, plan.Name, s.Sources[i].Arrivals, v.Name))
		}
		t.streams = append(t.streams, s.Sources[i].begin(i, level.Value, plan.Heavy, seed, t.now))
	}
	t.server = s.Server.begin(seed^t.own*0xbf58476d1ce4e5b9, t.now)
	t.records, t.open = t.records[:0], t.open[:0]
	t.served, t.seen, t.looked = 0, 0, t.now
	t.begun++
}

func levelOf(plan results.StepPlan, service string) (results.Level, bool) {
	for _, l := range plan.Levels {
		if l.Service == service {
			return l, true
		}
	}
	return results.Level{}, false
}

// first gives the stream whose arrival is next, and when.
func (t *Target) first() (*stream, float64) {
	s, at := t.streams[0], t.streams[0].peek()
	for _, r := range t.streams[1:] {
		if p := r.peek(); p < at {
			s, at = r, p
		}
	}
	return s, at
}

// runTo takes what is due, and starts what starts, before a moment. Servers with
// batches look ahead; what they saw of later arrivals stays in the records.
func (t *Target) runTo(at float64) {
	if t.server.Batch > 1 {
		t.batches(at, math.Inf(1))
		return
	}
	for {
		s, due := t.first()
		if due >= at {
			return
		}
		t.records = append(t.records, s.take())
		t.server.one(t.records)
		s.answered(&t.records[len(t.records)-1])
		t.served = len(t.records)
	}
}

// batches starts the batches before a moment, of arrivals due before end.
func (t *Target) batches(before, end float64) {
	for {
		if t.served == len(t.records) && !t.fetch(before, end) {
			return
		}
		// Enough to know the next batch: a full one, and one beyond its start.
		for len(t.records)-t.served < t.server.Batch && t.fetch(math.Inf(1), end) {
		}
		n := t.server.batch(t.records[t.served:], before)
		if n == 0 {
			for t.fetch(before, end) {
			}
			return
		}
		t.served += n
	}
}

// fetch takes the next arrival if it is due before both moments.
func (t *Target) fetch(before, end float64) bool {
	s, due := t.first()
	if due >= before || due >= end {
		return false
	}
	t.records = append(t.records, s.take())
	return true
}

// cool gives the moment at which load ends after a window, as the load generator has it: each
// service is waited for by its own limits.
func (t *Target) cool(plan results.StepPlan, windowStart, windowEnd float64) float64 {
	if plan.Cooldown == 0 || t.server.Batch > 1 {
		return windowEnd + plan.Cooldown.Seconds()
	}
	t.runTo(windowEnd)
	until := windowEnd
	for i, v := range t.system.Services {
		last, most := windowEnd, min(plan.Cooldown, results.Cooldown(plan.Window, v.SLO))
		for j := range t.records { // all were due before its end, and are served
			if r := &t.records[j]; int(r.service) == i && r.due >= windowStart {
				last = max(last, r.done)
			}
		}
		until = max(until, min(last, windowEnd+most.Seconds()))
	}
	return until
}

// finish ends the arrivals at a moment and serves what is left.
func (t *Target) finish(end float64) {
	if t.server.Batch <= 1 {
		t.runTo(end)
		return
	}
	// Arrivals that were only looked at do not come if the step ends before.
	n := len(t.records)
	for n > t.served && t.records[n-1].due >= end {
		n--
	}
	cut := n < len(t.records)
	t.records = t.records[:n]
	if cut {
		end = math.Inf(-1)
	}
	t.batches(math.Inf(1), end)
}

// look tells of the time since the last look.
func (t *Target) look(at float64) results.Progress {
	p := results.Progress{From: offset(t.looked), To: offset(at), Unfinished: make(map[string]int64, len(t.streams))}
	t.samples = t.samples[:0]
	keep := t.open[:0]
	for _, i := range t.open {
		keep = t.sort(i, at, keep)
	}
	for ; t.seen < len(t.records) && t.records[t.seen].due < at; t.seen++ {
		keep = t.sort(t.seen, at, keep)
	}
	t.open = keep
	for i, v := range t.system.Services {
		n := int64(0)
		for _, j := range t.open {
			if int(t.records[j].service) == i {
				n++
			}
		}
		p.Unfinished[v.Name] = n
	}
	t.looked, p.Samples = at, t.samples
	return p
}

// sort puts a record to the samples if it is done, or else to what is open.
func (t *Target) sort(i int, at float64, open []int) []int {
	r := &t.records[i]
	if r.outcome == 0 || r.done >= at {
		return append(open, i)
	}
	t.samples = append(t.samples, results.Sample{})
	t.fill(&t.samples[len(t.samples)-1], r)
	return open
}

// all gives the samples of the step.
func (t *Target) all() iter.Seq[results.Sample] {
	records, begun := t.records, t.begun
	return func(yield func(results.Sample) bool) {
		if t.begun > begun {
			panic("queues: the samples of a step are gone once the next has begun")
		}
		var s results.Sample
		for i := range records {
			t.fill(&s, &records[i])
			if !yield(s) {
				return
			}
		}
	}
}

// fill makes a record the sample of a request whose body comes at once.
func (t *Target) fill(s *results.Sample, r *record) {
	v := &t.system.Services[r.service]
	class := t.system.Sources[r.service].Classes[r.class].Name
	due, done := offset(r.due), offset(r.done)
	*s = results.Sample{
		Service: v.Name, Class: class, Model: class, Endpoint: t.endpoints[r.service],
		Seq: int64(r.seq), Session: int64(r.session), User: int64(r.user), Call: int(r.call), Last: r.last,
		Due: due, Sent: due, First: done, Final: done, Done: done,
		Outcome: r.outcome, Status: 200, BytesSent: 1000, BytesRead: 100, Chunks: 1,
		PromptTokens: results.UnknownTokens, OutputTokens: results.UnknownTokens, CachedTokens: results.UnknownTokens,
		ServerQueue: results.Untold, ServerWork: results.Untold,
	}
	if r.outcome != results.OK {
		s.First, s.Final, s.Chunks, s.Status = results.NoOffset, results.NoOffset, 0, 429
	}
}
