package runner

import (
	"strings"
	"testing"

	"github.com/evabench/evabench/partition"
)

// TestUnchanged asks that a restore which made instances and daemons anew is the state
// before again, and that what others did since is not.
func TestUnchanged(t *testing.T) {
	const gpu, was, is = "GPU-0", "MIG-was", "MIG-is"
	state := func(index int, uuid string, daemons ...partition.Daemon) partition.State {
		return partition.State{
			GPUs: []partition.GPU{{Index: index, UUID: gpu, Instances: []partition.Instance{{
				Profile: "2g.48gb", Placement: partition.Placement{Size: 6},
				Compute: []partition.Compute{{Placement: partition.Placement{Size: 2}, UUID: uuid}},
			}}}},
			MPS: daemons,
		}
	}
	own := func(pid int, device string) partition.Daemon {
		return partition.Daemon{Device: device, PID: pid, Own: true, Pipe: "/run/" + device}
	}
	foreign := func(pid int, device string) partition.Daemon {
		return partition.Daemon{Device: device, PID: pid, UID: 7, Pipe: "/tmp/nvidia-mps"}
	}
	before := state(0, was, own(1, was), foreign(2, was))
	for _, c := range []struct {
		name string
		now  partition.State
		want string // in the refusal; empty for none
	}{
		{"as it was", before, ""},
		{"made anew", state(0, is, own(11, is), foreign(12, is)), ""},
		{"a daemon ended", state(0, is, own(11, is)), "is missing"},
		{"one of ours more", state(0, is, own(11, is), own(13, gpu), foreign(12, is)), "is extra"},
		{"one of others more", state(0, is, own(11, is), foreign(12, is), foreign(13, gpu)), "an MPS daemon that is not ours (user 7, /tmp/nvidia-mps) runs for GPU-0"},
		{"another index", state(1, was, own(1, was), foreign(2, was)), "GPU 0 (GPU-0) is GPU 1 now"},
		{"gone", partition.State{}, "is gone"},
	} {
		err := unchanged(before, c.now)
		if told := err != nil && c.want != "" && strings.Contains(err.Error(), c.want); told != (c.want != "") || err != nil && c.want == "" {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// A warning backend has something to say of a restore that will not last.
type warning struct{ partition.Backend }

func (warning) Trace(f func(partition.Event)) {
	f(partition.Event{Step: "quiet"})
	f(partition.Event{Warning: "the compute mode is lost"})
}

// TestWarningsAreTold: what of a change will not last is told during a sweep, too.
func TestWarningsAreTold(t *testing.T) {
	var told []string
	b := &tellingBackend{Backend: warning{}, bench: &Bench{Tell: func(text string) { told = append(told, text) }}, layout: "layout off, ts"}
	traced := 0
	b.Trace(func(partition.Event) { traced++ })
	if want := "layout off, ts: warning: the compute mode is lost"; len(told) != 1 || told[0] != want || traced != 2 {
		t.Errorf("told %q, traced %d; want %q and 2", told, traced, want)
	}
}
