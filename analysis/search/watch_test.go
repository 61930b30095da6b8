package search

import (
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// Steps are ended that are hopeless, and none that are merely late; the limit is 0.1 s.
func TestWatch(t *testing.T) {
	const look = results.Offset(time.Second)
	for name, test := range map[string]struct {
		levels     []results.Level
		unfinished int64
		done       int // in each look
		took       time.Duration
		stage      int
		end        int // the look that ends the step; 0 for none
	}{
		"kept up with":         {rates(100), 19, 100, 10 * time.Millisecond, climbing, 0},
		"late":                 {rates(100), 39, 100, 300 * time.Millisecond, climbing, 0},
		"hopeless":             {rates(100), 200, 100, 2 * time.Second, climbing, 3},
		"hopeless, probing":    {rates(100), 200, 100, 2 * time.Second, probing, 3},
		"confirmed":            {rates(100), 200, 100, 2 * time.Second, confirming, 0},
		"nothing done":         {rates(100), 20, 0, 0, climbing, 3},
		"few":                  {rates(1), 19, 0, 0, climbing, 0},
		"users":                {users(50), 50, 10, 50 * time.Millisecond, climbing, 0},
		"users, slow":          {users(50), 50, 10, 300 * time.Millisecond, climbing, 0},
		"users, hopeless":      {users(50), 50, 10, 500 * time.Millisecond, climbing, 4},
		"users, few hopeless":  {users(50), 50, 1, 500 * time.Millisecond, climbing, 0},
		"without an SLO":       {append(rates(1), results.Level{Service: "x", Unit: "req/s", Value: 1}), 0, 1, 0, climbing, 0},
		"held and the raised ": {append(rates(100), users(3)...), 200, 100, time.Second, splitting, 3},
	} {
		c, err := New(asked(results.Search{Raise: test.levels[0].Service, From: 1}, test.levels...))
		if err != nil {
			t.Fatal(err)
		}
		c.stage = test.stage
		for step := range 2 { // the second step is looked at afresh
			end := 0
			for i := range 8 {
				p := results.Progress{From: results.Offset(100*step+i) * look, To: results.Offset(100*step+i+1) * look, Unfinished: map[string]int64{"a": test.unfinished, "x": 1e6}}
				for range test.done {
					p.Samples = append(p.Samples, results.Sample{Service: "a", Outcome: results.OK, Due: p.To - results.Offset(test.took), Done: p.To})
				}
				if why := c.Watch(p); why != "" {
					end = i + 1
					if !strings.HasPrefix(why, "hopeless: ") {
						t.Errorf("%s: ended for %q", name, why)
					}
					break
				}
			}
			if end != test.end {
				t.Errorf("%s, step %d: ended at look %d, want %d", name, step, end, test.end)
			}
			c.watcher.begin()
		}
	}
}

// A look without a backlog in between begins to count anew.
func TestWatchInARow(t *testing.T) {
	c, err := New(asked(results.Search{Raise: "a", From: 1}, rates(1)...))
	if err != nil {
		t.Fatal(err)
	}
	for i, unfinished := range []int64{50, 50, 0, 50, 50} {
		at := results.Offset(i) * results.Offset(time.Second)
		if why := c.Watch(results.Progress{From: at, To: at.Add(time.Second), Unfinished: map[string]int64{"a": unfinished}}); why != "" {
			t.Errorf("look %d: %s", i, why)
		}
	}
}
