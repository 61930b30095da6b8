package scenarios

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/results"
)

// readSearch reads small with one level of eyes, and what is put before its matrix.
func readSearch(t *testing.T, more string, c Checks) (*Scenario, string) {
	t.Helper()
	text := strings.Replace(change(t, "matrix:\n", more+"matrix:\n"), "levels: [1, 2.5]", "levels: [2.5]", 1)
	s, err := Read("f.yaml", []byte(text), c)
	if faults := Faults(err); len(faults) > 0 {
		return s, fmt.Sprintf("%d:%d: %s", faults[0].Line, faults[0].Column, faults[0].Text)
	}
	return s, ""
}

func TestSearch(t *testing.T) {
	for text, want := range map[string]Search{
		"{}": {Kind: SearchCapacity, From: 1, Grow: 0.15},
		"{raise: all, from: 0.5, most: 4}": {
			Kind: SearchCapacity, From: 0.5, Grow: 0.15, Most: 4,
		},
		"{raise: eyes}": {Kind: SearchCapacity, Raise: "eyes", From: 2.5, Grow: 0.15},
		"{kind: ladder, raise: mind, from: 2, grow: 20%, most: 64}": {
			Kind: SearchLadder, Raise: "mind", From: 2, Grow: 0.2, Most: 64,
		},
		// The bounds of shares are within them.
		"{raise: mind, grow: 1%, tolerance: 50%, budget: 4h, confirm: 10m}": {
			Kind: SearchCapacity, Raise: "mind", From: 4, Grow: 0.01, Tolerance: 0.5, Budget: 4 * time.Hour, Confirm: 10 * time.Minute,
		},
		"{grow: 100 %, tolerance: 0.5%, heavy: true}": {Kind: SearchCapacity, From: 1, Grow: 1, Tolerance: 0.005, Heavy: true},
	} {
		s, fault := readSearch(t, "search: "+text+"\n", checks())
		if fault != "" {
			t.Errorf("%s: %s", text, fault)
			continue
		}
		if want.Mode = ModeGrid; !reflect.DeepEqual(*s.Search, want) {
			t.Errorf("%s: %+v, want %+v", text, *s.Search, want)
		}
		levels, raise := s.Ray()
		if len(levels) != 2 || levels[0] != (results.Level{Service: "eyes", Arrivals: Poisson, Value: 2.5, Unit: "req/s"}) ||
			levels[1] != (results.Level{Service: "mind", Arrivals: Closed, Value: 4, Unit: "users"}) || raise != want.Raise {
			t.Errorf("%s: the ray is %+v, raising %q", text, levels, raise)
		}
	}
	if s, _ := readSearch(t, "", checks()); s.Search != nil {
		t.Errorf("without the key there is the search %+v", s.Search)
	}
}

func TestSearchFaults(t *testing.T) {
	for text, want := range map[string]string{
		"{kind: guess}":                   `21:16: search.kind "guess" is not known`,
		"{raise: nose}":                   `21:17: search.raise "nose" is no service`,
		"{from: 0}":                       "21:16: search.from is above 0, not 0",
		"{raise: eyes, from: -2.5}":       "21:29: search.from is above 0, not -2.5",
		"{raise: mind, from: 2.5}":        "21:29: search.from is a whole number of users up to a million, not 2.5",
		"{raise: mind, most: 9.5}":        "21:29: search.most is a whole number of users up to a million, not 9.5",
		"{raise: eyes, most: 2.5}":        "21:29: search.most, 2.5, is not above 2.5, where the search begins",
		"{most: 1}":                       "21:16: search.most, 1, is not above 1, where the search begins",
		"{grow: 0.9%}":                    "21:16: search.grow is 1% to 100%, not 0.9%",
		"{grow: 101%}":                    "21:16: search.grow is 1% to 100%, not 101%",
		"{grow: 0.15}":                    "21:16: search.grow is a share such as 15%, not 0.15",
		"{grow: [1%]}":                    "21:16: search.grow is a share such as 15%, not a list",
		"{tolerance: 0.4%}":               "21:21: search.tolerance is 0.5% to 50%, not 0.4%",
		"{tolerance: 51%}":                "21:21: search.tolerance is 0.5% to 50%, not 51%",
		"{budget: 0s}":                    "21:18: search.budget is above 0s, not 0s",
		"{confirm: -1s}":                  "21:19: search.confirm is above 0s, not -1s",
		"{raises: eyes}":                  `21:10: unknown key "raises" in search`,
		"{}\nfailover: [{service: eyes}]": "22:11: failover goes with the levels of services, and not with a search",
	} {
		if _, fault := readSearch(t, "search: "+text+"\n", checks()); fault != want {
			t.Errorf("%s: fault %q, want %q", text, fault, want)
		}
	}
	// Whatever is raised, levels that make a ladder are refused, and so is a search
	// without anything to keep.
	for _, raise := range []string{"all", "eyes", "mind"} {
		text := change(t, "matrix:\n", "search: {raise: "+raise+"}\nmatrix:\n")
		faults := Faults(readFault(text))
		if len(faults) != 1 || faults[0].Line != 11 || !strings.Contains(faults[0].Text, "services.eyes has 2 levels, which make a ladder") {
			t.Errorf("raise %s: %v", raise, faults)
		} else if begins := strings.Contains(faults[0].Hint, "begins"); begins != (raise != "mind") {
			t.Errorf("raise %s: hint %q", raise, faults[0].Hint)
		}
	}
	text := strings.Replace(change(t, "    slo: [\"p95 < 300 ms\"]\n", ""), "[1, 2.5]", "[1]", 1)
	faults := Faults(readFault(strings.Replace(text, "matrix:\n", "search: {}\nmatrix:\n", 1)))
	if len(faults) != 1 || faults[0].Text != "no service has an slo: there is nothing that a load could miss" || faults[0].Line != 20 {
		t.Errorf("without an slo: %v", faults)
	}
}

func readFault(text string) error {
	_, err := Read("f.yaml", []byte(text), checks())
	return err
}

// The preset of a search says itself what it may cost: with its confirmations, at its
// server's speed, at most seven minutes of the clock.
func TestCapacityPresetIsShort(t *testing.T) {
	data, _ := Preset("capacity")
	s, err := Read("capacity.yaml", data, Checks{})
	if err != nil {
		t.Fatal(err)
	}
	var backend struct {
		Server string  `yaml:"server"`
		Scale  float64 `yaml:"scale"`
	}
	if err := s.Server.Backend.Decode(&backend); err != nil {
		t.Fatal(err)
	}
	cells, _ := s.Cells(nil)
	if s.Search == nil || s.Search.Budget == 0 || s.Search.Confirm == 0 || backend.Scale < 1 || len(cells) == 0 {
		t.Fatalf("search %+v at scale %v in %d cells", s.Search, backend.Scale, len(cells))
	}
	load := time.Duration(len(cells)) * (s.Search.Budget + s.Warmup + s.Search.Confirm)
	if clock := time.Duration(float64(load) / backend.Scale); clock > 7*time.Minute {
		t.Errorf("%v of load in %d cells, %v on the clock, want 7m at most", load, len(cells), clock)
	}
	levels, raise := s.Ray()
	if raise != "vision" || len(levels) != 2 || levels[0].Arrivals != Poisson || levels[1].Arrivals != Closed {
		t.Errorf("it raises %q of %+v", raise, levels)
	}
}

// Heavy needs a raised service whose workload has heavy requests.
func TestSearchHeavyNeedsVariants(t *testing.T) {
	c := checks()
	c.Heavy = func(workload kind.Spec) error {
		if workload.Name == "agent" {
			return nil
		}
		return errors.New("no class is heavy")
	}
	for text, want := range map[string]string{
		"{heavy: true}":               "", // mind's are enough
		"{raise: mind, heavy: true}":  "",
		"{raise: eyes}":               "",
		"{raise: eyes, heavy: false}": "",
		"{raise: eyes, heavy: true}":  "21:30: search.heavy confirms with heavy requests, and services.eyes has none: no class is heavy",
	} {
		if _, fault := readSearch(t, "search: "+text+"\n", c); fault != want {
			t.Errorf("%s: fault %q, want %q", text, fault, want)
		}
	}
}
