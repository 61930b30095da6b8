package report

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
)

var update = flag.Bool("update", false, "write testdata anew")

func known(v float64, unit string) analysis.Value { return analysis.Value{Number: &v, Unit: unit} }

func untold(unit, why string) analysis.Value { return analysis.Value{Unit: unit, Why: why} }

// The made-up searches: vision behind TorchServe on a MIG instance is raised, the
// agent's vLLM beside it is held at four users. One cell for each way in which a
// search can end.
func madeSearches() *analysis.Summary {
	s := &analysis.Summary{Schema: results.SchemaVersion, Environment: results.Environment{
		Scenario: "capacity", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Simulated: "pro6000x1", SimulatedAbout: "fitted to nothing",
		Services: []results.Service{
			{Name: "vision", Role: "vision", Target: &results.Level{Service: "vision", Arrivals: "poisson", Value: 60, Unit: "req/s"}, Timeout: 10 * time.Second, SLO: visionClauses()},
			{Name: "agent", Role: "agent", Target: &results.Level{Service: "agent", Arrivals: "closed", Value: 4, Unit: "users"}, SLO: agentClauses()},
		},
		Memory: map[string]string{"found": "    4g.48gb (47 GiB): 2 x 3 GiB, 41 GiB left\n"},
	}}
	none := untold("req/s", "the search did not come to an estimate")
	for i, c := range []analysis.Capacity{
		{
			State: analysis.CapacityFound, Estimate: known(96, "req/s"), Low: known(94.1, "req/s"), High: known(98.2, "req/s"), Signed: known(90, "req/s"),
			Confirmations: []analysis.Confirmation{{Step: 2, Load: 94, Why: "vision: p99 < 500 ms was 512 ms"}, {Step: 3, Load: 90, Met: true}, {Step: 4, Load: 90, Heavy: true, Met: true}},
			Binding:       "vision: p99 < 500 ms", Saturation: known(101.5, "1/s"), Requests: 120_000, Probes: 11,
		},
		{State: analysis.CapacityFound, Why: "", Estimate: known(96, "req/s"), Low: known(94, "req/s"), High: known(98, "req/s"), Signed: untold("req/s", "no confirmation met everything"),
			Confirmations: []analysis.Confirmation{{Step: 2, Load: 90, Why: "agent: a queue grew"}}, Binding: "agent: queue growth"},
		{State: analysis.CapacityNever, Estimate: none, Low: none, High: none, Signed: none, Below: known(10, "req/s"), Binding: "vision: p95 < 300 ms"},
		{State: analysis.CapacityAlways, Estimate: none, Low: none, High: none, Signed: known(200, "req/s"), Above: known(200, "req/s"),
			Confirmations: []analysis.Confirmation{{Step: 3, Load: 200, Met: true}, {Step: 4, Load: 200, Heavy: true, Why: "vision: errors <= 0 % was 1.2 %"}}},
		{State: analysis.CapacityCliff, Estimate: none, Low: none, High: none, Signed: none, Above: known(80, "req/s"), Below: known(81, "req/s"), Binding: "vision: errors <= 0 % (default)"},
		{State: analysis.CapacityNonMonotone, Estimate: none, Low: none, High: none, Signed: none, Above: known(80, "req/s"), Below: known(60, "req/s")},
		{State: analysis.CapacityDrift, Why: "p95 at 90 req/s rose from 210 ms to 290 ms over three probes", Estimate: none, Low: none, High: none, Signed: none},
		{State: analysis.CapacityUnfinished, Why: "the budget was spent", Estimate: none, Low: none, High: none, Signed: none, Above: known(80, "req/s"), Below: known(96, "req/s")},
		{State: analysis.CapacityInvalid, Why: "our own lag at 90 req/s", Estimate: none, Low: none, High: none, Signed: none},
	} {
		c.Raised, c.Arrivals, c.Unit, c.Tolerance = "vision", "poisson", "req/s", 0.03
		c.Quoted, c.Spent = known(3600, "s"), known(3120, "s")
		for _, v := range []*analysis.Value{&c.Above, &c.Below, &c.Saturation} {
			if !v.Known() {
				*v = untold("req/s", "no such step")
			}
		}
		c.Loads = []analysis.CapacityLoad{
			{Service: "vision", Role: "vision", Unit: "req/s", Estimate: c.Estimate, Signed: c.Signed},
			{Service: "agent", Role: "agent", Unit: "users", Estimate: known(4, "users"), Signed: c.Signed},
		}
		if c.Signed.Known() {
			c.Loads[1].Signed = known(4, "users")
		}
		s.Cells = append(s.Cells, madeCell(i, c))
	}
	s.Cells[0].Cell.Config.Name = "found"
	s.Cells = append(s.Cells, madeAll(len(s.Cells)))
	return s
}

// madeAll is a search that raised all services by one factor.
func madeAll(i int) analysis.Cell {
	c := analysis.Capacity{
		Arrivals: "all", Unit: "ratio", State: analysis.CapacityFound, Estimate: known(1.6, "ratio"), Low: known(1.52, "ratio"), High: known(1.67, "ratio"), Signed: known(1.5, "ratio"),
		Confirmations: []analysis.Confirmation{{Step: 3, Load: 1.5, Met: true}}, Binding: "agent: p90 < 20 s", Saturation: untold("1/s", "no backlog grew"),
		Above: untold("ratio", ""), Below: untold("ratio", ""), Requests: 40_000, Probes: 9, Quoted: untold("s", "nothing was quoted"), Spent: known(4000, "s"), Tolerance: 0.1,
		Loads: []analysis.CapacityLoad{
			{Service: "vision", Role: "vision", Unit: "req/s", Estimate: known(96, "req/s"), Signed: known(90, "req/s")},
			{Service: "agent", Role: "agent", Unit: "users", Estimate: known(6.4, "users"), Signed: known(6, "users")},
		},
		Sentence: "All loads may be 1.5 times the target.",
	}
	return madeCell(i, c)
}

func visionClauses() []results.Clause {
	return []results.Clause{
		{Metric: "latency", Quantile: 0.95, Op: "<", Limit: 0.3, Unit: "s", Text: "p95 < 300 ms"},
		{Metric: "latency", Quantile: 0.99, Op: "<", Limit: 0.5, Unit: "s", Text: "p99 < 500 ms"},
		{Metric: "latency", Quantile: 0.95, Class: "owl-v2", Op: "<", Limit: 0.4, Unit: "s", Text: "owl-v2: p95 < 400 ms"},
		{Metric: "errors", Op: "<=", Limit: 0, Unit: "ratio", Text: "errors <= 0 % (default)"},
	}
}

func agentClauses() []results.Clause {
	return []results.Clause{
		{Metric: "latency", Quantile: 0.9, Op: "<", Limit: 20, Unit: "s", Text: "p90 < 20 s"},
		{Metric: "ttft", Quantile: 0.9, Op: "<", Limit: 5, Unit: "s", Text: "ttft p90 < 5 s"},
		{Metric: "queue", Op: "<=", Limit: 2, Unit: "1", Text: "queue <= 2"},
		{Metric: "tokens_per_second", Op: ">=", Limit: 100, Unit: "1/s", Text: "tokens_per_second >= 100"},
		{Metric: "errors", Op: "<=", Limit: 0.01, Unit: "ratio", Text: "errors <= 1 %"},
	}
}

func madeCell(i int, capacity analysis.Capacity) analysis.Cell {
	name := fmt.Sprintf("c%d", i)
	c := analysis.Cell{
		Cell: results.Cell{
			Index: i, Folder: fmt.Sprintf("%03d-%s-r1", i+1, name), Config: results.Config{Name: name, Routing: "round-robin", Params: map[string]string{"agent.max-num-seqs": "8"}},
			Replicate: 1, Status: results.CellDone, Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			Instances: []results.Instance{
				{Service: "vision", Name: "vision-0", Device: "MIG-1", Version: "0.12.0", Workers: map[string]int{"rt-detrv2": 2, "owl-v2": 1},
					Scrapes: []results.Scrape{{Kind: "torchserve", URL: "http://127.0.0.1:8081"}, {Kind: "torchserve-metrics", URL: "http://127.0.0.1:8082"}}},
				{Service: "agent", Name: "agent-0", Device: "MIG-2", Scrapes: []results.Scrape{{Kind: "vllm", URL: "http://127.0.0.1:8000"}}},
			},
		},
		Layout: results.Layout{Verified: true, Devices: []device.Device{
			{UUID: "MIG-1", GPU: "GPU-1", Name: "gpu0/gi1", Model: "NVIDIA RTX PRO 6000", MemoryBytes: 24 << 30, SMs: 46, Instance: &device.Instance{Profile: "1g.24gb"}},
			{UUID: "MIG-2", GPU: "GPU-1", Name: "gpu0/gi2", Model: "NVIDIA RTX PRO 6000", MemoryBytes: 48 << 30, SMs: 94, Instance: &device.Instance{Profile: "2g.48gb"}},
		}},
		Capacity: &capacity,
	}
	loads := []struct {
		load    float64
		purpose string
		heavy   bool
		p99     float64
	}{{60, results.PurposeClimb, false, 0.2}, {105, results.PurposeProbe, false, 0.9}, {94, results.PurposeConfirm, false, 0.512}, {90, results.PurposeConfirm, false, 0.31}, {90, results.PurposeConfirm, true, 0.42}}
	for k, l := range loads {
		c.Steps = append(c.Steps, madeSearchStep(k, l.load, l.purpose, l.heavy, l.p99))
	}
	return c
}

// madeSearchStep has the tail of vision's latency at p99 seconds.
func madeSearchStep(k int, load float64, purpose string, heavy bool, p99 float64) analysis.Step {
	judged := func(clauses []results.Clause, values ...analysis.Value) (all []analysis.ClauseValue) {
		for i, c := range clauses {
			v := analysis.ClauseValue{Clause: c, Value: values[i], Result: analysis.Unknown}
			if v.Value.Known() {
				v.Result = analysis.Met
				if c.Op[0] == '<' && *v.Value.Number > c.Limit {
					v.Result = analysis.NotMet
				}
			}
			all = append(all, v)
		}
		return all
	}
	group := func(name string, due int64, rate, latency float64) analysis.Group {
		return analysis.Group{Name: name, Due: due, OK: due, Completed: due, Throughput: known(rate, "1/s"), Latency: analysis.Distribution{N: due, Mean: known(latency, "s")},
			Output: analysis.Tokens{PerSecond: untold("1/s", "detection has no tokens")}}
	}
	vision := analysis.Service{
		Name: "vision", Role: "vision", Level: results.Level{Service: "vision", Arrivals: "poisson", Value: load, Unit: "req/s"},
		Total: group("vision", int64(load*600), load*0.998, p99/3), Models: []analysis.Group{group("owl-v2", 10, 1, 1), group("rt-detrv2", 10, 1, 1)},
		SLO:      judged(visionClauses(), known(p99*0.7, "s"), known(p99, "s"), known(p99*0.6, "s"), known(0, "ratio")),
		Queue:    analysis.Queue{Mean: known(0.4, "1"), Max: known(7, "1"), Source: "torchserve", Readings: 600},
		InFlight: known(5.1, "1"), Integrity: results.Integrity{PeakInFlight: 19},
		Waiting: []analysis.Waiting{{Depth: analysis.Figure{Value: known(0.4, "1"), Level: analysis.FromJobs}, Wait: analysis.Figure{Value: known(0.012, "s"), Level: analysis.FromEngine},
			Batch: analysis.Figure{Value: known(1.7, "1"), Level: analysis.FromEngine}}},
		Identity: analysis.Identity{Holds: true}, Verdict: analysis.Verdict{Is: analysis.Valid},
	}
	agent := analysis.Service{
		Name: "agent", Role: "agent", Level: results.Level{Service: "agent", Arrivals: "closed", Value: 4, Unit: "users"},
		Total: group("agent", 240, 0.4, 9), Models: []analysis.Group{group("qwen3-vl", 240, 0.4, 9)},
		SLO:   judged(agentClauses(), known(14.2, "s"), untold("s", "need n ≥ 29, have 12"), known(0.3, "1"), known(140, "1/s"), known(0, "ratio")),
		Queue: analysis.Queue{Mean: known(0.3, "1"), Max: known(0, "1"), Source: "vllm", Readings: 600}, InFlight: known(3.6, "1"), Integrity: results.Integrity{PeakInFlight: 4},
		Identity: analysis.Identity{Holds: true}, Verdict: analysis.Verdict{Is: analysis.ClientLimited, Why: "our own lag has p99 20 ms"},
	}
	agent.Total.Output.PerSecond = known(140, "1/s")
	if load > 96 {
		vision.Verdict = analysis.Verdict{Is: analysis.Saturated, Why: "the backlog grew by 9.2/s"}
	}
	step := analysis.Step{
		Index: k, Name: fmt.Sprintf("vision %v req/s, agent 4 users", load), Window: 600, Purpose: purpose, Heavy: heavy, Services: []analysis.Service{vision, agent},
		OutOfMemory: map[string]int64{"vision-0": 0}, Roofline: untold("ratio", "it was not measured"),
	}
	step.Activity = &analysis.Activity{Devices: []analysis.DeviceActivity{
		{Device: "gpu0/gi1", UUID: "MIG-1", SM: known(0.8, "ratio"), MemoryPeak: known(float64(uint64(9)<<30), "B")},
		{Device: "gpu0/gi2", UUID: "MIG-2", SM: known(0.5, "ratio"), MemoryPeak: known(float64(uint64(40)<<30), "B")},
	}}
	return step
}

// The made-up searches stand in testdata too, for the tests of formats.
func TestMadeSearchesAreWritten(t *testing.T) {
	text, err := json.Marshal(madeSearches())
	if err != nil {
		t.Fatal(err)
	}
	const file = "testdata/capacity.json"
	if *update {
		if err := os.WriteFile(file, append(text, '\n'), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var s analysis.Summary
	if err := json.Unmarshal(stored, &s); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(&s) // with what a Summary has got since
	if err != nil {
		t.Fatal(err)
	}
	if string(again) != string(text) {
		t.Errorf("%s is not that of madeSearches; run with -update", file)
	}
}
