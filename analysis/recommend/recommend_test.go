package recommend

import (
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// One GPU with both roles: neither, MIG, MPS, both, with rates that scatter by 0.2 %.
func square(neither, mig, mps, both int64) []made {
	one := made{vision: []int{0}, agent: []int{0}, gpus: 1}
	two := made{vision: []int{0}, agent: []int{1}, gpus: 1, mig: true}
	list := []made{one, two, one, two}
	for i, n := range []int64{neither, mig, mps, both} {
		m := &list[i]
		m.name, m.mps = []string{"a", "b", "c", "d"}[i], i > 1
		m.requests, m.vlm = three(n), three(n/10)
	}
	return list
}

// The simplest within the zone of the best is taken, by the documented order.
func TestSimplestWithinTheZone(t *testing.T) {
	for _, test := range []struct {
		neither, mig, mps, both int64
		want                    string
		sure                    string
		alike                   string
	}{
		{10000, 13000, 11000, 13100, "b", analysis.Shown, "d b"},     // MIG is simpler than MIG with MPS
		{10000, 9000, 9000, 8000, "a", analysis.Shown, ""},           // nothing helps
		{10000, 10200, 10250, 10299, "a", analysis.Shown, "d c b a"}, // less than 3 % between all
		{10000, 10200, 10250, 10320, "c", analysis.Shown, "d c b"},   // neither is beyond it, MPS is simpler than MIG
		{10000, 20000, 10000, 10000, "b", analysis.Shown, ""},        // MIG alone
		{10000, 10000, 20000, 10000, "c", analysis.Shown, ""},        // MPS alone
		{10000, 10000, 10000, 30000, "d", analysis.Shown, ""},        // both
		{10000, 10000, 10000, 10000, "a", analysis.Shown, "a c b d"}, // all alike: by how simple they are
		{13000, 13000, 13000, 10000, "a", analysis.Shown, "a c b"},   // both is worse than each
		{13000, 10000, 10000, 13380, "a", analysis.Shown, "d a"},     // 2.9 % is within
		{13000, 10000, 10000, 13410, "d", analysis.Shown, ""},        // and more is not
	} {
		s := recommended(0.03, nil, square(test.neither, test.mig, test.mps, test.both)...)
		c := choice(t, s, analysis.GoalJoint)
		if c.Config != test.want || c.Sure != test.sure || strings.Join(c.Equivalent, " ") != test.alike {
			t.Errorf("%d, %d, %d, %d: %s of %v, %s; want %s of %q, %s", test.neither, test.mig, test.mps, test.both, c.Config, c.Equivalent, c.Sure, test.want, test.alike, test.sure)
		}
	}
}

// Each rule of simplicity decides where those before it do not.
func TestSimplerInOrder(t *testing.T) {
	base := made{name: "m", gpus: 2, vision: []int{0}, agent: []int{1}, workers: 2, requests: three(1000), vlm: three(100)}
	chain := []func(*made){ // each is less simple than the one before it, whatever comes later
		func(m *made) { m.gpus, m.agent, m.workers = 1, []int{0}, 1 },
		func(m *made) { m.gpus, m.agent, m.placement = 1, []int{0}, "eyes=0 mind=0" },
		func(m *made) { m.gpus, m.agent, m.routing = 1, []int{0}, "sticky" },
		func(m *made) { m.gpus, m.agent, m.workers = 1, []int{0}, 3 },
		func(m *made) { m.workers = 1 },
		func(m *made) { m.gpus, m.agent, m.mps, m.workers = 1, []int{0}, true, 1 },
		func(m *made) { m.gpus, m.mig, m.workers = 1, true, 1 },
	}
	for i := range chain {
		for k := range i {
			a, b := with(base, chain[k]), with(base, chain[i])
			a.name, b.name = "z", "a" // the name decides last
			if c := choice(t, recommended(0.03, nil, b, a), analysis.GoalJoint); c.Config != "z" {
				t.Errorf("%d is taken for simpler than %d", i, k)
			}
		}
	}
}

// The runner-up is the best of the rest, and costs what its figure lacks.
func TestRunnerUp(t *testing.T) {
	c := choice(t, recommended(0.03, nil, square(10000, 20000, 15000, 12000)...), analysis.GoalVision)
	if c.Config != "b" || c.RunnerUp != "c" || !c.Costs.Known() || !near(*c.Costs.Number, -0.25) || !c.Low.Known() || *c.Low.Number > -0.25 || *c.High.Number < -0.25 {
		t.Errorf("%+v, want b before c, which costs a quarter", c)
	}
}

func near(a, b float64) bool { return a-b < 1e-6 && b-a < 1e-6 }

// One that missed an objective is not chosen, and said to have been; if all did, the best
// is named and it is said.
func TestObjectives(t *testing.T) {
	list := square(10000, 20000, 15000, 12000)
	list[1].missed = true
	c := choice(t, recommended(0.03, nil, list...), analysis.GoalVision)
	if c.Config != "c" || c.Sure != analysis.Shown || !slices.ContainsFunc(c.Because, func(b string) bool {
		return strings.HasPrefix(b, "b (20.00 req/s) missed eyes r1: errors <= 0 %: not met")
	}) {
		t.Errorf("%+v, want c, and that b missed", c)
	}
	for i := range list {
		list[i].missed = true
	}
	c = choice(t, recommended(0.03, nil, list...), analysis.GoalVision)
	if c.Config != "b" || !strings.Contains(c.Sure, "no configuration is known to have met every objective") {
		t.Errorf("%+v, want b with a reservation", c)
	}
}

// One replicate has no interval; replicates that contradict each other show nothing. Both
// are said.
func TestSure(t *testing.T) {
	list := square(10000, 20000, 15000, 12000)
	for i := range list {
		list[i].requests, list[i].vlm = list[i].requests[:1], list[i].vlm[:1]
	}
	if c := choice(t, recommended(0.03, nil, list...), analysis.GoalVision); c.Config != "b" || c.Sure != "too few valid replicates to compare it with c, d, a by more than means; repeat them" {
		t.Errorf("%s, %s", c.Config, c.Sure)
	}
	list = square(10000, 20000, 15000, 12000)
	list[1].requests = []int64{10000, 40000, 11000}
	if c := choice(t, recommended(0.03, nil, list...), analysis.GoalVision); c.Config != "b" || !strings.HasPrefix(c.Sure, "no difference shown against c") {
		t.Errorf("%s, %s", c.Config, c.Sure)
	}
}

// A configuration whose steps measure the client is not compared: it is named, with why and
// what to do; if that leaves one, there is nothing to choose from.
func TestSpoiledStepsAreNotCompared(t *testing.T) {
	list := square(10000, 20000, 15000, 12000)
	list[1].late = true
	c := choice(t, recommended(0.03, nil, list...), analysis.GoalJoint)
	const why = "it has no valid replicate (r1, r2, r3: eyes is client-limited)"
	if want := "clear among the configurations that were compared; configuration b was not compared: " + why +
		"; remove the cause (see Findings and Warnings), and measure again what was not compared"; c.Config != "c" || c.Sure != want {
		t.Errorf("%s, %q; want c, %q", c.Config, c.Sure, want)
	}
	if !slices.Contains(c.Because, "b was not compared: "+why) {
		t.Errorf("because: %q", c.Because)
	}
	list[2].late, list[3].late = true, true
	s := recommended(0.03, nil, list...)
	if len(s.Recommendation.Choices) > 0 {
		t.Errorf("of one configuration %+v was chosen", s.Recommendation.Choices[0])
	}
	if e := s.Recommendation.Environments[0]; e.Measured != analysis.NotShown || !strings.Contains(e.Because, "with MIG nothing was measured: not measured (b r1: eyes is client-limited") {
		t.Errorf("%+v", e)
	}
}

// A configuration that failed in every replicate was not compared either; one that can
// never run for want of memory leaves nothing to measure, and no doubt.
func TestFailedConfigurationsAreNotCompared(t *testing.T) {
	for fault, sure := range map[string]string{
		"no answer":                "clear among the configurations that were compared; configuration b was not compared: it has no replicate that was finished (r1, r2, r3: no answer); remove the cause",
		"eyes does not fit on gpu": analysis.Shown,
	} {
		list := square(10000, 20000, 15000, 12000)
		list[1].fault = fault
		c := choice(t, recommended(0.03, nil, list...), analysis.GoalJoint)
		if c.Config != "c" || !strings.HasPrefix(c.Sure, sure) || !slices.ContainsFunc(c.Because, func(b string) bool {
			return strings.HasPrefix(b, "b was not compared: it has no replicate that was finished (r1, r2, r3: "+fault)
		}) {
			t.Errorf("%s: %s, %q, because %q", fault, c.Config, c.Sure, c.Because)
		}
	}
}

// What failed in a replicate is not shown to be right by the others.
func TestChosenThatFailedOnce(t *testing.T) {
	fails := func(cells []analysis.Cell) {
		for i := range cells {
			if c := &cells[i].Cell; c.Config.Name == "b" && c.Replicate == 2 {
				c.Status, c.Fault = results.CellFailed, "eyes-0 ended: out of memory\nlog"
			}
		}
	}
	list := square(10000, 20000, 15000, 12000)
	s := recommended(0.03, fails, list...)
	c := choice(t, s, analysis.GoalVision)
	if want := "better in the replicates that were finished; but b failed in r2: eyes-0 ended: out of memory; find out why, and measure it again"; c.Config != "b" || c.Sure != want {
		t.Errorf("%s, %q, want %q", c.Config, c.Sure, want)
	}
	if want := "b was not finished in r2: eyes-0 ended: out of memory"; !slices.Contains(c.Because, want) {
		t.Errorf("because %q, want %q", c.Because, want)
	}
	s.Environment.Search = &results.Search{Kind: "capacity", Race: true}
	s.Race = &analysis.Race{State: analysis.RaceWon, Winner: "b", Runners: []analysis.Runner{{Config: "b", Blocks: 2}, {Config: "a", Left: "below what b bears", After: 1}}}
	Complete(s)
	if c := choice(t, s, analysis.GoalJoint); c.Config != "b" || !strings.Contains(c.Sure, "; but b failed in r2: eyes-0 ended: out of memory") {
		t.Errorf("of a race: %s, %q", c.Config, c.Sure)
	}
	late := func(cells []analysis.Cell) { // the load generator's fault, not that of what it measured
		for i := range cells {
			if c := &cells[i]; c.Cell.Config.Name == "b" && c.Cell.Replicate == 3 {
				c.Steps[0].Services[0].Verdict.Is = analysis.ClientLimited
			}
		}
	}
	c = choice(t, recommended(0.03, late, list...), analysis.GoalVision)
	if c.Config != "b" || c.Sure != analysis.Shown || !slices.Contains(c.Because, "b was not compared in r3: eyes is client-limited") {
		t.Errorf("%s, %s, because %q", c.Config, c.Sure, c.Because)
	}
}

// What runs where, how many workers, and what memory told make the environment.
func TestEnvironments(t *testing.T) {
	eyes := func(m made) made { m.requests = three(1000); return m }
	mind := func(m made) made { m.vlm = three(100); return m }
	base := made{name: "a", gpus: 1, vision: []int{0}, agent: []int{0}}
	for name, test := range map[string]struct {
		list []made
		want []string
	}{
		"one GPU, both roles":         {[]made{eyes(mind(base))}, []string{SingleMixed}},
		"with three workers":          {[]made{with(eyes(mind(base)), func(m *made) { m.workers = 3 })}, []string{SingleMixed}},
		"with four":                   {[]made{with(eyes(mind(base)), func(m *made) { m.workers = 4 })}, []string{SingleMixed, ManyVision}},
		"Vision alone":                {[]made{with(eyes(base), func(m *made) { m.agent, m.workers = nil, 8 })}, []string{ManyVision}},
		"agents alone":                {[]made{with(mind(base), func(m *made) { m.vision = nil })}, []string{}},
		"agents on three GPUs":        {[]made{with(mind(base), func(m *made) { m.vision, m.gpus, m.agent = nil, 3, []int{0, 1, 2} })}, []string{MultiVLM}},
		"apart on three":              {[]made{with(eyes(mind(base)), func(m *made) { m.gpus, m.agent = 3, []int{1, 2} })}, []string{Separable, MultiVLM}},
		"apart on two":                {[]made{with(eyes(mind(base)), func(m *made) { m.gpus, m.agent = 2, []int{1} })}, []string{Separable}},
		"where nobody knows":          {[]made{with(eyes(mind(base)), func(m *made) { m.gpus, m.vision, m.agent = 2, nil, nil })}, []string{}},
		"together on three":           {[]made{with(eyes(mind(base)), func(m *made) { m.gpus, m.agent = 3, []int{0, 1, 2} })}, []string{MultiVLM}},
		"slices of one GPU":           {[]made{with(eyes(mind(base)), func(m *made) { m.mig, m.agent = true, []int{1} })}, []string{SingleMixed}},
		"answers without memory":      {[]made{with(eyes(mind(base)), func(m *made) { m.outOfMemory = 2 })}, []string{ScarceMemory, SingleMixed}},
		"cells that did not fit":      {[]made{eyes(mind(base)), with(eyes(mind(base)), func(m *made) { m.name, m.fault = "b", "eyes does not fit on gpu0" })}, []string{ScarceMemory, SingleMixed}},
		"cells that failed otherwise": {[]made{eyes(mind(base)), with(eyes(mind(base)), func(m *made) { m.name, m.fault = "b", "no answer" })}, []string{SingleMixed}},
	} {
		if got := names1(recommended(0.03, nil, test.list...)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func with(m made, change func(*made)) made {
	change(&m)
	return m
}

// The least tail is the best for latency.
func TestLatency(t *testing.T) {
	list := square(10000, 10000, 10000, 10000)
	for i, tail := range []float64{2, 1, 1.5, 1.01} {
		list[i].tail = tail
	}
	c := choice(t, recommended(0.03, nil, list...), analysis.GoalLatency)
	if c.Config != "b" || c.RunnerUp != "d" || c.Figure != "tail latency (eyes p99)" || !near(*c.Costs.Number, 0.01) {
		t.Errorf("%+v, want b before d, which costs 1 %%", c)
	}
}

// A race's result stands before what the cells tell otherwise.
func TestRaceDecides(t *testing.T) {
	list := square(10000, 20000, 15000, 12000)
	s := recommended(0.03, nil, list...)
	s.Environment.Search = &results.Search{Kind: "capacity", Race: true}
	v := func(x float64) analysis.Value { return analysis.Value{Number: &x, Unit: "ratio"} }
	runners := []analysis.Runner{
		{Config: "a", Capacity: v(1), Ratio: v(0.98), Low: v(0.96), High: v(0.995), Blocks: 3},
		{Config: "d", Capacity: v(1.02), Blocks: 3},
		{Config: "b", Left: "below what d bears", After: 1, Below: v(0.7)},
	}
	for _, test := range []struct {
		race         analysis.Race
		config, next string
		sure         string
	}{
		{analysis.Race{State: analysis.RaceWon, Winner: "d", Runners: runners}, "d", "a", analysis.Shown},
		{analysis.Race{State: analysis.RaceEquivalent, Equivalent: []string{"d", "a"}, Runners: runners}, "a", "d", analysis.Shown},
		{analysis.Race{State: analysis.RaceOpen, Why: "the time was up", Runners: runners}, "d", "a", "the race ended before it could be said: the time was up"},
	} {
		s.Race = &test.race
		Complete(s)
		c := choice(t, s, analysis.GoalJoint)
		if c.Config != test.config || c.RunnerUp != test.next || c.Sure != test.sure || len(c.Because) != 3 {
			t.Errorf("%s: %+v", test.race.State, c)
		}
	}
	s.Race = &analysis.Race{State: analysis.RaceWon, Winner: "d", Runners: append(slices.Clone(runners), analysis.Runner{Config: "b", Failed: true, Left: "two replicates told nothing"})}
	Complete(s)
	if c, want := choice(t, s, analysis.GoalJoint), "clear among the configurations that were compared; configuration b was not compared: two replicates told nothing; "; !strings.HasPrefix(c.Sure, want) {
		t.Errorf("with one left out: %q, want %q", c.Sure, want)
	}
}

func TestNotTested(t *testing.T) {
	s := recommended(0.03, nil, square(10000, 20000, 15000, 12000)...)
	s.Environment.Simulated = "pro6000x1"
	Complete(s)
	got := strings.Join(s.Recommendation.NotTested, "; ")
	for _, want := range []string{"real hardware: every figure is of the simulated server pro6000x1", "the longest was 1,000 s", "other mixes of payloads", "heavy payloads", "other layouts of the GPUs than 2x2g.48gb, off"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
	if strings.Contains(got, "replicate") {
		t.Errorf("%q speaks of three replicates", got)
	}
	s.Cells[0].Steps[0].Window, s.Cells[0].Steps[0].Heavy = 3600, true
	Complete(s)
	if got := strings.Join(s.Recommendation.NotTested, "; "); strings.Contains(got, "hour") || strings.Contains(got, "heavy") {
		t.Errorf("an hour of heavy payloads is said to be missing: %q", got)
	}
}

// Without a cell that was done there is nothing to recommend.
func TestNothingDone(t *testing.T) {
	m := square(1, 1, 1, 1)[0]
	m.fault = "no answer"
	if s := recommended(0.03, nil, m); s.Recommendation != nil {
		t.Errorf("%+v", s.Recommendation)
	}
}
