package search

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

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
			got := goOn(t, m, whole.cells[:k], seed)
			for _, c := range whole.cells[:k] {
				if p := whole.plans[c.Cell.Folder]; p != nil {
					got.plans[c.Cell.Folder] = p // it was not asked again
				}
			}
			if !reflect.DeepEqual(got, whole) {
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
	left  map[string]string             // why cells were skipped
	plans map[string][]results.StepPlan // what was asked for, by cell
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
	out := raced{left: map[string]string{}, plans: map[string][]results.StepPlan{}}
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
			plan := c.run.capacity.plan()
			out.plans[e.Folder] = append(out.plans[e.Folder], plan)
			step := m.servers[e.Config].step(m.env, ray, plan, index, now, random)
			now += step.Loaded
			cell.Steps = append(cell.Steps, step)
			c.run.take(step)
		}
		out.cells = append(out.cells, cell)
	}
	out.race = race.Race()
	return out
}

// What a race asked for is what it asks for again; any step that is another, missing or more
// is told with its cell.
func TestRaceIsRechecked(t *testing.T) {
	m := meeting(100, 95, 99, 60)
	m.breaks, m.refuses = func(Entry) bool { return false }, func(Entry) bool { return false }
	whole := goOn(t, m, nil, 1)
	recheck := func(at int, plans []results.StepPlan, steps []analysis.Step) error {
		race, err := NewRace(m.env, m.entries(6))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range whole.cells[:at] {
			race.Skip(c.Cell.Folder)
			if err := race.Recheck(c.Cell.Folder, c.Steps, whole.plans[c.Cell.Folder], true); err != nil {
				t.Fatal(err)
			}
		}
		folder := whole.cells[at].Cell.Folder
		race.Skip(folder)
		return race.Recheck(folder, steps, plans, true)
	}
	for at, c := range whole.cells {
		folder, plans, last := c.Cell.Folder, whole.plans[c.Cell.Folder], len(c.Steps)-1
		longer := slices.Clone(plans)
		longer[last].Window += time.Second
		for want, err := range map[string]error{
			"": recheck(at, plans, c.Steps),
			fmt.Sprintf("step %d of cell %s was ", last, folder):                                                   recheck(at, longer, c.Steps),
			fmt.Sprintf("cell %s went on with ", folder):                                                           recheck(at, append(slices.Clone(plans), plans[last]), append(slices.Clone(c.Steps), c.Steps[last])),
			fmt.Sprintf("cell %s ended after %d steps, and would go on with %s (", folder, last, plans[last].Name): recheck(at, plans[:last], c.Steps[:last]),
		} {
			if got := fmt.Sprint(err); want == "" && err != nil || want != "" && !strings.HasPrefix(got, want) {
				t.Errorf("got %q, want it to begin with %q", got, want)
			}
		}
	}
}
