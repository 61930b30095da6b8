package findings

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// All faults at once: the first three by precedence, whose consequences are left out.
func TestPrecedenceAndAtMostThree(t *testing.T) {
	s := healthy()
	for _, rule := range []string{"launch-bound", "routing-imbalance", "packet-delay", "clock-drop", "memory-leak"} {
		at := slices.IndexFunc(cases(), func(c made) bool { return c.rule == rule })
		cases()[at].fires(s)
	}
	Complete(s)
	var got []string
	for _, f := range s.Findings.Top {
		got = append(got, f.Rule)
	}
	if want := []string{"memory-leak", "clock-drop", "packet-delay"}; !slices.Equal(got, want) {
		t.Errorf("top %v, want %v", got, want)
	}
	if fired := s.Findings.Fired["base"]; len(fired) < 5 {
		t.Errorf("fired %v, want all five", fired)
	}
}

// A leak that ends in failed requests is a leak, and one slow instance no slow stage of all.
func TestConsequencesAreLeftOut(t *testing.T) {
	for confidence, left := range map[string]bool{strong: false, weak: true} {
		s := healthy()
		for _, c := range cases() {
			if c.rule == "memory-leak" && c.confidence == confidence || c.rule == "out-of-memory" {
				c.fires(s)
			}
		}
		Complete(s)
		has := func(rule string) bool {
			return slices.ContainsFunc(s.Findings.Top, func(f analysis.Finding) bool { return f.Rule == rule })
		}
		if !has("memory-leak") || has("out-of-memory") != left {
			t.Errorf("with a %s leak: top %+v", confidence, s.Findings.Top)
		}
	}
}

// What one service suffers explains nothing of another, which may be the cause; and what is
// sure is no mere consequence of what is not.
func TestConsequencesAreOfOneService(t *testing.T) {
	of := func(rule, service, confidence string) analysis.Finding {
		return analysis.Finding{Rule: rule, Service: service, Confidence: confidence}
	}
	told := func(list []analysis.Finding) (text string) {
		for _, f := range list {
			text += f.Rule + " of " + f.Service + "; "
		}
		return text
	}
	for _, test := range []struct {
		found []analysis.Finding
		want  string
	}{
		{[]analysis.Finding{of("interference", "vision", strong), of("capacity-reached", "vision", strong), of("queueing", "vision", weak), of("capacity-reached", "agent", strong)}, "interference of vision; capacity-reached of agent; "},
		{[]analysis.Finding{of("slow-worker", "vision", strong), of("slow-preprocessing", "agent", weak), of("queueing", "agent", strong)}, "slow-worker of vision; slow-preprocessing of agent; queueing of agent; "},
		{[]analysis.Finding{of("clock-drop", "vision", weak), of("regime-shift", "vision", strong), of("slow-worker", "vision", weak)}, "clock-drop of vision; regime-shift of vision; "},
	} {
		if got := told(withoutConsequences(test.found)); got != test.want {
			t.Errorf("of %s there is left %s; want %s", told(test.found), got, test.want)
		}
	}
}

// A confirmation with heavy requests is slower for what it asks, and no sign of a server that
// is: only the memory that it needs is, and that it fails.
func TestHeavyStepsTellOfMemoryAndErrorsAlone(t *testing.T) {
	for _, c := range cases() {
		s := healthy()
		c.fires(s)
		s.Interference = nil // is of steps of its own
		for i := range s.Cells {
			s.Cells[i].Capacity = nil // is never of heavy requests
			steps := healthyCell(i, i+1, "base").Steps
			for _, step := range s.Cells[i].Steps {
				step.Index, step.Heavy = len(steps), true
				steps = append(steps, step)
			}
			s.Cells[i].Steps = steps
		}
		Complete(s)
		for config, rules := range s.Findings.Fired {
			for _, rule := range rules {
				if !slices.Contains([]string{"lost-arrivals", "throttled-generator", "memory-leak", "out-of-memory", "memory-near-limit", "errors-before-latency"}, rule) {
					t.Errorf("%s on %s fires by steps of heavy requests", rule, config)
				}
			}
		}
		for _, f := range s.Findings.Top {
			if (f.Rule == "out-of-memory" || f.Rule == "errors-before-latency") && !slices.ContainsFunc(f.Because, func(b string) bool { return strings.HasSuffix(b, "steps with heavy requests") }) {
				t.Errorf("%q does not name them", f.Because)
			}
		}
	}
}

func TestOrderOfCellsDoesNotMatter(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range cases() {
		s := healthy()
		c.fires(s)
		Complete(s)
		want := asJSON(t, s.Findings)
		for range 3 {
			random.Shuffle(len(s.Cells), func(i, j int) { s.Cells[i], s.Cells[j] = s.Cells[j], s.Cells[i] })
			Complete(s)
			if got := asJSON(t, s.Findings); got != want {
				t.Fatalf("%s: in another order\n%s\nwant\n%s", c.rule, got, want)
			}
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What has no evidence is not judged, and says so: without cells, without steps, and
// without anything but samples.
func TestWithoutEvidence(t *testing.T) {
	for name, change := range map[string]func(*analysis.Summary){
		"no cells": func(s *analysis.Summary) { s.Cells = nil },
		"not finished": func(s *analysis.Summary) {
			for i := range s.Cells {
				s.Cells[i].Cell.Config.Name = ""
			}
		},
		"no observations": func(s *analysis.Summary) {
			everywhere(s, func(c *analysis.Cell, step *analysis.Step, v *analysis.Service) {
				step.Activity, step.Host, v.Overhead, v.Waiting, c.Memory = nil, nil, nil, nil, nil
				c.Cell.Config.Params = nil
			})
		},
	} {
		s := healthy()
		change(s)
		Complete(s)
		f := s.Findings
		if !f.Silent || len(f.Top) > 0 {
			t.Errorf("%s: findings %+v", name, f.Top)
		}
		for _, rule := range []string{"memory-leak", "clock-drop", "slow-preprocessing", "packet-delay", "launch-bound", "queueing", "batch-cap", "hidden-stage", "pcie-contention"} {
			if f.Unjudged[rule] == "" {
				t.Errorf("%s: %s was judged", name, rule)
			}
		}
		if len(f.Playbook) != 6 || len(f.Apart) > 0 {
			t.Errorf("%s: playbook %q, signs %q", name, f.Playbook, f.Apart)
		}
	}
}

// Nothing that a Summary may lack ends the program, and every finding has its words.
func TestRandomSummaries(t *testing.T) {
	fired := 0
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 7))
		s := &analysis.Summary{}
		if seed%2 == 0 {
			s = healthy()
			damage(random, reflect.ValueOf(s).Elem(), 0)
		} else {
			fill(random, reflect.ValueOf(s).Elem(), 0)
		}
		Complete(s)
		if _, err := json.Marshal(s.Findings); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		by := map[string]int{}
		for _, f := range s.Findings.Top {
			fired++
			if by[f.Config]++; by[f.Config] > perConfig || f.Rule == "" || f.Diagnosis == "" || f.Refute == "" || f.Try == "" || f.Confidence != strong && f.Confidence != weak {
				t.Fatalf("seed %d: %+v", seed, f)
			}
			for _, because := range append(slices.Clone(f.Because), f.Diagnosis) {
				if strings.Contains(because, "NaN") || strings.Contains(because, "%!") {
					t.Fatalf("seed %d: %q", seed, because)
				}
			}
		}
		if s.Findings.Silent != (len(s.Findings.Fired) == 0) || len(s.Findings.Playbook) != 6 {
			t.Fatalf("seed %d: %+v", seed, s.Findings)
		}
	}
	if fired == 0 {
		t.Error("no random summary has a finding: the test cannot fail")
	}
}

// names are such that things refer to each other.
var names = []string{"base", "vision", "agent", "vision-0", "agent-0", "GPU-0", "MIG-1", "closed", "poisson", analysis.Valid, analysis.Saturated, analysis.Grew, analysis.Drifts, analysis.NotMet, "latency", "power cap", "idle", "A", "probe", ""}

// fill sets every field of a value at random.
func fill(random *rand.Rand, v reflect.Value, depth int) {
	if !v.CanSet() {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(names[random.IntN(len(names))])
	case reflect.Int, reflect.Int64, reflect.Int32:
		v.SetInt(random.Int64N(100))
	case reflect.Uint8:
		v.SetUint(1 + random.Uint64N(uint64(results.NotSent)))
	case reflect.Uint, reflect.Uint64, reflect.Uint32:
		v.SetUint(random.Uint64N(1 << 36))
	case reflect.Bool:
		v.SetBool(random.IntN(2) == 0)
	case reflect.Float64:
		v.SetFloat([]float64{0, 0.5, 0.05, 1, 3, 40, 0.99, random.ExpFloat64(), random.NormFloat64()}[random.IntN(9)])
	case reflect.Pointer:
		if random.IntN(4) > 0 && depth < 12 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(random, v.Elem(), depth+1)
		}
	case reflect.Slice:
		if depth < 12 {
			n := random.IntN(4)
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(random, v.Index(i), depth+1)
			}
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, item := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(random, key, depth+1)
		fill(random, item, depth+1)
		v.SetMapIndex(key, item)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(random, v.Field(i), depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(random, v.Index(i), depth+1)
		}
	}
}

// damage takes parts away, and changes numbers.
func damage(random *rand.Rand, v reflect.Value, depth int) {
	if !v.CanSet() || depth > 20 {
		return
	}
	if random.IntN(60) == 0 {
		v.SetZero()
		return
	}
	switch v.Kind() {
	case reflect.Float64:
		if random.IntN(6) == 0 {
			fill(random, v, depth)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			damage(random, v.Elem(), depth+1)
		}
	case reflect.Slice:
		for i := range v.Len() {
			damage(random, v.Index(i), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			damage(random, v.Field(i), depth+1)
		}
	}
}
