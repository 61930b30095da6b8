package search

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// A race that is broken off between two cells and gone on with from what the cells before
// gave asks for the same steps, leaves out the same cells for the same reasons, and comes to
// the same end, wherever it is broken off.
func TestRaceGoesOnAlike(t *testing.T) {
	cuts, left := 0, 0
	for seed := range uint64(4) {
		m := meeting(100, 95, 99, 60)
		m.breaks = func(e Entry) bool { return e.Config == "b" && e.Replicate == int(seed) }
		m.refuses = func(e Entry) bool { return e.Config == "c" && seed == 1 }
		whole := goOn(t, m, nil, seed)
		left += len(whole.left)
		for k := range len(whole.cells) + 1 {
			cuts++
			if got := goOn(t, m, whole.cells[:k], seed); !reflect.DeepEqual(got, whole) {
				t.Fatalf("seed %d, broken off after %d of %d cells:\n%+v\nin one go:\n%+v", seed, k, len(whole.cells), got, whole)
			}
		}
	}
	if cuts < 40 || left < 4 {
		t.Errorf("%d cuts of races that left out %d cells: the cases show little", cuts, left)
	}
}

// A raced is what came of a race.
type raced struct {
	race  analysis.Race
	cells []analysis.Cell
	left  map[string]string // why cells were skipped
}

// goOn races over six replicates, with cells that are known already. What a server does in
// a cell depends on the cell alone.
func goOn(t *testing.T, m *meet, known []analysis.Cell, seed uint64) raced {
	t.Helper()
	entries := m.entries(6)
	race, err := NewRace(m.env, entries)
	if err != nil {
		t.Fatal(err)
	}
	ray, err := newRay(m.env)
	if err != nil {
		t.Fatal(err)
	}
	out := raced{left: map[string]string{}}
	for number, e := range entries {
		race.Skip(e.Folder) // it may be asked more than once
		if why := race.Skip(e.Folder); why != "" {
			out.left[e.Folder] = why
			continue
		}
		if len(known) > 0 {
			if known[0].Cell.Folder != e.Folder {
				t.Fatalf("cell %s was run before, and is left out now", known[0].Cell.Folder)
			}
			if err := race.Replay(e.Folder, known[0].Steps); err != nil {
				t.Fatal(err)
			}
			out.cells, known = append(out.cells, known[0]), known[1:]
			continue
		}
		cell := analysis.Cell{Cell: results.Cell{Folder: e.Folder, Config: results.Config{Name: e.Config}, Replicate: e.Replicate, Status: results.CellDone}}
		if m.refuses(e) {
			cell.Cell.Status = results.CellFailed
			out.cells = append(out.cells, cell)
			continue
		}
		c, err := race.Chooser(e.Folder)
		if err != nil {
			t.Fatal(err)
		}
		random, now := rand.New(rand.NewPCG(seed, uint64(number))), 0.0
		for index := 0; !c.run.done; index++ {
			if m.breaks(e) && index == 2 {
				cell.Cell.Status = results.CellFailed
				break
			}
			step := m.servers[e.Config].step(m.env, ray, c.run.capacity.plan(), index, now, random)
			now += step.Loaded
			cell.Steps = append(cell.Steps, step)
			c.run.take(step)
		}
		out.cells = append(out.cells, cell)
	}
	out.race = race.Race()
	return out
}
