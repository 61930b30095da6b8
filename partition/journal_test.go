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
	want := State{GPUs: []GPU{testGPU(0).with("1g.24gb", 0, 3)}, MPS: []string{"MIG-GPU-a-0:3"}}
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
	if err != nil || !pending || !reflect.DeepEqual(got, want) {
		t.Errorf("Pending() = %+v, %t, %v; want %+v", got, pending, err, want)
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
	if err := os.WriteFile(j.path(), []byte(`{"version": 1, "sta`), 0o644); err != nil {
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
	if want := fmt.Sprintf("pid %d", os.Getpid()); !ok || locked.Holder != want {
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
	s, pending, err := j.Pending()
	if err != nil || !pending || len(s.GPUs) != 1 || s.GPUs[0].UUID != "GPU-a" {
		t.Errorf("after the crash: %+v, %t, %v; want the state of GPU-a", s, pending, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
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
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("begun")
	_, _ = io.Copy(io.Discard, os.Stdin) // until killed
}
