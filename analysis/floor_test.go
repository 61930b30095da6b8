package analysis

import (
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// What ran alone before the first step goes before the warm-up, and is told with how many
// requests it is of. Without it the last three rounds of the warm-up serve, if
// they were of one request each and steady.
func TestFloors(t *testing.T) {
	ms := func(all ...int) (d []time.Duration) {
		for _, n := range all {
			d = append(d, time.Duration(n)*time.Millisecond)
		}
		return d
	}
	warmed := func(class string, parallel int, settled bool, rounds ...int) results.Warmed {
		return results.Warmed{Instance: "x", Class: class, Parallel: parallel, Settled: settled, Rounds: ms(rounds...)}
	}
	alone := func(class string, rounds ...int) results.Warmed {
		return results.Warmed{Instance: "x", Class: class, Parallel: 1, Rounds: ms(rounds...), Alone: true}
	}
	other := results.Warmed{Instance: "y", Class: "b", Parallel: 1, Settled: true, Rounds: ms(1, 1, 1, 1), Alone: true}
	const before = " requests of each class that ran alone, before the first step"
	const warm = "above the last rounds of the warm-up, of one request at a time; other instances were warmed up beside"
	for name, c := range map[string]struct {
		list      []results.Warmed
		a, b      float64 // 0: not known
		from, why string
	}{
		"alone":               {[]results.Warmed{warmed("a", 1, true, 9, 9, 9, 9), alone("a", 9, 2, 3), alone("b", 5)}, 0.003, 0.005, "above the median of 1 to 3" + before, "none of the class ran alone before the first step"},
		"alone, one class":    {[]results.Warmed{warmed("b", 1, true, 9, 9, 9, 9), alone("a", 9, 2, 3)}, 0.003, 0, "above the median of 3" + before, "none of the class ran alone before the first step"},
		"warm-up":             {[]results.Warmed{warmed("a", 1, true, 9, 8, 4, 2, 3), other}, 0.003, 0, warm, "the warm-up did not ask it"},
		"several at once":     {[]results.Warmed{warmed("a", 2, true, 3, 3, 3, 3), warmed("b", 1, true, 2, 2, 2, 2)}, 0, 0.002, warm, "a was warmed up with 2 requests at once"},
		"still falling":       {[]results.Warmed{warmed("a", 1, false, 9, 8, 7, 6)}, 0, 0, warm, "a had not settled"},
		"no warm-up":          {nil, 0, 0, warm, "the instance was not warmed up"},
		"failed when alone":   {[]results.Warmed{warmed("a", 1, true, 4, 4, 4, 4), {Instance: "x", Class: "a", Alone: true}}, 0.004, 0, warm, "the warm-up did not ask it"},
		"warmed up and again": {[]results.Warmed{warmed("a", 1, true, 4, 4, 4, 4), alone("a", 2, 2, 2), warmed("a", 1, true, 7, 7, 7, 7)}, 0.002, 0, "above the median of 3" + before, "none of the class ran alone before the first step"},
	} {
		f := floorsOf(results.Cell{Instances: []results.Instance{{Name: "x"}, {Name: "y"}}, Warmed: c.list})["x"]
		if f.of["a"] != c.a || f.of["b"] != c.b || f.from != c.from || f.why != c.why {
			t.Errorf("%s: %+v, want %+v", name, f, c)
		}
	}
}

// Where the floor of some classes is not known, the figure is of the others and says so, and
// no depth follows from it.
func TestAboveFloorOfSome(t *testing.T) {
	q := quiet()
	f := q.facts(q.customers(), func(*results.Observation) bool { return false })
	var samples []results.Sample
	for s := range f.cells[0].steps[0].samples {
		if s.Class = "ask"; s.Seq%2 == 1 {
			s.Class = "tell"
			s.Done += at0(time.Second)
		}
		samples = append(samples, s)
	}
	f.cells[0].steps[0].samples = all(samples)
	w, _ := waitingOf(t, f)
	if !w.AboveFloor.Known() || *w.AboveFloor.Number > 0.5 || w.Depth.Known() {
		t.Errorf("%+v, %+v", w.AboveFloor, w.Depth)
	}
	if want := "answers for which it is known how long a request takes alone"; !strings.HasSuffix(w.AboveFloor.Note, want) {
		t.Errorf("note %q, want %q", w.AboveFloor.Note, want)
	}
}
