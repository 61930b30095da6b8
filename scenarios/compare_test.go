package scenarios

import (
	"fmt"
	"testing"
)

// readCompare reads small with what is put before its matrix.
func readCompare(t *testing.T, more string) (*Scenario, string) {
	t.Helper()
	s, err := Read("f.yaml", []byte(change(t, "matrix:\n", more+"matrix:\n")), checks())
	if faults := Faults(err); len(faults) > 0 {
		return s, fmt.Sprintf("%d:%d: %s", faults[0].Line, faults[0].Column, faults[0].Text)
	}
	return s, ""
}

func TestCompare(t *testing.T) {
	for text, want := range map[string]float64{
		"":                        0.03,
		"compare: {}\n":           0.03,
		"compare: {zone: 7.5%}\n": 0.075,
		// The bounds are within.
		"compare: {zone: 0.5%}\n": 0.005,
		"compare: {zone: 50 %}\n": 0.5,
	} {
		s, fault := readCompare(t, text)
		if fault != "" {
			t.Errorf("%q: %s", text, fault)
		} else if s.Zone != want {
			t.Errorf("%q: the zone is %v, want %v", text, s.Zone, want)
		}
	}
}

func TestCompareFaults(t *testing.T) {
	for text, want := range map[string]string{
		"{zone: 0.4%}": "21:17: compare.zone is 0.5% to 50%, not 0.4%",
		"{zone: 51%}":  "21:17: compare.zone is 0.5% to 50%, not 51%",
		"{zone: 0%}":   "21:17: compare.zone is 0.5% to 50%, not 0%",
		"{zone: -3%}":  "21:17: compare.zone is 0.5% to 50%, not -3%",
		"{zone: 0.03}": "21:17: compare.zone is a share such as 15%, not 0.03",
		"{zone: 3}":    "21:17: compare.zone is a share such as 15%, not 3",
		"{zones: 3%}":  `21:11: unknown key "zones" in compare`,
	} {
		if _, fault := readCompare(t, "compare: "+text+"\n"); fault != want {
			t.Errorf("%s: fault %q, want %q", text, fault, want)
		}
	}
}
