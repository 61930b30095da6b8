package nvidia

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// fakeMPS is daemons that are entries of a map. It is as strict as a control
// daemon: none starts twice or stops twice.
type fakeMPS map[string]bool

func (m fakeMPS) Start(_ context.Context, d device.Device) (map[string]string, error) {
	if m[d.UUID] {
		return nil, fmt.Errorf("a daemon of %s runs already", d.UUID)
	}
	m[d.UUID] = true
	return map[string]string{"CUDA_MPS_PIPE_DIRECTORY": "/mps/" + d.UUID}, nil
}

func (m fakeMPS) Stop(_ context.Context, uuid string) error {
	if !m[uuid] {
		return fmt.Errorf("no daemon of %s runs", uuid)
	}
	delete(m, uuid)
	return nil
}

func (m fakeMPS) Running(context.Context) ([]string, error) {
	return slices.Sorted(maps.Keys(m)), nil
}

// A rig is a backend over a fake in a file.
type rig struct {
	partition.Backend
	fake *nvml.Fake
	mps  fakeMPS
	path string
}

// fatal is the part of testing.T and rapid.T that a rig needs.
type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

func newRig(t fatal, dir string, cards ...string) *rig {
	t.Helper()
	path := filepath.Join(dir, "cards.json")
	if err := nvml.CreateFake(path, cards); err != nil {
		t.Fatalf("%v", err)
	}
	fake, err := nvml.OpenFake(path)
	if err != nil {
		t.Fatalf("%v", err)
	}
	mps := fakeMPS{}
	return &rig{Backend: New(fake, mps), fake: fake, mps: mps, path: path}
}

func (r *rig) inspect(t fatal, gpus ...string) partition.State {
	t.Helper()
	s, err := r.Inspect(context.Background(), gpus)
	if err != nil {
		t.Fatalf("Inspect: %v", err)
	}
	return s
}

func plan(t fatal, s partition.State, text string) partition.Plan {
	t.Helper()
	l, err := partition.ParseLayout(text)
	if err != nil {
		t.Fatalf("%v", err)
	}
	p, err := partition.MakePlan(s, l)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return p
}

func (r *rig) apply(t fatal, text string, gpus ...string) []device.Device {
	t.Helper()
	devices, err := r.Apply(context.Background(), plan(t, r.inspect(t, gpus...), text))
	if err != nil {
		t.Fatalf("Apply %q: %v", text, err)
	}
	return devices
}

// cards reads the file of cards, apart from the code under test, without what
// a restore cannot bring back: ids, UUIDs, their counter, and order.
func (r *rig) cards(t fatal) string {
	t.Helper()
	data, err := os.ReadFile(r.path)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var file struct {
		Cards []struct {
			Index int             `json:"index"`
			UUID  string          `json:"uuid"`
			Mode  json.RawMessage `json:"mig"`

			Instances []struct {
				Profile   string         `json:"profile"`
				Placement nvml.Placement `json:"placement"`
				Compute   []struct {
					Placement nvml.Placement `json:"placement"`
				} `json:"compute"`
			} `json:"instances"`
		} `json:"cards"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatalf("%v", err)
	}
	var text strings.Builder
	for _, c := range file.Cards {
		fmt.Fprintf(&text, "%d %s %s\n", c.Index, c.UUID, strings.Join(strings.Fields(string(c.Mode)), ""))
		var lines []string
		for _, i := range c.Instances {
			lines = append(lines, fmt.Sprintf("  %02d:%d %s %v\n", i.Placement.Start, i.Placement.Size, i.Profile, i.Compute))
		}
		slices.Sort(lines)
		text.WriteString(strings.Join(lines, ""))
	}
	return text.String()
}
