package scenarios

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// A spike has the levels of its step of the ladder, and follows ladder and failovers in the
// file's order.
func TestSpikes(t *testing.T) {
	s, fault := readSmall(t, failoverPlace, failoverPlace+`failover: [{service: mind}]
spike:
  - {service: eyes, factor: 5, step: 1, at: 500ms, for: 1499ms}
  - {service: eyes}
`)
	if fault != "" {
		t.Fatal(fault)
	}
	plans := s.StepPlans()
	if len(plans) != 5 {
		t.Fatalf("%d steps, want 2, a failover and 2 spikes", len(plans))
	}
	for i, want := range []*results.Spike{nil, nil, nil,
		{Service: "eyes", Factor: 5, At: 500 * time.Millisecond, For: 1499 * time.Millisecond},
		// A third and a sixth of the window.
		{Service: "eyes", Factor: 3, At: 2 * time.Second / 3, For: 2 * time.Second / 6},
	} {
		if got := plans[i].Spike; !reflect.DeepEqual(got, want) {
			t.Errorf("step %d: %+v, want %+v", i, got, want)
		}
		if purpose := plans[i].Purpose; (purpose == results.PurposeSpike) != (want != nil) {
			t.Errorf("step %d is run for %q", i, purpose)
		}
	}
	for i, of := range map[int]int{3: 1, 4: 0} {
		if !reflect.DeepEqual(plans[i].Levels, plans[of].Levels) || plans[i].Window != plans[of].Window || plans[i].Failover != nil {
			t.Errorf("step %d is %+v, and not as step %d", i, plans[i], of)
		}
		if !strings.HasPrefix(plans[i].Name, plans[of].Name+", ") || !strings.HasSuffix(plans[i].Name, plans[i].Spike.String()) {
			t.Errorf("step %d is called %q", i, plans[i].Name)
		}
	}
}

func TestSpikeFaults(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                               "spike[0] has no service",
		"{service: nose}":                  `spike[0].service "nose" is no service`,
		"{service: mind}":                  "spike[0].service mind is a closed loop, whose rate is what its users make of it",
		"{service: eyes, factor: 1}":       "spike[0].factor is above 1 and at most 100, not 1",
		"{service: eyes, factor: 101}":     "spike[0].factor is above 1 and at most 100, not 101",
		"{service: eyes, step: 2}":         "spike[0].step: the ladder has steps 0 to 1, not 2",
		"{service: eyes, at: 0s}":          "spike[0].at is within the window, above 0s and below 2s, not 0s",
		"{service: eyes, at: 2s}":          "spike[0].at is within the window, above 0s and below 2s, not 2s",
		"{service: eyes, for: 0s}":         "spike[0].for is above 0s, not 0s",
		"{service: eyes, at: 1s, for: 1s}": "spike[0] ends 2s after the window's start, and the window is 2s",
		"{service: eyes, length: 1s}":      `unknown key "length" in spike[0]`,
	} {
		_, fault := readSmall(t, failoverPlace, failoverPlace+"spike: ["+text+"]\n")
		if !strings.HasPrefix(fault, "21:") || !strings.Contains(fault, want) {
			t.Errorf("%s: fault %q, want %q at line 21", text, fault, want)
		}
	}
	if _, fault := readSmall(t, failoverPlace, failoverPlace+"spike: [{service: eyes, at: 1s, for: 999ms, factor: 100, step: 1}]\n"); fault != "" {
		t.Error(fault)
	}
	text := strings.Replace(small, failoverPlace, failoverPlace+"spike: [{service: eyes}]\n", 1)
	_, err := Read("f.yaml", []byte(strings.Replace(text, "levels: [1, 2.5]", "levels: [1, 2.5], shape: [{at: 0s, factor: 1}, {at: 1s, factor: 2}]", 1)), checks())
	if faults := Faults(err); len(faults) != 1 || !strings.Contains(faults[0].Text, "has a load.shape of its own") {
		t.Errorf("with a shape: %v", faults)
	}
}

// A spike's shape jumps up and down, and leaves the rest of the load as it is.
func TestSpikedLoad(t *testing.T) {
	was := Load{Arrivals: Poisson, Levels: []float64{4}}
	got := was.Spiked(results.Spike{Factor: 3, At: 10 * time.Second, For: 5 * time.Second})
	want := []RatePoint{{0, 1}, {10 * time.Second, 1}, {10 * time.Second, 3}, {15 * time.Second, 3}, {15 * time.Second, 1}}
	if !reflect.DeepEqual(got.Shape, want) || got.Arrivals != Poisson || len(was.Shape) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestInterferenceAndFrontier(t *testing.T) {
	for text, want := range map[string]Search{
		"{kind: interference, raise: mind}":                             {Kind: SearchInterference, Raise: "mind", Loads: []float64{0, 0.5, 1, 1.5}},
		"{kind: interference, raise: eyes, loads: [0.1, 1000]}":         {Kind: SearchInterference, Raise: "eyes", Loads: []float64{0.1, 1000}},
		"{kind: frontier}":                                              {Kind: SearchFrontier, From: 1, Mixes: [][]float64{{0.5, 1}, {1, 1}, {2, 1}}},
		"{kind: frontier, from: 2, most: 9, mixes: [{mind: 0.25}, {}]}": {Kind: SearchFrontier, From: 2, Most: 9, Mixes: [][]float64{{1, 0.25}, {1, 1}}},
	} {
		s, fault := readSearch(t, "search: "+text+"\n", checks())
		if fault != "" {
			t.Errorf("%s: %s", text, fault)
			continue
		}
		if want.Mode, want.Grow = ModeGrid, 0.15; !reflect.DeepEqual(*s.Search, want) {
			t.Errorf("%s: %+v, want %+v", text, *s.Search, want)
		}
	}
}

func TestInterferenceAndFrontierFaults(t *testing.T) {
	for text, want := range map[string]string{
		"{kind: interference}":                                    "interference raises one service, the neighbour of the others, and none is named",
		"{kind: interference, raise: all}":                        "interference raises one service, the neighbour of the others, and none is named",
		"{kind: interference, raise: nose}":                       `search.raise "nose" is no service`,
		"{kind: interference, raise: eyes, loads: [0]}":           "search.loads needs two loads or more",
		"{kind: interference, raise: eyes, loads: [0, -1]}":       "search.loads are factors of 0 to 1000 of the neighbour's level, not -1",
		"{kind: interference, raise: eyes, loads: [0, 1001]}":     "search.loads are factors of 0 to 1000 of the neighbour's level, not 1001",
		"{kind: interference, raise: eyes, loads: [0, 1, 1]}":     "search.loads ascend: 1 is not above 1",
		"{kind: interference, raise: mind, loads: [0, 0.1, 0.3]}": "search.loads 0.1 and 0.3 are both 1 users of mind",
		"{kind: interference, raise: mind, mode: race}":           "search.mode race goes with kind: capacity, not interference",
		"{kind: interference, raise: mind, from: 2}":              "search.from means nothing with kind: interference",
		"{kind: interference, raise: mind, most: 2}":              "search.most means nothing with kind: interference",
		"{kind: interference, raise: mind, grow: 15%}":            "search.grow means nothing with kind: interference",
		"{kind: interference, raise: mind, tolerance: 5%}":        "search.tolerance means nothing with kind: interference",
		"{kind: interference, raise: mind, budget: 5m}":           "search.budget means nothing with kind: interference",
		"{kind: interference, raise: mind, confirm: 5m}":          "search.confirm means nothing with kind: interference",
		"{kind: interference, raise: mind, heavy: true}":          "search.heavy means nothing with kind: interference",
		"{kind: interference, raise: mind, mixes: [{eyes: 1}]}":   "search.mixes means nothing with kind: interference",
		"{loads: [0, 1]}":                                            "search.loads means nothing with kind: capacity",
		"{kind: ladder, mixes: [{eyes: 1}]}":                         "search.mixes means nothing with kind: ladder",
		"{kind: frontier, loads: [0, 1]}":                            "search.loads means nothing with kind: frontier",
		"{kind: frontier, grow: 15%}":                                "search.grow means nothing with kind: frontier",
		"{kind: frontier, mode: race}":                               "search.mode race goes with kind: capacity, not frontier",
		"{kind: frontier, raise: eyes}":                              "search.raise means nothing with kind: frontier, which raises all services, in each mix by one factor",
		"{kind: frontier, mixes: []}":                                "search.mixes names no mix",
		"{kind: frontier, mixes: [{nose: 1}]}":                       `search.mixes[0] names "nose", which is no service`,
		"{kind: frontier, mixes: [{eyes: 0}]}":                       "search.mixes[0].eyes is above 0 and at most 1000, not 0",
		"{kind: frontier, mixes: [{eyes: 2, mind: 4}, {eyes: 0.5}]}": "search.mixes[1] is the same ray as mixes[0]: one is the other by a factor, which is what is searched for",
		"{kind: frontier}\nspike: [{service: eyes}]":                 "spike goes with the levels of services, and not with a search",
	} {
		_, fault := readSearch(t, "search: "+text+"\n", checks())
		if _, after, ok := strings.Cut(fault, ": "); !ok || after != want || !strings.HasPrefix(fault, "2") {
			t.Errorf("%s: fault %q, want %q", text, fault, want)
		}
	}
	// Interference needs no slo, and a frontier does; both need two services.
	without := strings.Replace(change(t, "    slo: [\"p95 < 300 ms\"]\n", ""), "[1, 2.5]", "[1]", 1)
	read := func(text, search string) []*Fault {
		return Faults(readFault(strings.Replace(text, "matrix:\n", "search: "+search+"\nmatrix:\n", 1)))
	}
	if faults := read(without, "{kind: interference, raise: eyes}"); len(faults) > 0 {
		t.Errorf("interference without an slo: %v", faults)
	}
	if faults := read(without, "{kind: frontier}"); len(faults) != 1 || !strings.Contains(faults[0].Text, "no service has an slo") {
		t.Errorf("a frontier without an slo: %v", faults)
	}
	from, to := strings.Index(small, "  mind:"), strings.Index(small, "steps:")
	one := strings.Replace(strings.Replace(small[:from]+small[to:], "  params: {mind.max: [16, 32]}\n", "", 1), "[1, 2.5]", "[1]", 1)
	for search, want := range map[string]string{
		"{kind: interference, raise: eyes}": "interference is what one service feels of another, and the scenario has one service",
		"{kind: frontier}":                  "a frontier is of two services or more, and the scenario has one service",
	} {
		if faults := read(one, search); len(faults) == 0 || faults[0].Text != want {
			t.Errorf("%s of one service: %v, want %q", search, faults, want)
		}
	}
	// Levels that make a ladder are refused with what to write.
	faults := Faults(readFault(change(t, "matrix:\n", "search: {kind: interference, raise: eyes}\nmatrix:\n")))
	if len(faults) != 1 || !strings.Contains(faults[0].Hint, "search.loads") {
		t.Errorf("a ladder beside interference: %v", faults)
	}
}
