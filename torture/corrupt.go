package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// corrupt is the class of damaged run directories.
var corrupt = class{
	name: "corrupt", about: "one byte, a block, an end, a file or a folder of a run directory is wrong or gone; then the report",
	few: 60, many: 2000,
	try: tryCorrupt,
}

// reportLimit bounds one report on the clock: longer, and it hangs.
const reportLimit = 2 * time.Minute

// A sound is a run directory that nobody damaged, and what is told of it.
type sound struct {
	dir   string
	files []string // that a report reads, within dir
	told  told
}

// told is what a report told of a run directory.
type told struct {
	status int
	out    []byte
	err    string
	cells  map[string]string // each one's part of summary.json, by folder
	where  []string          // of each warning
}

// tryCorrupt makes one run directory, and damages copies of it in n ways.
func tryCorrupt(ctx context.Context, b *bed, n int) (t tally, err error) {
	s, err := measureSound(ctx, b)
	if err != nil {
		return t, fmt.Errorf("a run directory to damage: %w", err)
	}
	for i := range n {
		if ctx.Err() != nil {
			return t, context.Cause(ctx)
		}
		seed := b.seed + uint64(i)
		copied := filepath.Join(b.dir, "copy")
		if err := os.CopyFS(copied, os.DirFS(s.dir)); err != nil {
			return t, err
		}
		d, err := drawDamage(s, copied, rand.New(rand.NewPCG(seed, 0x646d67)))
		if err != nil {
			return t, fmt.Errorf("seed %d: %w", seed, err)
		}
		got, err := reportOf(ctx, b, copied)
		if err != nil {
			return t, fmt.Errorf("seed %d: %w", seed, err)
		}
		var faults []string
		for _, f := range s.judge(d, got) {
			faults = append(faults, fmt.Sprintf("%s: %s", d, f))
		}
		t.add(seed, faults...)
		if err := os.RemoveAll(copied); err != nil {
			return t, err
		}
	}
	left, err := b.left()
	t.left = left
	return t, err
}

// measureSound sweeps, and asks for the report twice: it must be the same.
func measureSound(ctx context.Context, b *bed) (s sound, err error) {
	// Two configurations, two replicates, two steps each.
	scenario, err := b.file("corrupt.yaml", swept{name: "corrupt", scale: 20, warmup: "2s", window: "20s", replicates: 2}.yaml())
	if err != nil {
		return s, err
	}
	s.dir = filepath.Join(b.dir, "sound")
	// That a step is late or steady is no matter here: 4 is no valid measurement.
	out, err := b.command(ctx, "sweep", scenario, "--yes", "--no-selftest", "--out", s.dir).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 4) {
		return s, fmt.Errorf("sweep: %w\n%s", err, out)
	}
	made := []string{"summary.json", "report.md", "report.xlsx", "report.html", "journal.jsonl", "before.json"} // no report reads them
	err = filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(s.dir, path)
		if !slices.Contains(made, name) && !strings.Contains(name, "/logs/") {
			s.files = append(s.files, name)
		}
		return err
	})
	if err != nil {
		return s, err
	}
	if s.told, err = reportOf(ctx, b, s.dir); err != nil {
		return s, err
	}
	if s.told.status != 0 || len(s.told.cells) != 4 {
		return s, fmt.Errorf("the report of a whole run ends with %d and %d cells:\n%s", s.told.status, len(s.told.cells), s.told.err)
	}
	return s, nil
}

// reportOf asks for a run directory's figures.
func reportOf(ctx context.Context, b *bed, dir string) (t told, err error) {
	limited, cancel := context.WithTimeout(ctx, reportLimit)
	defer cancel()
	var out, talk bytes.Buffer
	c := b.command(limited, "report", dir, "--format", "json")
	c.Stdout, c.Stderr = &out, &talk
	err = c.Run()
	if limited.Err() != nil && ctx.Err() == nil {
		talk.WriteString("it did not end by itself")
	} else if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		return t, err
	}
	t = told{status: c.ProcessState.ExitCode(), out: out.Bytes(), err: talk.String(), cells: map[string]string{}}
	var summary struct {
		Cells    []json.RawMessage `json:"cells"`
		Warnings []struct {
			Where string `json:"where"`
		} `json:"warnings"`
	}
	if len(t.out) == 0 {
		return t, nil
	}
	if err := json.Unmarshal(t.out, &summary); err != nil {
		t.err += "\nits output is no JSON: " + err.Error()
		return t, nil
	}
	for _, raw := range summary.Cells {
		var cell struct {
			Cell struct {
				Folder string `json:"folder"`
			} `json:"cell"`
		}
		if err := json.Unmarshal(raw, &cell); err != nil {
			return t, err
		}
		t.cells[cell.Cell.Folder] = string(raw)
	}
	for _, w := range summary.Warnings {
		t.where = append(t.where, w.Where)
	}
	return t, nil
}
