package sim

import (
	"reflect"
	"testing"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
)

// A whole turn through the real backend: the layout is applied to the child's
// cards, instances run on its devices with what their environment says, hold
// the layout while they run, and the cards are put back.
func TestLayoutsOnHost(t *testing.T) {
	for _, test := range []struct {
		layout  string
		sharing device.Sharing
		devices int
		client  bool // whether instances become MPS clients
	}{
		{"off", device.Sharing{Mode: device.TimeSlicing}, 1, false},
		{"off", device.Sharing{Mode: device.MPS}, 1, true},
		{"4x1g.24gb", device.Sharing{Mode: device.TimeSlicing}, 4, false},
		{"4x1g.24gb", device.Sharing{Mode: device.MPS, ThreadPercent: 50}, 4, true},
	} {
		t.Run(test.layout+" "+test.sharing.String(), func(t *testing.T) {
			h, _ := newTestHost(t)
			b, err := h.Backend("pro6000x1", 1)
			if err != nil {
				t.Fatal(err)
			}
			before, err := b.Inspect(t.Context(), []string{"0"})
			if err != nil {
				t.Fatal(err)
			}
			layout, err := partition.ParseLayout(test.layout)
			if err != nil {
				t.Fatal(err)
			}
			plan, err := partition.MakePlan(before, layout.WithSharing(test.sharing))
			if err != nil {
				t.Fatal(err)
			}
			devices, err := b.Apply(t.Context(), plan)
			if err != nil || len(devices) != test.devices {
				t.Fatalf("%d devices, want %d: %v", len(devices), test.devices, err)
			}
			running := launchOn(t, h, devices)
			for _, d := range devices {
				if _, client := d.Env[mps.PipeVariable]; client != test.client {
					t.Errorf("%s: environment %v", d.Name, d.Env)
				}
			}
			if err := b.Restore(t.Context(), before); (err == nil) != (len(plan.Changes) == 0) {
				t.Errorf("restore under running instances: %v, after %v", err, plan.Steps())
			}
			for _, s := range running {
				if err := s.Stop(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if err := b.Restore(t.Context(), before); err != nil {
				t.Fatal(err)
			}
			after, err := b.Inspect(t.Context(), []string{"0"})
			if err != nil || !reflect.DeepEqual(after, before) {
				t.Errorf("after: %+v, before: %+v, %v", after, before, err)
			}
		})
	}
}

// launchOn starts a Vision instance on each device.
func launchOn(t *testing.T, h *Host, devices []device.Device) (running []services.Service) {
	t.Helper()
	l := &launcher{host: h}
	for i, d := range devices {
		s, err := l.Launch(t.Context(), services.Instance{
			Service: "vision", Role: results.RoleVision, Name: d.Name, Device: d,
			Models: []services.Model{{Name: "omdet", Workers: i + 1}},
		})
		if err != nil {
			t.Fatal(err)
		}
		running = append(running, s)
	}
	return running
}
