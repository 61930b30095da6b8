package analysis

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// madeFailover is a step of 100 s in which agent-1 ends at 20 s, is ejected at 24 s
// and answers again at 50 s. The agent completes 2 requests a second before,
// 1 until the answer and one that fails beside each until the ejection, and 2
// again afterwards; vision 10 all along. Each takes 100 ms.
func madeFailover() stepFacts {
	at := func(s float64) results.Offset { return results.Offset(s * 1e9) }
	var samples []results.Sample
	due := map[string]int64{}
	add := func(service, endpoint string, done float64, outcome results.Outcome) {
		due[service]++
		samples = append(samples, results.Sample{
			Service: service, Class: "c", Model: "m", Endpoint: endpoint, Seq: int64(len(samples)), Session: int64(len(samples)), Last: true,
			Due: at(done - 0.1), Sent: at(done - 0.1), First: results.NoOffset, Final: results.NoOffset, Done: at(done), Outcome: outcome,
			PromptTokens: results.UnknownTokens, OutputTokens: results.UnknownTokens, CachedTokens: results.UnknownTokens,
			ServerQueue: results.Untold, ServerWork: results.Untold,
		})
	}
	for i := range 100 {
		second := float64(i) + 0.5
		add("agent", "agent-0", second, results.OK)
		switch {
		case i < 20 || i >= 50:
			add("agent", "agent-1", second, results.OK)
		case i < 24:
			add("agent", "agent-1", second, results.Connect)
		}
		for j := range 10 {
			add("vision", "vision-0", second+float64(j)*0.01, results.OK)
		}
	}
	step := results.Step{
		Index: 1,
		Plan: results.StepPlan{Name: "one ends", Window: 100 * time.Second, Levels: []results.Level{
			{Service: "vision", Arrivals: "closed", Value: 2, Unit: "users"}, {Service: "agent", Arrivals: "closed", Value: 1, Unit: "users"},
		}, Failover: &results.Failover{Service: "agent", Instance: 1, How: "kill", At: 20 * time.Second, Eject: 4 * time.Second, Restart: true}},
		WindowStart: 0, WindowEnd: at(100), End: at(100),
		Events: []results.Event{
			{At: at(20.2), Kind: results.EventEnded, Instance: "agent-1", Text: "signal 9 (killed)"},
			{At: at(20.5), Kind: results.EventEnded, Instance: "agent-0"}, // only for Others
			{At: at(24), Kind: results.EventEjected, Instance: "agent-1"},
			{At: at(30), Kind: results.EventRestarted, Instance: "agent-1"},
			{At: at(50), Kind: results.EventAnswered, Instance: "agent-1"},
		},
		OutOfMemory: map[string]int64{"agent-1": 2},
	}
	lag := results.Lateness{N: 100, P50: 1, P99: 2, Max: 3}
	for _, name := range []string{"vision", "agent"} {
		step.Services = append(step.Services, results.Integrity{Service: name, Due: due[name], Sent: due[name], Lag: lag})
	}
	return stepFacts{step: step, samples: all(samples)}
}

// toldValue writes a value as tests read it.
func toldValue(v Value) string {
	if !v.Known() {
		return "-"
	}
	return fmt.Sprintf("%.4g", *v.Number)
}

func TestFailover(t *testing.T) {
	f := madeRun()
	f.cells = f.cells[:1]
	f.cells[0].steps = append(f.cells[0].steps, madeFailover())
	s := summarized(t, f)
	step := s.Cells[0].Steps[1]
	got := step.Failover
	if got == nil {
		t.Fatal("the step is no failover")
	}
	if got.Instance != "agent-1" || got.How != "signal 9 (killed)" || !slices.Equal(got.Others, []string{"agent-0"}) {
		t.Errorf("%+v", got)
	}
	if times := toldValue(got.Ended) + " " + toldValue(got.Ejected) + " " + toldValue(got.Restarted) + " " + toldValue(got.Answered); times != "0.2 3.8 9.8 29.8" {
		t.Errorf("ended, ejected, restarted and answered after %s", times)
	}
	var lines []string
	for _, stretch := range got.Stretches {
		for _, v := range stretch.Services {
			lines = append(lines, fmt.Sprintf("%s %v %s: %d ended, %s/s, %s of before, %s failed, n %d", stretch.Name, stretch.Length, v.Name, v.Ended,
				toldValue(v.Throughput), toldValue(v.OfBefore), toldValue(v.Failed), v.Latency.N))
		}
	}
	want := []string{
		"before 20 vision: 200 ended, 10/s, - of before, 0 failed, n 200",
		"before 20 agent: 40 ended, 2/s, - of before, 0 failed, n 40",
		"ended, not ejected 4 vision: 40 ended, 10/s, 1 of before, 0 failed, n 40",
		"ended, not ejected 4 agent: 8 ended, 1/s, 0.5 of before, 0.5 failed, n 4",
		"ejected 26 vision: 260 ended, 10/s, 1 of before, 0 failed, n 260",
		"ejected 26 agent: 26 ended, 1/s, 0.5 of before, 0 failed, n 26",
		"answered again 50 vision: 500 ended, 10/s, 1 of before, 0 failed, n 500",
		"answered again 50 agent: 100 ended, 2/s, 1 of before, 0 failed, n 100",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	// Four answers are too few for a median.
	if q := got.Stretches[1].Services[1].Latency.Quantiles; len(q) == 0 || q[0].Known() || q[0].Why == "" {
		t.Errorf("quantiles of four %+v", q)
	}
	if o := got.Stretches[1].Services[1].Outcomes; len(o) != 2 || o[1] != (Count{results.Connect, 4}) && o[0] != (Count{results.Connect, 4}) {
		t.Errorf("outcomes %+v", o)
	}
	if step.OutOfMemory["agent-1"] != 2 {
		t.Errorf("out of memory %v", step.OutOfMemory)
	}
}

// A failover is in no comparison, and held against no objective and no count of
// a server's; what is due still has its outcome.
func TestFailoverStandsApart(t *testing.T) {
	f := madeRun()
	f.cells = f.cells[:1]
	before := summarized(t, f)
	f.cells[0].steps = append(f.cells[0].steps, madeFailover())
	after := summarized(t, f)
	if len(after.Comparison) != len(before.Comparison) || after.ValidSteps() != before.ValidSteps() || len(before.Comparison) == 0 {
		t.Errorf("%d comparisons and %d valid steps, want %d and %d", len(after.Comparison), after.ValidSteps(), len(before.Comparison), before.ValidSteps())
	}
	for _, v := range after.Cells[0].Steps[1].Services {
		if v.SLO != nil || v.Counters != nil || v.Overhead != nil || v.Population.Result != NotJudged || v.ServerInFlight.Result != NotJudged {
			t.Errorf("%s: %+v %+v %+v %+v", v.Name, v.SLO, v.Counters, v.Population, v.ServerInFlight)
		}
		if !v.Identity.Holds || v.Total.Due == 0 {
			t.Errorf("%s: %+v", v.Name, v.Identity)
		}
	}
	for _, w := range after.Warnings {
		if strings.Contains(w.Where, "step 1") && w.Code == "not-ok" {
			t.Errorf("%+v", w)
		}
	}
}

// What did not come about is unknown, or cannot be: and cuts nothing.
func TestFailoverThatDoesNotComeBack(t *testing.T) {
	for _, c := range []struct {
		restart bool
		events  int
		answer  Value
		names   string
	}{
		{true, 2, unknown("s", "it gave no right answer again"), "before; ended, not ejected"},
		{true, 3, unknown("s", "it gave no right answer again"), "before; ended, not ejected; ejected"},
		{false, 3, inapplicable("s", "it was to be left ended"), "before; ended, not ejected; ejected"},
		{true, 0, unknown("s", "it gave no right answer again"), "before"},
	} {
		step := madeFailover()
		step.step.Events = step.step.Events[:c.events]
		step.step.Plan.Failover.Restart = c.restart
		f := madeRun()
		f.cells = f.cells[:1]
		f.cells[0].steps = append(f.cells[0].steps, step)
		got := summarized(t, f).Cells[0].Steps[1].Failover
		var names []string
		for _, s := range got.Stretches {
			names = append(names, s.Name)
		}
		if got.Answered != c.answer || strings.Join(names, "; ") != c.names {
			t.Errorf("%+v: answered %+v, stretches %v", c, got.Answered, names)
		}
	}
	// At 2/s, 2.4 s would have 4.8 answers: too few to compare.
	for at, want := range map[float64]bool{22.4: false, 22.6: true} {
		step := madeFailover()
		step.step.Events[2].At = results.Offset(at * 1e9)
		f := madeRun()
		f.cells = f.cells[:1]
		f.cells[0].steps = append(f.cells[0].steps, step)
		if v := summarized(t, f).Cells[0].Steps[1].Failover.Stretches[1].Services[1].OfBefore; v.Known() != want {
			t.Errorf("ejected at %v: %+v", at, v)
		}
	}
	// After the step's end it is told, and cuts nothing.
	step := madeFailover()
	step.step.Events[4].At = results.Offset(130 * time.Second)
	f := madeRun()
	f.cells = f.cells[:1]
	f.cells[0].steps = append(f.cells[0].steps, step)
	got := summarized(t, f).Cells[0].Steps[1].Failover
	if n := len(got.Stretches); n != 3 || toldValue(got.Answered) != "109.8" {
		t.Errorf("%d stretches, answered after %s", n, toldValue(got.Answered))
	}
}

// Before its end was planned nothing had happened to the instance, and after its
// end was known it was gone: if the two are more than a second apart, what lies
// between is neither.
func TestFailoverThatTakesTime(t *testing.T) {
	for _, c := range []struct {
		ended float64
		names string
	}{
		{20, "before 20; ended, not ejected 10"}, {21, "before 20; ended, not ejected 10"},
		{21.5, "before 20; being ended 1.5; ended, not ejected 8.5"}, {40, "before 20; being ended 10"},
	} {
		step := madeFailover()
		step.step.WindowEnd = results.Offset(30 * time.Second)
		step.step.Events = []results.Event{{At: results.Offset(c.ended * 1e9), Kind: results.EventEnded, Instance: "agent-1"}}
		tally := failoversOf(step.step)
		all, in := int64(0), int64(0)
		for s, err := range step.samples {
			if err != nil {
				t.Fatal(err)
			}
			tally.add(s)
			if s.Done >= step.step.WindowStart && s.Done < step.step.WindowEnd {
				in++
			}
		}
		got := tally.summary(results.Environment{})
		var names []string
		for _, s := range got.Stretches {
			names = append(names, fmt.Sprint(s.Name, " ", s.Length))
			for _, v := range s.Services {
				all += v.Ended
			}
		}
		if text := strings.Join(names, "; "); text != c.names || toldValue(got.Ended) != fmt.Sprintf("%.4g", c.ended-20) {
			t.Errorf("ended at %v: after %s; %s, want %s", c.ended, toldValue(got.Ended), text, c.names)
		}
		if all != in {
			t.Errorf("ended at %v: the stretches have %d requests of %d that ended in the window", c.ended, all, in)
		}
	}
}

// The whole Summary of a run with a failover, for the formats' tests: a second
// agent is there, and the made-up step.
func TestFailoverGolden(t *testing.T) {
	f := madeRun()
	f.cells, f.missing, f.environment.Planned = f.cells[:1], nil, nil
	c := &f.cells[0]
	c.cell.Instances = append(c.cell.Instances, results.Instance{Service: "agent", Name: "agent-1", Device: "GPU-1"})
	c.steps = append(c.steps, madeFailover())
	golden(t, "testdata/failover.json", summarized(t, f))
}
