package analysis

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// serviceTally gathers all samples of one service in one step.
type serviceTally struct {
	total                      tally
	classes, models, instances map[string]*tally
	warmup, samples, after     int64
	loadEnd                    results.Offset
	bare                       int64   // samples of the window that were done after that
	begun                      int64   // samples of the window that are a session's first
	begunInside                int64   // sessions whose first request was sent within the window
	sentOfWindow               int64   // samples of the window that were sent
	sentBytes                  int64   // of their bodies
	chunks                     int64   // of content of their answers, but each one's first
	slotWait                   float64 // seconds that those waited, without our own lag
	cached, couldCache         int64   // prompt tokens of completed answers that told both
	sessions                   sessionTable
	users                      int64 // of a closed loop: sessions below are each user's first
	late                       late
	served                     []float64           // seconds from Sent to Done of those done in the window
	calls                      map[string]*callsOf // by endpoint
	// okDone holds the moments of ok answers with their tokens, by endpoint, for counters.
	okDone map[string][]answered
	// history are all samples of the step, for drift. sortedDues is made by dues.
	history    []stats.Call
	chained    bool // sessions have more calls than one
	sortedDues []float64
	course     *courseTally
}

type answered struct {
	class          string
	sent, done     results.Offset
	prompt, output int64
	queue, work    time.Duration // by the server's own word, or results.Untold
	refused        bool
}

// callsOf tells of all calls of the step that were sent to one endpoint.
type callsOf struct {
	firstSent, lastDone results.Offset
	notOK               int64
	// sent and done are all their moments in seconds, for inFlightAt.
	sent, done []float64
	sorted     bool
}

func (t *serviceTally) sentTo(s *results.Sample) {
	c := t.calls[s.Endpoint]
	if c == nil {
		c = &callsOf{firstSent: s.Sent, lastDone: s.Done}
		t.calls[s.Endpoint] = c
	}
	c.firstSent = min(c.firstSent, s.Sent)
	c.lastDone = max(c.lastDone, s.Done)
	c.sent = append(c.sent, s.Sent.Seconds())
	c.done = append(c.done, s.Done.Seconds())
	if s.Outcome != results.OK {
		c.notOK++
	}
}

// late adds up the seconds from Due to Sent of a closed loop's sessions within
// the window that follow another: their users thought before them.
type late struct {
	seconds float64
	n       int64
}

func newServiceTally() *serviceTally {
	return &serviceTally{
		classes: map[string]*tally{}, models: map[string]*tally{}, instances: map[string]*tally{},
		okDone: map[string][]answered{}, calls: map[string]*callsOf{},
	}
}

// reserve makes room for about n samples.
func (t *serviceTally) reserve(n int) {
	t.history = make([]stats.Call, 0, n)
	t.total.latency, t.total.wait, t.total.served = make([]float64, 0, n), make([]float64, 0, n), make([]float64, 0, n)
}

func (t *serviceTally) add(s *results.Sample, w window) {
	switch {
	case w.holds(s.Due):
		t.samples++
		if s.Call == 0 && s.Attempt == 0 {
			t.begun++
		}
	case s.Due < w.from:
		t.warmup++
	default:
		t.after++
	}
	if w.holds(s.Due) && s.Done > t.loadEnd {
		t.bare++
	}
	t.history = append(t.history, call(s))
	t.chained = t.chained || s.Call > 0
	t.course.add(s)
	endpoint := s.Endpoint
	if endpoint == "" {
		endpoint = "(none)"
	}
	for _, part := range []*tally{&t.total, at(t.classes, s.Class), at(t.models, s.Model), at(t.instances, endpoint)} {
		part.add(s, w)
	}
	if s.Outcome == results.OK {
		t.okDone[s.Endpoint] = append(t.okDone[s.Endpoint], answered{
			s.Class, s.Sent, s.Done, s.PromptTokens, s.OutputTokens, s.ServerQueue, s.ServerWork, s.ServerRefused,
		})
	}
	if s.Outcome == results.OK && w.holds(s.Done) && s.CachedTokens != results.UnknownTokens && s.PromptTokens != results.UnknownTokens {
		t.cached += s.CachedTokens
		t.couldCache += s.PromptTokens
	}
	if s.Sent != results.NoOffset {
		t.addSent(s, w)
	}
	known := t.sessions.at(s.Session)
	if s.Call == 0 && s.Attempt == 0 {
		known.start = s.Due
	}
	switch {
	case s.Last:
		known.end, known.told = s.Done, true
	case !known.told:
		known.end = max(known.end, s.Done)
	}
}

// addSent takes a sample that was sent.
func (t *serviceTally) addSent(s *results.Sample, w window) {
	t.sentTo(s)
	first := s.Call == 0 && s.Attempt == 0
	if w.holds(s.Due) {
		t.sentOfWindow++
		t.sentBytes += s.BytesSent
		t.chunks += max(0, s.Chunks-1)
		t.slotWait += (s.Sent.Sub(s.Due) - s.Lag).Seconds()
		if first && s.Session >= t.users {
			t.late.seconds += s.Sent.Sub(s.Due).Seconds()
			t.late.n++
		}
	}
	if first && w.holds(s.Sent) {
		t.begunInside++
	}
	if w.holds(s.Done) {
		t.served = append(t.served, s.Done.Sub(s.Sent).Seconds())
	}
}

// summarizeStep reads a step's samples once. Pages are the observations of the
// cell.
func summarizeStep(env results.Environment, cell results.Cell, step stepFacts, next neighbours, pages pages) (Step, error) {
	s := step.step
	w := window{s.WindowStart, s.WindowEnd}
	tallies := map[string]*serviceTally{}
	for _, level := range s.Plan.Levels {
		tallies[level.Service] = newServiceTally()
		tallies[level.Service].users = int64(level.Value)
		tallies[level.Service].course = courseOf(s)
		tallies[level.Service].loadEnd = max(s.WindowEnd, s.LoadEnd)
		tallies[level.Service].reserve(int(min(step.rows, rowsAtOnce)) / len(s.Plan.Levels))
	}
	var strangers int64
	failover, spike := failoversOf(s), spikeOf(s)
	for sample, err := range step.samples {
		if err != nil {
			return Step{}, fmt.Errorf("read samples of step %d: %w", s.Index, err)
		}
		failover.add(sample)
		spike.add(sample)
		if t := tallies[sample.Service]; t != nil {
			t.add(&sample, w)
		} else {
			strangers++
		}
	}
	if strangers > 0 {
		return Step{}, fmt.Errorf("read samples of step %d: %d belong to no service of the step", s.Index, strangers)
	}
	out := Step{Index: s.Index, Name: s.Plan.Name, Window: w.seconds(), Services: []Service{}, Client: clientOf(s.Client), OutOfMemory: s.OutOfMemory}
	out.Purpose, out.Ray, out.Heavy, out.Stopped = s.Plan.Purpose, s.Plan.Ray, s.Plan.Heavy, s.Stopped
	out.Start = s.Start.Seconds()
	out.Warmup, out.Loaded = s.WindowStart.Sub(s.Start).Seconds(), s.Loaded().Seconds()
	var demands []demand
	floors := floorsOf(cell)
	for i, level := range s.Plan.Levels {
		integrity, err := integrityOf(s, i, level.Service)
		if err != nil {
			return Step{}, err
		}
		r := serviceReader{
			service: serviceOf(env, level.Service), level: level, integrity: integrity,
			tally: tallies[level.Service], window: w, step: s, around: next,
			pages: pages.of(cell, level.Service), own: pages.ownTimes(cell, level.Service),
			scale: env.SimulatedScale, floors: floors, cpus: env.Host.CPUs,
		}
		service := r.summarize()
		if failover != nil {
			service.apart()
		}
		out.Services = append(out.Services, service)
		demands = append(demands, r.tally.demandOf(w, env.SimulatedScale))
	}
	out.Roofline = share(env.SelfTest, demands)
	out.Failover, out.spike = failover.summary(env), spike.summary(env)
	return out, nil
}

func integrityOf(s results.Step, i int, service string) (results.Integrity, error) {
	if i >= len(s.Services) || s.Services[i].Service != service {
		return results.Integrity{}, fmt.Errorf("step %d: the load generator left no count of %q", s.Index, service)
	}
	return s.Services[i], nil
}

func serviceOf(env results.Environment, name string) results.Service {
	for _, s := range env.Services {
		if s.Name == name {
			if len(s.Percentiles) == 0 {
				s.Percentiles = []float64{0.5, 0.95, 0.99}
			}
			return s
		}
	}
	return results.Service{Name: name, Percentiles: []float64{0.5, 0.95, 0.99}}
}

// A serviceReader has what is known of one service in one step.
type serviceReader struct {
	service   results.Service
	level     results.Level
	integrity results.Integrity
	tally     *serviceTally
	window    window
	step      results.Step
	around    neighbours
	pages     []page // one for each instance
	own       []ownTimes
	scale     float64 // of a simulated server's time; 0 on a real one
	floors    floors
	cpus      int // of the machine that we ran on; 0 if unknown
}

func (r serviceReader) summarize() Service {
	t, w, q := r.tally, r.window, r.service.Percentiles
	r.judgePages()
	streams := r.service.Role != results.RoleVision && t.total.streamed
	for _, p := range r.pages { // an instance that got nothing is told of too
		at(t.instances, p.instance)
	}
	cut := cutter{t.total.group(r.service.Name, w, q, streams), t.total.taken, w, q, streams}
	s := Service{
		Name: r.service.Name, Role: r.service.Role, Level: r.level, Total: cut.total,
		Classes:   cut.groups(t.classes),
		Models:    cut.groups(t.models),
		Instances: cut.groups(t.instances),
		Integrity: r.integrity,
		InFlight:  t.total.inFlight(w),
		Stimulus:  r.stimulus(),
		Cached:    unknown("ratio", "no answer told of cached tokens"),
		median:    stats.Quantile(t.total.latency, 0.5),
		bare:      100*t.bare > t.samples,
	}
	s.Median = known(s.median, "s")
	s.Course, s.Curve = t.course.course(), curveOf(t.total.latency)
	if t.couldCache > 0 {
		s.Cached = known(float64(t.cached)/float64(t.couldCache), "ratio")
	}
	if r.service.Role == results.RoleVision {
		s.withoutTokens()
	}
	s.Imbalances = r.imbalances(s.Instances)
	s.Identity = r.identity(s.Total)
	s.Sessions = r.sessions()
	s.Queue = r.queue()
	s.Waiting = r.waitings(r.floors)
	s.Population = r.population(s.Sessions)
	s.ServerInFlight = r.serverInFlight()
	s.Counters = r.counters()
	s.Overhead, s.Overheads = r.overheads()
	for _, clause := range r.clauses() {
		s.SLO = append(s.SLO, r.judge(clause, s, streams))
	}
	s.Growth, s.Drift = r.growth(), r.drift()
	s.Verdict = r.verdict(s)
	return s
}

// withoutTokens says that there are none, unless a server told of some.
func (s *Service) withoutTokens() {
	const why = "detection has no tokens"
	if !s.Cached.Known() {
		s.Cached = inapplicable("ratio", why)
	}
	mark := func(g *Group) {
		for _, t := range []*Tokens{&g.Prompt, &g.Output} {
			if t.Sum == 0 {
				t.PerSecond = inapplicable("1/s", why)
			}
		}
	}
	mark(&s.Total)
	for _, cut := range [][]Group{s.Classes, s.Models, s.Instances} {
		for i := range cut {
			mark(&cut[i])
		}
	}
}

func (r serviceReader) identity(total Group) Identity {
	id := Identity{
		Due: r.integrity.Due, Samples: r.tally.samples,
		WarmupDue: r.integrity.WarmupDue, WarmupSamples: r.tally.warmup,
		CooldownDue: r.integrity.CooldownDue, CooldownSamples: r.tally.after,
		Scheduled: r.integrity.Scheduled, Begun: r.tally.begun,
		Sent: r.integrity.Sent, SentSamples: r.tally.sentOfWindow,
	}
	for _, c := range total.Outcomes {
		id.Outcomes += c.N
	}
	switch {
	case id.Due != id.Samples || id.Samples != id.Outcomes || id.WarmupDue != id.WarmupSamples || id.CooldownDue != id.CooldownSamples:
		id.Why = "due, samples and outcomes do not agree"
	case id.Scheduled != nil && *id.Scheduled != id.Begun:
		id.Why = fmt.Sprintf("the schedule had %d arrivals in the window, and %d began in it", *id.Scheduled, id.Begun)
	case id.Sent != id.SentSamples:
		id.Why = fmt.Sprintf("%d arrivals were sent, by the load generator's count, and %d by the samples", id.Sent, id.SentSamples)
	default:
		id.Holds = true
	}
	return id
}

func (r serviceReader) sessions() Sessions {
	var ended []session
	for s := range r.tally.sessions.all() {
		if s.start != results.NoOffset && r.window.holds(s.end) {
			ended = append(ended, s)
		}
	}
	sortSessions(ended)
	times := make([]float64, len(ended))
	for i, s := range ended {
		times[i] = s.end.Sub(s.start).Seconds()
	}
	s := Sessions{
		Ended:     int64(len(times)),
		PerSecond: perSecond(float64(len(times)), r.window),
		Time:      distributionOver(times, r.service.Percentiles, r.window),
		Think:     unknown("s", "no think time ended in the window"),
		Asked:     unknown("s", "it was not recorded"),
		Pause:     unknown("s", "no think time ended in the window"),
	}
	if r.integrity.ThinkAsked != nil {
		s.Asked = known(r.integrity.ThinkAsked.Seconds(), "s")
	}
	if r.integrity.Think != nil {
		s.Think = known(r.integrity.Think.Seconds(), "s")
		if late := r.tally.late; late.n > 0 {
			s.Pauses, s.Pause = late.n, known(r.integrity.Think.Seconds()+late.seconds/float64(late.n), "s")
		}
	}
	if r.level.Arrivals != closedLoop {
		s.Think, s.Pauses = inapplicable("s", "an open loop has no think time"), 0
		s.Pause, s.Asked = s.Think, s.Think
	}
	return s
}

// closedLoop is the results.Level.Arrivals of a population of users.
const closedLoop = "closed"

// neighbours are the ends of the steps around a step, or nil at the ends of
// the cell.
type neighbours struct{ before, after *results.Offset }

func neighboursOf(steps []stepFacts, i int) neighbours {
	var n neighbours
	if i > 0 {
		n.before = &steps[i-1].step.End
	}
	if i+1 < len(steps) {
		n.after = &steps[i+1].step.Start
	}
	return n
}

// sortPoints puts readings in the order of time.
func sortPoints(points []stats.Point) {
	slices.SortStableFunc(points, func(a, b stats.Point) int { return cmp.Compare(a.At, b.At) })
}
