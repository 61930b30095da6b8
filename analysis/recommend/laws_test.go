package recommend

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/evabench/evabench/analysis"
	"pgregory.net/rapid"
)

// drawn makes configurations of one server, with rates of three replicates.
func drawn(t *rapid.T) []made {
	var list []made
	gpus := rapid.IntRange(1, 3).Draw(t, "gpus")
	for i := range rapid.IntRange(2, 6).Draw(t, "configurations") {
		m := made{name: fmt.Sprintf("c%d", i), gpus: gpus, mig: rapid.Bool().Draw(t, "mig"), mps: rapid.Bool().Draw(t, "mps"), vision: []int{0}, workers: rapid.IntRange(1, 6).Draw(t, "workers")}
		for d := range len(m.devices()) {
			if d > 0 || len(m.devices()) == 1 {
				m.agent = append(m.agent, d)
			}
		}
		m.routing = rapid.SampledFrom([]string{"round-robin", "sticky"}).Draw(t, "routing")
		m.missed = rapid.IntRange(0, 4).Draw(t, "missed") == 0
		rate := rapid.Int64Range(900, 1100).Draw(t, "rate") * 10
		for range 3 {
			m.requests = append(m.requests, rate+rapid.Int64Range(-50, 50).Draw(t, "noise"))
			m.vlm = append(m.vlm, rate/10+rapid.Int64Range(-10, 10).Draw(t, "noise"))
		}
		list = append(list, m)
	}
	return list
}

var theGoals = []string{analysis.GoalJoint, analysis.GoalVision, analysis.GoalAgent}

// What is recommended does not depend on the order in which cells were run.
func TestOrderOfCellsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list, seed := drawn(t), rapid.Uint64().Draw(t, "seed")
		shuffle := func(cells []analysis.Cell) {
			rand.New(rand.NewPCG(seed, 1)).Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
		}
		a, b := recommended(0.03, nil, list...).Recommendation, recommended(0.03, shuffle, list...).Recommendation
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("in another order\n%+v\nis\n%+v", a, b)
		}
	})
}

// One more configuration that is worse than each other by more than the zone, in
// everything, changes no choice.
func TestWorseChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawn(t)
		worse := list[rapid.IntRange(0, len(list)-1).Draw(t, "like")]
		worse.name = rapid.SampledFrom([]string{"a-worse", "z-worse"}).Draw(t, "name")
		worse.mig, worse.mps, worse.agent = rapid.Bool().Draw(t, "mig"), rapid.Bool().Draw(t, "mps"), worse.agent[:1]
		if worse.mig && worse.gpus == 1 {
			worse.agent = []int{1}
		} else if !worse.mig && worse.gpus == 1 {
			worse.agent = []int{0}
		}
		worse.requests, worse.vlm = three(8000), three(800) // the least is 8,950 and 885
		if slices.ContainsFunc(list, func(m made) bool { return !m.missed }) {
			worse.missed = rapid.Bool().Draw(t, "missed")
		}
		a, b := recommended(0.03, nil, list...), recommended(0.03, nil, append(slices.Clone(list), worse)...)
		if !worse.missed && !slices.ContainsFunc(list, func(m made) bool { return !m.missed }) {
			return // then it is the only one that met every objective
		}
		for _, goal := range theGoals {
			x, y := choice(t, a, goal), choice(t, b, goal)
			if x.Config != y.Config || !slices.Equal(x.Equivalent, y.Equivalent) {
				t.Fatalf("%s: %s of %v becomes %s of %v", goal, x.Config, x.Equivalent, y.Config, y.Equivalent)
			}
		}
	})
}

// A wider zone never chooses what is less simple.
func TestWiderZoneIsSimpler(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawn(t)
		narrow := rapid.Float64Range(0.005, 0.2).Draw(t, "zone")
		wide := narrow + rapid.Float64Range(0, 0.3).Draw(t, "more")
		for _, goal := range theGoals {
			a, b := recommended(narrow, nil, list...), recommended(wide, nil, list...)
			x, y := choice(t, a, goal), choice(t, b, goal)
			r := run{Summary: b, all: candidates(b)}
			before, _ := r.of(x.Config)
			after, _ := r.of(y.Config)
			if simpler(before, after) < 0 {
				t.Fatalf("%s: %s at %v, and the less simple %s at %v", goal, x.Config, narrow, y.Config, wide)
			}
		}
	})
}

// What is chosen is among those within the zone, and none of them is simpler.
func TestChosenIsTheSimplest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := recommended(0.03, nil, drawn(t)...)
		r := run{Summary: s, all: candidates(s)}
		for _, goal := range theGoals {
			c := choice(t, s, goal)
			chosen, ok := r.of(c.Config)
			if !ok || len(c.Equivalent) > 0 && !slices.Contains(c.Equivalent, c.Config) {
				t.Fatalf("%+v", c)
			}
			for _, name := range c.Equivalent {
				if other, _ := r.of(name); simpler(other, chosen) < 0 {
					t.Fatalf("%s: %s is simpler than %s", goal, name, c.Config)
				}
			}
		}
	})
}
