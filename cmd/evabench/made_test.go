package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
)

// A madeRun is a run directory whose samples are made up, so that what the commands say
// of it is the same on every machine: Vision with 20 req/s at even distances over 10 s of
// warm-up and 60 s of window, and one Agent user without think time, under each of two
// configurations.
type madeRun struct {
	seed, draw uint64
	replicates int
	// slower multiplies every latency, shed is how many Vision requests of a window are
	// refused, lag our own lateness, in milliseconds.
	slower float64
	shed   int
	lag    int
	// version is evabench's, failed the folder of a cell that failed, and unlaunched the
	// configuration whose cells all failed before their first step.
	version, failed, unlaunched string
	driver                      string // of the GPU
	agent                       bool
}

// made is the script command "made DIR [KEY=VALUE…]".
func made(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: made DIR [KEY=VALUE…]")
	}
	m := madeRun{seed: 1, draw: 1, replicates: 3, slower: 1, version: "1.0", driver: "580.65.06", agent: true}
	for _, arg := range args[1:] {
		key, value, _ := strings.Cut(arg, "=")
		n, err := strconv.ParseFloat(value, 64)
		switch key {
		case "seed":
			m.seed = uint64(n)
		case "draw":
			m.draw = uint64(n)
		case "replicates":
			m.replicates = int(n)
		case "slower":
			m.slower = n
		case "shed":
			m.shed = int(n)
		case "lag":
			m.lag = int(n)
		case "version":
			m.version, err = value, nil
		case "driver":
			m.driver, err = value, nil
		case "failed":
			m.failed, err = value, nil
		case "unlaunched":
			m.unlaunched, err = value, nil
		case "agent":
			m.agent = value == "yes"
			err = nil
		default:
			ts.Fatalf("made: unknown key %q", key)
		}
		ts.Check(err)
	}
	ts.Check(m.write(ts.MkAbs(args[0])))
}

// madeConfigs are its configurations, and how much slower each is than the first.
var madeConfigs = []struct {
	name, sharing string
	slower        float64
}{{"off-ts", "ts", 1}, {"off-mps", "mps", 0.8}}

const madeSpan, madeWarm = 60 * time.Second, 10 * time.Second

var madeStart = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

func (m madeRun) write(dir string) error {
	scenario := []byte(fmt.Sprintf("# made up, with seed %d\n", m.seed))
	env := results.Environment{
		Evabench: m.version, Scenario: "made", Started: madeStart, Simulated: "made-up",
		Command: []string{"sweep", "made"}, Host: results.Host{Name: "bench-1", OS: "linux", Arch: "amd64", CPUs: 16, GoVersion: "go1.26"},
		Services: []results.Service{{
			Name: "vision", Role: results.RoleVision, Percentiles: []float64{0.5, 0.95, 0.99},
			SLO: []results.Clause{{Metric: "latency", Quantile: 0.95, Op: "<=", Limit: 0.3, Unit: "s", Text: "p95 <= 300 ms"}},
		}},
		Zone: 0.03,
	}
	if m.agent {
		env.Services = append(env.Services, results.Service{Name: "agent", Role: results.RoleAgent, Percentiles: []float64{0.5, 0.9}})
	}
	for r := range m.replicates {
		for _, c := range madeConfigs {
			env.Planned = append(env.Planned, fmt.Sprintf("%03d-%s-r%d", len(env.Planned), c.name, r+1))
		}
	}
	w, err := results.Create(dir, env, scenario)
	if err != nil {
		return err
	}
	for i, folder := range env.Planned {
		if err := m.cell(w, folder, i/len(madeConfigs)+1, i%len(madeConfigs), i); err != nil {
			return err
		}
	}
	return nil
}

func (m madeRun) cell(w *results.Writer, folder string, replicate, config, index int) error {
	c := madeConfigs[config]
	cell, err := w.Cell(folder)
	if err != nil {
		return err
	}
	gpu := device.Device{UUID: "GPU-0", GPU: "GPU-0", Name: "gpu0", Model: "made-up card", MemoryBytes: 96 << 30, SMs: 188, Sharing: device.Sharing{Mode: c.sharing}}
	if err := cell.Layout(results.Layout{Asked: "off", Applied: "off", Verified: true, Driver: m.driver, Devices: []device.Device{gpu}}); err != nil {
		return err
	}
	// Deployments differ by a few per cent; the draw is the run's, the arrivals are not.
	deploy := rand.New(rand.NewPCG(m.draw, uint64(replicate)*10+uint64(config)))
	scale := m.slower * c.slower * math.Exp(0.01*deploy.NormFloat64())
	step, samples := m.step(scale, deploy)
	if c.name != m.unlaunched {
		if err := cell.Step(step, samples); err != nil {
			return err
		}
	}
	out := results.Cell{
		Index: index, Folder: folder, Replicate: replicate, Seed: m.seed*1000 + uint64(replicate), Nonce: fmt.Sprintf("nonce-%d-%d", m.draw, index),
		Config:  results.Config{Name: c.name, Layout: "off", Sharing: c.sharing, Placement: "auto", Routing: "round-robin"},
		Started: madeStart.Add(time.Duration(index) * 2 * time.Minute), Status: results.CellDone,
		Instances: []results.Instance{{Service: "vision", Name: "vision-0", Device: "GPU-0", Version: "0.12.0"}},
	}
	if folder == m.failed || c.name == m.unlaunched {
		out.Status, out.Fault = results.CellFailed, "vision-0 ended"
	}
	if m.agent {
		out.Instances = append(out.Instances, results.Instance{Service: "agent", Name: "agent-0", Device: "GPU-0", Version: "0.11.0"})
	}
	return cell.Close(out)
}

// step makes the samples of one step and what the load generator counted of them.
func (m madeRun) step(scale float64, r *rand.Rand) (results.Step, []results.Sample) {
	end := madeWarm + madeSpan
	step := results.Step{
		Plan: results.StepPlan{
			Name: "20 req/s", Warmup: madeWarm, Window: madeSpan,
			Levels: []results.Level{{Service: "vision", Arrivals: "constant", Value: 20, Unit: "req/s"}},
		},
		WindowStart: results.Offset(madeWarm), WindowEnd: results.Offset(end), End: results.Offset(end),
	}
	late := results.Lateness{N: 1200, P50: 20 * time.Microsecond, P99: time.Duration(m.lag)*time.Millisecond + 40*time.Microsecond, Max: time.Second}
	offered, scheduled := 20.0, int64(20*madeSpan.Seconds())
	vision := results.Integrity{Service: "vision", Lag: late, Offered: &offered, Scheduled: &scheduled}
	var samples []results.Sample
	shed := m.shed
	for i := range int64(20 * end.Seconds()) {
		s := madeSample("vision", "omdet", i, time.Duration(i)*50*time.Millisecond, scale*0.150*math.Exp(0.3*r.NormFloat64()))
		if s.Due >= step.WindowStart && shed > 0 && i%7 == 0 {
			s.Outcome, s.Status = results.Shed, 503
			shed--
		}
		samples = append(samples, s)
	}
	step.Services = []results.Integrity{vision}
	if m.agent {
		step.Plan.Levels = append(step.Plan.Levels, results.Level{Service: "agent", Arrivals: "closed", Value: 1, Unit: "users"})
		step.Services = append(step.Services, results.Integrity{Service: "agent", Lag: late, Think: new(time.Duration), ThinkAsked: new(time.Duration)})
		due := time.Duration(0)
		for i := int64(0); due < end; i++ {
			s := madeSample("agent", "vlm", i, due, scale*0.5*math.Exp(0.1*r.NormFloat64()))
			s.PromptTokens, s.OutputTokens, s.CachedTokens = 100, 6, 0
			samples = append(samples, s)
			due = time.Duration(s.Done)
		}
	}
	for _, s := range samples {
		at := &step.Services[0]
		if s.Service == "agent" {
			at = &step.Services[1]
		}
		step.End = max(step.End, s.Done)
		if s.Due < step.WindowStart {
			at.WarmupDue++
		} else {
			at.Due++
			at.Sent++
		}
	}
	step.Services[0].PeakInFlight = 8
	step.Client = &results.Client{Wall: madeSpan, CPU: 3 * time.Second, Loop: time.Second}
	return step, samples
}

// madeSample is an answer that came after so many seconds.
func madeSample(service, model string, n int64, due time.Duration, seconds float64) results.Sample {
	took := time.Duration(seconds * float64(time.Second))
	at, done := results.Offset(due), results.Offset(due+took)
	return results.Sample{
		Service: service, Class: model, Model: model, Endpoint: service + "-0", Seq: n, Session: n, Last: true,
		Due: at, Sent: at, First: at + results.Offset(took/2), Final: done, Done: done, Outcome: results.OK, Status: 200, Chunks: 1,
		PromptTokens: results.UnknownTokens, OutputTokens: results.UnknownTokens, CachedTokens: results.UnknownTokens,
		ServerQueue: results.Untold, ServerWork: results.Untold,
	}
}
