package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each way for a report to take a damage badly is seen, and none in a good one.
func TestJudgeDamage(t *testing.T) {
	const file = "cells/a/steps/00/samples.parquet"
	s := sound{told: told{out: []byte("whole"), cells: map[string]string{"a": "A", "b": "B"}}}
	good := func() told {
		return told{status: 1, out: []byte("less"), err: "run/" + file + ": column x: short", cells: map[string]string{"a": "?", "b": "B"}}
	}
	for _, c := range []struct {
		name  string
		spoil func(*told)
		d     damage
		want  string
	}{
		{"good", func(*told) {}, damage{path: file}, ""},
		{"a byte of no matter", func(x *told) { x.status, x.out = 0, s.told.out }, damage{path: file, few: true}, ""},
		{"a digit unseen", func(x *told) { x.status, x.out = 0, s.told.out }, damage{path: "cells/a/cell.json", few: true}, "nobody noticed"},
		{"unseen", func(x *told) { x.status, x.out = 0, s.told.out }, damage{path: file}, "nobody noticed"},
		{"panic", func(x *told) { x.err += "\npanic: index" }, damage{path: file}, "panic: index"},
		{"hang", func(x *told) { x.status, x.err = -1, x.err+" it did not end by itself" }, damage{path: file}, "ends with -1"},
		{"no place", func(x *told) { x.err = "column x: short" }, damage{path: file}, "nobody says where"},
		{"told, but as done", func(x *told) { x.status = 0 }, damage{path: file}, "taken for a run that broke off"},
		{"crash", func(x *told) { x.status, x.err, x.where = 0, "", []string{"a"} }, damage{path: "cells/a/cell.json", marker: true}, ""},
		{"other cell differs", func(x *told) { x.cells["b"] = "b" }, damage{path: file}, "the cell b, which is whole"},
		{"other cell gone", func(x *told) { delete(x.cells, "b") }, damage{path: file}, "the cell b, which is whole"},
		{"own cell gone", func(x *told) { delete(x.cells, "a") }, damage{path: file}, "the whole cell is gone"},
		{"no environment", func(x *told) { x.err, x.cells["a"] = "run: environment.json: short", "A" }, damage{path: "environment.json"}, ""},
		{"no report", func(x *told) { x.out, x.cells, x.err = nil, nil, "run: environment.json: short" }, damage{path: "environment.json"}, "the cell b, which is whole, is not told"},
		{"scenario", func(x *told) { x.status, x.err, x.where, x.cells["a"] = 0, "", []string{"scenario.yaml"}, "A" }, damage{path: "scenario.yaml"}, ""},
	} {
		x := good()
		c.spoil(&x)
		got := strings.Join(s.judge(c.d, x), "\n")
		if c.want == "" && got != "" || c.want != "" && !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// Every drawn damage changes the folder.
func TestDamageDamages(t *testing.T) {
	whats := map[string]bool{}
	for seed := range uint64(200) {
		dir := t.TempDir()
		s := sound{dir: dir, files: []string{"environment.json", "cells/a/cell.json", "cells/a/steps/00/step.json"}}
		text := map[string]string{}
		for i, name := range s.files {
			text[name] = strings.Repeat(name, 100*(i+1))
			if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text[name]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		d, err := drawDamage(s, dir, rand.New(rand.NewPCG(seed, 0)))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		same := true
		for _, name := range s.files {
			got, err := os.ReadFile(filepath.Join(dir, name))
			same = same && err == nil && string(got) == text[name]
		}
		if same {
			t.Errorf("seed %d: %s changes nothing", seed, d)
		}
		word, _, _ := strings.Cut(strings.TrimLeft(d.what, "0123456789 "), " ")
		whats[word] = true // byte, zeros, it, a, gone, the
	}
	if len(whats) != 6 {
		t.Errorf("only these were drawn: %v", whats)
	}
}

// The whole way, a few times.
func TestCorrupt(t *testing.T) {
	got, err := tryCorrupt(t.Context(), testBed(t), 8)
	if err != nil || got.tried != 8 || got.survived != 8 || len(got.left) > 0 {
		t.Errorf("%+v, %v", got, err)
	}
}
