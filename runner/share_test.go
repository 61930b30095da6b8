package runner

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
)

// A countingWorld is a world whose backend can tell who shares a device, and
// traces its changes.
type countingWorld struct {
	*world
	sharing device.Sharing
	clients partition.Clients
	later   *partition.Clients // from the second count on, if they are others
	counts  int
	err     error
	trace   func(partition.Event)
}

func (w *countingWorld) Apply(ctx context.Context, p partition.Plan) ([]device.Device, error) {
	devices, err := w.world.Apply(ctx, p)
	devices[0].Sharing = w.sharing
	devices[0].Env = map[string]string{"CUDA_MPS_PIPE_DIRECTORY": "/pipe"}
	w.trace(partition.Event{Doing: "apply", Step: "start an MPS daemon"})
	return devices, err
}

func (w *countingWorld) Restore(ctx context.Context, s partition.State) error {
	w.trace(partition.Event{Doing: "restore", Step: "stop it"})
	return w.world.Restore(ctx, s)
}

func (w *countingWorld) Trace(f func(partition.Event)) { w.trace = f }

func (w *countingWorld) Count(context.Context, device.Device) (partition.Clients, error) {
	w.counts++
	if w.later != nil && w.counts > 1 {
		return *w.later, w.err
	}
	return w.clients, w.err
}

// What is on a device must share it as the layout says; a cell where it does not
// is failed before any load, with the device, the pids and what to do, and what was
// seen is kept either way.
func TestRunCountsClients(t *testing.T) {
	mps, ts := device.Sharing{Mode: device.MPS}, device.Sharing{Mode: device.TimeSlicing}
	for _, c := range []struct {
		name    string
		sharing device.Sharing
		clients partition.Clients
		err     error
		want    []string // of the fault; none: the cell is good
	}{
		{"clients of MPS", mps, partition.Clients{Processes: []int{7, 8}, MPS: []int{7, 8}}, nil, nil},
		{"one slipped past", mps, partition.Clients{Processes: []int{7, 8, 9}, MPS: []int{8}}, nil,
			[]string{"gpu0", "processes 7, 9 run without its MPS daemon", "CUDA_MPS_PIPE_DIRECTORY=/pipe"}},
		{"nobody came", mps, partition.Clients{}, nil, []string{"gpu0", "and 1 instance was placed on it, but its MPS daemon has 0 clients", "CUDA_MPS_PIPE_DIRECTORY=/pipe"}},
		{"time-sliced", ts, partition.Clients{Processes: []int{7, 8}}, nil, nil},
		{"time-sliced through MPS", ts, partition.Clients{Processes: []int{7}, MPS: []int{7}}, nil,
			[]string{"gpu0", "process 7 is a client of MPS", "stop the MPS daemon"}},
		{"cannot be told", mps, partition.Clients{}, errors.New("injected"), []string{"gpu0", "injected"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &countingWorld{world: &world{}, sharing: c.sharing, clients: c.clients, err: c.err, trace: func(partition.Event) {}}
				b, dir := w.bench(t)
				b.Backend, b.Cells = w, b.Cells[:1]
				err := b.Run(t.Context())
				if (err == nil) != (c.want == nil) {
					t.Fatalf("Run() = %v, want a fault with %q", err, c.want)
				}
				for _, want := range c.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("Run() = %v, want %q in it", err, want)
					}
				}
				w.undone(t)
				run, err := results.Read(dir)
				if err != nil || len(run.Cells) != 1 {
					t.Fatalf("%v, %+v", err, run)
				}
				cell := run.Cells[0]
				if (cell.Cell.Status == results.CellDone) != (c.want == nil) || (len(cell.Steps) > 0) != (c.want == nil) {
					t.Errorf("%s with %d steps", cell.Cell.Status, len(cell.Steps))
				}
				var want []results.Observed
				if c.err == nil {
					want = []results.Observed{{Device: "GPU-0", Processes: append([]int{}, c.clients.Processes...), MPS: append([]int{}, c.clients.MPS...)}}
				}
				if c.want == nil { // the load came, and it was counted again
					again := want[0]
					again.After = true
					want = append(want, again)
				}
				if got := cell.Layout.Observed; !reflect.DeepEqual(got, want) {
					t.Errorf("observed %+v, want %+v", got, want)
				}
			})
		})
	}
}

// A worker that is started anew during the load and misses MPS fails the cell, whose
// steps are kept, with a warning and with what was seen.
func TestRunCountsClientsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &countingWorld{
			world: &world{}, sharing: device.Sharing{Mode: device.MPS}, trace: func(partition.Event) {},
			clients: partition.Clients{Processes: []int{7}, MPS: []int{7}}, later: &partition.Clients{Processes: []int{8}},
		}
		b, dir := w.bench(t)
		b.Backend, b.Cells = w, b.Cells[:1]
		if err := b.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "after the load: gpu0 is to be shared by MPS, but process 8 runs without") {
			t.Errorf("Run() = %v", err)
		}
		w.undone(t)
		run, err := results.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		cell := run.Cells[0]
		if cell.Cell.Status != results.CellFailed || len(cell.Steps) == 0 || !strings.Contains(cell.Cell.Fault, "process 8") {
			t.Errorf("%s with %d steps: %s", cell.Cell.Status, len(cell.Steps), cell.Cell.Fault)
		}
		if n := len(cell.Cell.Warnings); n == 0 || cell.Cell.Warnings[n-1].Code != "sharing-lost" || cell.Cell.Warnings[n-1].Subject != "gpu0" {
			t.Errorf("warnings %+v", cell.Cell.Warnings)
		}
		want := []results.Observed{{Device: "GPU-0", Processes: []int{7}, MPS: []int{7}}, {Device: "GPU-0", Processes: []int{8}, MPS: []int{}, After: true}}
		if got := cell.Layout.Observed; !reflect.DeepEqual(got, want) {
			t.Errorf("observed %+v, want %+v", got, want)
		}
	})
}

// Fewer clients than instances are too few, and more are not.
func TestCheckSharedCountsInstances(t *testing.T) {
	d := device.Device{Name: "gpu0", Sharing: device.Sharing{Mode: device.MPS}}
	two := partition.Clients{Processes: []int{7, 8}, MPS: []int{7, 8}}
	for placed, want := range []bool{true, true, true, false} {
		if err := checkShared(d, two, placed); (err == nil) != want {
			t.Errorf("two clients of %d instances: %v", placed, err)
		}
	}
}

// Every change of the server stands in the journal of the state folder and in the
// run directory.
func TestRunCopiesJournal(t *testing.T) {
	state := t.TempDir()
	journal, err := partition.OpenJournal(state)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	w := &countingWorld{world: &world{}, trace: func(partition.Event) {}}
	synctest.Test(t, func(t *testing.T) {
		b, dir := w.bench(t)
		b.Backend, b.Cells, b.Journal = w, b.Cells[:1], journal
		if err := b.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(filepath.Join(dir, "journal.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var steps []string
		for lines := bufio.NewScanner(f); lines.Scan(); {
			var e partition.Event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Fatal(err)
			}
			steps = append(steps, e.Doing+": "+e.Step)
		}
		want := []string{"apply: start an MPS daemon", "restore: stop it"}
		if !reflect.DeepEqual(steps, want) {
			t.Errorf("the run's journal has %q, want %q", steps, want)
		}
	})
	events, err := journal.Events()
	if err != nil || len(events) != 2 {
		t.Errorf("the journal has %+v, %v; want 2 events", events, err)
	}
	if _, pending, err := journal.Pending(); pending || err != nil {
		t.Errorf("pending %v, %v", pending, err)
	}
}
