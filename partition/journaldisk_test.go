package partition

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/evabench/evabench/internal/disk/disktest"
)

// journalled are the calls of a change that is kept, of one over it that is put back, and of
// one after all was forgotten.
var journalled = []func(*Journal) error{
	func(j *Journal) error { return j.Begin(State{GPUs: []GPU{testGPU(0)}}) },
	func(j *Journal) error { return j.Record(Event{Step: "one"}) },
	func(j *Journal) error { return j.Keep() },
	func(j *Journal) error { return j.Begin(State{GPUs: []GPU{testGPU(0), testGPU(1)}}) },
	func(j *Journal) error { return j.Record(Event{Step: "two"}) },
	func(j *Journal) error { return j.End() },
	func(j *Journal) error { return j.Forget() },
	func(j *Journal) error { return j.Begin(State{GPUs: []GPU{testGPU(1)}}) },
}

// A look is what the next process finds.
type look struct {
	pending string
	trace   []string
}

func lookAt(t *testing.T, dir string) look {
	t.Helper()
	j := open(t, dir)
	defer j.Close()
	left, pending, err := j.Pending()
	if err != nil {
		t.Fatal(err)
	}
	return look{fmt.Sprint(pending, left.Kept, left.Earlier, names(left.State)), steps(t, j)}
}

// The disk fails at each operation of the journal in each way. Whatever a call said it had
// on disk, the next process finds; a call that gave an error has done all or nothing of what
// is to be restored, and goes well on a disk that is sound again.
func TestJournalOnBadDisk(t *testing.T) {
	want := make([]look, 1+len(journalled)) // before each call, and after the last
	sound := t.TempDir()
	want[0] = lookAt(t, sound)
	for i, call := range journalled {
		j := open(t, sound)
		if err := call(j); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		want[i+1] = lookAt(t, sound)
	}
	for _, fault := range disktest.Faults() {
		at, reached := 0, true
		for ; reached; at++ {
			base := t.TempDir()
			trial := disktest.New(base, at, fault)
			j := open(t, base)
			j.disk = trial.Disk()
			done := slices.IndexFunc(journalled, func(call func(*Journal) error) bool { return call(j) != nil })
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			if reached = trial.Reached(); !reached {
				break
			}
			op := fmt.Sprintf("%s at %q", fault, trial.Ops[at])
			if done < 0 {
				if fault != disktest.Full { // names and removals need no room
					t.Errorf("%s: nothing told it", op)
				}
				continue
			}
			dir, err := trial.Left(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			got, before, after := lookAt(t, dir), want[done], want[done+1]
			if got.pending != before.pending && got.pending != after.pending {
				t.Errorf("%s: call %d left %q to be restored, want %q or %q", op, done, got.pending, before.pending, after.pending)
			}
			if len(got.trace) < len(before.trace) && len(got.trace) < len(after.trace) {
				t.Errorf("%s: call %d left the trace %q, want %q or %q", op, done, got.trace, before.trace, after.trace)
			}
			if got.pending != before.pending {
				continue // it was done
			}
			again := open(t, dir)
			if err := journalled[done](again); err != nil {
				t.Errorf("%s: call %d again: %v", op, done, err)
			}
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
			if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
				t.Errorf("%s: %v is left", op, left)
			}
			if got := lookAt(t, dir); got.pending != after.pending {
				t.Errorf("%s: call %d again left %q, want %q", op, done, got.pending, after.pending)
			}
		}
		if at < 30 {
			t.Errorf("%s: only %d operations were seen", fault, at)
		}
	}
}
