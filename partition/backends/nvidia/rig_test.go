package nvidia

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

const (
	pro6000 = "NVIDIA RTX PRO 6000 Blackwell Server Edition"
	a100    = "NVIDIA A100 40GB"
	a30     = "NVIDIA A30"
)

// A rig is a backend over a fake in a file, with MPS and time slices.
type rig struct {
	partition.Backend
	t       testing.TB
	fake    *nvml.Fake
	program mps.Program
	slices  TimeSlices
	dir     string
}

// newRig makes a server with cards.
func newRig(t testing.TB, cards ...string) *rig {
	t.Helper()
	dir := fastDir(t)
	if err := nvml.CreateFake(filepath.Join(dir, "cards.json"), cards); err != nil {
		t.Fatal(err)
	}
	return openRig(t, dir, newMemory())
}

// openRig takes up a server that lies in a folder.
func openRig(t testing.TB, dir string, program mps.Program) *rig {
	t.Helper()
	fake, err := nvml.OpenFake(filepath.Join(dir, "cards.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, fake: fake, program: program, slices: slicesFile{filepath.Join(dir, "slices.json")}, dir: dir}
	r.Backend = r.over(Options{})
	return r
}

// over makes a fresh backend on the same server, with what is given in the place of the
// server's own.
func (r *rig) over(o Options) partition.Backend {
	if o.API == nil {
		o.API = r.fake
	}
	if o.MPS == nil {
		o.MPS = r.daemons(r.program)
	}
	if o.TimeSlices == nil {
		o.TimeSlices = r.slices
	}
	if o.EndsWith == nil { // whatever the tests run in
		o.EndsWith = func(string) string { return "" }
	}
	return New(o)
}

func (r *rig) daemons(p mps.Program) *mps.Daemons {
	o := mps.Options{Dir: filepath.Join(r.dir, "mps"), UID: os.Geteuid()}
	if _, processes := r.program.(mps.Control); processes { // only what is broken takes so long
		o.Ready, o.Ask, o.End = 5*time.Minute, 5*time.Minute, 5*time.Minute
	}
	return mps.New(p, o)
}

func (r *rig) inspect(gpus ...string) partition.State {
	r.t.Helper()
	s, err := r.Inspect(context.Background(), gpus)
	if err != nil {
		r.t.Fatalf("Inspect: %v", err)
	}
	return s
}

func plan(t testing.TB, s partition.State, text string) partition.Plan {
	t.Helper()
	p, err := planOf(s, text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func planOf(s partition.State, text string) (partition.Plan, error) {
	l, err := partition.ParseLayout(text)
	if err != nil {
		return partition.Plan{}, err
	}
	return partition.MakePlan(s, l)
}

func (r *rig) apply(text string, gpus ...string) []device.Device {
	r.t.Helper()
	devices, err := r.Apply(context.Background(), plan(r.t, r.inspect(gpus...), text))
	if err != nil {
		r.t.Fatalf("Apply %q: %v", text, err)
	}
	return devices
}

// restore restores and wants the server as all tells it.
func (r *rig) restore(b partition.Backend, s partition.State, all string) {
	r.t.Helper()
	if err := b.Restore(context.Background(), s); err != nil {
		r.t.Errorf("Restore: %v", err)
	}
	if now := r.all(); now != all {
		r.t.Errorf("restored to\n%s, was\n%s", now, all)
	}
}

// all tells of the whole server, apart from the code under test, without what a
// restore cannot bring back (ids, UUIDs of instances, pids, order): the cards, the time
// slices and the MPS daemons.
func (r *rig) all() string {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.dir, "cards.json"))
	if err != nil {
		r.t.Fatal(err)
	}
	var file struct {
		Cards []struct {
			Index     int             `json:"index"`
			UUID      string          `json:"uuid"`
			Mode      json.RawMessage `json:"mig"`
			Instances []struct {
				Profile   string         `json:"profile"`
				Placement nvml.Placement `json:"placement"`
				Compute   []struct {
					Placement nvml.Placement `json:"placement"`
					UUID      string         `json:"uuid"`
				} `json:"compute"`
			} `json:"instances"`
		} `json:"cards"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		r.t.Fatal(err)
	}
	places := map[string]string{} // by UUID
	var lines []string
	for _, c := range file.Cards {
		slice, err := r.slices.TimeSlice(context.Background(), c.UUID)
		if err != nil {
			r.t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%d %s %s %s", c.Index, c.UUID, strings.Join(strings.Fields(string(c.Mode)), ""), slice))
		for _, i := range c.Instances {
			line := fmt.Sprintf("%d %02d:%d %s", c.Index, i.Placement.Start, i.Placement.Size, i.Profile)
			var compute []string
			for _, k := range i.Compute {
				compute = append(compute, fmt.Sprintf("%d:%d", k.Placement.Start, k.Placement.Size))
				places[k.UUID] = line + " " + compute[len(compute)-1]
			}
			slices.Sort(compute)
			lines = append(lines, line+" "+strings.Join(compute, " "))
		}
	}
	lines = append(lines, r.daemonLines(places)...)
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

// daemonLines tells of the MPS daemons, their devices as places.
func (r *rig) daemonLines(places map[string]string) []string {
	r.t.Helper()
	all, err := r.program.Find(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	var lines []string
	for _, p := range all {
		pipe := p.Env[mps.PipeVariable]
		if strings.HasPrefix(pipe, filepath.Join(r.dir, "mps")) {
			pipe = "ours"
		}
		line := fmt.Sprintf("daemon of user %d at %s", p.UID, pipe)
		for _, name := range []string{mps.DeviceVariable, "CUDA_MPS_FOO"} {
			value := p.Env[name]
			if place, ok := places[value]; ok {
				value = place
			}
			line += fmt.Sprintf(" %s=%s", name, value)
		}
		for _, question := range []string{"get_default_active_thread_percentage", "get_default_device_pinned_mem_limit 0"} {
			said, err := r.program.Ask(context.Background(), p.Env[mps.PipeVariable], question)
			if err != nil {
				r.t.Fatal(err)
			}
			line += " " + said
		}
		lines = append(lines, line)
	}
	return lines
}

// foreign starts a daemon that is not ours, with its own folders, environment and
// settings.
func (r *rig) foreign(uuid string) {
	r.t.Helper()
	home := filepath.Join(r.dir, "theirs")
	env := []string{mps.PipeVariable + "=" + home + "/pipe", mps.LogVariable + "=" + home + "/log", "CUDA_MPS_FOO=bar", "SECRET=x", "NVIDIA_SECRET=x", "HOMEBREW_SECRET=x", "PATH=" + os.Getenv("PATH")}
	if uuid != "" {
		env = append(env, mps.DeviceVariable+"="+uuid)
	}
	for _, dir := range []string{home + "/pipe", home + "/log"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := r.program.Start(context.Background(), env, os.Geteuid()); err != nil {
		r.t.Fatal(err)
	}
	// It answers a moment after it was started.
	for {
		_, err := r.program.Ask(context.Background(), home+"/pipe", "set_default_active_thread_percentage 70")
		if err == nil {
			return
		}
		if !errors.Is(err, mps.ErrNoDaemon) || r.t.Context().Err() != nil {
			r.t.Fatal(err)
		}
	}
}
