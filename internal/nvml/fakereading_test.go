package nvml

import (
	"errors"
	"testing"
)

// knownOf gives what is known, by name, of readings that are to be of these quantities.
func knownOf(t *testing.T, readings []Reading, want []Quantity) map[string]float64 {
	t.Helper()
	if len(readings) != len(want) {
		t.Fatalf("%d readings, want %d", len(readings), len(want))
	}
	known := map[string]float64{}
	for i, r := range readings {
		if r.Quantity != want[i] {
			t.Errorf("reading %d is of %v, want %v", i, r.Quantity, want[i])
		}
		if r.Known() {
			known[r.Name] = r.Value
		}
	}
	return known
}

// A simulated card tells of no power and no activity: not supported, which is not zero.
func TestFakeKnowsNoTelemetry(t *testing.T) {
	f, gpu := newFake(t, pro6000)
	readings, err := f.Telemetry(gpu)
	if err != nil {
		t.Fatal(err)
	}
	if got := knownOf(t, readings, Telemetry()); len(got) > 0 {
		t.Errorf("a simulated card tells %v", got)
	}
	if s, err := f.Activity(gpu); s != nil || !errors.Is(err, ErrNotSupported) {
		t.Errorf("Activity of a simulated card = %v, %v", s, err)
	}
	if _, err := f.Telemetry("GPU-none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a GPU that is not there: %v", err)
	}
	if _, err := f.Activity("MIG-none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a device that is not there: %v", err)
	}
}
