package nvidia

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// TestForeignDaemon: a daemon of others is left where a layout needs nothing of its
// device, drained where it does, and started again as it was; one with clients refuses
// the plan.
func TestForeignDaemon(t *testing.T) {
	r := newRig(t, pro6000, a30)
	gpus := r.inspect("0", "1").GPUs
	r.foreign(gpus[0].UUID)
	before, all := r.inspect("0"), r.all()
	if len(before.MPS) != 1 || before.MPS[0].Own || before.MPS[0].Device != gpus[0].UUID || before.MPS[0].Env["CUDA_MPS_FOO"] != "bar" {
		t.Fatalf("daemons %+v, want the one that is not ours", before.MPS)
	}
	for name := range before.MPS[0].Env {
		if strings.Contains(name, "SECRET") {
			t.Errorf("what a daemon does not need is written down: %v", before.MPS[0].Env)
		}
	}
	// The other GPU's plans do not touch it.
	r.apply("all-1g.6gb(mps)", "1")
	if got := r.inspect("1").MPS; len(got) != 4 {
		t.Errorf("GPU 1 has the daemons %v, want its own four", got)
	}
	r.apply("off", "1")
	p := plan(t, before, "off(mps)")
	if !slices.Contains(p.Needs(), partition.AllowDrain) {
		t.Errorf("the plan %q needs %v, not drain", p.Steps(), p.Needs())
	}
	if _, err := r.Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	r.restore(r.Backend, before, all)
	p = plan(t, r.inspect("0"), "1g.24gb")

	d := slices.Collect(maps.Values(r.program.(*memory).daemons))[0]
	d.clients = []int{os.Getpid()}
	if _, err := planOf(r.inspect("0"), "1g.24gb"); !errors.Is(err, partition.ErrBusy) {
		t.Errorf("a plan for a daemon with clients gave %v, want ErrBusy", err)
	}
	if _, err := r.Apply(t.Context(), p); err == nil || !strings.Contains(err.Error(), "has clients") {
		t.Errorf("Apply where a client came since the plan gave %v", err)
	}
	d.clients = nil
	if now := r.all(); now != all {
		t.Errorf("refused plans left\n%s, was\n%s", now, all)
	}
}

// TestLeftDaemon: a daemon of others that a layout left alone and whose owner ended it is
// not started by the restore; one that the layout drained is.
func TestLeftDaemon(t *testing.T) {
	r := newRig(t, pro6000, a30)
	s := r.inspect("0", "1")
	r.foreign(s.GPUs[1].UUID)
	for _, c := range []struct {
		layout string
		back   bool
	}{
		{"gpu0: 1g.24gb; gpu1: off", false},
		{"gpu0: off; gpu1: 1g.6gb", true},
	} {
		p := plan(t, r.inspect("0", "1"), c.layout)
		if _, err := r.Apply(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if !c.back {
			if _, err := r.program.Ask(t.Context(), filepath.Join(r.dir, "theirs", "pipe"), "quit"); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Restore(t.Context(), p.ToRestore()); err != nil {
			t.Errorf("%s: Restore: %v", c.layout, err)
		}
		if got := len(r.inspect("0", "1").MPS); (got == 1) != c.back {
			t.Errorf("%s: %d daemons are there; back %t is wanted", c.layout, got, c.back)
		}
		if !c.back {
			r.foreign(s.GPUs[1].UUID)
		}
	}
}

// TestDaemonOfTwoInstances: a daemon of others that names two MIG devices is not drained, as
// it could not be told their new names; one that names one comes back for the new one.
func TestDaemonOfTwoInstances(t *testing.T) {
	for two, refused := range map[bool]bool{false: false, true: true} {
		r := newRig(t, pro6000)
		devices := r.apply("2x1g.24gb", "0")
		names := devices[0].UUID
		if two {
			names += "," + devices[1].UUID
		}
		r.foreign(names)
		all := r.all()
		p, err := planOf(r.inspect("0"), "2g.48gb")
		if errors.Is(err, partition.ErrBusy) != refused {
			t.Errorf("two %t: the plan gave %v, refused %t is wanted", two, err, refused)
		}
		if err != nil {
			continue
		}
		if _, err := r.Apply(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		r.restore(r.Backend, p.ToRestore(), all)
	}
}

// TestDaemonOfEveryGPU: a daemon of others that names no device is drained for MPS on
// instances, where it would be in the way, and comes back.
func TestDaemonOfEveryGPU(t *testing.T) {
	r := newRig(t, pro6000)
	r.apply("4x1g.24gb", "0")
	r.foreign("")
	all := r.all()
	p := plan(t, r.inspect("0"), "4x1g.24gb(mps)")
	devices, err := r.Apply(t.Context(), p)
	if err != nil || len(devices) != 4 {
		t.Errorf("Apply() = %d devices, %v", len(devices), err)
	}
	r.restore(r.Backend, p.ToRestore(), all)
}

// TestDaemonEndsWith: what would end a daemon that we start again stands in the state, and
// a restore tells of its own: the state may have been read from elsewhere.
func TestDaemonEndsWith(t *testing.T) {
	r := newRig(t, pro6000)
	in := func(own string) partition.Backend {
		return r.over(Options{EndsWith: func(unit string) string {
			if unit == own {
				return ""
			}
			return own
		}})
	}
	r.apply("off(mps)", "0")
	for _, c := range []struct{ read, of, restored, told string }{
		{"", "", "night.service", "night.service"},
		{"night.service", "", "", ""},
		{"night.service", "", "ci.service", "ci.service"},
		{"", "ci.service", "ci.service", ""},
	} {
		before, err := in(c.read).Inspect(t.Context(), []string{"0"})
		if err != nil || len(before.MPS) != 1 || before.MPS[0].EndsWith != c.read {
			t.Fatalf("read in %q: %+v, %v", c.read, before.MPS, err)
		}
		before.MPS[0].Unit = c.of
		r.apply("off", "0")
		var told []string
		b := in(c.restored)
		b.(partition.Traced).Trace(func(e partition.Event) {
			if e.Warning != "" {
				told = append(told, e.Warning)
			}
		})
		if err := b.Restore(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		if (len(told) != 0) != (c.told != "") || !strings.Contains(strings.Join(told, ""), before.MPS[0].Device+" belongs to "+c.told) && c.told != "" {
			t.Errorf("read in %q, of %q, restored in %q: told %q, want %q", c.read, c.of, c.restored, told, c.told)
		}
		told = nil
		if err := b.Restore(t.Context(), before); err != nil || told != nil {
			t.Errorf("a restore of what stands gave %v, told %q", err, told)
		}
	}
}

// TestServed: for which of our GPUs' devices a daemon stands in a state.
func TestServed(t *testing.T) {
	gpus := []partition.GPU{{UUID: "GPU-a"}, {UUID: "GPU-b"}}
	for _, tt := range []struct {
		found   mps.Found
		foreign []string
		want    []string
	}{
		{mps.Found{Devices: []string{"GPU-a"}}, []string{"GPU-z"}, []string{"GPU-a"}},
		{mps.Found{Devices: []string{"GPU-z"}}, []string{"GPU-z"}, nil},
		{mps.Found{Devices: []string{"GPU-a", "GPU-b"}}, nil, []string{"GPU-a", "GPU-b"}},
		{mps.Found{Devices: []string{"GPU-a", "GPU-z"}}, []string{"GPU-z"}, []string{""}}, // ours alone cannot be drained
		{mps.Found{Devices: []string{"MIG-gone"}}, nil, []string{"MIG-gone"}},
		{mps.Found{All: true}, nil, []string{"GPU-a", "GPU-b"}},
		{mps.Found{All: true}, []string{"GPU-z"}, []string{""}},
		{mps.Found{Unknown: "no rights"}, nil, []string{""}},
	} {
		foreign := map[string]bool{}
		for _, uuid := range tt.foreign {
			foreign[uuid] = true
		}
		if got := served(tt.found, gpus, foreign); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("served(%+v) beside %q = %q, want %q", tt.found, tt.foreign, got, tt.want)
		}
	}
}

// TestResolve: which device a daemon's CUDA_VISIBLE_DEVICES means.
func TestResolve(t *testing.T) {
	one, two := newRig(t, pro6000), newRig(t, pro6000, a30)
	first, second := two.inspect("0", "1").GPUs[0].UUID, two.inspect("0", "1").GPUs[1].UUID
	bus := map[string]string{"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
	for _, tt := range []struct {
		rig  *rig
		name string
		env  map[string]string
		want string // empty: it cannot be told
	}{
		{one, "0", nil, one.inspect("0").GPUs[0].UUID},
		{one, "1", nil, ""},
		{two, "0", nil, ""}, // which is the fastest?
		{two, "1", bus, second},
		{two, "-1", bus, ""},
		{two, first[:9], nil, first},
		{two, "GPU-", nil, ""}, // two begin so
		{two, "gpu", nil, ""},
	} {
		got, err := tt.rig.Backend.(*backend).resolve(tt.name, tt.env)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("resolve(%q, %v) = %q, %v, want %q", tt.name, tt.env, got, err, tt.want)
		}
	}
	one.apply("2g.48gb", "0")
	if got, err := one.Backend.(*backend).resolve("0", nil); err == nil {
		t.Errorf("with MIG on, index 0 is %q", got)
	}
}

// TestCount: who is on a device by NVML's word, who is a client by NVML's or the daemon's.
func TestCount(t *testing.T) {
	r := newRig(t, pro6000)
	devices := r.apply("2x2g.48gb(mps)", "0")
	d := devices[1]
	parent := os.Getppid()
	for _, p := range []nvml.Process{
		{PID: os.Getpid(), Name: "vision", Device: d.UUID, Kind: nvml.MPSProcess},
		{PID: parent, Name: "/usr/bin/nvidia-cuda-mps-server", Device: d.UUID, Kind: nvml.ComputeProcess},
		{PID: 1, Name: "init", Device: d.UUID, Kind: nvml.ComputeProcess},
	} {
		if err := r.fake.AddProcessOf(p); err != nil {
			t.Fatal(err)
		}
	}
	for _, daemon := range r.program.(*memory).daemons {
		if daemon.env[mps.DeviceVariable] == d.UUID {
			daemon.clients = []int{4711}
		}
	}
	c := r.Backend.(partition.Counter)
	got, err := c.Count(t.Context(), d)
	want := partition.Clients{Processes: []int{1, os.Getpid(), 4711}, MPS: []int{os.Getpid(), 4711}}
	slices.Sort(want.Processes)
	slices.Sort(want.MPS)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Count() = %+v, %v, want %+v: process 1 is not on MPS, and the server is nobody's work", got, err, want)
	}
	got, err = c.Count(t.Context(), devices[0])
	if err != nil || !reflect.DeepEqual(got, partition.Clients{Processes: []int{}, MPS: []int{}}) {
		t.Errorf("Count() of the other device = %+v, %v, want nobody", got, err)
	}
}

// A liar reports success for a call that has no effect, and stands for drivers and tools
// that do (NVIDIA/mig-parted#227).
type liar struct {
	nvml.API
	method string
}

func (l liar) SetMIGMode(gpu string, on bool) (activation, ret nvml.Return) {
	if l.method == "mode" {
		return nvml.Success, nvml.Success
	}
	return l.API.SetMIGMode(gpu, on)
}

func (l liar) CreateComputeInstance(gpu string, gi int, at nvml.Placement) (nvml.ComputeInstance, error) {
	if l.method == "compute" {
		return nvml.ComputeInstance{UUID: "MIG-never"}, nil
	}
	return l.API.CreateComputeInstance(gpu, gi, at)
}

func (l liar) DestroyGPUInstance(gpu string, gi int) error {
	if l.method == "destroy" {
		return nil
	}
	return l.API.DestroyGPUInstance(gpu, gi)
}

func (l liar) Memory(uuid string) (nvml.Memory, error) {
	m, err := l.API.Memory(uuid)
	if l.method == "memory" {
		m.TotalBytes /= 2
	}
	return m, err
}

func (l liar) Instances(gpu string) ([]nvml.GPUInstance, error) {
	list, err := l.API.Instances(gpu)
	for _, i := range list {
		for k := range i.Compute {
			if l.method == "sms" {
				i.Compute[k].SMs++
			}
		}
	}
	return list, err
}

// deaf is daemons of which one is said to have been stopped, and was not.
type deaf struct{ MPS }

func (deaf) Stop(context.Context, string) error { return nil }

// deafSlices says that it set a time slice, and did not.
type deafSlices struct{ slicesFile }

func (deafSlices) SetTimeSlice(context.Context, string, string) error { return nil }

// TestReadBack: success that was only said is found out by reading back.
func TestReadBack(t *testing.T) {
	for _, tt := range []struct{ lie, found, wanted, want string }{
		{"mode", "off", "1g.24gb", "reads back as off"},
		{"compute", "off", "1g.24gb", "1g.24gb at 0:3 is missing"},
		{"destroy", "2x1g.24gb", "1g.24gb", "1g.24gb at 3:3 without compute instance is extra"},
		{"memory", "off", "1g.24gb", "bytes of memory"},
		{"sms", "off", "1g.24gb", "has 46"},
		{"stop", "off(mps)", "off", "daemon 4194305 was stopped, but runs"},
		{"slice", "off", "off(ts:long)", "reads back as default"},
	} {
		r := newRig(t, pro6000)
		r.apply(tt.found, "0")
		before := r.inspect("0")
		o := Options{API: liar{r.fake, tt.lie}}
		if tt.lie == "stop" {
			o.MPS = deaf{r.daemons(r.program)}
		}
		if tt.lie == "slice" {
			o.TimeSlices = deafSlices{r.slices.(slicesFile)}
		}
		_, err := r.over(o).Apply(t.Context(), plan(t, before, tt.wanted))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Apply gave %v, want %q", tt.lie, err, tt.want)
		}
		if err := r.Restore(t.Context(), before); err != nil {
			t.Errorf("%s: Restore: %v", tt.lie, err)
		}
	}
}

// TestRestoreElsewhere: what a scenario with a folder of its own left of MPS daemons is
// put back by a backend with another folder, in the folder that the state tells.
func TestRestoreElsewhere(t *testing.T) {
	r := newRig(t, pro6000)
	in := func(dir string) *backend {
		b := r.over(Options{}).(*backend)
		b.ours = func(dir string, uid int) MPS {
			return mps.New(r.program, mps.Options{Dir: filepath.Join(r.dir, dir), UID: uid})
		}
		return b.daemonsIn(dir, os.Geteuid())
	}
	for _, text := range []string{"off", "off(mps:50)"} { // what stood before
		first := in("a")
		s, err := first.Inspect(t.Context(), []string{"0"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := first.Apply(t.Context(), plan(t, s, text)); err != nil {
			t.Fatal(err)
		}
		before, err := first.Inspect(t.Context(), []string{"0"})
		if err != nil {
			t.Fatal(err)
		}
		for _, left := range []string{"off(mps)", "1g.24gb(mps)", "off"} {
			if _, err := first.Apply(t.Context(), plan(t, before, left)); err != nil {
				t.Fatal(err)
			}
			if err := in("b").Restore(t.Context(), before); err != nil {
				t.Errorf("%s over %s: %v", left, text, err)
			}
			now, err := in("a").Inspect(t.Context(), []string{"0"})
			if differences := before.Differences(now); err != nil || len(differences) > 0 || len(now.MPS) != len(before.MPS) {
				t.Errorf("%s over %s was put back, and differs: %q; daemons %v, were %v; %v", left, text, differences, now.MPS, before.MPS, err)
			}
			before = now // the pids are others
		}
	}
}

// TestRestoreAsTheirUser: a daemon of ours is started again as the user whose it was,
// whichever user the backend serves.
func TestRestoreAsTheirUser(t *testing.T) {
	r := newRig(t, pro6000)
	var as []int
	b := r.over(Options{}).(*backend)
	b.ours = func(_ string, uid int) MPS {
		as = append(as, uid)
		return r.daemons(r.program)
	}
	b = b.daemonsIn("a", os.Geteuid())
	r.apply("off(mps)", "0")
	s, err := b.Inspect(t.Context(), []string{"0"})
	if err != nil {
		t.Fatal(err)
	}
	r.apply("off", "0")
	as, s.MPS[0].UID = nil, 4242
	// The rig's daemons run as this user, whatever they are asked for.
	if err := b.Restore(t.Context(), s); err == nil || !slices.Equal(as, []int{4242}) {
		t.Errorf("started again as %v, want user 4242; %v", as, err)
	}
}
