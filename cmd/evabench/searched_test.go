package main

import (
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/search"
	"github.com/evabench/evabench/internal/queues"
	"github.com/evabench/evabench/report"
	"github.com/evabench/evabench/results"
)

// A search of a queue whose capacity is known comes to the same when its run directory
// is read again as it did when it ran, and the report has what it came to.
func TestSearchReadBack(t *testing.T) {
	s, ok := queues.Named("slow")
	if !ok {
		t.Fatal("there is no system slow")
	}
	env := results.Environment{
		Services: s.Services, Scenario: "slow",
		Search: &results.Search{
			Kind: search.Interval, Raise: s.Services[0].Name, From: s.From, Tolerance: 0.10,
			Warmup: 3 * time.Second, Window: 10 * time.Second,
		},
	}
	target := s.Levels(s.From)[0]
	env.Services[0].Target = &target
	chooser, err := search.New(env)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "run")
	steps := writeSearch(t, dir, env, chooser, s.Start(1))

	summary, whole, err := document(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(summary.Cells) != 1 || summary.Cells[0].Capacity == nil {
		t.Fatalf("%d cells, without a capacity", len(summary.Cells))
	}
	got, want := *summary.Cells[0].Capacity, chooser.Capacity()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read back:\n%+v\nwhen it ran:\n%+v", got, want)
	}
	if got.State != analysis.CapacityFound || !got.Estimate.Known() || !got.Signed.Known() {
		t.Fatalf("after %d steps: %s", steps, got.Sentence)
	}
	if x := *got.Estimate.Number; math.Abs(x/s.Truth.Load-1) > 0.25 {
		t.Errorf("capacity %g, which is %g", x, s.Truth.Load)
	}
	for _, d := range []*report.Document{whole, report.Brief(summary)} {
		if first := d.Sections[0]; first.Title != "Capacity" || len(first.Notes) == 0 || !strings.Contains(first.Notes[0], "sustains") {
			t.Errorf("the report begins with %q: %q", first.Title, first.Notes)
		}
	}
	if len(whole.Alerts.Groups) != 1 {
		t.Errorf("%d groups of alert rules", len(whole.Alerts.Groups))
	}
}

// writeSearch runs a search on a target and writes the run directory. It gives the
// number of steps.
func writeSearch(t *testing.T, dir string, env results.Environment, c *search.Capacity, target *queues.Target) int {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w, err := results.Create(dir, env, []byte("version: 1\n"))
	check(err)
	cell, err := w.Cell("000-off-r1")
	check(err)
	check(cell.Layout(results.Layout{}))
	steps := 0
	for plan, more := c.Next(nil); more; steps++ {
		step := target.Step(plan, c.Watch)
		var samples []results.Sample
		for s := range step.Samples {
			samples = append(samples, s)
		}
		check(cell.Step(step.Step, samples))
		plan, more = c.Next(&step)
	}
	check(cell.Close(results.Cell{Folder: "000-off-r1", Config: results.Config{Name: "off"}, Replicate: 1, Status: results.CellDone}))
	return steps
}
