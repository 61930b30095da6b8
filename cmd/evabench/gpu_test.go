package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// command runs one command line in the process.
func command(t *testing.T, args ...string) (code int, out, talk string) {
	t.Helper()
	var o, e strings.Builder
	code = status(run(t.Context(), args, strings.NewReader(""), &o, &e), &e)
	return code, o.String(), e.String()
}

// What is on a GPU is shown, with whether it stands in the way of a change and what
// to do; and a plan against it is refused with the same words.
func TestInspectTellsWhatStandsInTheWay(t *testing.T) {
	for _, c := range []struct {
		name  string
		bring func(*nvml.Fake, nvml.Device) error
		want  []string // of inspect; those with "refused: " are in the plan's error, too
	}{
		{"process", func(f *nvml.Fake, d nvml.Device) error {
			return f.AddForeign(nvml.Process{PID: 4242, Name: "train", Device: d.UUID, Kind: nvml.ComputeProcess})
		}, []string{"process 4242 (train), compute, unknown on GPU-", "refused: ", "4242"}},
		{"display", func(f *nvml.Fake, d nvml.Device) error {
			return f.SetState(d.UUID, nvml.FakeState{DisplayActive: true})
		}, []string{"display active", "refused: ", "display"}},
		{"display mode", func(f *nvml.Fake, d nvml.Device) error {
			return f.SetState(d.UUID, nvml.FakeState{DisplayMode: true})
		}, []string{"refused: ", "DisplayModeSelector"}},
		{"guest", func(f *nvml.Fake, d nvml.Device) error {
			return f.SetState(d.UUID, nvml.FakeState{Virtualization: nvml.VirtualizationGuest})
		}, []string{"virtualization vgpu-guest", "refused: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			on := []string{"--sim", "pro5000x1", "--sim-dir", dir}
			look := append([]string{"gpu", "inspect"}, on...)
			if code, out, talk := command(t, look...); code != exitDone || !strings.Contains(out, "nothing stands in the way") {
				t.Fatalf("status %d\n%s%s", code, out, talk)
			}
			fake, err := nvml.OpenFake(filepath.Join(dir, "cards.json"))
			if err != nil {
				t.Fatal(err)
			}
			all, err := fake.Devices()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.bring(fake, all[0]); err != nil {
				t.Fatal(err)
			}
			code, out, talk := command(t, look...)
			for _, want := range c.want {
				if code != exitDone || !strings.Contains(out, want) {
					t.Errorf("status %d, and %q is not in\n%s%s", code, want, out, talk)
				}
			}
			code, out, talk = command(t, append([]string{"gpu", "plan", "2x1g.24gb", "--gpus", "0"}, on...)...)
			if last := c.want[len(c.want)-1]; code != exitUsage || last != "refused: " && !strings.Contains(talk, last) {
				t.Errorf("plan: status %d, want %d and %q\n%s%s", code, exitUsage, last, out, talk)
			}
		})
	}
}

// A faultyBackend fails to apply, and perhaps to restore.
type faultyBackend struct {
	partition.Backend
	applying, restoring error
	restored            int
	warning             string // told by a restore
	now                 partition.State
	trace               func(partition.Event)
}

func (b *faultyBackend) Trace(f func(partition.Event)) { b.trace = f }

func (b *faultyBackend) Inspect(context.Context, []string) (partition.State, error) {
	return b.now, nil
}

func (b *faultyBackend) Apply(context.Context, partition.Plan) ([]device.Device, error) {
	return nil, b.applying
}

func (b *faultyBackend) Restore(ctx context.Context, _ partition.State) error {
	b.restored++
	if b.warning != "" {
		b.trace(partition.Event{Warning: b.warning})
	}
	return errors.Join(b.restoring, ctx.Err())
}

// What cannot be applied is put back, also when the command was interrupted; what
// cannot be put back stays in the journal, and is tried again at the next start.
func TestApplyPutsBackWhatFails(t *testing.T) {
	fault, worse := errors.New("no such slot"), errors.New("GPU is lost")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	plan := partition.Plan{Before: partition.State{GPUs: []partition.GPU{{UUID: "GPU-1"}}}, Changes: []partition.Step{{Action: partition.SetMode}}}
	dir := t.TempDir()
	for _, c := range []struct {
		restoring error
		pending   bool
		want      []error
	}{{nil, false, []error{fault}}, {worse, true, []error{fault, worse, partition.ErrNotRestored}}} {
		j, err := partition.OpenJournal(dir)
		if err != nil {
			t.Fatal(err)
		}
		b := &faultyBackend{applying: fault, restoring: c.restoring}
		_, err = (&applyOptions{}).carryOut(ctx, undoing{backend: b, journal: j}, plan)
		for _, want := range c.want {
			if !errors.Is(err, want) {
				t.Errorf("carryOut() = %v, want %v in it", err, want)
			}
		}
		left, pending, err := j.Pending()
		if err != nil || pending != c.pending || left.Kept || b.restored != 1 {
			t.Errorf("pending %v (kept %v), want %v; restored %d times; %v", pending, left.Kept, c.pending, b.restored, err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	again := &faultyBackend{}
	var talk strings.Builder
	j, err := openJournal(t.Context(), again, keeping{dir: dir}, intent{on: plan.Before}, streams{nil, io.Discard, &talk})
	if err != nil || again.restored != 1 || !strings.Contains(talk.String(), "did not put the GPUs back") {
		t.Fatalf("next start: %v, restored %d times, said %q", err, again.restored, talk.String())
	}
	if _, pending, err := j.Pending(); pending || err != nil {
		t.Errorf("pending %v, %v", pending, err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

// Every word that a plan can need is told by apply's help, and can be said.
func TestPermissionsOf(t *testing.T) {
	help := newGPUApply(streams{}).Long
	words := []string{"drain", "layout", "mode", "reset", "time-slice", "mps"}
	got, err := permissionsOf(words)
	if want := []partition.Permission{
		partition.AllowDrain, partition.AllowLayout, partition.AllowMode, partition.AllowReset, partition.AllowSlice, partition.AllowMPS,
	}; err != nil || !slices.Equal(got, want) {
		t.Errorf("permissionsOf(%q) = %v, %v; want %v", words, got, err, want)
	}
	for _, p := range partition.Permissions() {
		if !strings.Contains(help, string(p)+" (") || !slices.Contains(words, string(p)) {
			t.Errorf("help does not explain %s, or it is not tried here", p)
		}
	}
	if got, err := permissionsOf([]string{"mode", "modes"}); err == nil {
		t.Errorf("permissionsOf(modes) = %v, want an error", got)
	}
}

// The notice of an interrupt names the command that puts back what is half changed,
// and no command where nothing is.
func TestInterruptNamesRestore(t *testing.T) {
	half := new(halfChanged)
	ctx := context.WithValue(t.Context(), halfChangedKey{}, half)
	k := keeping{dir: filepath.Join(t.TempDir(), "it's"), sim: "pro6000x1"}
	j, err := k.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := func(want string) {
		t.Helper()
		if got := thenRun(half); got != want {
			t.Errorf("the notice ends with %q, want %q", got, want)
		}
	}
	want("")
	if err := j.Begin(partition.State{}); err != nil {
		t.Fatal(err)
	}
	want("; then run evabench gpu restore --sim pro6000x1 --sim-dir '" + strings.ReplaceAll(k.dir, "'", `'\''`) + "'")
	if err := j.Keep(); err != nil {
		t.Fatal(err)
	}
	want("")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if half.Load() != nil {
		t.Error("it is held after the command")
	}
}

// What is left to be put back is told without the lock, also where it cannot be read.
func TestLeftIsTold(t *testing.T) {
	k := keeping{dir: t.TempDir(), hostLock: "unused"}
	if got := k.left(); got != "" {
		t.Errorf("of nothing: %q", got)
	}
	j, err := partition.OpenJournal(k.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if err := j.Begin(partition.State{}); err != nil {
		t.Fatal(err)
	}
	if got, want := k.left(), fmt.Sprintf("(process %d) began to change", os.Getpid()); !strings.Contains(got, want) || !strings.Contains(got, "restore --state-dir "+k.dir) {
		t.Errorf("of a change under way: %q", got)
	}
	if err := os.WriteFile(filepath.Join(k.dir, "journal.json"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := k.left(); !strings.Contains(got, "is unknown: read journal") {
		t.Errorf("of an unreadable one: %q", got)
	}
}

// What a reset would change, and what could not be read, is told; what nothing told
// is unknown.
func TestInspectionTells(t *testing.T) {
	on, off, low, full := true, false, 300.0, 600.0
	state := partition.State{Blind: "own PID namespace", GPUs: []partition.GPU{
		{Name: "A", ECC: &off, ECCPending: &on, PowerLimitWatts: &low, PowerDefaultWatts: &full, ComputeMode: "prohibited", NoProfiles: "no permission", MIG: partition.Mode{Supported: true}},
		{Index: 1, Name: "B", ECC: &on, ECCPending: &on, PowerLimitWatts: &full, PowerDefaultWatts: &full},
		{Index: 2, Name: "C", PowerLimitWatts: &full},
		{Index: 3, Name: "D"},
	}}
	var out strings.Builder
	printInspection(&out, "", state, nil)
	for _, want := range []string{
		"processes of this host cannot be seen: own PID namespace\n",
		"ECC off with a change to on pending\n", "compute mode prohibited, time slice unknown, power limit 300 W (600 W after a reset)\n",
		"; its profiles could not be read: no permission\n",
		"ECC on\n", "power limit 600 W\n", "power limit 600 W (default unknown)\n", "ECC unknown\n", "power limit unknown\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	data, err := json.Marshal(inspection{State: state})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"blind":"own PID namespace"`, `"no_profiles":"no permission"`, `"ecc_pending":true`, `"power_limit_watts":300`, `"power_default_watts":600`, `"compute_mode":"prohibited"`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %s in %s", want, data)
		}
	}
}

// The examples of the help work as they stand, but for those that need a GPU.
func TestExamples(t *testing.T) {
	dir := t.TempDir()
	ran := 0
	for _, c := range newGPU(streams{}).Commands() { // apply comes before restore
		for line := range strings.Lines(c.Example) {
			line = strings.TrimSpace(line)
			asked := !strings.Contains(line, "--sim ") && !strings.Contains(line, "--card ") && !strings.Contains(line, "--gpu \"")
			if line == "" || asked {
				continue
			}
			if c.Name() == "apply" {
				line += " --yes" // there is no terminal
			}
			ran++
			shell := exec.Command("sh", "-c", line)
			shell.Dir = dir
			if said, err := shell.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", line, err, said)
			}
		}
	}
	if ran < 6 {
		t.Errorf("only %d examples were tried", ran)
	}
}
