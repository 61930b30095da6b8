package partition

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// TestStrange: what a change that broke off can have made is known from what others made
// since: by its plan, and by the boot, which no instance outlives.
func TestStrange(t *testing.T) {
	before := State{GPUs: []GPU{testGPU(0).with("1g.24gb", 0)}}
	p, err := MakePlan(before, mustParse(t, "2x1g.24gb+1g.24gb+me"))
	if err != nil {
		t.Fatal(err)
	}
	known, old := p.ToRestore(), before
	if before.GPUs[0].Makes != nil {
		t.Error("the plan's own state was changed")
	}
	const same, other, unknown = 0, 1, 2
	half := testGPU(0).with("1g.24gb", 0, 3)
	half.Instances[1].Compute = nil
	foreign := testGPU(0).with("2g.48gb", 6)
	managed := State{GPUs: before.GPUs, Owners: []Owner{{Name: "mig-manager", Why: "the service runs"}}}
	for _, c := range []struct {
		name  string
		state State
		boot  int
		now   State
		want  string
	}{
		{"as it was", known, same, before, ""},
		{"ours", known, same, State{GPUs: []GPU{testGPU(0).with("1g.24gb", 0, 3)}}, ""},
		{"ours, half made", known, same, State{GPUs: []GPU{half}}, ""},
		{"another's", known, same, State{GPUs: []GPU{foreign}}, "GPU 0 (RTX PRO 6000): 2g.48gb at 6:6"},
		{"perhaps ours", old, same, State{GPUs: []GPU{foreign}}, ""},
		{"after a boot", old, other, State{GPUs: []GPU{foreign}}, "2g.48gb at 6:6"},
		{"of an unknown boot", old, unknown, State{GPUs: []GPU{foreign}}, ""},
		{"like ours, after a boot", known, other, State{GPUs: []GPU{half}}, "1g.24gb at 3:3"},
		{"what stood, after a boot", known, other, before, ""},
		{"a manager", known, same, managed, "the service runs"},
		{"a manager as before", managed, same, managed, ""},
		{"another GPU", known, same, State{GPUs: []GPU{testGPU(1).with("2g.48gb", 6)}}, ""},
	} {
		l := Left{State: c.state, SameBoot: c.boot == same, BootID: "b"}
		if c.boot == unknown {
			l.BootID = ""
		}
		got := strings.Join(l.Strange(c.now), "; ")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	j := open(t, t.TempDir())
	if err := j.Begin(known); err != nil {
		t.Fatal(err)
	}
	left, _, err := j.Pending()
	if err != nil || !reflect.DeepEqual(left.State.GPUs[0].Makes, known.GPUs[0].Makes) || len(known.GPUs[0].Makes) == 0 {
		t.Errorf("the journal gives %+v, %v; want %+v", left.State.GPUs[0].Makes, err, known.GPUs[0].Makes)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

// TestJournalDrained: what a change over a layout that stands has ended of others comes
// back with the first state: whether that left it, or it came since; but never two on one
// device.
func TestJournalDrained(t *testing.T) {
	daemon := func(pipe, device string, left bool) Daemon { return Daemon{Device: device, Pipe: pipe, Left: left} }
	own := Daemon{Device: "GPU-a", Own: true}
	for _, c := range []struct {
		name         string
		first, later []Daemon
		want         []Daemon
	}{
		{"left by both", []Daemon{daemon("/p", "GPU-a", true)}, []Daemon{daemon("/p", "GPU-a", true)}, []Daemon{daemon("/p", "GPU-a", true)}},
		{"left, then ended", []Daemon{daemon("/p", "GPU-a", true)}, []Daemon{daemon("/p", "GPU-a", false)}, []Daemon{daemon("/p", "GPU-a", false)}},
		{"ended, then another's", []Daemon{daemon("/p", "GPU-a", false)}, []Daemon{daemon("/q", "GPU-a", false)}, []Daemon{daemon("/p", "GPU-a", false)}},
		{"left, restarted, then ended", []Daemon{daemon("/p", "GPU-a", true)}, []Daemon{daemon("/q", "GPU-a", false)},
			[]Daemon{daemon("/p", "GPU-a", true), daemon("/q", "GPU-a", false)}},
		{"came, and was ended", nil, []Daemon{daemon("/q", "MIG-now", false)}, []Daemon{daemon("/q", "MIG-GPU-a-0:3", false)}},
		{"came, and was left", nil, []Daemon{daemon("/q", "GPU-a", true)}, nil},
		{"came in the place of ours", []Daemon{own}, []Daemon{daemon("/q", "GPU-a", false)}, []Daemon{own}},
		{"of a device that was not", nil, []Daemon{daemon("/q", "MIG-GPU-a-3:3", false)}, nil},
		{"ours of the change", nil, []Daemon{own}, nil},
	} {
		now := testGPU(0).with("1g.24gb", 0, 3)
		now.Instances[0].Compute[0].UUID = "MIG-now" // made anew
		first := State{GPUs: []GPU{testGPU(0).with("1g.24gb", 0)}, MPS: c.first}
		later := State{GPUs: []GPU{now}, MPS: c.later}
		j := open(t, t.TempDir())
		if err := errors.Join(j.Begin(first), j.Keep(), j.Begin(later), j.Keep()); err != nil {
			t.Fatal(err)
		}
		left, _, err := j.Pending()
		if err != nil || !reflect.DeepEqual(left.State.MPS, c.want) {
			t.Errorf("%s: %+v, %v; want %+v", c.name, left.State.MPS, err, c.want)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
}
