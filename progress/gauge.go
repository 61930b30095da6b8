package progress

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
)

// rateStretches is over how many stretches rates are told: some ten seconds of the
// clock.
const rateStretches = 10

// A gauge computes one service's figures of a step from its stretches.
type gauge struct {
	service    results.Service
	level      results.Level
	unfinished int64
	stretches  []stretch // the last rateStretches
	warm       tally
	window     tally
}

type stretch struct {
	seconds            float64
	offered, delivered int64
}

func newGauge(s results.Service, l results.Level) *gauge {
	return &gauge{service: s, level: l, warm: newTally(s), window: newTally(s)}
}

// add takes one sample of a stretch. What fell due after the window counts in rates alone.
func (g *gauge) add(s results.Sample, windowStart, windowEnd results.Offset, now *stretch) {
	now.offered++
	if s.Outcome == results.OK {
		now.delivered++
	}
	switch {
	case s.Due < windowStart:
		g.warm.add(s)
	case s.Due < windowEnd:
		g.window.add(s)
	}
}

// ends takes a whole stretch. What fell due in it is what was done in it and what is
// unfinished now, less what was before.
func (g *gauge) ends(now stretch, unfinished int64) {
	now.offered += unfinished - g.unfinished
	g.unfinished = unfinished
	g.stretches = append(g.stretches, now)
	if len(g.stretches) > rateStretches {
		g.stretches = slices.Delete(g.stretches, 0, 1)
	}
}

// figures gives what is known at a moment of the step.
func (g *gauge) figures(f *Figures, into float64, queue *queueMean) ServiceFigures {
	of := ServiceFigures{Service: g.service.Name, Level: g.level.Value, Unit: g.level.Unit, Unfinished: g.unfinished}
	var all stretch
	for _, s := range g.stretches {
		all.seconds, all.offered, all.delivered = all.seconds+s.seconds, all.offered+s.offered, all.delivered+s.delivered
	}
	if all.seconds > 0 {
		of.Offered, of.Delivered = ptr(float64(all.offered)/all.seconds), ptr(float64(all.delivered)/all.seconds)
	}
	t, span := &g.window, min(into-f.WarmupSeconds, f.WindowSeconds)
	if f.Part == PartWarmup {
		t, span = &g.warm, into
	}
	of.Done, of.Failed, of.Outcomes = t.done, t.failed(), t.outcomes()
	of.Queue = queue.last
	for _, q := range g.quantiles() {
		v, _ := t.class("").latency.at(q, t.class("").failed)
		of.Quantiles = append(of.Quantiles, Quantile{q, v})
	}
	for _, c := range g.service.SLO {
		clause := t.clause(c, span, queue)
		if f.Part == PartAfter && g.unfinished == 0 && t.class(c.Class).done == 0 {
			clause.Holds = ptr(false) // nothing was due in the window, as analysis judges it
		}
		of.Clauses = append(of.Clauses, clause)
	}
	return of
}

// quantiles are those that the scenario names, and p95 without any.
func (g *gauge) quantiles() []float64 {
	if len(g.service.Percentiles) == 0 {
		return []float64{0.95}
	}
	return g.service.Percentiles
}

// A tally counts the arrivals of one part of a step.
type tally struct {
	done     int64
	byResult [results.NotSent + 1]int64
	classes  map[string]*classTally // "" is all; else those that clauses name
	output   int64
	untold   bool // of an answer's tokens
	heavy    bool // of a step of heavy requests alone, in which a class is its variant
}

type classTally struct {
	done, failed  int64
	latency, ttft *hist
}

func newTally(s results.Service) tally {
	t := tally{classes: map[string]*classTally{"": newClassTally()}}
	for _, c := range s.SLO {
		if t.classes[c.Class] == nil {
			t.classes[c.Class] = newClassTally()
		}
	}
	return t
}

func newClassTally() *classTally { return &classTally{latency: newHist(), ttft: newHist()} }

func (t *tally) class(name string) *classTally { return t.classes[name] }

func (t *tally) add(s results.Sample) {
	t.done++
	if int(s.Outcome) < len(t.byResult) {
		t.byResult[s.Outcome]++
	}
	if s.Outcome == results.OK {
		t.untold = t.untold || s.OutputTokens == results.UnknownTokens
		t.output += max(0, s.OutputTokens)
	}
	t.class("").add(s)
	if c := t.class(s.Class); c != nil && s.Class != "" {
		c.add(s)
	}
	if plain, ok := strings.CutSuffix(s.Class, results.HeavySuffix); ok && t.heavy && plain != "" {
		if c := t.class(plain); c != nil {
			c.add(s)
		}
	}
}

func (c *classTally) add(s results.Sample) {
	c.done++
	if s.Outcome != results.OK {
		c.failed++
		return
	}
	c.latency.add(s.Done.Sub(s.Due))
	if s.First != results.NoOffset {
		c.ttft.add(s.First.Sub(s.Due))
	}
}

func (t *tally) failed() int64 { return t.done - t.byResult[results.OK] }

// outcomes counts by name those that failed; nil if none did.
func (t *tally) outcomes() map[string]int64 {
	var all map[string]int64
	for _, o := range results.Outcomes() {
		if n := t.byResult[o]; n > 0 && o != results.OK {
			if all == nil {
				all = map[string]int64{}
			}
			all[o.String()] = n
		}
	}
	return all
}

// clause gives a clause's value so far. span is how long the part lasts by now.
func (t *tally) clause(c results.Clause, span float64, queue *queueMean) Clause {
	of := Clause{Text: c.Text, Unit: c.Unit, Limit: c.Limit}
	class := t.class(c.Class)
	lost := false
	switch c.Metric {
	case "latency":
		of.Value, lost = class.latency.at(c.Quantile, class.failed)
	case "ttft":
		of.Value, lost = class.ttft.at(c.Quantile, class.failed)
	case "errors":
		if class.done > 0 {
			of.Value = ptr(float64(class.failed) / float64(class.done))
		}
	case "queue":
		of.Value = queue.mean()
	case "tokens_per_second":
		if span > 0 && t.done > 0 && !t.untold && c.Class == "" {
			of.Value = finite(float64(t.output) / span)
		}
	}
	if of.Value != nil {
		of.Holds = ptr(holds(*of.Value, c.Op, c.Limit))
	} else if lost {
		of.Holds = ptr(false)
	}
	return of
}

func holds(v float64, op string, limit float64) bool {
	switch op {
	case "<":
		return v < limit
	case "<=":
		return v <= limit
	case ">":
		return v > limit
	}
	return v >= limit
}

// A hist holds spans to within 0.1 %, in a fixed amount of memory.
type hist struct{ *hdrhistogram.Histogram }

// longest is the longest span that a hist tells apart; no timeout is as long.
const longest = 24 * time.Hour

func newHist() *hist {
	return &hist{hdrhistogram.New(1, longest.Microseconds(), 3)}
}

func (h *hist) add(d time.Duration) {
	// It fails for what is beyond its range alone, which this is not.
	_ = h.RecordValue(min(max(d, 0), longest).Microseconds())
}

// at gives a quantile in seconds of the spans that it holds and of failed others, which
// were longer than all: lost says that it falls among these. It is null too where fewer
// than one arrival is above it.
func (h *hist) at(q float64, failed int64) (seconds *float64, lost bool) {
	n := h.TotalCount() + failed
	if float64(n)*(1-q) < 1-1e-9 {
		return nil, false
	}
	rank := int64(math.Ceil(q * float64(n)))
	if rank > h.TotalCount() {
		return nil, true
	}
	v := h.ValueAtPercentile(100 * float64(rank) / float64(h.TotalCount()))
	return ptr(float64(v) / 1e6), false
}

func ptr[T any](v T) *T { return &v }

// A meter computes the figures of one step.
type meter struct {
	plan    results.StepPlan
	gauges  []*gauge
	queues  *queues
	devices []Device
	read    map[string]deviceReading // by UUID
}

func newMeter(b runner.StepBegins, services []results.Service, devices []Device) *meter {
	m := &meter{plan: b.Plan, devices: devices, queues: newQueues(b.Instances), read: map[string]deviceReading{}}
	for _, l := range b.Plan.Levels {
		s := results.Service{Name: l.Service}
		if i := slices.IndexFunc(services, func(s results.Service) bool { return s.Name == l.Service }); i >= 0 {
			s = services[i]
		}
		g := newGauge(s, l)
		g.warm.heavy, g.window.heavy = b.Plan.Heavy, b.Plan.Heavy
		m.gauges = append(m.gauges, g)
	}
	return m
}

// run takes a stretch.
func (m *meter) run(r runner.StepRuns) {
	windowStart := r.Start.Add(m.plan.Warmup)
	now := make(map[string]*stretch, len(m.gauges))
	of := make(map[string]*gauge, len(m.gauges))
	for _, g := range m.gauges {
		of[g.level.Service], now[g.level.Service] = g, &stretch{seconds: r.To.Sub(r.From).Seconds()}
	}
	for s := range r.Samples {
		if g := of[s.Service]; g != nil {
			g.add(s, windowStart, windowStart.Add(m.plan.Window), now[s.Service])
		}
	}
	for name, g := range of {
		g.ends(*now[name], r.Unfinished[name])
	}
	m.observe(r.Observations, windowStart)
}

// figures gives what is known at a moment.
func (m *meter) figures(into time.Duration) *Figures {
	f := &Figures{
		IntoSeconds: into.Seconds(), WarmupSeconds: m.plan.Warmup.Seconds(), WindowSeconds: m.plan.Window.Seconds(),
		Part: PartWindow,
	}
	switch {
	case into < m.plan.Warmup:
		f.Part = PartWarmup
	case into >= m.plan.Warmup+m.plan.Window:
		f.Part = PartAfter
	}
	for _, g := range m.gauges {
		f.Services = append(f.Services, g.figures(f, into.Seconds(), m.queues.of(g.level.Service)))
	}
	for _, d := range m.devices {
		r := m.read[d.UUID]
		f.Devices = append(f.Devices, DeviceFigures{Device: d, Activity: r.activity, Memory: r.memory})
	}
	slices.SortStableFunc(f.Devices, func(a, b DeviceFigures) int { return cmp.Compare(a.Name, b.Name) })
	return f
}
