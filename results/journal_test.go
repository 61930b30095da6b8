package results

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/evabench/evabench/internal/disk"
)

// Each change is a line of its own, in order, and the run can be read as
// before.
func TestJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Create(dir, Environment{Scenario: "s"}, []byte("name: s\n"))
	must(t, err)
	type change struct {
		Step string `json:"step"`
	}
	for _, step := range []string{"create 1g.24gb", "two\nlines", "destroy"} {
		must(t, w.Journal(change{step}))
	}
	text, err := os.ReadFile(filepath.Join(dir, journalFile))
	must(t, err)
	want := "{\"step\":\"create 1g.24gb\"}\n{\"step\":\"two\\nlines\"}\n{\"step\":\"destroy\"}\n"
	if string(text) != want {
		t.Errorf("journal:\n%s\nwant:\n%s", text, want)
	}
	run, err := Read(dir)
	if err != nil || len(run.Problems) > 0 {
		t.Errorf("read: %v, %+v", err, run)
	}
}

// What cannot be written is told, and leaves no line.
func TestJournalRefuses(t *testing.T) {
	full := errors.New("no space")
	dir := filepath.Join(t.TempDir(), "run")
	w, err := create(dir, Environment{Scenario: "s"}, []byte("name: s\n"), disk.Faulty(func(op disk.Op) error {
		if op.Kind == disk.Open {
			return full
		}
		return nil
	}))
	must(t, err)
	if err := w.Journal("x"); !errors.Is(err, full) {
		t.Errorf("Journal() = %v, want %v", err, full)
	}
	if err := w.Journal(make(chan int)); err == nil {
		t.Error("a channel was written as JSON")
	}
	if _, err := os.Stat(filepath.Join(dir, journalFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("journal after refusals: %v", err)
	}
}
