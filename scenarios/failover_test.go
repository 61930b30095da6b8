package scenarios

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

const failoverPlace = "steps: {warmup: 1s, window: 2s}\n"

// A failover has the levels of its step of the ladder, and follows the ladder in
// the file's order.
func TestFailovers(t *testing.T) {
	s, fault := readSmall(t, failoverPlace, failoverPlace+`failover:
  - {service: eyes, instance: 2, how: fault, step: 1, at: 1999ms, eject: 0s, restart: false}
  - {service: mind}
`)
	if fault != "" {
		t.Fatal(fault)
	}
	plans := s.StepPlans()
	if len(plans) != 4 {
		t.Fatalf("%d steps, want 2 and 2 failovers", len(plans))
	}
	for i, want := range []*results.Failover{nil, nil,
		{Service: "eyes", Instance: 2, How: CrashFault, At: 1999 * time.Millisecond},
		// A third of the window, and what balancers take.
		{Service: "mind", How: CrashKill, At: 2 * time.Second / 3, Eject: 5 * time.Second, Restart: true},
	} {
		if got := plans[i].Failover; !reflect.DeepEqual(got, want) {
			t.Errorf("step %d: %+v, want %+v", i, got, want)
		}
	}
	for i, of := range map[int]int{2: 1, 3: 0} {
		if !reflect.DeepEqual(plans[i].Levels, plans[of].Levels) || plans[i].Window != plans[of].Window || plans[i].Warmup != plans[of].Warmup {
			t.Errorf("step %d is %+v, and not as step %d", i, plans[i], of)
		}
		if !strings.HasPrefix(plans[i].Name, plans[of].Name+", ") || !strings.HasSuffix(plans[i].Name, plans[i].Failover.String()) {
			t.Errorf("step %d is called %q", i, plans[i].Name)
		}
	}
	if plans[2].Failover == plans[3].Failover {
		t.Error("two steps share a failover")
	}
}

func TestFailoverFaults(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                             "failover[0] has no service",
		"{service: nose}":                `failover[0].service "nose" is no service`,
		"{service: eyes, how: sneeze}":   `failover[0].how "sneeze" is not known`,
		"{service: eyes, instance: -1}":  "failover[0].instance is not negative",
		"{service: eyes, step: 2}":       "failover[0].step: the ladder has steps 0 to 1, not 2",
		"{service: eyes, step: -1}":      "failover[0].step: the ladder has steps 0 to 1, not -1",
		"{service: eyes, at: 0s}":        "failover[0].at is within the window, above 0s and below 2s, not 0s",
		"{service: eyes, at: 2s}":        "failover[0].at is within the window, above 0s and below 2s, not 2s",
		"{service: eyes, eject: -1ms}":   "failover[0].eject is not negative",
		"{service: eyes, after: 2s}":     `unknown key "after" in failover[0]`,
		"{service: eyes, restart: soon}": "failover[0].restart",
	} {
		_, fault := readSmall(t, failoverPlace, failoverPlace+"failover: ["+text+"]\n")
		if !strings.HasPrefix(fault, "21:") || !strings.Contains(fault, want) {
			t.Errorf("%s: fault %q, want %q at line 21", text, fault, want)
		}
	}
	if _, fault := readSmall(t, failoverPlace, failoverPlace+"failover: [{service: eyes, at: 1999ms, step: 1}]\n"); fault != "" {
		t.Error(fault)
	}
}
