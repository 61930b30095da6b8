package nvml

import (
	"errors"
	"os"
	"strings"
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

// A card that was given a clock tells it and why it is not higher, at once and to
// every handle, and nothing else of its state changes.
func TestFakeClock(t *testing.T) {
	f, gpu := newFake(t, pro6000)
	if err := f.SetState(gpu, FakeState{PowerLimitWatts: 250}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		hertz   float64
		reasons uint64
	}{{2e9, 0}, {1.2e9, 0x4}, {1e9, 0x44}} {
		if err := f.SetClock(gpu, c.hertz, c.reasons); err != nil {
			t.Fatal(err)
		}
		readings, err := f.Telemetry(gpu)
		if err != nil {
			t.Fatal(err)
		}
		got := knownOf(t, readings, Telemetry())
		if len(got) != 2 || got[SMClock.Name] != c.hertz || got[EventReasons.Name] != float64(c.reasons) {
			t.Errorf("a card at %v Hz for %#x tells %v", c.hertz, c.reasons, got)
		}
	}
	if s, err := f.State(gpu); err != nil || s.PowerLimitWatts != 250 {
		t.Errorf("state %+v, %v", s, err)
	}
	if err := f.SetClock(gpu, 0, 0); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("a clock of 0 Hz: %v", err)
	}
	if err := f.SetClock("GPU-none", 1, 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("a GPU that is not there: %v", err)
	}
}

// What is looked at again and again follows every change: of another handle, as of
// another process, of a process that ended without one, and of a file that is
// broken; and what was given to a caller is the caller's.
func TestLooksFollowChanges(t *testing.T) {
	f, gpu := newFake(t, pro6000)
	other, err := OpenFake(f.path)
	if err != nil {
		t.Fatal(err)
	}
	lives := map[int]bool{7: true}
	f.alive, other.alive = func(pid int) bool { return lives[pid] }, func(pid int) bool { return lives[pid] }
	check := func(when string, used uint64, processes int) {
		t.Helper()
		m, err := f.Memory(gpu)
		list, listed := f.Processes(gpu)
		if err != nil || listed != nil || m.UsedBytes != used || len(list) != processes {
			t.Errorf("%s: %d B used, %v, %v, %v; want %d B and %d processes", when, m.UsedBytes, err, list, listed, used, processes)
		}
		for _, p := range list {
			*p.UsedBytes = 1
		}
	}
	for range 2 {
		check("at first", 0, 0)
	}
	if err := other.AddProcess(gpu, 7, "worker", 5<<30); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		check("after another's change", 5<<30, 1)
	}
	lives[7] = false
	check("after the process ended", 0, 0)
	good, err := os.ReadFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.path, good[:len(good)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Memory(gpu); err == nil {
		t.Error("a broken file was looked at without an error")
	}
	if err := os.WriteFile(f.path, good, 0o644); err != nil {
		t.Fatal(err)
	}
	check("with the file whole again", 0, 0)
}

// Changes that follow one another within a tick of the kernel's clock, of files of one size,
// are all seen, though the file is not read again where it is the same; so is what a person
// writes into it, and that it is gone.
func TestLooksMissNothing(t *testing.T) {
	f, gpu := newFake(t, "NVIDIA A30")
	other, err := OpenFake(f.path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(300) {
		used := 1000 + i // always four digits
		if err := other.AddForeign(Process{PID: 1, Name: "x", Device: gpu, Kind: ComputeProcess, UsedBytes: &used}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if m, err := f.Memory(gpu); err != nil || m.UsedBytes != used {
				t.Fatalf("change %d: %d bytes in use, %v, want %d", i, m.UsedBytes, err, used)
			}
		}
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.path, []byte(strings.Replace(string(text), "1299", "12990", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if m, err := f.Memory(gpu); err != nil || m.UsedBytes != 12990 {
		t.Errorf("written by hand: %+v, %v", m, err)
	}
	if err := os.WriteFile(f.path, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if m, err := f.Memory(gpu); err == nil || !strings.Contains(err.Error(), "read "+f.path) {
			t.Errorf("spoiled: %+v, %v", m, err)
		}
	}
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	if m, err := f.Memory(gpu); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("gone: %+v, %v", m, err)
	}
}
