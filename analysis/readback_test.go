package analysis

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evabench/evabench/results"
)

// A run that was written to the disk and read back has the same Summary as
// the facts themselves.
func TestSummarizeReadsRunDirectories(t *testing.T) {
	f := madeRun()
	for i := range f.cells { // a folder's name may not hold everything
		f.cells[i].cell.Folder = strings.ReplaceAll(f.cells[i].cell.Folder, "|", "-")
	}
	f.environment.Planned = []string{f.cells[0].cell.Folder, f.cells[1].cell.Folder, "003-lost-r1"}
	dir := filepath.Join(t.TempDir(), "run")
	writeRun(t, dir, f)
	run, err := results.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Summarize(run)
	if err != nil {
		t.Fatal(err)
	}
	f.environment.ScenarioSHA256, f.environment.Measurement = run.Environment.ScenarioSHA256, results.MeasurementVersion
	if got, want := asJSON(t, got), asJSON(t, summarized(t, f)); got != want {
		for i := range got {
			if i >= len(want) || got[i] != want[i] {
				t.Fatalf("differs at byte %d:\n%s\nwant\n%s", i, got[max(0, i-200):min(len(got), i+100)], want[max(0, i-200):min(len(want), i+100)])
			}
		}
		t.Fatal("the Summary read back is shorter")
	}
}

func writeRun(t *testing.T, dir string, f facts) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w, err := results.Create(dir, f.environment, []byte("version: 1\n"))
	check(err)
	for _, c := range f.cells {
		cell, err := w.Cell(c.cell.Folder)
		check(err)
		check(cell.Layout(c.layout))
		for _, s := range c.steps {
			var samples []results.Sample
			for sample := range s.samples {
				samples = append(samples, sample)
			}
			check(cell.Step(s.step, samples))
		}
		var observations []results.Observation
		for o := range c.observations {
			observations = append(observations, o)
		}
		check(cell.Observations(observations))
		check(cell.Close(c.cell))
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The rows of the published table for one RTX PRO 6000, and its changes:
// +44.9 %, -32.0 %, +44.9 %, +29.5 %.
func TestPublishedTable(t *testing.T) {
	cell := func(config string, use Use, answers, vision int64, latency float64) Cell {
		return Cell{
			Cell: results.Cell{Config: results.Config{Name: config}, Status: results.CellDone, Replicate: 1}, MIG: use, MPS: use,
			Steps: []Step{{Window: 3600, Services: []Service{
				{Name: "agent", Role: results.RoleAgent, Total: Group{Completed: answers, Latency: Distribution{N: answers, Mean: known(latency, "s")}}},
				{Name: "vision", Role: results.RoleVision, Total: Group{Completed: vision}},
			}}},
		}
	}
	// MIG first: the base is the row with neither, wherever it stands.
	c := compareCells([]Cell{cell("mig", UseAll, 1032, 94788, 32.10), cell("off", UseNone, 712, 73188, 47.20)})[0]
	if c.Base != 1 || len(c.Changes) != 1 || c.Changes[0].Config != "mig" {
		t.Fatalf("base %d, changes %+v", c.Base, c.Changes)
	}
	off, change := c.Rows[1], c.Changes[0]
	number(t, "VLM responses", off.VLMResponses.Mean, 712)
	number(t, "VLM latency", off.VLMLatency.Mean, 47.20)
	number(t, "vision", off.Vision.Mean, 20.33)
	number(t, "agent", off.Agent.Mean, 712/60.0) // printed as 11.87
	for _, one := range []struct {
		name string
		got  Value
		want float64
	}{
		{"responses", change.VLMResponses, 0.449}, {"latency", change.VLMLatency, -0.320},
		{"agent", change.Agent, 0.449}, {"vision", change.Vision, 0.295},
	} {
		if d := *one.got.Number - one.want; d > 0.0005 || d < -0.0005 {
			t.Errorf("change of %s is %.4f, published is %.3f", one.name, *one.got.Number, one.want)
		}
	}
}

func TestValidSteps(t *testing.T) {
	f := madeRun()
	if n := summarized(t, f).ValidSteps(); n != 2 {
		t.Errorf("%d valid steps, want 2", n)
	}
	f.cells[0].steps[0].step.Services[0].Due++
	if n := summarized(t, f).ValidSteps(); n != 1 {
		t.Errorf("%d valid steps with a lost arrival, want 1", n)
	}
	f.cells[1].cell.Status = results.CellInterrupted
	if n := summarized(t, f).ValidSteps(); n != 0 {
		t.Errorf("%d valid steps with an interrupted cell, want 0", n)
	}
}
