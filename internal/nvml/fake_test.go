package nvml

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const pro6000 = "NVIDIA RTX PRO 6000 Blackwell Server Edition"

// newFake makes cards and gives the fake with the UUID of the first.
func newFake(t *testing.T, models ...string) (*Fake, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cards.json")
	if err := CreateFake(path, models); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFake(path)
	if err != nil {
		t.Fatal(err)
	}
	devices, err := f.Devices()
	if err != nil || len(devices) != len(models) {
		t.Fatalf("Devices() = %v, %v; want %d", devices, err, len(models))
	}
	return f, devices[0].UUID
}

func (f *Fake) id(t *testing.T, gpu, name string) int {
	t.Helper()
	profiles, err := f.Profiles(gpu)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range profiles {
		if p.Name == name {
			return p.ID
		}
	}
	t.Fatalf("no profile %s", name)
	return 0
}

func mustMode(t *testing.T, f *Fake, gpu string, on bool) {
	t.Helper()
	if activation, ret := f.SetMIGMode(gpu, on); activation != Success || ret != Success {
		t.Fatalf("SetMIGMode(%t) = %v, %v", on, activation, ret)
	}
}

// TestFakeRefuses makes instances in order; the last one meets want.
func TestFakeRefuses(t *testing.T) {
	type instance struct {
		profile     string
		start, size int
	}
	tests := []struct {
		name, card string
		off        bool
		make       []instance
		want       Return
	}{
		{"four fit", pro6000, false, []instance{{"1g.24gb", 0, 3}, {"1g.24gb", 3, 3}, {"1g.24gb", 6, 3}, {"1g.24gb", 9, 3}}, Success},
		{"mode off", pro6000, true, []instance{{"1g.24gb", 0, 3}}, ErrNotSupported},
		{"place not possible", pro6000, false, []instance{{"1g.24gb", 1, 3}}, ErrInvalidArgument},
		{"size not possible", pro6000, false, []instance{{"1g.24gb", 0, 6}}, ErrInvalidArgument},
		{"place taken", pro6000, false, []instance{{"1g.24gb", 0, 3}, {"1g.24gb", 0, 3}}, ErrInsufficientResources},
		{"overlap", pro6000, false, []instance{{"1g.24gb", 3, 3}, {"2g.48gb", 0, 6}}, ErrInsufficientResources},
		{"recorded mix", pro6000, false, []instance{{"2g.48gb", 0, 6}, {"1g.24gb", 6, 3}, {"1g.24gb", 9, 3}}, Success},
		{"+me twice", pro6000, false, []instance{{"1g.24gb+me", 0, 3}, {"1g.24gb+me", 3, 3}}, ErrInsufficientResources},
		{"media engines gone", pro6000, false, []instance{{"1g.24gb+me.all", 0, 3}, {"1g.24gb", 3, 3}}, ErrInsufficientResources},
		{"media engines wanted", pro6000, false, []instance{{"1g.24gb", 0, 3}, {"1g.24gb+me.all", 3, 3}}, ErrInsufficientResources},
		{"-me beside +me.all", pro6000, false, []instance{{"1g.24gb+me.all", 0, 3}, {"1g.24gb-me", 3, 3}, {"2g.48gb-me", 6, 6}}, Success},
		{"two sizes of +me", "NVIDIA A30", false, []instance{{"1g.6gb+me", 0, 1}, {"2g.12gb+me", 2, 2}}, ErrInsufficientResources},
		{"assumed card", "NVIDIA RTX PRO 5000 Blackwell 48GB", false, []instance{{"1g.24gb", 0, 1}, {"1g.24gb", 1, 1}}, Success},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, gpu := newFake(t, tt.card)
			if !tt.off {
				mustMode(t, f, gpu, true)
			}
			for n, i := range tt.make {
				_, err := f.CreateGPUInstance(gpu, f.id(t, gpu, i.profile), Placement{i.start, i.size})
				want := Success.Err()
				if n == len(tt.make)-1 {
					want = tt.want.Err()
				}
				if !errors.Is(err, want) {
					t.Fatalf("create %v gave %v, want %v", i, err, want)
				}
			}
		})
	}
	f, gpu := newFake(t, pro6000)
	mustMode(t, f, gpu, true)
	if _, err := f.CreateGPUInstance(gpu, 99, Placement{0, 3}); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("create of profile id 99 gave %v, want %v", err, ErrInvalidArgument)
	}
	if _, err := f.CreateGPUInstance("GPU-none", 14, Placement{0, 3}); !errors.Is(err, ErrNotFound) {
		t.Errorf("create on an unknown GPU gave %v, want %v", err, ErrNotFound)
	}
}

func TestFakeInUse(t *testing.T) {
	f, gpu := newFake(t, pro6000)
	mustMode(t, f, gpu, true)
	gi, err := f.CreateGPUInstance(gpu, f.id(t, gpu, "2g.48gb"), Placement{6, 6})
	if err != nil {
		t.Fatal(err)
	}
	ci, err := f.CreateComputeInstance(gpu, gi.ID, Placement{0, 2})
	if err != nil {
		t.Fatal(err)
	}
	if ci.SMs != 94 {
		t.Errorf("the compute instance has %d SMs, want 94 as recorded for 2g.48gb", ci.SMs)
	}
	if _, err := f.CreateComputeInstance(gpu, gi.ID, Placement{1, 1}); !errors.Is(err, ErrInsufficientResources) {
		t.Errorf("a second compute instance at a taken place gave %v", err)
	}
	if _, err := f.CreateComputeInstance(gpu, gi.ID, Placement{1, 2}); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("a compute instance past the end gave %v", err)
	}
	if err := f.DestroyGPUInstance(gpu, gi.ID); !errors.Is(err, ErrInUse) {
		t.Errorf("destroy with a compute instance inside gave %v, want %v", err, ErrInUse)
	}
	const used = 1 << 30
	if err := f.AddProcess(ci.UUID, os.Getpid(), "worker", used); err != nil {
		t.Fatal(err)
	}
	if err := f.AddProcess(gpu, os.Getpid(), "worker", used); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("a process on a GPU with MIG on gave %v, want %v", err, ErrInvalidArgument)
	}
	if err := f.AddProcess(ci.UUID, os.Getppid(), "worker", 47<<30); !errors.Is(err, ErrInsufficientResources) {
		t.Errorf("47 GiB beside 1 GiB in 47.38 GiB gave %v, want %v", err, ErrInsufficientResources)
	}
	for _, uuid := range []string{gpu, ci.UUID} {
		m, err := f.Memory(uuid)
		if err != nil || m.UsedBytes != used {
			t.Errorf("Memory(%s) = %v, %v; want %d used", uuid, m, err, used)
		}
		if p, err := f.Processes(uuid); err != nil || len(p) != 1 || p[0].Device != ci.UUID {
			t.Errorf("Processes(%s) = %v, %v; want the worker on %s", uuid, p, err, ci.UUID)
		}
	}
	if err := f.DestroyComputeInstance(gpu, gi.ID, ci.ID); !errors.Is(err, ErrInUse) {
		t.Errorf("destroy with a process inside gave %v, want %v", err, ErrInUse)
	}
	if activation, ret := f.SetMIGMode(gpu, false); ret != ErrInUse {
		t.Errorf("SetMIGMode with an instance = %v, %v; want a return of %v", activation, ret, ErrInUse)
	}
	f.alive = func(int) bool { return false } // the worker ends
	if err := f.DestroyComputeInstance(gpu, gi.ID, ci.ID); err != nil {
		t.Errorf("destroy after the process ended gave %v", err)
	}
	again, err := f.CreateComputeInstance(gpu, gi.ID, Placement{0, 2})
	if err != nil || again.UUID == ci.UUID {
		t.Errorf("made anew: UUID %s, %v; want another than %s", again.UUID, err, ci.UUID)
	}
}

// TestFakePending: a card that resets for a change keeps it pending.
func TestFakePending(t *testing.T) {
	f, gpu := newFake(t, "NVIDIA A100 40GB")
	if err := f.AddProcess(gpu, os.Getpid(), "worker", 1); err != nil {
		t.Fatal(err)
	}
	if activation, ret := f.SetMIGMode(gpu, true); activation != ErrInUse || ret != Success {
		t.Fatalf("SetMIGMode with a process = %v, %v; want activation %v and success", activation, ret, ErrInUse)
	}
	mode := func() MIGMode {
		d, err := f.Devices()
		if err != nil {
			t.Fatal(err)
		}
		return d[0].MIG
	}
	if got, want := mode(), (MIGMode{Supported: true, Pending: true, Resets: true}); got != want {
		t.Errorf("mode %+v, want %+v", got, want)
	}
	mustMode(t, f, gpu, false)
	if got, want := mode(), (MIGMode{Supported: true, Resets: true}); got != want {
		t.Errorf("mode taken back: %+v, want %+v", got, want)
	}
}

// TestFakeShared: two users of one file see each other's changes at once.
func TestFakeShared(t *testing.T) {
	f, gpu := newFake(t, pro6000)
	mustMode(t, f, gpu, true)
	errs := make(chan error)
	id := f.id(t, gpu, "1g.24gb")
	for n := range 4 {
		go func() {
			other, err := OpenFake(f.path)
			if err == nil {
				_, err = other.CreateGPUInstance(gpu, id, Placement{3 * n, 3})
			}
			errs <- err
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got, err := f.Instances(gpu); err != nil || len(got) != 4 {
		t.Errorf("Instances() = %v, %v; want 4", got, err)
	}
}

func TestCreateFakeRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		models []string
		want   string
	}{
		{[]string{"NVIDIA RTX PRO 5000 Blackwell 72GB"}, "not public"},
		{[]string{pro6000, "Voodoo 2"}, "known: NVIDIA A30"},
		{nil, "no model"},
	} {
		path := filepath.Join(dir, "cards.json")
		err := CreateFake(path, tt.models)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("CreateFake(%q) = %v, want %q in it", tt.models, err, tt.want)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("CreateFake(%q) left a file", tt.models)
		}
	}
	f, _ := newFake(t, pro6000)
	if err := CreateFake(f.path, []string{pro6000}); err == nil {
		t.Error("CreateFake wrote over cards that exist")
	}
}

func TestProcessAlive(t *testing.T) {
	if !processAlive(os.Getpid()) {
		t.Error("this process is said to be gone")
	}
	child, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{child.Pid, 0, -1} {
		if processAlive(pid) {
			t.Errorf("process %d is said to run", pid)
		}
	}
}
