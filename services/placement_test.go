package services

import (
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
)

var both = []Wanted{{"vision", results.RoleVision}, {"agent", results.RoleAgent}}

func devices(n int) []device.Device {
	all := make([]device.Device, n)
	for i := range all {
		all[i].UUID = string(rune('a' + i))
	}
	return all
}

// layout writes assignments as the guide's placement table does: the devices
// in order, each with the services on it.
func layout(n int, all []Assignment) string {
	on := make([]string, n)
	for _, a := range all {
		i := int(a.Device.UUID[0] - 'a')
		if on[i] != "" {
			on[i] += " + "
		}
		on[i] += a.Service
	}
	return strings.Join(on, " / ")
}

// The rows are those of section 2.2 of EVA's MIG/MPS optimization guide, and
// the two in which a role is alone.
func TestAutoPlacement(t *testing.T) {
	check := func(name string, n int, wanted []Wanted, want string) {
		t.Helper()
		got, err := Placement{}.Place(wanted, devices(n))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if s := layout(n, got); s != want {
			t.Errorf("%s: placed %q, want %q", name, s, want)
		}
	}
	check("PRO 5000 x3, whole", 3, both, "vision / agent / agent")
	check("PRO 5000 x3, MIG 24GB x6", 6, both, "vision / agent / agent / agent / agent / agent")
	check("PRO 6000 x1, whole", 1, both, "vision + agent")
	check("PRO 6000 x1, MIG 24GB x4", 4, both, "vision / agent / agent / agent")
	check("agent alone", 2, both[1:], "agent / agent")
	check("vision alone", 2, both[:1], "vision / vision")
}

func TestExplicitPlacement(t *testing.T) {
	p, err := ParsePlacement("vision=0 agent=1,1")
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Place(both, devices(2))
	if err != nil {
		t.Fatal(err)
	}
	if s := layout(2, got); s != "vision / agent + agent" {
		t.Errorf("placed %q", s)
	}
	if got[1].Index != 0 || got[2].Index != 1 {
		t.Errorf("agent's instances are numbered %d and %d, want 0 and 1", got[1].Index, got[2].Index)
	}
	if _, err := p.Place(both, devices(1)); err == nil || !strings.Contains(err.Error(), "no device 1") {
		t.Errorf("a device too many: %v", err)
	}
	if _, err := p.Place(both[:1], devices(2)); err == nil || !strings.Contains(err.Error(), `service "agent"`) {
		t.Errorf("a service too many: %v", err)
	}
	if _, err := p.Place(append(both, Wanted{"ocr", results.RoleVision}), devices(2)); err == nil {
		t.Error("a service that is not placed passed")
	}
}

func FuzzParsePlacement(f *testing.F) {
	for _, s := range []string{"auto", "vision=0 agent=1,2", "vision=0 vision=1", "a=", "=1", "a=-1", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePlacement(text)
		if err != nil {
			return
		}
		again, err := ParsePlacement(p.String())
		if err != nil || again.String() != p.String() {
			t.Errorf("%q is written back as %q, which reads as %q, %v", text, p, again, err)
		}
	})
}
