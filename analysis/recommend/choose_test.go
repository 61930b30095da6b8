package recommend

import (
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// searchedOf makes a run whose searches came to these capacities, by configuration, a to c,
// and replicate.
func searchedOf(capacities map[string][]analysis.Capacity) *analysis.Summary {
	list := square(10000, 10000, 10000, 10000)[:len(capacities)]
	for i := range list {
		n := len(capacities[list[i].name])
		list[i].requests, list[i].vlm = slices.Repeat([]int64{10000}, n), slices.Repeat([]int64{1000}, n)
	}
	s := recommended(0.03, func(cells []analysis.Cell) {
		for i := range cells {
			c := &cells[i].Cell
			cells[i].Capacity = &capacities[c.Config.Name][c.Replicate-1]
		}
	}, list...)
	s.Environment.Search = &results.Search{Kind: "capacity"}
	Complete(s)
	return s
}

func capacity(state string, estimate, share, met float64) analysis.Capacity {
	value := func(x float64) analysis.Value {
		if x == 0 {
			return analysis.Value{Unit: "ratio", Why: "not known"}
		}
		return analysis.Value{Number: &x, Unit: "ratio"}
	}
	return analysis.Capacity{
		Unit: "ratio", State: state, Estimate: value(estimate), Low: value(estimate / (1 + share)), High: value(estimate * (1 + share)), Above: value(met),
	}
}

func foundAt(list ...float64) (all []analysis.Capacity) {
	for _, x := range list {
		all = append(all, capacity(analysis.CapacityFound, x, 0.03, 0))
	}
	return all
}

func always(n int) []analysis.Capacity {
	return slices.Repeat([]analysis.Capacity{capacity(analysis.CapacityAlways, 0, 0, 100)}, n)
}

// What met the largest load that may be asked for is not passed over for what was found
// below it.
func TestBoundsAreJudged(t *testing.T) {
	for _, test := range []struct {
		name       string
		capacities map[string][]analysis.Capacity
		config     string
		sure       string
	}{
		{"above all that was found", map[string][]analysis.Capacity{"a": foundAt(60, 61, 59), "b": always(3), "c": foundAt(40, 41, 39)}, "b", analysis.Shown},
		{"in some replicates", map[string][]analysis.Capacity{"a": foundAt(60, 61, 59), "b": append(foundAt(97), always(2)...)}, "b", analysis.Shown},
		// 99 lies within the zone of 100, but b may carry far more than that.
		{"hardly above what was found", map[string][]analysis.Capacity{"a": foundAt(99, 98, 100), "b": always(3)}, "b", "only a load that was met is known of b, not how much more is"},
		{"of two", map[string][]analysis.Capacity{"a": always(3), "b": always(3), "c": foundAt(60, 61, 59)}, "a", "only a load that was met is known of a, b, not how much more is"},
		{"once", map[string][]analysis.Capacity{"a": foundAt(60), "b": always(1)}, "b", "compared with a on one deployment of each, and how deployments differ is not known; repeat them"},
	} {
		c := choice(t, searchedOf(test.capacities), analysis.GoalJoint)
		if c.Config != test.config || c.Sure != test.sure {
			t.Errorf("%s: %s, %s; want %s, %s", test.name, c.Config, c.Sure, test.config, test.sure)
		}
	}
	c := choice(t, searchedOf(map[string][]analysis.Capacity{"a": foundAt(60, 60, 60), "b": always(3)}), analysis.GoalJoint)
	if want := []string{"b: capacity at least 100.0 x the levels", "a: capacity 60.00 x the levels: at most -40.0 %, 3 replicates: worse"}; !slices.Equal(c.Because, want) {
		t.Errorf("%q, want %q", c.Because, want)
	}
}

// The best is so by the replicates that both have, which met the same arrivals: a mean over
// others says nothing of the two.
func TestBestByPairs(t *testing.T) {
	spoiled := foundAt(96, 96, 1)
	spoiled[2].State = analysis.CapacityDrift
	// The means are 96.0 of a and 88.8 of b, in which a's third is missing.
	c := choice(t, searchedOf(map[string][]analysis.Capacity{"a": spoiled, "b": foundAt(100, 100, 70)}), analysis.GoalJoint)
	if c.Config != "b" || c.Sure != analysis.Shown || c.RunnerUp != "a" || !near(*c.Costs.Number, -0.04) {
		t.Errorf("%+v, want b before a, which costs 4 %%", c)
	}
}

// The simpler one is not sure where it is shown to be worse, and not by how little.
func TestWorseIsNotShown(t *testing.T) {
	// 2.5 % less, and between 1.8 % and 3.2 % of it.
	c := choice(t, searchedOf(map[string][]analysis.Capacity{"a": foundAt(97.5, 97.3, 97.8), "b": foundAt(100, 100, 100)}), analysis.GoalJoint)
	if c.Config != "a" || c.Sure != "a is shown to be worse than b, and not to be within 3 % of it" {
		t.Errorf("%s, %s", c.Config, c.Sure)
	}
}

// One deployment of each does not say how deployments differ: nothing is shown by it, of a
// choice or of a rule.
func TestOneDeploymentShowsNothing(t *testing.T) {
	s := searchedOf(map[string][]analysis.Capacity{"a": foundAt(100), "b": foundAt(120)})
	if c := choice(t, s, analysis.GoalJoint); c.Config != "b" || !strings.HasPrefix(c.Sure, "compared with a on one deployment of each") {
		t.Errorf("%s, %s", c.Config, c.Sure)
	}
	e := s.Recommendation.Environments[0]
	if e.Name != SingleMixed || e.Measured != analysis.NotShown || !strings.Contains(e.Because, "one deployment of each: better") {
		t.Errorf("%+v", e)
	}
	s = searchedOf(map[string][]analysis.Capacity{"a": foundAt(100, 101, 99), "b": foundAt(120, 121, 119)})
	if c := choice(t, s, analysis.GoalJoint); c.Sure != analysis.Shown || s.Recommendation.Environments[0].Measured != analysis.Agrees {
		t.Errorf("%s, %+v", c.Sure, s.Recommendation.Environments[0])
	}
}
