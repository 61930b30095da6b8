package virtual

import (
	"bytes"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/sim/model"
	"github.com/evabench/evabench/sim/parameters"
)

// settle is how long requests due in the window may take after it to count in
// the mean latency, as a share of the window.
const settle = 0.25

// Run runs the first step of a cell with the given parameters. The same
// parameters, cell and loads give the same Result.
func (b *Bench) Run(c scenarios.Cell, p parameters.Set) (Result, error) {
	if len(c.Config.Params) > 0 {
		return Result{}, fmt.Errorf("%s has launch parameters, which virtual time does not know", c.Config.Name)
	}
	assignments, err := b.assign(c.Config)
	if err != nil {
		return Result{}, err
	}
	s := b.Scenario
	levels := make([]float64, len(s.Services))
	for i := range s.Services {
		levels[i] = s.Services[i].Load.Levels[0]
	}
	r, err := b.begin(c, p, assignments, c.Seed, load{warmup: s.Warmup, window: s.Window, levels: levels})
	if err != nil {
		return Result{}, err
	}
	r.loadEnd = math.MaxInt64
	r.drive()
	r.world.Advance(r.windowEnd + time.Duration(settle*float64(s.Window)))
	result := Result{Window: s.Window}
	for _, v := range r.services {
		result.Services = append(result.Services, v.result())
	}
	return result, nil
}

// A load is what is driven: a level of each service, 0 of one that stands still.
type load struct {
	warmup, window, cooldown time.Duration
	levels                   []float64
	spike                    *results.Spike // nil: none
}

// begin makes the server and the services of a run.
func (b *Bench) begin(c scenarios.Cell, p parameters.Set, placed []services.Assignment, seed uint64, l load) (*run, error) {
	r := &run{bench: b, cell: c, parameters: p, seed: seed, devices: make(map[string]*model.Device)}
	r.host = model.NewHost(&r.world, b.server.Cores)
	r.windowStart, r.windowEnd = l.warmup, l.warmup+l.window
	r.loadEnd = r.windowEnd + l.cooldown
	for i := range b.Scenario.Services {
		v, err := r.service(i, placed, l)
		if err != nil {
			return nil, fmt.Errorf("service %s: %w", b.Scenario.Services[i].Name, err)
		}
		r.services = append(r.services, v)
	}
	return r, nil
}

func (r *run) drive() {
	for _, v := range r.services {
		v.drive()
	}
}

// run is one cell in virtual time.
type run struct {
	bench                  *Bench
	cell                   scenarios.Cell
	parameters             parameters.Set
	world                  model.World
	host                   *model.Host
	devices                map[string]*model.Device // by UUID
	seed                   uint64
	windowStart, windowEnd time.Duration
	loadEnd                time.Duration // from when on nothing falls due
	services               []*service
	log                    *log // nil: only counts are kept
}

// A service is one service of the run with its instances and its users.
type service struct {
	*run
	of        *scenarios.Service
	workload  loadgen.Workload
	router    loadgen.Router
	instances []instance
	inFlight  []int64
	seed      uint64 // of its own, so that services do not draw alike
	level     float64
	arrivals  loadgen.Arrivals // nil: a closed loop, or a service that stands still
	asked     int64            // requests so far

	counted Service
	latency time.Duration // sum over counted.Answered
	// Of the window: sessions that began, and think times that ended.
	sessions, thinks int64
	thought          time.Duration
}

// An instance takes a request and calls done with what the answer says; it
// reports false if it refuses.
type instance interface {
	ask(q *loadgen.Request, seed uint64, done func(reply)) bool
}

// A reply is an answer with what a sample tells of it.
type reply struct {
	answer         loadgen.Answer
	first          time.Duration // when the first token came; negative: it came whole
	prompt, output int64         // tokens, results.UnknownTokens of a detector
}

func (r *run) service(i int, placed []services.Assignment, l load) (*service, error) {
	of, level := &r.bench.Scenario.Services[i], l.levels[i]
	v := &service{run: r, of: of, workload: r.bench.workloads[i], level: level, seed: rand.New(rand.NewPCG(r.seed, uint64(i))).Uint64()}
	v.counted = Service{Name: of.Name, Role: of.Role, Models: make(map[string]int)}
	if of.Load.Arrivals != scenarios.Closed && level != 0 {
		shaped := of.Load
		if l.spike != nil && l.spike.Service == of.Name {
			shaped = shaped.Spiked(*l.spike)
		}
		var err error
		if v.arrivals, err = runner.Arrivals(shaped, level, l.warmup, l.window); err != nil {
			return nil, err
		}
	}
	for _, a := range placed {
		if a.Service != of.Name {
			continue
		}
		one, err := r.launch(of, a)
		if err != nil {
			return nil, err
		}
		v.instances = append(v.instances, one)
	}
	v.inFlight = make([]int64, len(v.instances))
	var err error
	v.router, err = router(r.cell.Config.Routing, len(v.instances))
	return v, err
}

// launch starts an instance of a service on its device.
func (r *run) launch(of *scenarios.Service, a services.Assignment) (instance, error) {
	d := a.Device
	on, ok := r.devices[d.UUID]
	if !ok {
		cfg, err := r.parameters.Device(d.Model, d.SMs, r.bench.memoryShare(d))
		if err != nil {
			return nil, err
		}
		on = r.world.AddDevice(cfg)
		r.devices[d.UUID] = on
	}
	client := model.Client{MPS: d.Sharing.IsMPS(), Share: 1}
	if client.MPS && d.Sharing.ThreadPercent > 0 {
		client.Share = float64(d.Sharing.ThreadPercent) / 100
	}
	if of.Role == results.RoleAgent {
		e, err := r.parameters.EngineOn(d.Model, of.Models[0].Name)
		if err != nil {
			return nil, err
		}
		budget, err := e.Budget(d.MemoryBytes, parameters.MemoryUse, 0)
		if err != nil {
			return nil, err
		}
		return &engine{run: r, engine: model.NewEngine(&r.world, r.host, on, client, budget.Config), answer: e.AnswerTokens}, nil
	}
	t := detectors{}
	for _, m := range of.Models {
		known, err := r.parameters.DetectorOn(d.Model, m.Name)
		if err != nil {
			return nil, err
		}
		known.Config.Workers, known.Config.Queue = r.cell.Config.Workers[m.Name], parameters.JobQueue
		if known.Config.Workers == 0 {
			known.Config.Workers = m.Workers
		}
		t[m.Name] = model.NewDetector(&r.world, r.host, on, client, known.Config)
	}
	return t, nil
}

// drive starts the users, or an open loop's sessions.
func (v *service) drive() {
	if v.arrivals != nil {
		v.launch(v.arrivals.Times(v.seed), 0)
		return
	}
	users := int(v.level)
	for u := range users {
		random := rand.New(rand.NewPCG(v.seed, uint64(u)))
		v.world.At(v.first(u, users, random), func() { v.user(int64(u), int64(u), users, random) })
	}
}

// launch lets the n-th session of an open loop begin when it is due, and those after
// it.
func (v *service) launch(times func() (time.Duration, bool), n int64) {
	due, more := times()
	if !more || due >= v.loadEnd {
		return
	}
	v.world.At(due, func() {
		if due < v.loadEnd { // it may have ended early
			v.session(-1, n, nil)
			v.launch(times, n+1)
		}
	})
}

// first is when a user begins: within its first think time, as the load
// generator spreads them.
func (v *service) first(u, users int, random *rand.Rand) time.Duration {
	think := v.of.Load.Think
	switch {
	case think > 0 && v.of.Load.ThinkExponential:
		return time.Duration(random.ExpFloat64() * float64(think))
	case think > 0:
		return time.Duration((float64(u) + random.Float64()) / float64(users) * float64(think))
	}
	return time.Duration(float64(min(v.windowStart/2, time.Second)) * float64(u) / float64(users))
}

// user runs the n-th session of all, a user's, and then the user's next.
func (v *service) user(u, n int64, users int, random *rand.Rand) {
	if v.world.Now() >= v.loadEnd {
		return
	}
	v.session(u, n, func(refused bool) {
		pause := v.of.Load.Think
		if v.of.Load.ThinkExponential {
			pause = time.Duration(random.ExpFloat64() * float64(pause))
		}
		if refused {
			pause = refusedPause
		}
		v.world.At(v.world.Now()+pause, func() {
			if now := v.world.Now(); now < v.loadEnd && v.in(now) {
				v.thinks++
				v.thought += pause
			}
			v.user(u, n+int64(users), users, random)
		})
	})
}

// session runs the n-th session, of a user or -1, and calls over at its end if that
// is not nil.
func (v *service) session(u, n int64, over func(refused bool)) {
	if v.in(v.world.Now()) {
		v.sessions++
	}
	s := &play{service: v, n: n, user: u, tree: v.workload.Session(v.run.seed, n), over: over}
	s.next(-1, nil)
}

// A play is a session on its way.
type play struct {
	*service
	n       int64
	tree    loadgen.Session
	calls   int // that were given
	open    int // of them, on their way
	user    int64
	refused bool
	over    func(refused bool) // called once, at the end; may be nil
	ended   bool
}

// next sends what follows on an answer, and ends the session when nothing is on
// its way any more. It tells whether it has ended.
func (s *play) next(call int, answer *loadgen.Answer) bool {
	var requests []*loadgen.Request
	if s.world.Now() < s.loadEnd {
		requests = s.tree.Next(call, answer)
	}
	first := s.calls
	s.calls += len(requests)
	s.open += len(requests)
	for i, q := range requests {
		s.ask(first+i, q)
	}
	if s.open > 0 || s.ended {
		return false
	}
	s.ended = true
	if s.over != nil {
		s.over(s.refused)
	}
	return true
}

func (s *play) ask(call int, q *loadgen.Request) {
	due := s.world.Now()
	i := s.router.Pick(s.n, q, s.inFlight)
	s.inFlight[i]++
	at := s.log.asked(s, call, q, i, due)
	s.asked++
	taken := s.instances[i].ask(q, s.service.seed^uint64(s.n)<<8^uint64(call), func(p reply) {
		s.inFlight[i]--
		s.open--
		s.answered(q, due)
		p.answer.Outcome = results.OK
		s.log.done(at, results.OK, p, s.world.Now())
		s.log.last(at, s.next(call, &p.answer))
	})
	if taken {
		return
	}
	s.inFlight[i]--
	s.refused = true
	if s.in(due) {
		s.counted.Refused++
	}
	// The refusal comes back like any answer, after what was asked beside it.
	s.world.At(due, func() {
		s.open--
		s.log.done(at, results.Shed, reply{first: -1, prompt: results.UnknownTokens, output: results.UnknownTokens}, due)
		s.log.last(at, s.next(call, &loadgen.Answer{Outcome: results.Shed}))
	})
}

// refusedPause is the load generator's least pause after a failure.
const refusedPause = 100 * time.Millisecond

func (r *run) in(at time.Duration) bool { return at >= r.windowStart && at < r.windowEnd }

func (v *service) answered(q *loadgen.Request, due time.Duration) {
	now := v.world.Now()
	if v.in(now) {
		v.counted.Completed++
		v.counted.Models[q.Model]++
	}
	if v.in(due) {
		v.counted.Answered++
		v.latency += now - due
	}
}

func (v *service) result() Service {
	r := v.counted
	r.Latency = math.NaN()
	if r.Answered > 0 {
		r.Latency = v.latency.Seconds() / float64(r.Answered)
	}
	return r
}

// detectors are a TorchServe's models.
type detectors map[string]*model.Detector

func (t detectors) ask(q *loadgen.Request, seed uint64, done func(reply)) bool {
	return t[q.Model].Submit(seed, false, func(model.Detection) {
		done(reply{first: -1, prompt: results.UnknownTokens, output: results.UnknownTokens})
	})
}

// An engine is a vLLM.
type engine struct {
	*run
	engine *model.Engine
	answer float64
}

func (e *engine) ask(q *loadgen.Request, seed uint64, done func(reply)) bool {
	var c model.Call
	for _, m := range q.Messages {
		c.PromptTokens += parameters.TurnTokens + parameters.TextTokens(len(m.Text))
		for _, data := range m.Images {
			size, _, err := image.DecodeConfig(bytes.NewReader(data))
			if err != nil {
				panic(fmt.Sprintf("virtual: an image that was drawn: %v", err))
			}
			c.Images++
			c.ImageTokens += parameters.ImageTokens(size.Width, size.Height)
		}
	}
	c.PromptTokens += c.ImageTokens
	c.OutputTokens = min(parameters.AnswerTokens(seed, e.answer), q.MaxTokens)
	text := strings.Repeat("alarm ", c.OutputTokens)
	var s *model.Sequence
	c.Done = func() {
		done(reply{loadgen.Answer{Text: text}, s.First, int64(c.PromptTokens), int64(c.OutputTokens)})
	}
	s = e.engine.Submit(c)
	return true
}
