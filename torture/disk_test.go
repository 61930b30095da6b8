package main

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// A sweep that does not end as a bad disk lets it, or tells of it twice or never, is seen.
func TestEndOnBadDiskIsJudged(t *testing.T) {
	for _, c := range []struct {
		fault, script, want string // want is in the fault; empty for none
		warned              int    // warnings of it in the run directory
	}{
		{"EROFS", "echo '12:00:01 cell x: read-only file system'; echo 'evabench: write x: read-only file system'; exit 1", "", 0},
		{"EROFS", "echo 'evabench: write x: read-only file system'; echo 'write y: read-only file system'; exit 1", "told 2 times", 0},
		{"EROFS", "echo 'evabench: no'; exit 1", "told 0 times", 0},
		{"EROFS", "echo 'evabench: write x: read-only file system'; echo '" + unended + "read-only file system'; exit 1", "", 0},
		{"EROFS", "echo '" + unended + "read-only file system'; exit 1", "", 0},
		{"EROFS", "exit 0", "exit status 0", 0},
		{"EROFS", "kill -9 $$", "killed", 0},
		{"EIO", "exit 4", "0 warnings", 0},
		{"EIO", "exit 4", "", 1},
		{"EIO", "exit 0", "2 warnings", 2},
		{"EIO", "echo 'panic: x'; exit 0", "panicked", 0},
		{"EIO", "exit 2", "exit status 2", 0},
		{"EIO", "UNTRIED=1; exit 0", "was not reached", 0},
		{"CUT", "kill -9 $$", "", 0},
		{"CUT", "exit 1", "did not end it", 0},
	} {
		b, err := newBed("/bin/sh", t.TempDir(), 1, t.Output())
		if err != nil {
			t.Fatal(err)
		}
		d := diskTrial{sweeper: &sweeper{bed: b}, fault: c.fault}
		for _, f := range diskFaults {
			if f.name == c.fault {
				d.says = f.says
			}
		}
		env := results.Environment{Planned: []string{"000"}}
		for range c.warned {
			env.Warnings = append(env.Warnings, results.Warning{Code: "disk-fault", Text: "x at the second try; the first: input/output error", Count: 1})
		}
		if _, err := results.Create(d.run(), env, nil); err != nil {
			t.Fatal(err)
		}
		script := c.script
		if !strings.HasPrefix(script, "UNTRIED=1") {
			script = "echo 'injected: " + c.fault + " at operation 7'; " + script
		}
		g, err := d.start(context.Background(), []string{"-c", script})
		if err != nil {
			t.Fatal(err)
		}
		<-g.ended
		d.ended(g)
		if got := strings.Join(d.faults, "; "); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s, %q: %q, want %q", c.fault, c.script, got, c.want)
		}
	}
}

// Every operation of a sweep may be drawn, the last too, and those that write reports often.
func TestDiskFaultsAreAnywhere(t *testing.T) {
	var operations []string
	for range 96 {
		operations = append(operations, "write run/cells/000/.unfinished-cell.json")
	}
	operations = append(operations, "create run/.unfinished-summary.json-1", "write run/.unfinished-report.md-2", "rename run/.unfinished-report.html-3", "sync folder run")
	random := rand.New(rand.NewPCG(1, 2))
	drawn := map[int]int{}
	for range 10_000 {
		drawn[place(random, operations)]++
	}
	for i := range operations {
		if drawn[i+1] == 0 {
			t.Errorf("operation %d of %d was never drawn", i+1, len(operations))
		}
	}
	// A quarter are drawn of the three, the others of all 100: 2,500 + 225.
	if n := drawn[97] + drawn[98] + drawn[99]; len(drawn) != 100 || n < 2400 || n > 3100 {
		t.Errorf("%d places, %d times one that writes reports, want 100 and about 2,725", len(drawn), n)
	}
}

// A step that was stopped and does not say so is seen, and so are stops that hit no step.
func TestMissingHaltIsSeen(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(s float64) time.Time { return began.Add(time.Duration(s * float64(time.Second))) }
	halt := []results.Halt{{From: 0, To: 1, For: 1, What: results.HaltStopped}}
	for _, c := range []struct {
		name  string
		halts []results.Halt
		stop  stop
		want  string
	}{
		{"told", halt, stop{at(1), at(2)}, ""},
		{"not told", nil, stop{at(1), at(2)}, "has no halt"},
		{"not told, at the end", nil, stop{at(2.3), at(4)}, "has no halt"},
		{"too short to be seen", nil, stop{at(1), at(1.5)}, "no step was stopped"},
		{"after the step", nil, stop{at(3), at(4)}, "no step was stopped"},
	} {
		b, err := newBed("/bin/sh", t.TempDir(), 1, t.Output())
		if err != nil {
			t.Fatal(err)
		}
		d := diskTrial{sweeper: &sweeper{bed: b}}
		w, err := results.Create(filepath.Join(b.dir, "run"), results.Environment{SimulatedScale: 10, Planned: []string{"000"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		cell, err := w.Cell("000")
		if err != nil {
			t.Fatal(err)
		}
		step := results.Step{End: results.Offset(30 * time.Second), Halts: c.halts} // 3 s of the clock
		if err := cell.Step(step, nil); err != nil {
			t.Fatal(err)
		}
		if err := cell.Close(results.Cell{Status: results.CellDone, Started: began}); err != nil {
			t.Fatal(err)
		}
		if err := d.halts([]stop{c.stop}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(d.faults, "; "); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
