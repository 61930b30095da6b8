package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// measuredAs is a finished cell of a configuration.
func measuredAs(name string, capacity *analysis.Capacity) analysis.Cell {
	c := analysis.Cell{MIG: analysis.UseNone, MPS: analysis.UseAll, Capacity: capacity}
	c.Cell.Config.Name, c.Cell.Folder, c.Cell.Status = name, "000-"+name, results.CellDone
	return c
}

func sustained(signed float64) *analysis.Capacity {
	return &analysis.Capacity{
		Raised: "vision", Unit: "req/s", State: analysis.CapacityFound, Binding: "vision: p99 < 50 ms",
		Signed: known(signed, "req/s"), Estimate: known(signed+6, "req/s"), Low: known(signed+4, "req/s"), High: known(signed+8, "req/s"),
		Loads: []analysis.CapacityLoad{{Service: "vision", Unit: "req/s", Signed: known(signed, "req/s")}, {Service: "agent", Unit: "users", Signed: known(4, "users")}},
	}
}

// What the first lines say, and whether they say so without a doubt, of runs of which
// ever more is known.
func TestHeadline(t *testing.T) {
	lost := sustained(0)
	lost.Signed, lost.Estimate = analysis.Value{Why: "no confirmation"}, analysis.Value{Why: "drift"}
	lost.State, lost.Why = analysis.CapacityDrift, "it moved"
	choice := analysis.Choice{
		Goal: analysis.GoalVision, Config: "off-mps", Figure: "capacity", Sure: analysis.Shown, RunnerUp: "off",
		Costs: known(-0.12, "ratio"), Low: known(-0.15, "ratio"), High: known(-0.09, "ratio"),
	}
	doubtful := choice
	doubtful.Sure = "no difference shown against off"
	latency := analysis.Choice{Goal: analysis.GoalLatency, Config: "off", Sure: analysis.Shown}
	row := func(unmet ...string) analysis.Row {
		return analysis.Row{Config: "off-mps", VLMResponses: analysis.Aggregate{Mean: known(1032, "1/h")}, Vision: analysis.Aggregate{Mean: known(1.448, "1/s")}, Unmet: unmet, Objectives: 2}
	}
	for name, c := range map[string]struct {
		s     analysis.Summary
		want  []string // of each answer, in their order: "?" begins one in doubt
		notes []string // that stand somewhere
	}{
		"nothing": {want: []string{"?None: no cell was finished", "?Not known", "?Nothing is shown"}},
		"one": {
			s:     analysis.Summary{Cells: []analysis.Cell{measuredAs("off-mps", sustained(90))}},
			want:  []string{"off-mps: MIG off, MPS on", "vision 90 req/s, agent 4 users", "?There is nothing to compare it with"},
			notes: []string{"Capacity 96 req/s, 95 % interval 94 to 98; fails first: vision: p99 < 50 ms.", "It is the only one that was measured."},
		},
		"the least of its replicates": {
			s:     analysis.Summary{Cells: []analysis.Cell{measuredAs("off-mps", sustained(90)), measuredAs("off-mps", sustained(80)), measuredAs("off-mps", lost)}},
			want:  []string{"off-mps: MIG off, MPS on", "?vision 80 req/s, agent 4 users", "?There is nothing to compare it with"},
			notes: []string{"Allowed load, not confirmed by a step; the least of 2 replicates.", "1 replicate of it came to no load."},
		},
		"none allowed": {
			s:    analysis.Summary{Cells: []analysis.Cell{measuredAs("off-mps", lost)}},
			want: []string{"off-mps: MIG off, MPS on", "?No load is allowed yet", "?There is nothing to compare it with"},
		},
		"several without a comparison": {
			s:     analysis.Summary{Cells: []analysis.Cell{measuredAs("off-mps", sustained(90)), measuredAs("off", sustained(70))}},
			want:  []string{"?None is shown to be best", "?Another for each configuration", "?Nothing is shown"},
			notes: []string{"Measured: off-mps, off.", "000-off: vision 70 req/s, agent 4 users."},
		},
		"several of which none came to a load": {
			s:     analysis.Summary{Cells: []analysis.Cell{measuredAs("off-mps", lost), measuredAs("off", lost)}},
			want:  []string{"?None is shown to be best", "?No load is allowed yet", "?Nothing is shown"},
			notes: []string{"000-off: no load is allowed yet."},
		},
		"shown": {
			s: analysis.Summary{
				Cells:          []analysis.Cell{measuredAs("off", sustained(70)), measuredAs("off-mps", sustained(90))},
				Recommendation: &analysis.Recommendation{Choices: []analysis.Choice{choice, latency}, NotTested: []string{"heavy payloads"}},
				Missing:        []string{"002-off-r2"}, Warnings: make([]analysis.Warning, 3),
			},
			want:  []string{"off-mps: MIG off, MPS on", "vision 90 req/s, agent 4 users", "The ranking is clear", "?1 cell missing and 3 warnings of 1 kind in the whole run"},
			notes: []string{"Chosen for the most Vision requests.", "For the least tail latency: off.", "The next best is off: MIG off, MPS on; capacity 12.0 % less (95 % interval: 15.0 % less to 9.0 % less).", "Not tested: heavy payloads."},
		},
		"not sure": {
			s: analysis.Summary{
				Cells:          []analysis.Cell{measuredAs("off-mps", nil)},
				Recommendation: &analysis.Recommendation{Choices: []analysis.Choice{doubtful}},
				Comparison:     []analysis.Comparison{{Index: 0, Step: "4 users", Rows: []analysis.Row{row()}}, {Index: 1, Step: "8 users", Rows: []analysis.Row{row("agent r1: p90 < 35 s: not met")}}},
			},
			want:  []string{"?off-mps: MIG off, MPS on", "At least 4 users", "?Not sure"},
			notes: []string{"Every objective was met there.", "There it gave 1,032 VLM responses/h and 1.448 Vision req/s. At 8 users it missed an objective.", "No difference shown against off."},
		},
		"one was not compared": {
			s: analysis.Summary{
				Cells: []analysis.Cell{measuredAs("off", nil)},
				Recommendation: &analysis.Recommendation{Choices: []analysis.Choice{{
					Goal: analysis.GoalVision, Config: "off",
					Sure: "clear among the configurations that were compared; configuration off-mps was not compared: it has no valid replicate (r1, r2: vision is client-limited); remove the cause (see Findings and Warnings), and measure again what was not compared",
				}}},
			},
			want: []string{"?off: MIG off, MPS on", "?Not known", "?Not sure"},
			notes: []string{
				"Clear among the configurations that were compared; configuration off-mps was not compared: it has no valid replicate (r1, r2: vision is client-limited); remove the cause (see Findings and Warnings), and measure again what was not compared.",
			},
		},
		"objectives missed at every load": {
			s: analysis.Summary{
				Cells:      []analysis.Cell{measuredAs("off-mps", nil)},
				Comparison: []analysis.Comparison{{Index: 0, Step: "8 users", Rows: []analysis.Row{row("agent r1: p90 < 35 s: not met")}}},
			},
			want:  []string{"off-mps: MIG off, MPS on", "?Failed at 8 users", "?There is nothing to compare it with"},
			notes: []string{"Objectives NOT met: agent r1: p90 < 35 s: not met."},
		},
		"on a simulated server, another missed an objective, a goal without a winner": {
			s: analysis.Summary{
				Environment:    results.Environment{Simulated: "pro6000x1"},
				Cells:          []analysis.Cell{measuredAs("off-mps", nil)},
				Recommendation: &analysis.Recommendation{Choices: []analysis.Choice{choice, {Goal: analysis.GoalLatency, Config: "off-mps", Sure: "no difference shown against off"}}},
				Comparison:     []analysis.Comparison{{Index: 0, Step: "4 users", Rows: []analysis.Row{{Config: "off", Unmet: []string{"agent r1: p90 < 35 s: not met"}}, row()}}},
				Warnings:       []analysis.Warning{{Warning: results.Warning{Code: "b", Text: "odd."}}, {Warning: results.Warning{Code: "b"}}, {Warning: results.Warning{Code: "http-cost"}}},
			},
			want: []string{"off-mps: MIG off, MPS on", "At least 4 users", "?Clear in simulation; untested on a real GPU", "?3 warnings of 2 kinds in the whole run"},
			notes: []string{
				"Chosen for the most Vision requests.", "For the least tail latency none is shown to be best.", "Objectives were missed at that load by off.",
				"There it gave 1,032 VLM responses/h and 1.448 Vision req/s. The maximum was not searched: no larger load was tested.",
				"1 replicate; 3 warnings touch it: 1 x http-cost (HTTP took over 5 % of the times: latencies are too long, users' rates too low); and 1 kind more.",
				"1 x http-cost (HTTP took over 5 % of the times: latencies are too long, users' rates too low); 2 x b (odd). See Warnings before you rely on a number.",
			},
		},
		"the only one that met its objectives": {
			s: analysis.Summary{
				Cells:          []analysis.Cell{measuredAs("off-mps", nil)},
				Recommendation: &analysis.Recommendation{Choices: []analysis.Choice{{Goal: analysis.GoalVision, Config: "off-mps", Sure: analysis.Alone}}},
				Comparison:     []analysis.Comparison{{Index: 0, Step: "4 users", Rows: []analysis.Row{row()}}},
			},
			want: []string{"off-mps: MIG off, MPS on", "At least 4 users", "?Seen once: not repeated"},
		},
		"the only one that met its objectives, simulated": {
			s: analysis.Summary{
				Environment:    results.Environment{Simulated: "pro6000x1"},
				Cells:          []analysis.Cell{measuredAs("off-mps", nil)},
				Recommendation: &analysis.Recommendation{Choices: []analysis.Choice{{Goal: analysis.GoalVision, Config: "off-mps", Sure: analysis.Alone}}},
				Comparison:     []analysis.Comparison{{Index: 0, Step: "4 users", Rows: []analysis.Row{row()}}},
			},
			want: []string{"off-mps: MIG off, MPS on", "At least 4 users", "?Seen once, in simulation: not repeated, untested on a real GPU"},
		},
		"no objective": {
			s: analysis.Summary{
				Cells:      []analysis.Cell{measuredAs("off-mps", nil)},
				Comparison: []analysis.Comparison{{Index: 0, Step: "8 users", Rows: []analysis.Row{{Config: "off-mps", Vision: analysis.Aggregate{Mean: known(1.448, "1/s")}}}}},
			},
			want:  []string{"off-mps: MIG off, MPS on", "?Not known: no objective was set", "?There is nothing to compare it with"},
			notes: []string{"It was run at 8 users.", "There it gave 1.448 Vision req/s.", "1 replicate; no warning touches it."},
		},
		"race won": {
			s:    analysis.Summary{Cells: []analysis.Cell{measuredAs("off-mps", sustained(90))}, Race: &analysis.Race{State: analysis.RaceWon, Winner: "off-mps"}},
			want: []string{"off-mps: MIG off, MPS on", "vision 90 req/s, agent 4 users", "Shown by the race"},
		},
		"race open": {
			s:     analysis.Summary{Cells: []analysis.Cell{measuredAs("off-mps", sustained(90))}, Race: &analysis.Race{State: analysis.RaceOpen, Why: "the budget was spent"}},
			want:  []string{"?Not decided", "?Another for each configuration", "?Nothing is shown"},
			notes: []string{"The budget was spent."},
		},
	} {
		var got, notes []string
		for _, a := range headline(&c.s) {
			text := a.Says
			if a.Doubt {
				text = "?" + text
			}
			got, notes = append(got, text), append(notes, a.Notes...)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		for _, want := range c.notes {
			if !slices.Contains(notes, want) {
				t.Errorf("%s: no note %q in %q", name, want, notes)
			}
		}
	}
}

// Of a run in which only the client was measured, no more is said than that.
func TestHeadlineWithoutAMeasurement(t *testing.T) {
	a, b := measuredAs("off", nil), measuredAs("off-mps", nil)
	spoiled := analysis.Step{Services: []analysis.Service{{Name: "vision", Verdict: analysis.Verdict{Is: analysis.ClientLimited}}}}
	a.Steps, b.Steps = []analysis.Step{spoiled}, []analysis.Step{spoiled}
	got := headline(&analysis.Summary{
		Cells: []analysis.Cell{a, b}, Findings: &analysis.Findings{Top: []analysis.Finding{{Diagnosis: "the load generator could not keep up"}}},
	})[2]
	if !got.Doubt || !strings.Contains(got.Says, "no step measures the server") || !slices.Equal(got.Notes, []string{"The load generator could not keep up."}) {
		t.Errorf("how sure: %+v", got)
	}
}
