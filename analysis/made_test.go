package analysis

import (
	"iter"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
)

// The made-up run: two configurations on one simulated card, one step of
// 100 s after 10 s of warm-up.
//
// Vision: 2 closed users without think time; a request takes exactly 100 ms
// (200 ms with MIG), so each config completes 20/s (10/s).
//
// Agent: 1 closed user; a session is two calls of 1 s each (0.5 s with MIG)
// with a first token after a quarter and 6 output tokens, then 1 s of think
// time. So a session every 3 s (2 s with MIG).
const (
	madeWarmup = 10 * time.Second
	madeWindow = 100 * time.Second
)

func at0(d time.Duration) results.Offset { return results.Offset(d) }

func madeStep(samples []results.Sample, think time.Duration) stepFacts {
	step := results.Step{
		Plan: results.StepPlan{Name: "8 users + 4 agents", Warmup: madeWarmup, Window: madeWindow, Levels: []results.Level{
			{Service: "vision", Arrivals: "closed", Value: 2, Unit: "users"},
			{Service: "agent", Arrivals: "closed", Value: 1, Unit: "users"},
		}},
		WindowStart: at0(madeWarmup), WindowEnd: at0(madeWarmup + madeWindow), End: at0(madeWarmup + madeWindow),
	}
	lag := results.Lateness{N: 100, P50: 20 * time.Microsecond, P99: 400 * time.Microsecond, Max: time.Millisecond}
	counts := map[string]*results.Integrity{
		"vision": {Service: "vision", Lag: lag, PeakInFlight: 2, Think: new(time.Duration)}, // none is asked for
		"agent":  {Service: "agent", Lag: lag, PeakInFlight: 1, Think: &think},
	}
	for _, s := range samples {
		if s.Due < step.WindowStart {
			counts[s.Service].WarmupDue++
		} else {
			counts[s.Service].Due++
			if g := s.LongestGap; s.Chunks > 1 { // all gaps of a made-up answer are alike
				n := counts[s.Service].Gaps.N + s.Chunks - 1
				counts[s.Service].Gaps = results.Gaps{N: n, P50: g, P90: g, P99: g, Max: g}
			}
			if s.Sent != results.NoOffset {
				counts[s.Service].Sent++
			}
		}
		step.End = max(step.End, s.Done)
	}
	counts["agent"].InFlight = []results.Occupancy{{Mean: 0.6, Max: 1}, {Mean: 0.7, Max: 1}}
	step.Services = []results.Integrity{*counts["vision"], *counts["agent"]}
	step.Client = &results.Client{
		Wall: madeWindow, CPU: 5 * time.Second, Loop: 3 * time.Second, GCs: 4, GCPause: 200 * time.Microsecond,
		Stamped: 2400, Unstamped: 2,
	}
	return stepFacts{step: step, samples: all(samples)}
}

func all[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, item := range list {
			if !yield(item, nil) {
				return
			}
		}
	}
}

func madeSamples(vision, call time.Duration) []results.Sample {
	var list []results.Sample
	end := madeWarmup + madeWindow
	var seq int64
	for user := range int64(2) {
		for due := time.Duration(0); due < end; due += vision {
			model := []string{"rt-detrv2", "owl-v2"}[user]
			s := results.Sample{
				Service: "vision", Class: model, Model: model, Endpoint: "vision-0", Seq: seq, Session: seq, User: user, Last: true,
				Due: at0(due), Sent: at0(due), First: at0(due + vision), Final: at0(due + vision), Done: at0(due + vision), Outcome: results.OK, Status: 200, Chunks: 1,
				PromptTokens: results.UnknownTokens, OutputTokens: results.UnknownTokens, CachedTokens: results.UnknownTokens,
				ServerQueue: results.Untold, ServerWork: results.Untold,
			}
			if seq == 500 { // one answer of the window is refused
				s.Outcome, s.Status = results.Shed, 503
			}
			list = append(list, s)
			seq++
		}
	}
	seq = 0
	for due, session := time.Duration(0), int64(0); due < end; due, session = due+2*call+time.Second, session+1 {
		for i, class := range []string{"inspect", "decide"} {
			start := due + time.Duration(i)*call
			if start >= end {
				break
			}
			list = append(list, results.Sample{
				Service: "agent", Class: class, Model: "vlm", Endpoint: "agent-0", Seq: seq, Session: session, Call: i, Last: i == 1,
				Due: at0(start), Sent: at0(start), First: at0(start + call/4), Final: at0(start + call), Done: at0(start + call), Outcome: results.OK, Status: 200, Chunks: 6, LongestGap: call * 3 / 20,
				PromptTokens: 100, OutputTokens: 6, CachedTokens: 0,
				ServerQueue: results.Untold, ServerWork: results.Untold,
			})
			seq++
		}
	}
	return list
}

// madeObservations are the pages of both servers, read every 500 ms in 1 ms: agent-0
// runs a request while one is in flight, and counts it when it is done.
func madeObservations(samples []results.Sample) []results.Observation {
	var list []results.Observation
	agent := results.Subject{Kind: results.SubjectEndpoint, ID: "agent-0", Detail: "vlm"}
	for t := -time.Second; t <= madeWarmup+madeWindow+5*time.Second; t += 500 * time.Millisecond {
		read := at0(t + time.Millisecond)
		var running, done float64
		for _, s := range samples {
			if s.Service != "agent" {
				continue
			}
			if s.Sent <= read && read < s.Done {
				running++
			}
			if s.Done <= read {
				done++
			}
		}
		for series, value := range map[string]float64{
			"vllm:num_requests_running": running, "vllm:num_requests_waiting": 0,
			"vllm:request_success_total": done, "vllm:generation_tokens_total": 6 * done,
		} {
			list = append(list, results.Observation{At: read, Source: "vllm", Subject: agent, Series: series, Value: value, Unit: "1"})
		}
		list = append(list, results.Observation{At: read, Source: "vllm", Subject: agent, Series: results.SeriesReadSeconds, Value: 0.001, Unit: "s"})
		list = append(list, results.Observation{
			At: read, Source: "torchserve", Series: "torchserve:pending_requests", Value: 3, Unit: "1",
			Subject: results.Subject{Kind: results.SubjectEndpoint, ID: "vision-0", Detail: "owl-v2"},
		})
	}
	return list
}

func madeCell(index int, name string, vision, call time.Duration, devices []device.Device) cellFacts {
	samples := madeSamples(vision, call)
	var instances []results.Instance
	for i, service := range []string{"vision", "agent"} {
		instances = append(instances, results.Instance{
			Service: service, Name: service + "-0", Device: devices[i%len(devices)].UUID, URL: "http://127.0.0.1:1",
		})
	}
	return cellFacts{
		finished: true,
		cell: results.Cell{
			Index: index, Folder: "00" + string(rune('1'+index)) + "-" + name + "-r1", Replicate: 1, Seed: 1, Status: results.CellDone,
			Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Instances: instances,
			Config: results.Config{Name: name, Layout: name, Sharing: "ts", Placement: "auto", Routing: "round-robin"},
		},
		layout:       results.Layout{Asked: name, Applied: name, Verified: true, Devices: devices},
		steps:        []stepFacts{madeStep(samples, time.Second)},
		observations: all(madeObservations(samples)),
	}
}

func madeRun() facts {
	card := device.Device{UUID: "GPU-1", GPU: "GPU-1", Name: "gpu0", Model: "NVIDIA RTX PRO 6000", MemoryBytes: 96 << 30, SMs: 188}
	var slices []device.Device
	for i := range 2 {
		slices = append(slices, device.Device{
			UUID: "MIG-" + string(rune('a'+i)), GPU: "GPU-1", Name: "gpu0/1g.24gb@" + string(rune('0'+3*i)), Model: card.Model,
			Instance: &device.Instance{GI: i + 3, Profile: "1g.24gb", Start: 3 * i, Size: 3}, MemoryBytes: 24 << 30, SMs: 46,
			Sharing: device.Sharing{Mode: device.MPS},
		})
	}
	return facts{
		environment: results.Environment{
			Schema: results.SchemaVersion, Evabench: "test", Scenario: "made", Simulated: "pro6000x1",
			Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Command: []string{"sweep", "made.yaml"},
			Host: results.Host{Name: "=cmd|' /C calc'!A0", OS: "linux", Arch: "amd64", CPUs: 2, GoVersion: "go1.26"},
			Services: []results.Service{
				{Name: "vision", Role: results.RoleVision, Percentiles: []float64{0.5, 0.95, 0.99}, SLO: []results.Clause{
					{Metric: "latency", Quantile: 0.95, Op: "<", Limit: 0.15, Unit: "s", Text: "p95 < 150 ms"},
					{Metric: "errors", Op: "<=", Limit: 0, Unit: "ratio", Text: "errors <= 0 %"},
				}},
				{Name: "agent", Role: results.RoleAgent, Percentiles: []float64{0.5, 0.9}, SLO: []results.Clause{
					{Metric: "ttft", Quantile: 0.9, Op: "<", Limit: 5, Unit: "s", Text: "ttft p90 < 5 s"},
					{Metric: "latency", Quantile: 0.99, Op: "<", Limit: 60, Unit: "s", Text: "p99 < 60 s"},
				}},
			},
			Planned: []string{"001-off-r1", "002-4x1g.24gb-r1", "003-lost-r1"},
		},
		missing: []string{"003-lost-r1"},
		cells: []cellFacts{
			madeCell(0, "off", 100*time.Millisecond, time.Second, []device.Device{card}),
			madeCell(1, "mig|mps", 200*time.Millisecond, 500*time.Millisecond, slices),
		},
	}
}
