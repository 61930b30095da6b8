package nvidia

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/internal/nvml/nvmltest"
	"github.com/evabench/evabench/partition"
)

// crash leaves a server as a process does that died after it had applied a layout, with
// its journal.
func (d drill) crash(r *rig, layout string) {
	r.t.Helper()
	j, err := partition.OpenJournal(filepath.Join(r.dir, "state"))
	if err != nil {
		r.t.Fatal(err)
	}
	p := plan(r.t, r.inspect("0"), layout)
	if err := j.Begin(p.Before); err != nil {
		r.t.Fatal(err)
	}
	r.Backend.(partition.Traced).Trace(func(e partition.Event) {
		if err := j.Record(e); err != nil {
			r.t.Error(err)
		}
	})
	if _, err := r.Apply(context.Background(), p); err != nil {
		r.t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// recovered wants the server as it was after the next process has put it back.
func (r *rig) recovered(all string) {
	r.t.Helper()
	left, err := r.recover()
	if err != nil || !left {
		r.t.Errorf("recover() = %t, %v, want something left and put back", left, err)
	}
	if now := r.all(); now != all {
		r.t.Errorf("restored to\n%s, was\n%s", now, all)
	}
}

// TestTraceCutOff: the trace is for people; that its last line is cut off keeps nobody
// from restoring.
func TestTraceCutOff(t *testing.T) {
	for _, d := range drills {
		r := newRig(t, d.cards...)
		d.prepare(r)
		all := r.all()
		d.crash(r, d.layers[3])
		path := filepath.Join(r.dir, "state", "journal.jsonl")
		info, err := os.Stat(path)
		if err == nil {
			err = os.Truncate(path, info.Size()-20)
		}
		if err != nil {
			t.Fatal(err)
		}
		r.recovered(all)
		if data, err := os.ReadFile(path); err != nil || strings.Contains(string(data), "SECRET") {
			t.Errorf("the trace holds the environment of others: %v", err)
		}
	}
}

// TestReboot: instances, daemons and time slices are gone after a boot, and on some cards
// the mode.
func TestReboot(t *testing.T) {
	for _, d := range drills {
		for _, layout := range d.layers {
			r := newRig(t, d.cards...)
			d.prepare(r)
			all := r.all()
			d.crash(r, layout)
			if err := r.fake.Reboot(); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(filepath.Join(r.dir, "slices.json")); err != nil {
				t.Fatal(err)
			}
			r = openRig(t, r.dir, newMemory())
			r.recovered(all)
		}
	}
}

// TestProcessAppears: a process that came between the plan and a change is never ended;
// what it holds is tried again for a while, and then put back once it has left.
func TestProcessAppears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, pro6000)
		device := r.apply("2g.48gb", "0")[0].UUID
		before, all := r.inspect("0"), r.all()
		api := nvmltest.New(r.fake, nvmltest.Fault{Call: 1, Only: []string{"DestroyComputeInstance"}, Times: 1, Do: func() {
			if err := r.fake.AddProcess(device, os.Getpid(), "someone", 1); err != nil {
				t.Error(err)
			}
		}})
		b := r.over(Options{API: api})
		var events []partition.Event
		b.(partition.Traced).Trace(func(e partition.Event) { events = append(events, e) })
		if _, err := b.Apply(t.Context(), plan(t, before, "off")); !errors.Is(err, nvml.ErrInUse) {
			t.Errorf("Apply under a process that came gave %v, want %v", err, nvml.ErrInUse)
		}
		if len(events) != 2 || !events[0].Begun || events[1].Tries != 4 || events[1].Error == "" || events[1].Before != events[1].After {
			t.Errorf("told was %+v, want one change that was tried 4 times and did nothing", events)
		}
		r.restore(r.Backend, before, all) // nothing to do: the process stays where it is
		r.apply2(t, before)
		if err := r.fake.RemoveProcess(device, os.Getpid()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Apply(t.Context(), plan(t, before, "off")); err != nil {
			t.Errorf("Apply after it left: %v", err)
		}
		r.restore(r.Backend, before, all)
	})
}

// apply2 wants a plan refused whose GPU got a process meanwhile, with its name.
func (r *rig) apply2(t *testing.T, before partition.State) {
	t.Helper()
	if _, err := r.Apply(t.Context(), plan(t, before, "off")); !errors.Is(err, partition.ErrBusy) || !strings.Contains(err.Error(), "someone") {
		t.Errorf("Apply under a process that came since the plan gave %v, want ErrBusy and its name", err)
	}
}

// TestInUseThenFree: in use at first is tried again, with growing pauses, and told.
func TestInUseThenFree(t *testing.T) {
	for _, method := range []string{"DestroyComputeInstance", "DestroyGPUInstance", "SetMIGMode"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, a100)
			r.apply("3g.20gb", "0")
			api := nvmltest.New(r.fake, nvmltest.Fault{Call: 1, Only: []string{method}, Times: 2, Return: nvml.ErrInUse})
			b := r.over(Options{API: api})
			tries := map[int]int{}
			b.(partition.Traced).Trace(func(e partition.Event) {
				if !e.Begun {
					tries[e.Tries]++
				}
			})
			if _, err := b.Apply(t.Context(), plan(t, r.inspect("0"), "off")); err != nil {
				t.Fatalf("%s in use twice: %v", method, err)
			}
			if tries[3] != 1 || tries[1] != 1 {
				t.Errorf("%s in use twice: tries %v, want one change of 3 tries and one of 1", method, tries)
			}
		})
	}
}

// TestPending: a mode change that something holds up is taken back, so that no reset
// brings it later; one that a crash left is taken back by the restore.
func TestPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, a100)
		before, all := r.inspect("0"), r.all()
		gpu := before.GPUs[0].UUID
		api := nvmltest.New(r.fake, nvmltest.Fault{Call: 1, Only: []string{"SetMIGMode"}, Pending: true})
		if _, err := r.over(Options{API: api}).Apply(t.Context(), plan(t, before, "3g.20gb")); !errors.Is(err, nvml.ErrInUse) {
			t.Errorf("Apply with a change that stays pending gave %v, want %v", err, nvml.ErrInUse)
		}
		if mode := r.inspect("0").GPUs[0].MIG; mode.Pending || mode.Current {
			t.Errorf("it leaves MIG %v", mode)
		}
		if activation, ret := api.SetMIGMode(gpu, true); activation != nvml.ErrInUse || ret != nvml.Success {
			t.Fatalf("SetMIGMode = %v, %v; want it pending", activation, ret)
		}
		if mode := r.inspect("0").GPUs[0].MIG; !mode.Pending {
			t.Fatal("nothing is pending")
		}
		r.restore(r.Backend, before, all)
	})
}

// TestDriverGone: nothing can be put back, that is said, and the journal keeps it for when
// the driver is back.
func TestDriverGone(t *testing.T) {
	d := drills[0]
	r := newRig(t, d.cards...)
	d.prepare(r)
	all := r.all()
	d.crash(r, d.layers[3])
	s := r.inspect("0")
	b := r.over(Options{API: nvmltest.New(r.fake, nvmltest.Fault{Call: 1, Return: nvml.ErrDriverNotLoaded})})
	if err := b.Restore(t.Context(), s); !errors.Is(err, nvml.ErrDriverNotLoaded) {
		t.Errorf("Restore without a driver gave %v", err)
	}
	if _, err := b.Apply(t.Context(), plan(t, s, "off")); !errors.Is(err, nvml.ErrDriverNotLoaded) || !errors.Is(err, partition.ErrNothingChanged) {
		t.Errorf("Apply without a driver gave %v, want ErrNothingChanged", err)
	}
	r.recovered(all)
}

// TestStuck: after a call that does not come back nothing more is asked, and that is said;
// when it has come back, work goes on.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, pro6000)
		before, all := r.inspect("0"), r.all()
		back := make(chan struct{})
		api := nvmltest.New(r.fake, nvmltest.Fault{Call: 1, Only: []string{"SetMIGMode"}, Times: 1, Do: func() { <-back }})
		b := r.over(Options{API: api})
		if _, err := b.Apply(t.Context(), plan(t, before, "1g.24gb")); err == nil || !strings.Contains(err.Error(), `no answer within 2m0s`) {
			t.Errorf("Apply with a call that does not come back gave %v", err)
		}
		calls := len(api.Calls())
		if err := b.Restore(t.Context(), before); err == nil || !strings.Contains(err.Error(), `has not come back from "set the MIG mode"`) {
			t.Errorf("Restore beside it gave %v", err)
		}
		if _, err := b.Apply(t.Context(), plan(t, before, "1g.24gb")); !errors.Is(err, partition.ErrNothingChanged) {
			t.Errorf("Apply beside it gave %v, want ErrNothingChanged", err)
		}
		if more := len(api.Calls()) - calls; more > 0 {
			t.Errorf("%d calls were made beside it", more)
		}
		close(back)
		synctest.Wait()
		r.restore(b, before, all)
	})
}

// A lost API is one without one of its GPUs, or with its fault beside its UUID.
type lost struct {
	nvml.API
	uuid  string
	fault error
}

func (l lost) Devices() ([]nvml.Device, error) {
	all, err := l.API.Devices()
	var left []nvml.Device
	for _, d := range all {
		switch {
		case d.UUID != l.uuid:
			left = append(left, d)
		case l.fault != nil:
			left = append(left, nvml.Device{Index: d.Index, UUID: d.UUID, Minor: -1, Fault: l.fault})
		}
	}
	return left, err
}

// lose has a GPU drop off the bus.
func (r *rig) lose(gpu string) {
	r.t.Helper()
	if err := r.fake.SetState(gpu, nvml.FakeState{Lost: true}); err != nil {
		r.t.Fatal(err)
	}
}

// TestLostGPU: one GPU that is lost is told where it is named, and keeps nobody from
// using the others.
func TestLostGPU(t *testing.T) {
	r := newRig(t, pro6000, pro6000)
	before, all := r.inspect("1"), r.all()
	gpu := r.inspect("0").GPUs[0].UUID
	r.foreign("") // serves all GPUs, that one too
	r.lose(gpu)
	for name, want := range map[string]error{"0": nvml.ErrGPUIsLost, gpu: partition.ErrUnknownGPU} {
		if _, err := r.Inspect(t.Context(), []string{name}); !errors.Is(err, want) || !strings.Contains(err.Error(), "GPU 0 cannot be read: the GPU is lost") {
			t.Errorf("Inspect(%q) = %v, want it named and lost", name, err)
		}
	}
	with := r.inspect("1")
	if len(with.MPS) != 1 || with.MPS[0].Device != "" {
		t.Errorf("beside a GPU that cannot be read a daemon of all GPUs is %+v, want one of unknown devices", with.MPS)
	}
	clear(r.program.(*memory).daemons)
	var told []string
	r.Backend.(partition.Traced).Trace(func(e partition.Event) { told = append(told, e.Error) })
	devices, err := r.Apply(t.Context(), plan(t, before, "2x2g.48gb(mps)"))
	if err != nil || len(devices) != 2 || told[0] != "GPU 0 cannot be read: the GPU is lost" {
		t.Errorf("Apply on the other = %v, %v, told %q", devices, err, told)
	}
	r.restore(r.Backend, before, all)
}

// TestOtherGPUs: a GPU that has dropped off the bus, cannot be read or has a daemon that
// cannot be stopped does not keep the others from being restored, and is told.
func TestOtherGPUs(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		spoil      func(r *rig, gpu string) nvml.API
	}{
		{"gone", " is gone", func(r *rig, gpu string) nvml.API { return lost{r.fake, gpu, nil} }},
		{"lost", "GPU 0 cannot be read: the GPU is lost", func(r *rig, gpu string) nvml.API { r.lose(gpu); return r.fake }},
		{"no right", "GPU 0 cannot be read: no permission", func(r *rig, gpu string) nvml.API { return lost{r.fake, gpu, nvml.ErrNoPermission} }},
		{"unreadable", "list instances", func(r *rig, gpu string) nvml.API { return unreadableGPU{r.fake, gpu} }},
		{"client", "has clients", func(r *rig, gpu string) nvml.API {
			for _, d := range r.program.(*memory).daemons {
				if d.env["CUDA_VISIBLE_DEVICES"] == gpu {
					d.clients = []int{1}
				}
			}
			return r.fake
		}},
	} {
		r := newRig(t, pro6000, pro6000)
		before := r.inspect("0", "1")
		r.apply("gpu0: off(mps); gpu1: 2x2g.48gb(mps)", "0", "1")
		err := r.over(Options{API: tt.spoil(r, before.GPUs[0].UUID)}).Restore(t.Context(), before)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Restore gave %v, want %q", tt.name, err, tt.want)
		}
		now := r.inspect("1")
		if now.GPUs[0].MIG.Current || len(now.GPUs[0].Instances) > 0 || len(now.MPS) > 0 {
			t.Errorf("%s: GPU 1 was not restored: %+v, %v", tt.name, now.GPUs[0].Instances, now.MPS)
		}
	}
}

type unreadableGPU struct {
	nvml.API
	uuid string
}

func (u unreadableGPU) Instances(gpu string) ([]nvml.GPUInstance, error) {
	if gpu == u.uuid {
		return nil, nvml.ErrGPUIsLost
	}
	return u.API.Instances(gpu)
}

// TestMovedTold: a device that a restore made anew has another UUID, which is told.
func TestMovedTold(t *testing.T) {
	r := newRig(t, pro6000)
	was := r.apply("2g.48gb", "0")[0].UUID
	before := r.inspect("0")
	r.apply("off", "0")
	var told []string
	r.Backend.(partition.Traced).Trace(func(e partition.Event) { told = append(told, e.Step+": "+e.After) })
	if err := r.Restore(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	now := r.inspect("0").GPUs[0].Instances[0].Compute[0].UUID
	last := told[len(told)-1]
	if now == was || !strings.Contains(last, was) || !strings.Contains(last, now) {
		t.Errorf("a device was %s and is %s, told was %q", was, now, told)
	}
	told = nil
	if err := r.Restore(t.Context(), before); err != nil || len(told) > 0 {
		t.Errorf("a second restore gave %v and told %q", err, told)
	}
}

// TestLostTold: a setting that a boot lost and evabench does not set is warned of with the
// command that does, whether or not there is something else to put back.
func TestLostTold(t *testing.T) {
	r := newRig(t, pro6000)
	gpu := r.inspect("0").GPUs[0].UUID
	exclusive := nvml.FakeState{ComputeMode: nvml.ComputeExclusiveProcess}
	for _, layout := range []string{"off", "off(ts:long)"} {
		if err := r.fake.SetState(gpu, exclusive); err != nil {
			t.Fatal(err)
		}
		before := r.inspect("0")
		r.apply(layout, "0")
		if err := r.fake.SetState(gpu, nvml.FakeState{}); err != nil { // as after a boot
			t.Fatal(err)
		}
		var warned []string
		r.Backend.(partition.Traced).Trace(func(e partition.Event) {
			if e.Warning != "" {
				warned = append(warned, e.Warning)
			}
		})
		if err := r.Restore(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		if want := "nvidia-smi -i " + gpu + " -c EXCLUSIVE_PROCESS"; len(warned) != 1 || !strings.Contains(warned[0], want) {
			t.Errorf("%s: warned of %q, want %q once", layout, warned, want)
		}
	}
}
