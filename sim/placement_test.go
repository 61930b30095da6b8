package sim

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/services"
)

// cardsOf opens the cards of a server of our own, and reads them.
func cardsOf(t *testing.T, server string, gpus ...string) (partition.Backend, partition.State) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Cleanup(func() {
		if err := EndDaemons(dir); err != nil {
			t.Error(err)
		}
	})
	opened, err := OpenGPUs(server, dir, exe)
	if err != nil {
		t.Fatal(err)
	}
	state, err := opened.Backend.Inspect(t.Context(), gpus)
	if err != nil {
		t.Fatal(err)
	}
	return opened.Backend, state
}

func planOf(t *testing.T, state partition.State, layout, sharing string) partition.Plan {
	t.Helper()
	plan, err := runner.PlanOf(state, results.Config{Layout: layout, Sharing: sharing}, partition.Permissions())
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestPlacementTable is the table of placements of section 2.2 of EVA's MIG/MPS
// optimization guide, on the devices of its layouts: Vision on the first, one
// vLLM on each other, and both on one where there is only one.
func TestPlacementTable(t *testing.T) {
	wanted := []services.Wanted{{Name: "Vision", Role: results.RoleVision}, {Name: "vLLM", Role: results.RoleAgent}}
	for _, row := range []struct {
		server string
		gpus   []string
		layout string
		want   string
	}{
		{"pro5000x3", []string{"0", "1", "2"}, "off", "Vision / vLLM / vLLM"},
		{"pro5000x3", []string{"0", "1", "2"}, "2x1g.24gb", "Vision / vLLM / vLLM / vLLM / vLLM / vLLM"},
		{"pro6000x1", []string{"0"}, "off", "Vision + vLLM"},
		{"pro6000x1", []string{"0"}, "4x1g.24gb", "Vision / vLLM / vLLM / vLLM"},
	} {
		backend, state := cardsOf(t, row.server, row.gpus...)
		devices, err := backend.Apply(t.Context(), planOf(t, state, row.layout, "ts"))
		if err != nil {
			t.Fatal(err)
		}
		all, err := services.Placement{}.Place(wanted, devices)
		if err != nil {
			t.Fatal(err)
		}
		var on []string
		for _, d := range devices {
			var names []string
			for _, a := range all {
				if a.Device.UUID == d.UUID {
					names = append(names, a.Service)
				}
			}
			on = append(on, strings.Join(names, " + "))
		}
		if got := strings.Join(on, " / "); got != row.want {
			t.Errorf("%s, %s: placed %q, want %q", row.server, row.layout, got, row.want)
		}
		if err := backend.Restore(t.Context(), state); err != nil {
			t.Error(err)
		}
	}
}

// The devices that a plan is said to lead to are those that are read back, but
// for what only then is known: UUIDs, ids, the environment, and the SMs of a
// compute instance where the card's profiles do not tell them.
func TestPlannedDevices(t *testing.T) {
	for _, c := range []struct{ server, layout, sharing string }{
		{"pro6000x1", "off", "ts"},
		{"pro6000x1", "off", "mps:30:20G"},
		{"pro6000x1", "2g.48gb+2x1g.24gb", "mps:4G"},
		{"pro5000x3", "2x1g.24gb", "ts"},
		{"h100x1", "3g.40gb/2c,1c+4g.40gb", "ts"},
	} {
		backend, state := cardsOf(t, c.server, "0")
		plan := planOf(t, state, c.layout, c.sharing)
		planned := runner.PlannedDevices(plan)
		made, err := backend.Apply(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		for i := range planned {
			if slices.ContainsFunc(planned[:i], func(d device.Device) bool { return d.UUID == planned[i].UUID }) {
				t.Errorf("%v: two devices are %s", c, planned[i].UUID)
			}
			for j := range planned { // who shares memory with whom
				if j >= len(made) {
					break
				}
				if (services.MemoryOf(planned[i]) == services.MemoryOf(planned[j])) != (services.MemoryOf(made[i]) == services.MemoryOf(made[j])) {
					t.Errorf("%v: %s and %s share memory otherwise than planned", c, planned[i].Name, planned[j].Name)
				}
			}
		}
		for i := range planned {
			if i < len(made) && planned[i].SMs == 0 {
				made[i].SMs = 0
			}
		}
		for _, list := range [][]device.Device{planned, made} {
			for i := range list {
				list[i].UUID, list[i].Env = "", nil
				if n := list[i].Instance; n != nil {
					copied := *n
					copied.GI, copied.CI = 0, 0
					list[i].Instance = &copied
				}
			}
		}
		if !reflect.DeepEqual(planned, made) {
			t.Errorf("%v: planned\n%+v, read back\n%+v", c, planned, made)
		}
		if err := backend.Restore(t.Context(), state); err != nil {
			t.Error(err)
		}
	}
}
