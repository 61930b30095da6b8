package recommend

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// Each rule of the guide agrees, disagrees or is not shown, by what decides it.
func TestRulesAgainstEvidence(t *testing.T) {
	single := func(neither, mig, mps, both int64) []made { return square(neither, mig, mps, both) }
	multi := func(neither, both int64) []made {
		a := made{name: "a", gpus: 3, vision: []int{0}, agent: []int{1, 2}, requests: three(neither), vlm: three(neither / 10)}
		b := made{name: "b", gpus: 3, vision: []int{0}, agent: []int{1, 2, 3, 4, 5}, mig: true, mps: true, requests: three(both), vlm: three(both / 10)}
		return []made{a, b}
	}
	vision := func(ts, mps int64) []made {
		a := made{name: "a", gpus: 1, vision: []int{0}, workers: 8, requests: three(ts)}
		b := with(a, func(m *made) { m.name, m.mps, m.requests = "b", true, three(mps) })
		return []made{a, b}
	}
	places := func(apart, together int64) []made {
		a := made{name: "a", gpus: 2, vision: []int{0}, agent: []int{1}, requests: three(apart), vlm: three(apart / 10)}
		b := with(a, func(m *made) {
			m.name, m.agent, m.placement, m.requests, m.vlm = "b", []int{0, 1}, "eyes=0 mind=0,1", three(together), three(together/10)
		})
		return []made{a, b}
	}
	fits := func(change func(*made)) []made {
		a := made{name: "a", gpus: 1, vision: []int{0}, agent: []int{0}, requests: three(1000), vlm: three(100)}
		b := with(a, func(m *made) { m.name, m.fault = "b", "eyes does not fit on gpu0" })
		change(&a)
		return []made{a, b}
	}
	for _, test := range []struct {
		what, environment string
		list              []made
		want              string
	}{
		{"MIG helps", SingleMixed, single(10000, 13000, 10000, 13000), analysis.Agrees},
		{"only MIG with MPS helps", SingleMixed, single(10000, 9000, 10000, 13000), analysis.Agrees},
		{"MIG hurts", SingleMixed, single(10000, 9000, 10000, 9000), analysis.Disagrees},
		{"MIG does nothing", SingleMixed, single(10000, 10050, 10000, 10050), analysis.Disagrees},
		{"no MIG was run", SingleMixed, square(10000, 0, 0, 0)[:1], analysis.NotShown},
		{"MIG and MPS hurt", MultiVLM, multi(10000, 9000), analysis.Agrees},
		{"they do nothing", MultiVLM, multi(10000, 10100), analysis.Agrees},
		{"they help", MultiVLM, multi(10000, 11000), analysis.Disagrees},
		{"MPS helps", ManyVision, vision(10000, 11000), analysis.Agrees},
		{"MPS hurts", ManyVision, vision(10000, 9000), analysis.Disagrees},
		{"one sharing", ManyVision, vision(10000, 0)[:1], analysis.NotShown},
		{"apart is better", Separable, places(10000, 9000), analysis.Agrees},
		{"apart is worse", Separable, places(10000, 11000), analysis.Disagrees},
		{"nothing is together", Separable, places(10000, 0)[:1], analysis.NotShown},
		{"fewer workers fit", ScarceMemory, fits(func(m *made) { m.workersOfTheCell = map[string]int{"rt": 1} }), analysis.Agrees},
		{"another placement fits", ScarceMemory, fits(func(m *made) { m.placement = "eyes=0 mind=0" }), analysis.Agrees},
		{"only MIG fits", ScarceMemory, fits(func(m *made) { m.mig = true }), analysis.Disagrees},
		{"nothing tells the two apart", ScarceMemory, fits(func(*made) {}), analysis.NotShown},
	} {
		s := recommended(0.03, nil, test.list...)
		at := slices.IndexFunc(s.Recommendation.Environments, func(e analysis.OperatingEnvironment) bool { return e.Name == test.environment })
		if at < 0 {
			t.Errorf("%s: it is no %s: %q", test.what, test.environment, names1(s))
		} else if e := s.Recommendation.Environments[at]; e.Measured != test.want {
			t.Errorf("%s: %s is %s by %s, want %s", test.what, e.Name, e.Measured, e.Because, test.want)
		}
	}
}

// What differs in more than placement and workers does not tell that these made it fit.
func TestScarceMemoryHoldsTheRestEqual(t *testing.T) {
	fits := made{name: "a", gpus: 1, vision: []int{0}, agent: []int{0}, requests: three(1000), vlm: three(100), workersOfTheCell: map[string]int{"rt": 2}}
	lacks := with(fits, func(m *made) {
		m.name, m.fault, m.workersOfTheCell = "b", "eyes does not fit on gpu0", map[string]int{"rt": 4}
	})
	for name, change := range map[string]func(*results.Config){
		"":           func(*results.Config) {},
		"sharing":    func(c *results.Config) { c.Sharing = "mps" },
		"routing":    func(c *results.Config) { c.Routing = "sticky" },
		"parameters": func(c *results.Config) { c.Params = map[string]string{"mind.gpu-memory-utilization": "0.95"} },
	} {
		s := recommended(0.03, func(cells []analysis.Cell) {
			for i := range cells {
				if c := &cells[i].Cell.Config; c.Name == "b" {
					change(c)
				}
			}
		}, fits, lacks)
		want := analysis.NotShown
		if name == "" {
			want = analysis.Agrees
		}
		if e := s.Recommendation.Environments[0]; e.Name != ScarceMemory || e.Measured != want {
			t.Errorf("with another %q: %+v, want %s", name, e, want)
		}
	}
}

// The best of many is better by luck alone more often than one is: the rule is not shown by
// what one configuration would show.
func TestBestOfManyIsNotShown(t *testing.T) {
	base := made{name: "a", gpus: 1, vision: []int{0}, agent: []int{0}, requests: slices.Repeat([]int64{10000}, 3), vlm: slices.Repeat([]int64{1000}, 3)}
	mig := with(base, func(m *made) {
		m.name, m.mig, m.agent = "b", true, []int{1}
		m.requests, m.vlm = []int64{10500, 10500, 10900}, []int64{1050, 1050, 1090} // p = 0.04
	})
	list := []made{base, mig}
	if e := recommended(0.03, nil, list...).Recommendation.Environments[0]; e.Measured != analysis.Agrees || strings.Contains(e.Because, "the best of") {
		t.Errorf("of one: %+v", e)
	}
	for i := range 5 {
		list = append(list, with(mig, func(m *made) {
			m.name, m.requests, m.vlm = fmt.Sprintf("c%d", i), three(10000), three(1000)
			m.workersOfTheCell = map[string]int{"rt": i + 1}
		}))
	}
	if e := recommended(0.03, nil, list...).Recommendation.Environments[0]; e.Measured != analysis.NotShown || !strings.Contains(e.Because, "; b is the best of 6 by the same data: p = 0.2") {
		t.Errorf("of six: %+v", e)
	}
	for i := 1; i < len(list); i++ { // the base is better than each of six: none was chosen to be so
		list[i].requests, list[i].vlm = []int64{9500, 9500, 9150}, []int64{950, 950, 915}
	}
	if e := recommended(0.03, nil, list...).Recommendation.Environments[0]; e.Measured != analysis.Disagrees {
		t.Errorf("worse than the base: %+v", e)
	}
}

// At a load that one side bears and the other does not, that decides.
func TestObjectivesDecideARule(t *testing.T) {
	list := square(10000, 10000, 10000, 10000)
	list[0].missed, list[2].missed = true, true
	s := recommended(0.03, nil, list...)
	if e := s.Recommendation.Environments[0]; e.Name != SingleMixed || e.Measured != analysis.Agrees || !strings.Contains(e.Because, "b, d met every objective") {
		t.Errorf("%+v", e)
	}
}

// An objective of which nothing is known decides nothing, beside as many as were met or as
// one that was missed.
func TestUnknownObjectivesDecideNothing(t *testing.T) {
	for _, unknown := range [][]int{{3}, {1, 2, 3}} {
		list := square(10000, 10000, 10000, 10000)
		list[0].unknown, list[2].unknown = unknown, unknown
		s := recommended(0.03, nil, list...)
		if e := s.Recommendation.Environments[0]; e.Measured != analysis.Disagrees || strings.Contains(e.Because, "every objective") {
			t.Errorf("in replicates %v: %+v", unknown, e)
		}
		c := choice(t, s, analysis.GoalVision)
		if want := "a (10.00 req/s) is not known to have met eyes r"; c.Config == "a" || !slices.ContainsFunc(c.Because, func(b string) bool { return strings.HasPrefix(b, want) }) {
			t.Errorf("in replicates %v: %s, %q", unknown, c.Config, c.Because)
		}
		list[0].missed, list[0].unknown = true, []int{2, 3} // missed once
		if e := recommended(0.03, nil, list...).Recommendation.Environments[0]; e.Measured != analysis.Disagrees {
			t.Errorf("missed once: %+v", e)
		}
	}
}

// One replicate of a side decides nothing.
func TestObjectivesOfOneReplicateDecideNothing(t *testing.T) {
	for side := range 2 {
		list := square(10000, 10000, 10000, 10000)
		list[0].missed, list[2].missed = true, true
		for i := side; i < 4; i += 2 {
			list[i].requests, list[i].vlm = list[i].requests[:1], list[i].vlm[:1]
		}
		s := recommended(0.03, nil, list...)
		if e := s.Recommendation.Environments[0]; e.Measured != analysis.NotShown {
			t.Errorf("side %d: %+v", side, e)
		}
	}
}
