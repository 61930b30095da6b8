package nvidia

import (
	"context"
	"errors"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/partition/backendtest"
)

const (
	pro6000 = "NVIDIA RTX PRO 6000 Blackwell Server Edition"
	a100    = "NVIDIA A100 40GB"
	a30     = "NVIDIA A30"
)

func TestBackend(t *testing.T) {
	for _, cards := range [][]string{{pro6000}, {a100, pro6000}, {a30}, {"NVIDIA RTX PRO 5000 Blackwell 48GB"}} {
		t.Run(strings.Join(cards, ","), func(t *testing.T) {
			t.Parallel()
			backendtest.Run(t, func(t *testing.T) (partition.Backend, []string) {
				return newRig(t, t.TempDir(), cards...), []string{"0"}
			})
		})
	}
}

// drawLayout draws a layout that has places on the GPU, from its own profiles.
func drawLayout(t *rapid.T, g partition.GPU, label string) partition.Layout {
	profile := rapid.SampledFrom(g.Profiles)
	sharing := rapid.SampledFrom([]string{"", "(ts)", "(mps)", "(mps:30)"})
	s := partition.State{GPUs: []partition.GPU{g}}
	text := "off" + sharing.Draw(t, label+" sharing")
	for range rapid.IntRange(0, 8).Draw(t, label+" terms") {
		term := profile.Draw(t, label+" profile").Name + sharing.Draw(t, label+" sharing")
		longer := term
		if !strings.HasPrefix(text, "off") {
			longer = text + "+" + term
		}
		l, err := partition.ParseLayout(longer)
		if err != nil {
			t.Fatalf("%v", err)
		}
		_, err = partition.MakePlan(s, l)
		if impossible, ok := errors.AsType[*partition.ImpossibleError](err); ok {
			plan(t, s, impossible.Fits) // what is offered does fit
			continue
		}
		if err != nil {
			t.Fatalf("%v", err)
		}
		text = longer
	}
	l, err := partition.ParseLayout(text)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return l
}

// TestApplyRestore: from any layout to any other and back, on a card that is
// as strict as a real one; the other card is not touched.
func TestApplyRestore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		card := rapid.SampledFrom([]string{pro6000, a100, a30}).Draw(rt, "card")
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		r := newRig(rt, dir, pro6000, card)
		g := r.inspect(rt, "1").GPUs[0]
		found, wanted := drawLayout(rt, g, "found"), drawLayout(rt, g, "wanted")
		r.apply(rt, found.String(), "1")
		before, file, daemons := r.inspect(rt, "1"), r.cards(rt), len(r.mps)

		p := plan(rt, before, wanted.String())
		devices, err := r.Apply(context.Background(), p)
		if err != nil {
			rt.Fatalf("Apply %q after %q, steps %q: %v", wanted, found, p.Steps(), err)
		}
		r.checkFile(rt, p, devices)
		if err := r.Restore(context.Background(), before); err != nil {
			rt.Fatalf("Restore: %v", err)
		}
		if now := r.cards(rt); now != file {
			rt.Fatalf("restored to\n%s, was\n%s", now, file)
		}
		if len(r.mps) != daemons {
			rt.Fatalf("%d MPS daemons after the restore, were %d", len(r.mps), daemons)
		}
	})
}

// checkFile compares the cards with the layout, profile by profile.
func (r *rig) checkFile(t *rapid.T, p partition.Plan, devices []device.Device) {
	t.Helper()
	want := map[string]int{}
	daemons := 0
	for _, term := range p.Layout.GPUs[0].Terms {
		if term.Profile != "" {
			want[term.Profile] += term.Count
		}
		if term.Sharing.IsMPS() {
			daemons += term.Count
		}
	}
	got := map[string]int{}
	for _, line := range strings.Split(r.cards(t), "\n") {
		if fields := strings.Fields(line); strings.HasPrefix(line, "  ") {
			got[fields[1]]++
		}
	}
	if !maps.Equal(got, want) {
		t.Fatalf("layout %q gave instances %v, want %v", p.Layout, got, want)
	}
	if len(r.mps) != daemons {
		t.Fatalf("layout %q gave %d MPS daemons, want %d", p.Layout, len(r.mps), daemons)
	}
	for _, d := range devices {
		if r.mps[d.UUID] != d.Sharing.IsMPS() || (d.Env["CUDA_MPS_PIPE_DIRECTORY"] == "/mps/"+d.UUID) != d.Sharing.IsMPS() {
			t.Fatalf("device %+v has the wrong MPS daemon or environment", d)
		}
		if (d.Env["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] == "30") != (d.Sharing.ThreadPercent == 30) {
			t.Fatalf("device %+v has the wrong thread percentage", d)
		}
	}
}

// TestSplitRestored: compute instances that an operator split are put back.
func TestSplitRestored(t *testing.T) {
	r := newRig(t, t.TempDir(), pro6000)
	r.apply(t, "2g.48gb", "0")
	s := r.inspect(t, "0")
	gpu, i := s.GPUs[0].UUID, s.GPUs[0].Instances[0]
	if err := r.fake.DestroyComputeInstance(gpu, i.GI, i.Compute[0].CI); err != nil {
		t.Fatal(err)
	}
	for start := range 2 {
		if _, err := r.fake.CreateComputeInstance(gpu, i.GI, nvml.Placement{Start: start, Size: 1}); err != nil {
			t.Fatal(err)
		}
	}
	before, file := r.inspect(t, "0"), r.cards(t)
	for _, text := range []string{"off", "2g.48gb"} {
		r.apply(t, text, "0")
		if err := r.Restore(t.Context(), before); err != nil {
			t.Fatalf("after %q: %v", text, err)
		}
		if now := r.cards(t); now != file {
			t.Errorf("after %q restored to\n%s, was\n%s", text, now, file)
		}
	}
}

// TestProcesses: a process is never ended; what it holds is refused.
func TestProcesses(t *testing.T) {
	r := newRig(t, t.TempDir(), a100)
	before := r.inspect(t, "0")
	p := plan(t, before, "3g.20gb")
	gpu := before.GPUs[0].UUID
	if err := r.fake.AddProcess(gpu, os.Getpid(), "someone", 1); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Apply(t.Context(), p); !errors.Is(err, partition.ErrBusy) || !strings.Contains(err.Error(), "someone") {
		t.Errorf("Apply under a process that came since gave %v, want ErrBusy and its name", err)
	}
	// Past the check: the mode change is left pending by the card and must
	// be taken back.
	if err := New(r.fake, r.mps).(*backend).setMode(gpu, true); !errors.Is(err, nvml.ErrInUse) {
		t.Errorf("setMode under a process gave %v, want %v", err, nvml.ErrInUse)
	}
	if mode := r.inspect(t, "0").GPUs[0].MIG; mode.Pending || mode.Current {
		t.Errorf("a refused change leaves MIG %v", mode)
	}
	if err := r.fake.RemoveProcess(gpu, os.Getpid()); err != nil {
		t.Fatal(err)
	}
	devices := r.apply(t, "3g.20gb", "0")
	if err := r.fake.AddProcess(devices[0].UUID, os.Getpid(), "worker", 1); err != nil {
		t.Fatal(err)
	}
	if err := r.Restore(t.Context(), before); !errors.Is(err, nvml.ErrInUse) || !strings.Contains(err.Error(), "not restored") {
		t.Errorf("Restore under a process gave %v, want in use and what is not restored", err)
	}
	if err := r.fake.RemoveProcess(devices[0].UUID, os.Getpid()); err != nil {
		t.Fatal(err)
	}
	if err := r.Restore(t.Context(), before); err != nil {
		t.Errorf("Restore after the process left: %v", err)
	}
}

// TestPendingRestored: a change that a crash left pending is taken back.
func TestPendingRestored(t *testing.T) {
	r := newRig(t, t.TempDir(), a100)
	before, file := r.inspect(t, "0"), r.cards(t)
	gpu := before.GPUs[0].UUID
	if err := r.fake.AddProcess(gpu, os.Getpid(), "someone", 1); err != nil {
		t.Fatal(err)
	}
	if activation, ret := r.fake.SetMIGMode(gpu, true); activation != nvml.ErrInUse || ret != nvml.Success {
		t.Fatalf("SetMIGMode = %v, %v; want it pending", activation, ret)
	}
	if err := r.Restore(t.Context(), before); err != nil {
		t.Error(err)
	}
	if now := r.cards(t); now != file {
		t.Errorf("restored to\n%s, was\n%s", now, file)
	}
}

// A liar reports success for a call that has no effect, and stands for drivers
// and tools that do (NVIDIA/mig-parted#227).
type liar struct {
	nvml.API
	mode, compute, destroy bool // which call
}

func (l liar) SetMIGMode(gpu string, on bool) (activation, ret nvml.Return) {
	if l.mode {
		return nvml.Success, nvml.Success
	}
	return l.API.SetMIGMode(gpu, on)
}

func (l liar) CreateComputeInstance(gpu string, gi int, at nvml.Placement) (nvml.ComputeInstance, error) {
	if l.compute {
		return nvml.ComputeInstance{UUID: "MIG-never"}, nil
	}
	return l.API.CreateComputeInstance(gpu, gi, at)
}

func (l liar) DestroyGPUInstance(gpu string, gi int) error {
	if l.destroy {
		return nil
	}
	return l.API.DestroyGPUInstance(gpu, gi)
}

// TestReadBack: success that was only said is found out by reading back.
func TestReadBack(t *testing.T) {
	for _, tt := range []struct {
		liar          liar
		layouts, want string
	}{
		{liar{mode: true}, "off 1g.24gb", "reads back as off"},
		{liar{compute: true}, "off 1g.24gb", "1g.24gb at 0:3 is missing"},
		{liar{destroy: true}, "2x1g.24gb 1g.24gb", "1g.24gb at 3:3 without compute instance is extra"},
	} {
		r := newRig(t, t.TempDir(), pro6000)
		found, wanted, _ := strings.Cut(tt.layouts, " ")
		r.apply(t, found, "0")
		before := r.inspect(t, "0")
		tt.liar.API = r.fake
		_, err := New(tt.liar, r.mps).Apply(t.Context(), plan(t, before, wanted))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Apply gave %v, want %q", tt.layouts, err, tt.want)
		}
		if err := r.Restore(t.Context(), before); err != nil {
			t.Errorf("%s: %v", tt.layouts, err)
		}
	}
}

func TestInspectNames(t *testing.T) {
	r := newRig(t, t.TempDir(), pro6000, a30)
	all := r.inspect(t, "1", "0")
	if len(all.GPUs) != 2 || all.GPUs[0].Index != 0 || all.GPUs[1].Index != 1 {
		t.Fatalf("GPUs 1 and 0 gave %+v, want both by index", all.GPUs)
	}
	if got := r.inspect(t, all.GPUs[1].UUID); !reflect.DeepEqual(got.GPUs, all.GPUs[1:]) {
		t.Errorf("by UUID: %+v, want %+v", got.GPUs, all.GPUs[1:])
	}
	for _, names := range [][]string{{"2"}, {"GPU-x"}, {"0", all.GPUs[0].UUID}} {
		if s, err := r.Inspect(t.Context(), names); err == nil {
			t.Errorf("Inspect(%q) gave %+v, want an error", names, s)
		}
	}
	// Another GPU's daemons are not ours to stop.
	r.apply(t, "off(mps)", "0")
	if got := r.inspect(t, "1").MPS; got != nil {
		t.Errorf("GPU 1 is said to have MPS daemons %q", got)
	}
	if got := r.inspect(t, "0").MPS; !slices.Equal(got, []string{all.GPUs[0].UUID}) {
		t.Errorf("GPU 0 has MPS daemons %q, want its own", got)
	}
}

// deafMPS says that it stopped a daemon, and did not.
type deafMPS struct{ fakeMPS }

func (deafMPS) Stop(context.Context, string) error { return nil }

func TestApplyReadsStoppedDaemonsBack(t *testing.T) {
	r := newRig(t, t.TempDir(), pro6000)
	r.apply(t, "2x2g.48gb(mps)", "0")
	before := r.inspect(t, "0")
	_, err := New(r.fake, deafMPS{r.mps}).Apply(t.Context(), plan(t, before, "off"))
	if err == nil || !strings.Contains(err.Error(), "which MPS daemons run") {
		t.Errorf("Apply gave %v, want the daemons that still run", err)
	}
}

// A GPU that has dropped off the bus does not keep the others from being
// restored, and is told.
func TestRestoreWithoutOneGPU(t *testing.T) {
	r := newRig(t, t.TempDir(), pro6000, pro6000)
	before := r.inspect(t, "0", "1")
	r.apply(t, "2x2g.48gb", "0", "1")
	gone := lost{r.fake, before.GPUs[1].UUID}
	err := New(gone, r.mps).Restore(t.Context(), before)
	if err == nil || !strings.Contains(err.Error(), before.GPUs[1].UUID+" is gone") {
		t.Errorf("Restore gave %v, want the GPU that is gone", err)
	}
	if now := r.inspect(t, "0"); now.GPUs[0].MIG.Current || len(now.GPUs[0].Instances) > 0 {
		t.Errorf("GPU 0 was not restored: %+v", now.GPUs[0])
	}
}

// lost is an API without one of its GPUs.
type lost struct {
	nvml.API
	uuid string
}

func (l lost) Devices() ([]nvml.Device, error) {
	all, err := l.API.Devices()
	return slices.DeleteFunc(all, func(d nvml.Device) bool { return d.UUID == l.uuid }), err
}

// A daemon whose device was gone before the sweep cannot come back, and does not
// make the restore fail for ever.
func TestRestoreForgetsStaleDaemon(t *testing.T) {
	r := newRig(t, t.TempDir(), pro6000)
	r.mps["MIG-gone"] = true
	before := r.inspect(t, "0")
	if !slices.Contains(before.MPS, "MIG-gone") {
		t.Fatalf("the stale daemon is not in the state: %v", before.MPS)
	}
	r.apply(t, "off(mps)", "0")
	if err := r.Restore(t.Context(), before); err != nil {
		t.Errorf("Restore: %v", err)
	}
}
