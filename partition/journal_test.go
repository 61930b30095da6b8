package partition

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func open(t *testing.T, dir string) *Journal {
	t.Helper()
	j, err := OpenJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	j := open(t, dir)
	if _, pending, err := j.Pending(); pending || err != nil {
		t.Fatalf("a new journal is pending: %t, %v", pending, err)
	}
	want := State{GPUs: []GPU{testGPU(0).with("1g.24gb", 0, 3)}, MPS: []Daemon{{Device: "MIG-GPU-a-0:3", Own: true}}}
	if err := j.Begin(want); err != nil {
		t.Fatal(err)
	}
	if err := j.Begin(State{}); err == nil {
		t.Error("Begin wrote over a pending state")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir) // as after a crash
	got, pending, err := j.Pending()
	if err != nil || !pending || !reflect.DeepEqual(got.State, want) {
		t.Errorf("Pending() = %+v, %t, %v; want %+v", got, pending, err, want)
	}
	if got.PID != os.Getpid() || got.Begun.IsZero() || got.Command == "" || got.User == "" || got.BootID == "" || !got.SameBoot {
		t.Errorf("Pending() does not tell of this process and boot: %+v", got)
	}
	if err := j.End(); err != nil {
		t.Fatal(err)
	}
	if _, pending, err := j.Pending(); pending || err != nil {
		t.Errorf("pending after End: %t, %v", pending, err)
	}
	if err := j.End(); err == nil {
		t.Error("End of nothing gave no error")
	}
	if err := os.WriteFile(j.path(), []byte(`{"version": 2, "sta`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := j.Pending(); err == nil || !strings.Contains(err.Error(), j.path()) {
		t.Errorf("a cut-off journal gave %v, want an error that names it", err)
	}
	if err := j.Begin(want); err == nil {
		t.Error("Begin wrote over a journal that cannot be read")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestJournalLocked(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	_, err := OpenJournal(dir)
	locked, ok := errors.AsType[*LockedError](err)
	if want := fmt.Sprintf("pid %d (partition.test ", os.Getpid()); !ok || !strings.HasPrefix(locked.Holder, want) {
		t.Errorf("a second journal gave %v, want a LockedError for %s", err, want)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
}

// TestJournalCrash: a process that begins and is killed leaves the state but
// not the lock. The process is this test binary, see TestMain.
func TestJournalCrash(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	if _, err := cmd.StdinPipe(); err != nil { // never written to
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // begun
		t.Error(err)
	}
	if _, err := OpenJournal(dir); err == nil || !strings.Contains(err.Error(), fmt.Sprint("pid ", cmd.Process.Pid)) {
		t.Errorf("while the other runs: %v, want its pid", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	j := open(t, dir)
	left, pending, err := j.Pending()
	if s := left.State; err != nil || !pending || len(s.GPUs) != 1 || s.GPUs[0].UUID != "GPU-a" || left.PID != cmd.Process.Pid {
		t.Errorf("after the crash: %+v, %t, %v; want the state of GPU-a of pid %d", left, pending, err, cmd.Process.Pid)
	}
	events, err := j.Events()
	if err != nil || len(events) != 1 || events[0].Step != "from the crash" {
		t.Errorf("after the crash: events %+v, %v; want the one that was recorded", events, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestJournalKeep: a change that is to stay is still pending, and said to be kept.
func TestJournalKeep(t *testing.T) {
	j := open(t, t.TempDir())
	if err := j.Keep(); err == nil {
		t.Error("Keep of nothing gave no error")
	}
	want := State{GPUs: []GPU{testGPU(0)}}
	if err := j.Begin(want); err != nil {
		t.Fatal(err)
	}
	before, _, err := j.Pending()
	if err != nil || before.Kept {
		t.Errorf("before Keep: %+v, %v", before, err)
	}
	if err := j.Keep(); err != nil {
		t.Fatal(err)
	}
	after, pending, err := j.Pending()
	if err != nil || !pending || !after.Kept {
		t.Errorf("after Keep: %+v, %t, %v", after, pending, err)
	}
	if after.Kept = false; !reflect.DeepEqual(after, before) {
		t.Errorf("Keep changed more than it should: %+v, was %+v", after, before)
	}
	if err := j.Begin(want); err == nil {
		t.Error("Begin wrote over what is kept")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestJournalOfOthers: what another version or boot wrote is told as such.
func TestJournalOfOthers(t *testing.T) {
	j := open(t, t.TempDir())
	for _, tt := range []struct{ text, want string }{
		{`{"version": 1, "begun": "2026-01-02T03:04:05Z", "pid": 7, "state": {"gpus": null, "mps": ["GPU-a"]}}`, "version 1, want 2"},
		{`{"version": 2, "pid": "seven"}`, j.path()},
	} {
		if err := os.WriteFile(j.path(), []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := j.Pending(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s gives %v, want %q", tt.text, err, tt.want)
		}
	}
	for boot, same := range map[string]bool{bootID(): true, "another": false, "": false} {
		text := fmt.Sprintf(`{"version": 2, "begun": "2026-01-02T03:04:05Z", "pid": 7, "boot_id": %q, "state": {"gpus": null}}`, boot)
		if err := os.WriteFile(j.path(), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		left, pending, err := j.Pending()
		if err != nil || !pending || left.SameBoot != same || left.PID != 7 || left.Begun.Year() != 2026 {
			t.Errorf("boot %q: %+v, %t, %v; want pid 7 and same boot %t", boot, left, pending, err, same)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestHolder(t *testing.T) {
	at := time.Date(2026, 5, 6, 12, 3, 4, 0, time.Local)
	for _, tt := range []struct {
		text, want string
		now        time.Time
	}{
		{"", "pid not yet written", at},
		{"pid 12\n", "pid 12", at}, // of an older version
		{`{"pid":123,"user":"root","command":"evabench sweep x.yaml","begun":"` + at.Format(time.RFC3339) + `"}`,
			"pid 123 (evabench sweep x.yaml) of root since 12:03:04", at.Add(time.Hour)},
		{`{"pid":123,"user":"root","command":"evabench sweep x.yaml","begun":"` + at.Format(time.RFC3339) + `"}`,
			"pid 123 (evabench sweep x.yaml) of root since 2026-05-06 12:03:04", at.AddDate(0, 0, 1)},
		{`{"pid":5,"begun":"` + at.Format(time.RFC3339) + `","boot_id":"another"}`, "pid 5 since 12:03:04, on another host or boot", at},
	} {
		if got := readHolder([]byte(tt.text), tt.now); got != tt.want {
			t.Errorf("%s is told as %q, want %q", tt.text, got, tt.want)
		}
	}
}

const crashDir = "EVABENCH_TEST_CRASH_DIR"

// TestMain is the process that TestJournalCrash kills, or runs the tests.
func TestMain(m *testing.M) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	j, err := OpenJournal(dir)
	if err == nil {
		err = j.Begin(State{GPUs: []GPU{testGPU(0)}})
	}
	if err == nil {
		err = j.Record(Event{Step: "from the crash"})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("begun")
	_, _ = io.Copy(io.Discard, os.Stdin) // until killed
}
