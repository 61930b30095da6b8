package nvidia

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/internal/nvml/nvmltest"
	"github.com/evabench/evabench/partition"
)

// TestHalfInUse: an instance of which somebody uses one half is left whole, UUIDs
// included, by Restore and by Apply, with the process named.
func TestHalfInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, a100)
		before := r.inspect("0")
		devices := r.apply("2g.10gb/2x1c", "0")
		whole := r.inspect("0")
		off := plan(t, whole, "off")
		if err := r.fake.AddForeign(nvml.Process{PID: 4711, Name: "someone", Device: devices[1].UUID, Kind: nvml.ComputeProcess}); err != nil {
			t.Fatal(err)
		}
		b := r.over(Options{})
		var events []partition.Event
		b.(partition.Traced).Trace(func(e partition.Event) { events = append(events, e) })
		err := b.Restore(t.Context(), before)
		if !errors.Is(err, nvml.ErrInUse) || !strings.Contains(err.Error(), "process 4711 (someone) is on "+devices[1].UUID) {
			t.Errorf("Restore gave %v, want the process and its device named", err)
		}
		if len(events) != 2 || events[1].Tries != 4 {
			t.Errorf("told was %+v, want one change that was tried 4 times", events)
		}
		_, err = b.Apply(t.Context(), off)
		if !errors.Is(err, partition.ErrNothingChanged) || !strings.Contains(err.Error(), "someone") {
			t.Errorf("Apply gave %v, want the process named", err)
		}
		r.sameInstances(whole)
	})
}

// sameInstances wants the instances of GPU 0 as they were, ids and UUIDs included.
func (r *rig) sameInstances(was partition.State) {
	r.t.Helper()
	now := r.inspect("0").GPUs[0].Instances
	if len(now) != len(was.GPUs[0].Instances) {
		r.t.Fatalf("instances %v, were %v", now, was.GPUs[0].Instances)
	}
	for k, i := range was.GPUs[0].Instances {
		for n, c := range i.Compute {
			if now[k].GI != i.GI || now[k].Compute[n] != c {
				r.t.Errorf("instances %+v, were %+v", now, was.GPUs[0].Instances)
			}
		}
	}
}

// TestHalfInUseLater: somebody comes to the second half while the first is taken. That
// is made again, and the newcomer stays.
func TestHalfInUseLater(t *testing.T) {
	for _, at := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, a100)
			devices := r.apply("2g.10gb/2x1c", "0")
			before, all := r.inspect("0"), r.all()
			api := nvmltest.New(r.fake, nvmltest.Fault{Call: at, Only: []string{"DestroyComputeInstance"}, Times: 1, Do: func() {
				if err := r.fake.AddProcess(devices[1].UUID, os.Getpid(), "late", 1); err != nil {
					t.Error(err)
				}
			}})
			b := r.over(Options{API: api})
			_, err := b.Apply(t.Context(), plan(t, before, "off"))
			if !errors.Is(err, nvml.ErrInUse) || errors.Is(err, partition.ErrNothingChanged) {
				t.Errorf("Apply gave %v, want ErrInUse after a change", err)
			}
			if now := r.all(); now != all {
				t.Errorf("it left\n%s, was\n%s", now, all)
			}
			now := r.inspect("0").GPUs[0]
			if len(now.Processes) != 1 || now.Processes[0].Device != devices[1].UUID || now.Instances[0].Compute[1].UUID != devices[1].UUID {
				t.Errorf("the newcomer is %+v on %+v", now.Processes, now.Instances)
			}
			if now.Instances[0].Compute[0].UUID == devices[0].UUID {
				t.Error("the first half was never taken: the test shows nothing")
			}
		})
	}
}

// A special API has a compute instance that a new one would not be like.
type special struct{ nvml.API }

func (s special) Instances(gpu string) ([]nvml.GPUInstance, error) {
	list, err := s.API.Instances(gpu)
	for _, i := range list {
		if len(i.Compute) > 1 {
			i.Compute[1].Special = "it has the copy engines"
		}
	}
	return list, err
}

// TestSpecial: what could not be made again as it is stays, and its GPU with it.
func TestSpecial(t *testing.T) {
	r := newRig(t, a100)
	before := r.inspect("0")
	r.apply("1g.5gb+2g.10gb/2x1c", "0")
	was := r.inspect("0")
	b := r.over(Options{API: special{r.fake}})
	_, err := b.Apply(t.Context(), plan(t, was, "off"))
	if !errors.Is(err, partition.ErrNothingChanged) || !errors.Is(err, partition.ErrBusy) || !strings.Contains(err.Error(), "copy engines") {
		t.Errorf("Apply gave %v, want a refusal before any change", err)
	}
	r.sameInstances(was)
	if err := b.Restore(t.Context(), before); err == nil || !strings.Contains(err.Error(), "copy engines") {
		t.Errorf("Restore gave %v, want it told", err)
	}
	if now := r.inspect("0").GPUs[0].Instances; len(now) == 0 || len(now[len(now)-1].Compute) != 2 && len(now[0].Compute) != 2 {
		t.Errorf("Restore left %v", now)
	}
	// One that was cut otherwise since it was read is not what the step means.
	i := was.GPUs[0].Instances[0]
	i.Compute = i.Compute[:len(i.Compute)-1]
	n := attempt{}
	if err := r.Backend.(*backend).destroy(t.Context(), &n, was.GPUs[0].UUID, i); err == nil || n.touched {
		t.Errorf("an instance with more than was read was destroyed: %v, touched %t", err, n.touched)
	}
}

// A mute API does not tell profiles or instances.
type mute struct {
	nvml.API
	profiles, instances error
}

func (m mute) Profiles(gpu string) ([]nvml.Profile, error) {
	if m.profiles != nil {
		return nil, m.profiles
	}
	return m.API.Profiles(gpu)
}

func (m mute) Instances(gpu string) ([]nvml.GPUInstance, error) {
	if m.instances != nil {
		return nil, m.instances
	}
	return m.API.Instances(gpu)
}

// TestNoProfiles: a GPU whose profiles the driver does not tell is inspected all the
// same. With MIG on its instances are unknown too, and then nothing on it is touched.
func TestNoProfiles(t *testing.T) {
	for _, tt := range []struct {
		name    string
		api     mute
		on      bool
		unknown bool // instances too
	}{
		{"old driver, MIG off", mute{profiles: nvml.ErrFunctionNotFound}, false, false},
		{"not root, MIG off", mute{profiles: nvml.ErrNoPermission}, false, false},
		{"not root, MIG on", mute{profiles: nvml.ErrNoPermission}, true, true},
		{"not root, instances", mute{instances: nvml.ErrNoPermission}, true, true},
	} {
		r := newRig(t, pro6000)
		before := r.inspect("0")
		if tt.on {
			r.apply("2g.48gb", "0")
		}
		full, all := r.inspect("0"), r.all()
		tt.api.API = r.fake
		b := r.over(Options{API: tt.api})
		s, err := b.Inspect(t.Context(), []string{"0"})
		if err != nil || len(s.GPUs) != 1 || len(s.GPUs[0].Profiles)+len(s.GPUs[0].Instances) > 0 || s.GPUs[0].Name != pro6000 {
			t.Errorf("%s: Inspect = %+v, %v", tt.name, s, err)
			continue
		}
		if got := s.GPUs[0].NoProfiles; got == "" || strings.Contains(got, "instances it has is unknown") != tt.unknown {
			t.Errorf("%s: the reason is %q", tt.name, got)
		}
		if !tt.unknown {
			if _, err := b.Apply(t.Context(), plan(t, s, "off(mps)")); err != nil {
				t.Errorf("%s: Apply of a layout without MIG: %v", tt.name, err)
			}
			r.restore(b, s, all)
			continue
		}
		if _, err := b.Apply(t.Context(), plan(t, full, "off")); !errors.Is(err, partition.ErrNothingChanged) {
			t.Errorf("%s: Apply gave %v", tt.name, err)
		}
		if err := b.Restore(t.Context(), before); err == nil || !strings.Contains(err.Error(), "nothing was touched") {
			t.Errorf("%s: Restore gave %v", tt.name, err)
		}
		// Nor later, when all can be read, back to what was not known.
		r.apply("1g.24gb", "0")
		all = r.all()
		if err := r.Restore(t.Context(), s); err == nil || r.all() != all {
			t.Errorf("%s: Restore to unknown instances gave %v and\n%s, was\n%s", tt.name, err, r.all(), all)
		}
	}
}

// TestInspectSettings: ECC after the next reset and the power limits stand in the state.
func TestInspectSettings(t *testing.T) {
	r := newRig(t, pro6000)
	gpu := r.inspect("0").GPUs[0]
	if err := r.fake.SetState(gpu.UUID, nvml.FakeState{ECCPendingOff: true, PowerLimitWatts: 150}); err != nil {
		t.Fatal(err)
	}
	now := r.inspect("0").GPUs[0]
	if !*now.ECC || *now.ECCPending || *now.PowerLimitWatts != 150 || *now.PowerDefaultWatts != *gpu.PowerLimitWatts {
		t.Errorf("inspected as %+v", now)
	}
}

// An old API is a driver before 550, which tells profiles with MIG on only.
type old struct{ nvml.API }

func (o old) Profiles(gpu string) ([]nvml.Profile, error) {
	if mode, err := o.Mode(gpu); err != nil || !mode.Current {
		return nil, errors.Join(err, nvml.ErrFunctionNotFound)
	}
	return o.API.Profiles(gpu)
}

// TestOldDriver: instances come back although the driver does not tell profiles while
// MIG is off.
func TestOldDriver(t *testing.T) {
	r := newRig(t, a100)
	r.apply("2g.10gb/2x1c+1g.5gb", "0")
	before, all := r.inspect("0"), r.all()
	b := r.over(Options{API: old{r.fake}})
	if _, err := b.Apply(t.Context(), plan(t, before, "off(mps)")); err != nil {
		t.Fatal(err)
	}
	if s, err := b.Inspect(t.Context(), []string{"0"}); err != nil || s.GPUs[0].NoProfiles == "" {
		t.Fatalf("Inspect with MIG off = %+v, %v", s, err)
	}
	r.restore(b, before, all)
}
