package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
)

// size is how large a run is.
type size struct{ cells, samples int }

// The shape of the run: as many replicates of each configuration, and rates of arrivals a
// second, one for each step, at which each service gets its samples.
const replicates = 10

var rates = []float64{50, 75, 100, 125, 150}

// The most that requests are sent late, and how long they wait in a server's queue.
const (
	lag    = 50 * time.Microsecond
	queued = 50 * time.Millisecond
)

// made are the services: Vision's requests are of four detectors on two servers; an Agent's
// session has two calls, whose answers are streams.
var made = []service{
	{name: "vision", role: results.RoleVision, classes: []string{"rt-detrv2", "owl-v2", "omdet", "llmdet"}, instances: 2, calls: 1, alone: 0.040},
	{name: "agent", role: results.RoleAgent, classes: []string{"inspect", "decide"}, instances: 2, calls: 2, alone: 0.400},
}

type service struct {
	name, role string
	classes    []string
	instances  int
	calls      int     // of a session
	alone      float64 // median seconds of a call
}

// makeRun writes a run directory of made-up cells, the same for the same size.
func makeRun(ctx context.Context, dir string, n size) error {
	if n.cells < 1 || n.samples < 100 {
		return fmt.Errorf("%d cells of %d samples: at least 1 and 100", n.cells, n.samples)
	}
	env := results.Environment{
		Evabench: "report-bench", Scenario: "report-bench", Simulated: "none: made-up samples", SimulatedScale: 1,
		Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Command: []string{"report-bench"},
		Host: results.Host{Name: "bench", OS: "linux", Arch: "amd64", CPUs: 2, GoVersion: runtime.Version()},
		Zone: 0.03,
	}
	for _, s := range made {
		env.Services = append(env.Services, results.Service{
			Name: s.name, Role: s.role, Percentiles: []float64{0.5, 0.95, 0.99},
			SLO: []results.Clause{
				{Metric: "latency", Quantile: 0.95, Op: "<", Limit: 10 * s.alone, Unit: "s", Text: fmt.Sprintf("p95 < %g s", 10*s.alone)},
				{Metric: "errors", Op: "<=", Limit: 0.01, Unit: "ratio", Text: "errors <= 1 %"},
			},
		})
	}
	cells := make([]cell, n.cells)
	for i := range cells {
		config := i / replicates
		cells[i] = cell{index: i, config: config, replicate: i%replicates + 1, samples: n.samples, name: fmt.Sprintf("c%02d", config+1)}
		env.Planned = append(env.Planned, cells[i].folder())
	}
	w, err := results.Create(dir, env, []byte("version: 1\nname: report-bench\n"))
	if err != nil {
		return err
	}
	var all errgroup.Group
	all.SetLimit(runtime.GOMAXPROCS(0))
	for _, c := range cells {
		all.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return c.write(w)
		})
	}
	return all.Wait()
}

// A cell is one made-up cell.
type cell struct {
	index, config, replicate, samples int
	name                              string
}

func (c cell) folder() string { return fmt.Sprintf("%03d-%s-r%d", c.index, c.name, c.replicate) }

// devices are one whole card, or with an odd configuration two instances of it.
func (c cell) devices() []device.Device {
	card := device.Device{UUID: "GPU-1", GPU: "GPU-1", Name: "gpu0", Model: "made-up", MemoryBytes: 96 << 30, SMs: 188}
	if c.config%2 == 0 {
		return []device.Device{card}
	}
	var list []device.Device
	for i := range 2 {
		list = append(list, device.Device{
			UUID: fmt.Sprintf("MIG-%d", i), GPU: card.GPU, Name: fmt.Sprintf("gpu0/2g.48gb@%d", 6*i), Model: card.Model,
			Instance: &device.Instance{GI: i + 1, Profile: "2g.48gb", Start: 6 * i, Size: 6}, MemoryBytes: 48 << 30, SMs: 94,
		})
	}
	return list
}

func (c cell) write(w *results.Writer) error {
	out, err := w.Cell(c.folder())
	if err != nil {
		return err
	}
	devices := c.devices()
	record := results.Cell{
		Index: c.index, Replicate: c.replicate, Seed: uint64(c.replicate), Status: results.CellDone, Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Config: results.Config{Name: c.name, Layout: c.name, Sharing: "ts", Placement: "auto", Routing: "round-robin"},
	}
	for i, s := range made {
		for k := range s.instances {
			record.Instances = append(record.Instances, results.Instance{
				Service: s.name, Name: fmt.Sprintf("%s-%d", s.name, k), Device: devices[(i+k)%len(devices)].UUID, URL: "http://127.0.0.1:1",
			})
		}
	}
	if err := out.Layout(results.Layout{Asked: c.name, Applied: c.name, Verified: true, Devices: devices}); err != nil {
		return err
	}
	load := loads{random: rand.New(rand.NewPCG(uint64(c.index), 1)), cell: c}
	for i := range rates {
		step, samples := load.step(i)
		if err := out.Step(step, samples); err != nil {
			return err
		}
	}
	if err := out.Observations(load.observations(devices)); err != nil {
		return err
	}
	return out.Close(record)
}

// loads makes the steps of a cell, one after the other.
type loads struct {
	random *rand.Rand
	cell   cell
	at     results.Offset // the next step's begin
	done   map[string][]results.Offset
}

// step makes a step of Poisson arrivals and its samples.
func (l *loads) step(index int) (results.Step, []results.Sample) {
	rate := rates[index]
	length := time.Duration(float64(l.cell.samples) / rate * 1e9)
	step := results.Step{
		Index: index, Start: l.at, WindowStart: l.at.Add(length / 6), WindowEnd: l.at.Add(length),
		Plan: results.StepPlan{Name: fmt.Sprintf("%g req/s", rate), Warmup: length / 6, Window: length - length/6},
	}
	step.End = step.WindowEnd
	var all []results.Sample
	for _, s := range made {
		perSession := rate / float64(s.calls)
		step.Plan.Levels = append(step.Plan.Levels, results.Level{Service: s.name, Arrivals: "poisson", Value: perSession, Unit: "req/s"})
		samples := l.samples(s, step, rate)
		counts := results.Integrity{Service: s.name, Offered: &perSession, Scheduled: new(int64), PeakInFlight: 64}
		for _, x := range samples {
			step.End = max(step.End, x.Done)
			if x.Due < step.WindowStart {
				counts.WarmupDue++
				continue
			}
			counts.Due++
			counts.Sent++
			if x.Call == 0 {
				*counts.Scheduled++
			}
		}
		counts.Lag = results.Lateness{N: counts.Due, P50: lag / 2, P99: lag, Max: lag}
		step.Services = append(step.Services, counts)
		all = append(all, samples...)
	}
	l.at = step.End.Add(5 * time.Second)
	return step, all
}

// samples makes a service's samples of a step: sessions that come at random, whose calls
// follow each other as long as they are due in the step.
func (l *loads) samples(s service, step results.Step, rate float64) []results.Sample {
	length := step.WindowEnd.Sub(step.Start)
	begins := make([]time.Duration, l.cell.samples/s.calls)
	for i := range begins {
		begins[i] = time.Duration(l.random.Int64N(int64(length)))
	}
	slices.Sort(begins)
	crowd := 1 / (1.2 - rate/rates[len(rates)-1]) * (1 + 0.05*float64(l.cell.config))
	var list []results.Sample
	for session, begin := range begins {
		due := step.Start.Add(begin)
		for call := range s.calls {
			x := l.sample(s, due, s.alone*crowd)
			x.Seq, x.Session, x.Call, x.Last = int64(len(list)), int64(session), call, call == s.calls-1
			if s.calls > 1 {
				x.Class, x.Model = s.classes[call], "vlm"
			}
			if due = x.Done; due >= step.WindowEnd {
				x.Last = true
			}
			list = append(list, x)
			if x.Last {
				break
			}
		}
	}
	slices.SortFunc(list, func(a, b results.Sample) int { return int(a.Due - b.Due) })
	for i := range list {
		list[i].Seq = int64(i)
	}
	return list
}

// sample makes one, of a median time in seconds.
func (l *loads) sample(s service, due results.Offset, median float64) results.Sample {
	took := time.Duration(median * math.Exp(0.5*l.random.NormFloat64()) * 1e9)
	class := s.classes[l.random.IntN(len(s.classes))]
	sent := due.Add(time.Duration(l.random.Int64N(int64(lag))))
	done := sent.Add(took)
	x := results.Sample{
		Service: s.name, Class: class, Model: class, Endpoint: fmt.Sprintf("%s-%d", s.name, l.random.IntN(s.instances)), User: -1,
		Due: due, Sent: sent, First: done, Final: done, Done: done, Lag: sent.Sub(due), Outcome: results.OK, Status: 200,
		BytesSent: 40_000 + l.random.Int64N(1000), BytesRead: 600 + l.random.Int64N(100), Chunks: 1,
		PromptTokens: results.UnknownTokens, OutputTokens: results.UnknownTokens, CachedTokens: results.UnknownTokens,
		ServerQueue: results.Untold, ServerWork: results.Untold,
	}
	if s.calls > 1 {
		x.First, x.Chunks = sent.Add(took/4), 20+l.random.Int64N(40)
		x.LongestGap = took / 10
		x.PromptTokens, x.OutputTokens, x.CachedTokens = 1000+l.random.Int64N(500), x.Chunks, 0
		x.ServerQueue, x.ServerWork = min(queued, took/2), took/2
	}
	if l.random.IntN(1000) == 0 {
		x.Outcome, x.Status, x.First, x.Final, x.Chunks, x.LongestGap = results.HTTP5xx, 500, results.NoOffset, results.NoOffset, 0, 0
		x.PromptTokens, x.OutputTokens, x.CachedTokens = results.UnknownTokens, results.UnknownTokens, results.UnknownTokens
		x.ServerQueue, x.ServerWork = results.Untold, results.Untold
	} else {
		l.answered(x)
	}
	return x
}

// answered keeps what the servers count.
func (l *loads) answered(x results.Sample) {
	if l.done == nil {
		l.done = map[string][]results.Offset{}
	}
	l.done[x.Endpoint] = append(l.done[x.Endpoint], x.Done)
}
