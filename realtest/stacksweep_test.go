//go:build real

package realtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evabench/evabench/results"
)

// What examples/cpu-stack says.
const (
	visionQueue = 16 // job_queue_size of config.properties
	agentUsers  = 4  // of the last step
)

// A stackStep is what one step's samples and readings tell.
type stackStep struct {
	workers, slots int
	step           results.Step
	outcomes       map[string]map[results.Outcome]int64 // by service, in the window
	statuses       map[results.Outcome]map[int]int64    // vision's, in the warm-up too
	series         map[string][]float64                 // readings by "instance series", in their order
}

// readStackStep reads one step and checks its identity: each arrival has one
// outcome.
func readStackStep(t *testing.T, cell *results.CellData, data *results.StepData) stackStep {
	t.Helper()
	s := stackStep{
		step: data.Step, outcomes: map[string]map[results.Outcome]int64{},
		statuses: map[results.Outcome]map[int]int64{}, series: map[string][]float64{},
	}
	s.workers = cell.Cell.Config.Workers["detector"]
	fmt.Sscan(cell.Cell.Config.Params["agent.slots"], &s.slots) // 0 where it does not vary
	for r, err := range data.Samples() {
		if err != nil {
			t.Fatal(err)
		}
		if r.Service == "vision" {
			if s.statuses[r.Outcome] == nil {
				s.statuses[r.Outcome] = map[int]int64{}
			}
			s.statuses[r.Outcome][r.Status]++
		}
		if r.Due < s.step.WindowStart || r.Due >= s.step.WindowEnd {
			continue
		}
		if s.outcomes[r.Service] == nil {
			s.outcomes[r.Service] = map[results.Outcome]int64{}
		}
		s.outcomes[r.Service][r.Outcome]++
	}
	for _, i := range s.step.Services {
		var sum int64
		for _, n := range s.outcomes[i.Service] {
			sum += n
		}
		if i.Due != sum || sum == 0 {
			t.Errorf("%s: %d of %s fell due, the outcomes are %v", cell.Cell.Folder, i.Due, i.Service, s.outcomes[i.Service])
		}
	}
	for o, err := range cell.Observations() {
		if err != nil {
			t.Fatal(err)
		}
		if o.At >= s.step.Start && o.At < s.step.End && (o.Source == "torchserve" || o.Source == "llama-server") {
			key := o.Subject.ID + " " + o.Series
			s.series[key] = append(s.series[key], o.Value)
		}
	}
	return s
}

// reading wants a series that was read for at least half of the window, and that
// keeps within least and most; it gives the smallest and largest value.
func (s stackStep) reading(t *testing.T, series string, least, most float64) (low, high float64) {
	t.Helper()
	all := s.series[series]
	if want := int(s.step.WindowEnd.Sub(s.step.WindowStart).Seconds()); len(all) < want {
		t.Errorf("%d readings of %s, want at least one a second of the window: %d", len(all), series, want)
		return 0, 0
	}
	low, high = all[0], all[0]
	for _, v := range all {
		low, high = min(low, v), max(high, v)
	}
	if low < least || high > most {
		t.Errorf("%s is from %v to %v, want it within %v to %v", series, low, high, least, most)
	}
	return low, high
}

// TestStack runs the example as a person would, and holds what was recorded
// against what the scenario says.
func TestStack(t *testing.T) {
	s := newStack(t)
	_, code := s.sweep(t, s.path, func(string, *os.Process) {})
	s.wantGone(t, nil)
	run, err := results.Read(filepath.Join(s.dir, "run"))
	if err != nil {
		t.Fatal(err)
	}
	// 4 tells that the load generator was late, as it is on a machine that is busy:
	// no number is judged then, but all that was counted stands.
	if len(run.Problems) > 0 || len(run.Missing) > 0 || len(run.Cells) != 4 || code != 0 && code != 4 {
		t.Fatalf("exit status %d, problems %v, missing %v, %d cells; want 4", code, run.Problems, run.Missing, len(run.Cells))
	}
	visionBy, agentBy := map[int]int64{}, map[int]int64{}
	seen := map[[2]int]bool{}
	for _, cell := range run.Cells {
		if cell.Cell.Status != results.CellDone || len(cell.Steps) != 2 {
			t.Fatalf("%s is %q with %d steps: %s", cell.Cell.Folder, cell.Cell.Status, len(cell.Steps), cell.Cell.Fault)
		}
		quiet, loaded := readStackStep(t, cell, cell.Steps[0]), readStackStep(t, cell, cell.Steps[1])
		t.Run(cell.Cell.Folder, func(t *testing.T) {
			quiet.testVision(t, false)
			loaded.testVision(t, true)
			quiet.testAgent(t, false)
			loaded.testAgent(t, true)
		})
		vision, agent := loaded.outcomes["vision"][results.OK], loaded.outcomes["agent"][results.OK]
		t.Logf("%d workers, %d slots, both loaded: %d detections (%d shed) and %d agent calls in %v",
			loaded.workers, loaded.slots, vision, loaded.outcomes["vision"][results.Shed], agent, loaded.step.Plan.Window)
		visionBy[loaded.workers] += vision
		agentBy[loaded.slots] += agent
		seen[[2]int{loaded.workers, loaded.slots}] = true
	}
	if len(seen) != 4 {
		t.Errorf("cells of workers and slots: %v, want all four", seen)
	}
	// How much more a second worker or slot gives is told and not asserted: they
	// share the processors with whatever else runs. On two that ran five times
	// their number of other programs, two workers gave a third of what one gave.
	t.Logf("2 workers give %.2f times what 1 gives, 2 slots %.2f times",
		float64(visionBy[2])/float64(visionBy[1]), float64(agentBy[2])/float64(agentBy[1]))
}

func (s stackStep) testVision(t *testing.T, loaded bool) {
	all := s.outcomes["vision"]
	_, pending := s.reading(t, "vision-0 torchserve:pending_requests", 0, visionQueue)
	s.reading(t, "vision-0 torchserve:remaining_capacity", 0, visionQueue)
	s.reading(t, "vision-0 torchserve:workers_ready", float64(s.workers), float64(s.workers))
	if p, r := s.series["vision-0 torchserve:pending_requests"], s.series["vision-0 torchserve:remaining_capacity"]; len(p) != len(r) {
		t.Errorf("%d readings of pending, %d of remaining", len(p), len(r))
	}
	if all[results.OK] == 0 {
		t.Errorf("no detection: %v", all)
	}
	if !loaded {
		if len(all) != 1 {
			t.Errorf("outcomes at one request a second: %v, want only ok", all)
		}
		return
	}
	if pending < 1 {
		t.Error("no request waited for a worker, says the management page")
	}
	if all[results.Shed] == 0 || all[results.OK]+all[results.Shed] != s.due("vision") {
		t.Errorf("outcomes of too much load: %v, want ok and shed", all)
	}
	if n := s.statuses[results.Shed]; n[503] == 0 || len(n) != 1 {
		t.Errorf("HTTP status of what was shed: %v, want 503", n)
	}
	if text := s.step.Services[0].FirstErrors["shed"]; !strings.Contains(text, "ServiceUnavailableException") {
		t.Errorf("the first that was shed: %q", text)
	}
}

func (s stackStep) testAgent(t *testing.T, loaded bool) {
	if all := s.outcomes["agent"]; all[results.OK] == 0 || len(all) != 1 {
		t.Errorf("the agent's outcomes: %v, want only ok", all)
	}
	users := 1
	if loaded {
		users = agentUsers
	}
	// Each user has one call; those that have no slot wait.
	_, processing := s.reading(t, "agent-0 llamacpp:requests_processing", 0, float64(min(s.slots, users)))
	_, deferred := s.reading(t, "agent-0 llamacpp:requests_deferred", 0, float64(max(users-s.slots, 0)))
	if loaded && (int(processing) != s.slots || deferred < 1) {
		t.Errorf("at most %v calls in slots and %v waiting; want %d and some", processing, deferred, s.slots)
	}
}

func (s stackStep) due(service string) int64 {
	for _, i := range s.step.Services {
		if i.Service == service {
			return i.Due
		}
	}
	return 0
}
