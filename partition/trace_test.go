package partition

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// steps lists what events were, those cut off with their fault.
func steps(t *testing.T, j *Journal) []string {
	t.Helper()
	events, err := j.Events()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range events {
		text := e.Step
		if e.Error != "" {
			text += ": " + e.Error
		}
		out = append(out, text)
	}
	return out
}

func record(t *testing.T, j *Journal, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := j.Record(Event{At: time.Unix(1, 0).UTC(), Doing: "apply", Step: name, Took: time.Second, Tries: 1}); err != nil {
			t.Fatal(err)
		}
	}
}

func begin(t *testing.T, j *Journal) {
	t.Helper()
	if err := j.Begin(State{}); err != nil {
		t.Fatal(err)
	}
}

func TestTrace(t *testing.T) {
	j := open(t, t.TempDir())
	if got := steps(t, j); got != nil {
		t.Errorf("a new journal has events: %q", got)
	}
	begin(t, j)
	record(t, j, "a", "b")
	if got := fmt.Sprint(steps(t, j)); got != "[a b]" {
		t.Errorf("events %s, want [a b]", got)
	}
	if err := j.End(); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(steps(t, j)); got != "[a b]" {
		t.Errorf("after End: events %s, want [a b]", got)
	}
	begin(t, j)
	record(t, j, "c")
	if got := fmt.Sprint(steps(t, j)); got != "[c]" {
		t.Errorf("after a new Begin: events %s, want [c]", got)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTraceBegun: what was begun and has no outcome yet is told as such.
func TestTraceBegun(t *testing.T) {
	j := open(t, t.TempDir())
	begin(t, j)
	want := []Event{{Begun: true, Doing: "apply", Step: "a"}, {Doing: "apply", Step: "a", Tries: 1}, {Begun: true, Doing: "apply", Step: "b"}}
	for _, e := range want {
		if err := j.Record(e); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := j.Events(); err != nil || !slices.Equal(got, want) {
		t.Errorf("events %+v, %v; want %+v", got, err, want)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTraceCutAnywhere: wherever a crash cuts off the trace, the whole lines are
// read, the rest is told, and what is recorded later is read too.
func TestTraceCutAnywhere(t *testing.T) {
	j := open(t, t.TempDir())
	begin(t, j)
	record(t, j, "first", "second")
	whole, err := os.ReadFile(j.tracePath())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(whole), "\n")
	from := len(lines[0]) // the begin line is whole: it is synced before any change
	for cut := from; cut <= len(whole); cut++ {
		if err := os.WriteFile(j.tracePath(), whole[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		record(t, j, "later")
		var want []string
		switch end := len(lines[0]) + len(lines[1]); {
		case cut == from:
		case cut < end-1:
			want = []string{"cut off"}
		case cut <= end: // with or without the line's end
			want = []string{"first"}
		case cut < len(whole)-1:
			want = []string{"first", "cut off"}
		default:
			want = []string{"first", "second"}
		}
		want = append(want, "later")
		got := steps(t, j)
		ok := len(got) == len(want)
		for i := range want {
			ok = ok && strings.Contains(got[i], want[i])
		}
		if !ok {
			t.Fatalf("cut at byte %d of %d: %q, want %q", cut, len(whole), got, want)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTraceIsBounded: the file begins anew at a Begin, from maxTrace on and not
// before, and the one before it is kept.
func TestTraceIsBounded(t *testing.T) {
	for _, tt := range []struct {
		size    int
		rotated bool
	}{{maxTrace - 1, false}, {maxTrace, true}} {
		dir := t.TempDir()
		j := open(t, dir)
		if err := os.WriteFile(j.tracePath(), []byte(strings.Repeat(" ", tt.size-1)+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		begin(t, j)
		record(t, j, "new")
		if got := fmt.Sprint(steps(t, j)); got != "[new]" {
			t.Errorf("size %d: events %s, want [new]", tt.size, got)
		}
		old, err := os.Stat(filepath.Join(dir, "journal.1.jsonl"))
		if rotated := err == nil; rotated != tt.rotated || rotated && old.Size() != int64(tt.size) {
			t.Errorf("size %d: kept as journal.1.jsonl: %t, want %t", tt.size, rotated, tt.rotated)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
