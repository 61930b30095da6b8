package partition

import (
	"bytes"
	"encoding/json"
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

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/internal/leaks"
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
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// names lists the GPUs of a state, with their time slices.
func names(s State) string {
	var all []string
	for _, g := range s.GPUs {
		all = append(all, g.UUID+" "+g.TimeSlice)
	}
	return strings.Join(all, ", ")
}

// TestJournalAnew: what an earlier change left to be undone stays, whatever a new one
// does and wherever it is killed.
func TestJournalAnew(t *testing.T) {
	of := func(slice string, indices ...int) State {
		var s State
		for _, i := range indices {
			g := testGPU(i)
			g.TimeSlice = slice
			s.GPUs = append(s.GPUs, g)
			s.MPS = append(s.MPS, Daemon{Device: g.UUID, Env: map[string]string{"S": slice}})
		}
		return s
	}
	step := func(do string, j *Journal) error {
		switch do {
		case "keep":
			return j.Keep()
		case "end":
			return j.End()
		case "forget":
			return j.Forget()
		}
		slice, gpus, _ := strings.Cut(do, " ")
		return j.Begin(of(slice, map[string][]int{"a": {0}, "b": {1}, "ab": {0, 1}}[gpus]...))
	}
	for _, tt := range []struct {
		do   string // the steps, each by a process of its own
		want string // the state that is pending, with its mark; or an error
	}{
		{"was a", "GPU-a was"},
		{"was a,keep", "GPU-a was kept"},
		{"was a,keep,now a", "GPU-a now over"},
		{"was a,keep,now a,end", "GPU-a was kept"},
		{"was a,keep,now a,end,end", "none"},
		{"was a,keep,now a,keep", "GPU-a was kept"},
		{"was a,keep,now a,keep,end", "none"},
		{"was a,keep,now a,forget", "none"},
		{"was a,keep,forget", "none"},
		{"was a,keep,now a,keep,third a", "GPU-a third over"},
		{"was a,keep,now a,end,third a,keep", "GPU-a was kept"},
		{"was a,keep,now ab", "GPU-a now, GPU-b now over"},
		{"was a,keep,now ab,end", "GPU-a was kept"},
		{"was a,keep,now ab,keep", "GPU-a was, GPU-b now kept"},
		{"was a,keep,now ab,keep,third ab,end", "GPU-a was, GPU-b now kept"},
		{"was a,keep,now ab,keep,third ab,keep", "GPU-a was, GPU-b now kept"},
		{"was a,keep,now b", "GPU 0 (RTX PRO 6000) (GPU-a) too, which is not named now; put it back first with evabench gpu restore, or name it too"},
		{"was ab,keep,now a", "GPU-b) too, which is not named now"},
		{"was a,keep,now a,third a", "was not restored"},
		{"was a,now a", "was not restored"},
		{"end", "end journal"},
		{"forget", "forget in journal"},
	} {
		dir := t.TempDir()
		got, refused := "", false
		for do := range strings.SplitSeq(tt.do, ",") {
			j := open(t, dir) // as after kill -9
			err := step(do, j)
			refused = err != nil
			left, pending, fault := j.Pending()
			switch {
			case err != nil:
				got = err.Error()
			case !pending:
				got = "none"
			default:
				got = names(left.State)
				if left.Kept {
					got += " kept"
				}
				if left.Earlier {
					got += " over"
				}
				for k, g := range left.State.GPUs { // each has the daemon of the same time
					if d := left.State.MPS; len(d) != len(left.State.GPUs) || d[k].Device != g.UUID || d[k].Env["S"] != g.TimeSlice {
						t.Errorf("%s: daemons %+v of %s", tt.do, d, got)
					}
				}
			}
			if err := errors.Join(fault, j.Close()); err != nil {
				t.Fatal(err)
			}
		}
		if got != tt.want && !(refused && strings.Contains(got, tt.want)) {
			t.Errorf("%s: pending is %s; want %s", tt.do, got, tt.want)
		}
	}
}

// TestJournalRefusedAnew: a refused Begin leaves the kept entry and the trace.
func TestJournalRefusedAnew(t *testing.T) {
	j := open(t, t.TempDir())
	begin(t, j)
	record(t, j, "a")
	if err := j.write(entry{Version: journalVersion, Kept: true, State: State{GPUs: []GPU{testGPU(0)}}}); err != nil {
		t.Fatal(err)
	}
	if err := j.Begin(State{GPUs: []GPU{testGPU(1)}}); err == nil {
		t.Error("Begin without a GPU that is kept gave no error")
	}
	left, pending, err := j.Pending()
	if err != nil || !pending || !left.Kept || names(left.State) != "GPU-a default" || fmt.Sprint(steps(t, j)) != "[a]" {
		t.Errorf("after it: %+v, %t, %v, events %q", left, pending, err, steps(t, j))
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLockHost(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock", "evabench.lock")
	release, err := LockHost(file)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("the lock file is %v, %v; want one for all users", info.Mode(), err)
	}
	_, err = LockHost(file)
	locked, ok := errors.AsType[*LockedError](err)
	want := fmt.Sprintf("the GPUs of this host are locked (%s) by another evabench, pid %d (partition.test ", file, os.Getpid())
	if !ok || locked.File != file || !strings.Contains(err.Error(), want) {
		t.Errorf("a second lock gave %v, want %q", err, want)
	}
	// A folder's lock is another, even in the same folder.
	j := open(t, filepath.Dir(file))
	if err := errors.Join(j.Close(), release()); err != nil {
		t.Fatal(err)
	}
	again, err := LockHost(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
	if _, err := LockHost(filepath.Join(file, "below")); err == nil {
		t.Error("a lock below a file gave no error")
	}
}

// What another user has put in the place of a lock is neither followed nor waited for: the
// host's is in a folder of all users.
func TestLockFollowsNothing(t *testing.T) {
	for name, place := range map[string]func(path, victim string) error{
		"link":      func(path, victim string) error { return os.Symlink(victim, path) },
		"dangling":  func(path, victim string) error { return os.Symlink(victim+"-2", path) },
		"hard link": func(path, victim string) error { return os.Link(victim, path) },
		"pipe":      func(path, _ string) error { return unix.Mkfifo(path, 0o666) },
		"folder":    func(path, _ string) error { return os.Mkdir(path, 0o755) },
	} {
		dir := t.TempDir()
		file, victim := filepath.Join(dir, "evabench.lock"), filepath.Join(dir, "victim")
		if err := os.WriteFile(victim, []byte("as before"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := place(file, victim); err != nil {
			t.Fatal(err)
		}
		if release, err := LockHost(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: the lock gave %v", name, err)
			if err == nil {
				release()
			}
		}
		if text, err := os.ReadFile(victim); string(text) != "as before" {
			t.Errorf("%s: the victim holds %q, %v", name, text, err)
		}
		if all, err := os.ReadDir(dir); err != nil || len(all) != 2 {
			t.Errorf("%s: there are %v, %v", name, all, err)
		}
	}
}

// The text of an earlier holder is gone, also where it was longer.
func TestLockTellsItsHolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "evabench.lock")
	if err := os.WriteFile(file, bytes.Repeat([]byte("x"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	release, err := LockHost(file)
	if err != nil {
		t.Fatal(err)
	}
	var h holder
	text, err := os.ReadFile(file)
	if err = errors.Join(err, json.Unmarshal(text, &h)); err != nil || h.PID != os.Getpid() {
		t.Errorf("it holds %.99q: %v", text, err)
	}
	// Whoever holds it may write what they like into it.
	if err := os.WriteFile(file, bytes.Repeat([]byte("x"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LockHost(file); err == nil || len(err.Error()) > 2*maxHolder {
		t.Errorf("another's lock gave %.99v", err)
	}
	if err := release(); err != nil {
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
		leaks.Main(m)
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
