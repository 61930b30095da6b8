package analysis

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// lateAgent makes the first call of each agent's session late by so much. Its
// user thinks 1 s, or as long as is told.
func lateAgent(by, think time.Duration) facts {
	f := madeRun()
	samples := madeSamples(100*time.Millisecond, time.Second)
	for i := range samples {
		if s := &samples[i]; s.Service == "agent" && s.Call == 0 {
			s.Sent, s.First, s.Done = s.Sent.Add(by), s.First.Add(by), s.Done.Add(by)
		}
	}
	f.cells[0].steps[0] = madeStep(samples, think)
	f.cells[0].steps[0].step.Services[1].ThinkAsked = &think
	return f
}

// A pause that is longer than asked is warned of above 2 % and above 1 ms, with
// both numbers and how many there were: a session begins every 3 s, the 5th to
// the 37th within the window of 10 s to 110 s.
func TestThinkTime(t *testing.T) {
	for _, c := range []struct {
		by, think time.Duration
		want      string
	}{
		{0, time.Second, ""},
		{19 * time.Millisecond, time.Second, ""},
		{21 * time.Millisecond, time.Second, "users paused 1.021 s where 1.000 s was asked (n = 33)"},
		{900 * time.Microsecond, 10 * time.Millisecond, ""},
		{1100 * time.Microsecond, 10 * time.Millisecond, "users paused 11.10 ms where 10.00 ms was asked (n = 33)"},
		{21 * time.Millisecond, 0, ""}, // no pause was asked for
	} {
		s := summarized(t, lateAgent(c.by, c.think))
		i := slices.IndexFunc(s.Warnings, func(w Warning) bool { return w.Code == "think-time" })
		switch {
		case i < 0 && c.want != "":
			t.Errorf("late by %v of %v: no warning", c.by, c.think)
		case i >= 0 && (c.want == "" || !strings.Contains(s.Warnings[i].Text, c.want) || s.Warnings[i].Subject != "agent"):
			t.Errorf("late by %v of %v: %+v, want %q", c.by, c.think, s.Warnings[i], c.want)
		}
	}
}

// An open loop has no pauses, and a user's first session follows none.
func TestPauses(t *testing.T) {
	f := lateAgent(21*time.Millisecond, time.Second)
	f.cells[0].steps[0].step.Plan.Levels[1].Arrivals = "poisson"
	if s := summarized(t, f).Cells[0].Steps[0].Services[1].Sessions; s.Pause.Known() || !s.Pause.Inapplicable || s.Pauses != 0 {
		t.Errorf("pauses of an open loop: %+v", s)
	}
	f = lateAgent(21*time.Millisecond, time.Second)
	f.cells[0].steps[0].step.Plan.Levels[1].Value = 40 // each of 37 sessions is a user's first
	if s := summarized(t, f).Cells[0].Steps[0].Services[1].Sessions; s.Pause.Known() || s.Pauses != 0 {
		t.Errorf("pauses before first sessions: %+v", s)
	}
	f = lateAgent(0, time.Second)
	f.cells[0].steps[0].step.Services[1].Think = nil
	if s := summarized(t, f).Cells[0].Steps[0].Services[1].Sessions; s.Pause != (Value{Unit: "s", Why: s.Think.Why}) {
		t.Errorf("pauses without a think time: %+v", s)
	}
}
