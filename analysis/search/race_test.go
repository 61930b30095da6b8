package search

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// A meet is a race of made servers, by configuration, and what it left behind.
type meet struct {
	env     results.Environment
	servers map[string]made
	order   []string         // in which configurations stand in the matrix
	breaks  func(Entry) bool // in its third step
	refuses func(Entry) bool // before its first, so that nobody asks for a Chooser
	cells   []analysis.Cell
	left    map[string]string // why cells were skipped
}

// run races over some replicates, each second one in reverse.
func (m *meet) run(t *testing.T, replicates int, seed uint64) analysis.Race {
	t.Helper()
	entries := m.entries(replicates)
	race, err := NewRace(m.env, entries)
	if err != nil {
		t.Fatal(err)
	}
	ray, err := newRay(m.env)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, 1))
	m.left = map[string]string{}
	for _, e := range entries {
		if why := race.Skip(e.Folder); why != "" {
			m.left[e.Folder] = why
			continue
		}
		if m.refuses != nil && m.refuses(e) {
			m.cells = append(m.cells, analysis.Cell{Cell: results.Cell{Folder: e.Folder, Config: results.Config{Name: e.Config}, Replicate: e.Replicate, Status: results.CellFailed}})
			continue
		}
		c, err := race.Chooser(e.Folder)
		if err != nil {
			t.Fatal(err)
		}
		cell := analysis.Cell{Cell: results.Cell{Folder: e.Folder, Config: results.Config{Name: e.Config}, Replicate: e.Replicate, Status: results.CellDone}}
		now := 0.0
		for index := 0; !c.run.done; index++ {
			if index > 200 {
				t.Fatalf("%s goes on for ever", e.Folder)
			}
			if m.breaks != nil && m.breaks(e) && index == 2 {
				cell.Cell.Status = results.CellFailed
				break
			}
			step := m.servers[e.Config].step(m.env, ray, c.run.capacity.plan(), index, now, random)
			now += step.Loaded
			cell.Steps = append(cell.Steps, step)
			c.run.take(step)
		}
		m.cells = append(m.cells, cell)
	}
	return race.Race()
}

func (m *meet) entries(replicates int) []Entry {
	var entries []Entry
	order := slices.Clone(m.order)
	for r := 1; r <= replicates; r++ {
		for _, config := range order {
			entries = append(entries, Entry{Folder: fmt.Sprintf("%03d-%s-r%d", len(entries), config, r), Config: config, Replicate: r})
		}
		slices.Reverse(order)
	}
	return entries
}

// meeting makes a race of servers with these capacities, the first of them called a.
func meeting(capacities ...float64) *meet {
	m := &meet{env: asked(results.Search{Kind: Interval, Raise: "a", From: 10, Race: true}, rates(10)...), servers: map[string]made{}}
	for i, c := range capacities {
		name := string(rune('a' + i))
		m.order = append(m.order, name)
		m.servers[name] = made{over: smooth(c, 20), errors: never}
	}
	return m
}

// Races of made servers end as they should.
func TestRaceEnds(t *testing.T) {
	for name, test := range map[string]struct {
		meet       *meet
		replicates int
		state      string
		winner     string
		equivalent string // joined
		left       string // part of why the last one was left out
	}{
		"one leads":          {meeting(100, 90, 80), 8, analysis.RaceWon, "a", "", "missed, twice"},
		"the last leads":     {meeting(80, 90, 100), 8, analysis.RaceWon, "c", "", ""},
		"a small lead":       {meeting(100, 94), 8, analysis.RaceWon, "a", "", "below that of a"},
		"alike":              {meeting(100, 100), 8, analysis.RaceEquivalent, "", "a b", ""},
		"two of three alike": {meeting(70, 100, 100.5), 8, analysis.RaceEquivalent, "", "b c", ""},
	} {
		t.Run(name, func(t *testing.T) {
			race := test.meet.run(t, test.replicates, 1)
			equivalent := slices.Sorted(slices.Values(race.Equivalent))
			if race.State != test.state || race.Winner != test.winner || strings.Join(equivalent, " ") != test.equivalent {
				t.Errorf("%+v", race)
			}
			if last := race.Runners[len(race.Runners)-1]; !strings.Contains(last.Left, test.left) {
				t.Errorf("left out since %q", last.Left)
			}
			confirmed := 0
			for _, c := range test.meet.cells {
				for _, s := range c.Steps {
					if s.Purpose == results.PurposeConfirm {
						confirmed++
					}
				}
			}
			if confirmed == 0 {
				t.Error("nothing was confirmed")
			}
		})
	}
}

// One that never meets the SLO, and one whose cells fail, are left out and do not stop
// the others.
func TestRaceLeavesOut(t *testing.T) {
	m := meeting(100, 100, 98)
	m.servers["a"] = made{over: from(0), errors: never}
	m.breaks = func(e Entry) bool { return e.Config == "b" }
	race := m.run(t, 8, 2)
	if race.State != analysis.RaceWon || race.Winner != "c" {
		t.Errorf("%+v", race)
	}
	for i, want := range []string{"not met", "tried 2 times", ""} {
		if got := race.Runners[i].Left; !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%s was left out since %q", race.Runners[i].Config, got)
		}
	}
	all := meeting(100, 100)
	for name := range all.servers {
		all.servers[name] = made{over: from(0), errors: never}
	}
	if race := all.run(t, 4, 3); race.State != analysis.RaceOpen || race.Why == "" || race.Winner != "" {
		t.Errorf("%+v", race)
	}
}

// Loads up to a bound that all meet make configurations equivalent.
func TestRaceOfAlways(t *testing.T) {
	m := meeting(1e6, 1e6)
	m.env.Search.Most = 100
	if race := m.run(t, 8, 4); race.State != analysis.RaceEquivalent {
		t.Errorf("%+v", race)
	}
}

// From a run directory the race comes to the same.
func TestRaceIsCompletedAlike(t *testing.T) {
	for seed := range uint64(20) {
		m := meeting(100, 95, 99, 60)
		m.breaks = func(e Entry) bool { return e.Config == "b" && e.Replicate == int(seed) }
		m.refuses = func(e Entry) bool {
			return e.Config == "c" && seed%3 == 1 || e.Config == "a" && e.Replicate == int(seed%8)
		}
		race := m.run(t, 6, seed)
		s := &analysis.Summary{Environment: m.env, Cells: m.cells}
		for _, e := range m.entries(6) {
			s.Environment.Planned = append(s.Environment.Planned, e.Folder)
			if m.left[e.Folder] != "" {
				s.Missing = append(s.Missing, e.Folder)
				w := analysis.Warning{Where: e.Folder}
				w.Code = analysis.CellMissing
				s.Warnings = append(s.Warnings, w)
			}
		}
		if err := Complete(s); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(*s.Race, race) {
			t.Errorf("seed %d: %+v, when it ran %+v", seed, *s.Race, race)
		}
		if len(s.Missing) > 0 || len(s.Warnings) > 0 {
			t.Errorf("missing %v, warnings %v", s.Missing, s.Warnings)
		}
		for _, c := range s.Cells {
			if c.Capacity == nil {
				t.Errorf("%s has no capacity", c.Cell.Folder)
			}
		}
	}
}

func TestRaceRefuses(t *testing.T) {
	m := meeting(100, 90)
	for want, entries := range map[string][]Entry{
		"two configurations":    meeting(100).entries(8),
		"at least 4 replicates": m.entries(3),
	} {
		if _, err := NewRace(m.env, entries); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Wald's bounds: of two that are alike as good as never more are left out, and of two that
// differ clearly never more are kept, than the race allows; and both are known far sooner
// than by waiting for the precision that settles what lies between.
func TestSideOf(t *testing.T) {
	const heats, scatter = 4000, 0.75 // of a block's ratio, in zones
	random := rand.New(rand.NewPCG(7, 7))
	for _, others := range []int{1, 3} {
		for _, c := range []struct {
			lead, allowed float64
			wrong         int
		}{
			{sameLead, leavesOutWrongly, 1},
			{clearLead, keepsWrongly / float64(others), -1},
		} {
			wrong, blocks := 0, 0
			for range heats {
				sum := 0.0
				for n := 1.0; ; n++ {
					sum += c.lead + scatter*random.NormFloat64()
					blocks++
					if side := sideOf(sum/n, scatter/math.Sqrt(n), 0, others); side != 0 {
						if side == c.wrong {
							wrong++
						}
						break
					}
				}
			}
			// Three standard errors of a share beside what is allowed.
			if most := c.allowed + 3*math.Sqrt(c.allowed*(1-c.allowed)/heats); float64(wrong)/heats > most {
				t.Errorf("lead of %.2g zones, %d others: %d of %d wrong, allowed %.3g", c.lead, others, wrong, heats, c.allowed)
			}
			if mean, fixed := float64(blocks)/heats, math.Pow(scatter/precision, 2); mean > fixed {
				t.Errorf("lead of %.2g zones, %d others: %.1f blocks on average, a fixed number takes %.1f", c.lead, others, mean, fixed)
			}
		}
	}
	// What lies between is settled by where it lies, once it is known well enough.
	for lead, want := range map[float64]int{(sameLead+clearLead)/2 + 0.01: 1, (sameLead+clearLead)/2 - 0.01: -1} {
		if got := sideOf(lead, precision, precision, 1); got != want {
			t.Errorf("sideOf(%v) = %d, want %d", lead, got, want)
		}
		if got := sideOf(lead, precision*1.01, precision, 1); got != 0 {
			t.Errorf("sideOf(%v), less well known, = %d, want 0", lead, got)
		}
	}
}

// A race says "always met" only of a load at which every clause was told, by a step that is as
// long as that takes; of one that no step tells it says which clause, and bounds nothing.
func TestRaceAtMostSeldom(t *testing.T) {
	for _, test := range []struct {
		held  float64 // answers a second of the clause
		state string
		race  string
		why   string
	}{
		{1, analysis.CapacityAlways, analysis.RaceEquivalent, ""},
		{0.1, analysis.CapacityUnfinished, analysis.RaceOpen, "b: p99 < 100 ms cannot be judged: at 40 req/s it takes a window of 1h"},
	} {
		m := meeting(100, 100)
		m.env = seldom(*m.env.Search)
		m.env.Search.Most = 40
		for name := range m.servers {
			m.servers[name] = made{over: never, errors: never, held: test.held}
		}
		m.run(t, 4, 1)
		s := analysis.Summary{Environment: m.env, Cells: m.cells}
		for _, e := range m.entries(4) {
			s.Environment.Planned = append(s.Environment.Planned, e.Folder)
		}
		if err := Complete(&s); err != nil {
			t.Fatal(err)
		}
		c := s.Cells[0].Capacity
		if c.State != test.state || !strings.Contains(c.Why, test.why) || c.Above.Known() != (test.state == analysis.CapacityAlways) {
			t.Errorf("%g answers a second: %s, met at %g: %s", test.held, c.State, number(c.Above), c.Why)
		}
		if got := s.Race.State; got != test.race || !strings.Contains(s.Race.Why, test.why) {
			t.Errorf("%g answers a second: the race is %s: %s", test.held, got, s.Race.Why)
		}
	}
}
