package runner

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/services"
)

// A cell that does not fit its devices' memory fails before anything is
// launched, and the next goes on; a layout of which none fits is not applied.
func TestMisfits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &rack{world: &world{}, devices: []device.Device{{UUID: "GPU-0", Name: "gpu0", MemoryBytes: 8 << 30}}}
		b, dir := k.bench(t, "auto", 0)
		b.Before.GPUs = slices.Clone(b.Before.GPUs)
		b.Before.GPUs[0].MemoryBytes = 8 << 30
		k.as = &b.Before
		b.Services[0].Models[0].MemoryBytes = 3 << 30
		b.Services[1].Models = []scenarios.Model{{Name: "vlm", Workers: 1, MemoryShare: 0.25}}
		cells := []scenarios.Cell{}
		for i, c := range []struct {
			sharing string
			workers int
		}{{"ts", 2}, {"ts", 3}, {"mps", 3}, {"mps", 4}} {
			cell := b.Cells[0]
			cell.Index, cell.Folder = i, fmt.Sprintf("%03d-%s-r1", i, []string{"a", "b", "c", "d"}[i])
			cell.Config.Sharing, cell.Config.Workers = c.sharing, map[string]int{"m": c.workers}
			cells = append(cells, cell)
		}
		b.Cells = cells
		err := b.Run(t.Context())
		want := "vision and agent do not fit on gpu0 (8.0 GiB): m 3 x 3.0 GiB = 9.0 GiB + vlm 1 x 25 % = 2.0 GiB; together 11.0 GiB, 3.0 GiB too much; fewer workers, another placement, or a lower gpu-memory-utilization"
		if err == nil || !strings.Contains(err.Error(), "cell 001-b-r1: "+want) || errors.Is(err, ErrNoCell) {
			t.Errorf("Run() = %v, want %s", err, want)
		}
		k.undone(t)
		if len(k.log) == 6 {
			slices.Sort(k.log[3:5]) // they are stopped side by side
		}
		if got := strings.Join(k.log, ", "); got != "apply, launch vision-0, launch agent-0, stop agent-0, stop vision-0, restore" {
			t.Errorf("it did %s; the second layout fits no cell", got)
		}
		run, err := results.Read(dir)
		if err != nil || len(run.Cells) != 4 {
			t.Fatalf("%v, %d cells", err, len(run.Cells))
		}
		for i, c := range run.Cells {
			if (c.Cell.Status == results.CellDone) != (i == 0) || (i > 0) != strings.Contains(c.Cell.Fault, "do not fit on gpu0") || c.HasLayout != (i < 2) {
				t.Errorf("cell %d: %s, layout %v: %s", i, c.Cell.Status, c.HasLayout, c.Cell.Fault)
			}
		}
	})
}

// sized is a router for two instances.
type sized struct{ loadgen.Router }

func (sized) Fits(n int) error {
	if n != 2 {
		return fmt.Errorf("2 weights for %d", n)
	}
	return nil
}

func TestSuits(t *testing.T) {
	all := []services.Instance{{Service: "vision"}, {Service: "vision"}, {Service: "agent"}}
	fail := func(service string, n int) []results.Failover {
		return []results.Failover{{Service: service, Instance: n}}
	}
	for _, c := range []struct {
		name      string
		router    loadgen.Router
		failovers []results.Failover
		instances []services.Instance
		want      string
	}{
		{"nothing asked", nil, nil, all, ""},
		{"a router that fits", sized{}, nil, all[:2], ""},
		{"a router that does not", sized{}, nil, all, "service agent: 2 weights for 1"},
		{"the last instance", nil, fail("vision", 1), all, ""},
		{"one more", nil, fail("vision", 2), all, "failover: there is no vision-2 to end: the placement gives service vision 2 instances"},
		{"a service without any", nil, fail("agent", 0), all[:2], "failover: there is no agent-0 to end: the placement gives service agent 0 instances"},
	} {
		got := ""
		if err := Suits(c.instances, c.router, c.failovers); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
