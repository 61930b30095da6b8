package main

import (
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// A made is a course as a card might have given it, and what is wrong with it.
// The zero value has nothing wrong.
//
// Under time-slicing the models complete 43, 56, 110 and 29 requests in a window
// of 10 s, under MPS 45, 74, 111 and 29, and in the third replicate one more of
// each under both.
type made struct {
	pairs       int  // 0: 3
	fewer       bool // one process under MPS is no client
	stray       bool // one process under time-slicing is a client
	unseen      bool // no process was seen
	lost        bool // one arrival has no sample
	failedCell  bool
	still       bool // NVML's and GPM's gauges do not move
	noGPM       bool
	code        float64 // GPM refuses context switching with it
	noSwitches  bool
	neverBack   bool
	alsoEnded   bool // another instance ended with the one that was killed
	noMPSAtKill bool
}

// slo is one objective, which every made answer meets.
func slo(t *testing.T) []results.Clause {
	t.Helper()
	c, err := scenarios.ParseClause("errors <= 0 %")
	need(t, err)
	return []results.Clause{c}
}

var madeModels = []string{"rt-detrv2-r50", "owlv2", "omdet-turbo", "llmdet"}

func moment(seconds float64) results.Offset {
	return results.Offset(seconds * float64(time.Second))
}

const card = "GPU-00000000-0000-0000-0000-000000000001"

// write makes the four run directories below dir.
func (m made) write(t *testing.T, dir string) map[string]partRun {
	t.Helper()
	parts := map[string]partRun{}
	begin := func(name string, services []string, folders ...string) *results.Writer {
		env := results.Environment{Evabench: "test", Scenario: name, Planned: folders}
		for _, s := range services {
			role := results.RoleVision
			if s == "agent" {
				role = results.RoleAgent
			}
			env.Services = append(env.Services, results.Service{Name: s, Role: role, Percentiles: []float64{0.5}, SLO: slo(t)})
		}
		path := filepath.Join(dir, "runs", name)
		w, err := results.Create(path, env, []byte("name: "+name+"\n"))
		need(t, err)
		parts[name] = partRun{part: part{name: name, planned: time.Minute}, dir: path, took: 50 * time.Second}
		return w
	}

	w := begin(calibrate, []string{"vision"}, "000-off-ts-r1")
	m.cell(t, w, "000-off-ts-r1", "ts", 1, []results.Failover{{}, {}}, false)

	pairs := m.pairs
	if pairs == 0 {
		pairs = enough
	}
	folders := []string{"000-off-ts-r1", "001-off-mps-r1", "002-off-mps-r2", "003-off-ts-r2", "004-off-ts-r3", "005-off-mps-r3"}[:2*pairs]
	w = begin(together, madeModels, folders...)
	for i, folder := range folders {
		m.cell(t, w, folder, []string{"ts", "mps", "mps", "ts", "ts", "mps"}[i], i/2+1, []results.Failover{{}}, false)
	}

	w = begin(withVLM, append([]string{"agent"}, madeModels...), "000-off-ts-r1", "001-off-mps-r1")
	m.cell(t, w, "000-off-ts-r1", "ts", 1, []results.Failover{{}}, true)
	m.cell(t, w, "001-off-mps-r1", "mps", 1, []results.Failover{{}}, true)

	w = begin(failover, []string{"rt-detrv2-r50", "owlv2"}, "000-off-mps-50-r1")
	sharing := "mps:50"
	if m.noMPSAtKill {
		sharing = "ts"
	}
	m.cell(t, w, "000-off-mps-50-r1", sharing, 1, []results.Failover{{}, {Service: "rt-detrv2-r50", How: "kill", At: 3 * time.Second, Eject: time.Second, Restart: true}}, false)
	return parts
}

// cell writes a cell with a step for each failover, of which empty ones are none.
func (m made) cell(t *testing.T, w *results.Writer, folder, sharing string, replicate int, steps []results.Failover, vlm bool) {
	t.Helper()
	c, err := w.Cell(folder)
	need(t, err)
	mps := sharing != "ts"
	d := device.Device{UUID: card, GPU: card, Name: "gpu0", Model: "NVIDIA H100"}
	d.Sharing, err = device.ParseSharing(sharing)
	need(t, err)
	layout := results.Layout{Asked: "off", Applied: "off(" + sharing + ")", Verified: true, Devices: []device.Device{d}}
	for _, after := range []bool{false, true} {
		o := results.Observed{Device: card, Processes: []int{11, 12, 13}, After: after}
		switch {
		case m.unseen:
			o.Processes = nil
		case mps && m.fewer && after:
			o.MPS = []int{11, 12}
		case mps:
			o.MPS = []int{11, 12, 13}
		case m.stray && after:
			o.MPS = []int{13}
		}
		layout.Observed = append(layout.Observed, o)
	}
	need(t, c.Layout(layout))
	isCalibration := w.Dir() == filepath.Join(filepath.Dir(w.Dir()), calibrate)
	for index, f := range steps {
		m.step(t, c, index, f, isCalibration, mps, replicate, vlm)
	}
	record := results.Cell{
		Folder: folder, Config: results.Config{Name: "off-" + sharing, Layout: "off", Sharing: sharing}, Replicate: replicate,
		Started: time.Unix(0, 0).UTC(), Status: results.CellDone,
	}
	if m.failedCell && replicate == 3 && mps {
		record.Status, record.Fault = results.CellFailed, "launch omdet-0: no memory"
	}
	need(t, c.Close(record))
}

// step writes a step of 2 s and 10 s; each begins 20 s after the one before.
func (m made) step(t *testing.T, c *results.CellWriter, index int, f results.Failover, calibration, mps bool, replicate int, vlm bool) {
	t.Helper()
	begin := 20 * float64(index)
	s := results.Step{
		Index: index, Plan: results.StepPlan{Name: "step", Warmup: 2 * time.Second, Window: 10 * time.Second},
		Start: moment(begin), WindowStart: moment(begin + 2), WindowEnd: moment(begin + 12), End: moment(begin + 12),
	}
	of := map[string][]string{} // models by service
	switch {
	case calibration:
		of["vision"] = madeModels
	case f.Service != "":
		of["rt-detrv2-r50"], of["owlv2"] = madeModels[:1], madeModels[1:2]
		s.Plan.Failover = &f
		s.Events = m.events(begin + 2)
	default:
		for _, model := range madeModels {
			of[model] = []string{model}
		}
	}
	if vlm {
		of["agent"] = []string{"not-vllm-2b"}
	}
	var samples []results.Sample
	for _, service := range keys(of) {
		var own []results.Sample
		for _, model := range of[service] {
			n := madeCount(model, mps)
			if replicate == 3 {
				n++
			}
			own = append(own, spread(service, model, n, begin+2, int64(len(own)))...)
		}
		users := 4.0
		if calibration {
			users = []float64{1, 16}[index]
		}
		s.Plan.Levels = append(s.Plan.Levels, results.Level{Service: service, Arrivals: "closed", Value: users, Unit: "users"})
		n := int64(len(own))
		s.Services = append(s.Services, results.Integrity{
			Service: service, Due: n, Sent: n, PeakInFlight: 4,
			Lag: results.Lateness{N: n, P50: 1000, P99: 2000, Max: 3000},
		})
		if m.lost && service == "llmdet" && replicate == 2 {
			own = own[1:]
		}
		samples = append(samples, own...)
	}
	need(t, c.Step(s, samples))
	need(t, c.Observations(m.readings(begin, calibration && index == 0, mps)))
}

func madeCount(model string, mps bool) int {
	ts := map[string]int{"rt-detrv2-r50": 43, "owlv2": 56, "omdet-turbo": 110, "llmdet": 29, "not-vllm-2b": 12}[model]
	if mps {
		return ts + map[string]int{"rt-detrv2-r50": 2, "owlv2": 18, "omdet-turbo": 1}[model]
	}
	return ts
}

// spread gives n answers, evenly over a window of 10 s, of 50 ms each.
func spread(service, model string, n int, from float64, seq int64) []results.Sample {
	var list []results.Sample
	for i := range n {
		due := moment(from + 9.9*float64(i)/float64(n))
		done := due.Add(50 * time.Millisecond)
		list = append(list, results.Sample{
			Service: service, Class: model, Model: model, Endpoint: service + "-0", Seq: seq + int64(i), Session: seq + int64(i), Last: true,
			Due: due, Sent: due, First: done, Final: done, Done: done, Outcome: results.OK, Status: 200, Chunks: 1,
			PromptTokens: results.UnknownTokens, OutputTokens: results.UnknownTokens, CachedTokens: results.UnknownTokens,
			ServerQueue: results.Untold, ServerWork: results.Untold,
		})
	}
	return list
}

func (m made) events(window float64) []results.Event {
	const victim = "rt-detrv2-r50-0"
	list := []results.Event{
		{At: moment(window + 3), Kind: results.EventEnded, Instance: victim, Text: "signal 9 (killed)"},
		{At: moment(window + 4), Kind: results.EventEjected, Instance: victim},
		{At: moment(window + 4.1), Kind: results.EventRestarted, Instance: victim},
	}
	if m.alsoEnded {
		list = append(list, results.Event{At: moment(window + 4.2), Kind: results.EventEnded, Instance: "owlv2-0", Text: "exit status 1"})
	}
	if !m.neverBack {
		list = append(list, results.Event{At: moment(window + 8), Kind: results.EventAnswered, Instance: victim})
	}
	return list
}

// readings gives 40 readings of each series in a step: of 300 W and 0.2 with one
// user, of 600 W and 0.9 else, each with a ripple.
func (m made) readings(begin float64, rest, mps bool) []results.Observation {
	watts, share, switches := 600.0, 0.9, 500.0
	if rest && !m.still {
		watts, share = 300, 0.2
	}
	if mps {
		switches = 2
	}
	if m.noSwitches {
		switches = 0
	}
	var list []results.Observation
	add := func(at float64, source, series string, value float64, unit string) {
		list = append(list, results.Observation{
			At: moment(at), Source: source, Series: series, Value: value, Unit: unit,
			Subject: results.Subject{Kind: results.SubjectGPU, ID: card},
		})
	}
	if m.code != 0 {
		add(begin, "gpm", "gpm:refused:gr0_ctxsw_requests", m.code, "1")
	}
	for i := range 40 {
		at := begin + 2 + float64(i)/4
		ripple := math.Sin(float64(i))
		add(at, "nvml", "nvml:power_instant_watts", watts+5*ripple, "W")
		add(at, "nvml", "nvml:memory_used_bytes", 1e9*float64(i), "B") // never a gauge of load
		if m.noGPM {
			continue
		}
		add(at, "gpm", "gpm:sm_active_ratio", share+0.01*ripple, "ratio")
		if m.code == 0 {
			add(at, "gpm", "gpm:gr0_ctxsw_requests", switches, "1")
		}
	}
	return list
}

func need(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
