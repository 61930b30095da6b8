package analysis

import (
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// Little's law is judged from 25 times the stay on, and passes within 3 %.
func TestLittleLimits(t *testing.T) {
	for _, c := range []struct {
		window      time.Duration // stay is 1 s
		left, right float64
		want        string
	}{
		{25 * time.Second, 100, 100, Pass},
		{25*time.Second - 1, 100, 100, NotJudged},
		{time.Minute, 102.9, 100, Pass},
		{time.Minute, 103.1, 100, Fail},
		{time.Minute, 97.1, 100, Pass},
		{time.Minute, 96.9, 100, Fail},
		{time.Minute, 5, 0, Fail},
	} {
		check := Check{Left: known(c.left, "1"), Right: known(c.right, "1")}.judge(window{0, at0(c.window)}, 1, "call time")
		if check.Result != c.want {
			t.Errorf("window %v, %v against %v: %+v, want %s", c.window, c.left, c.right, check, c.want)
		}
		if check.Result == NotJudged && !strings.Contains(check.Why, "window too short") {
			t.Errorf("why not judged: %q", check.Why)
		}
	}
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		value float64
		op    string
		want  bool
	}{
		{1, "<", false}, {0.999, "<", true}, {1, "<=", true}, {1.001, "<=", false},
		{1, ">", false}, {1.001, ">", true}, {1, ">=", true}, {0.999, ">=", false},
	} {
		if got, err := compare(c.value, c.op, 1); got != c.want || err != nil {
			t.Errorf("%v %s 1: %v, %v", c.value, c.op, got, err)
		}
	}
	if _, err := compare(1, "==", 1); err == nil {
		t.Error("== is taken")
	}
}

// A clause for a class looks at that class only; an unknown class had nothing
// due and does not meet anything.
func TestClauseOfClass(t *testing.T) {
	f := madeRun()
	clause := func(class string) results.Clause {
		return results.Clause{Metric: "errors", Class: class, Op: "<=", Unit: "ratio"}
	}
	f.environment.Services[0].SLO = []results.Clause{clause("owl-v2"), clause("rt-detrv2"), clause("none")}
	got := summarized(t, f).Cells[0].Steps[0].Services[0].SLO
	// The one answer that was refused was rt-detrv2's.
	for i, want := range []string{Met, NotMet, NotMet} {
		if got[i].Result != want {
			t.Errorf("class %q: %s, want %s", got[i].Clause.Class, got[i].Result, want)
		}
	}
}

// A clause on the one class that a service has sees its latencies in order, in a step of
// heavy requests alone too, and so does what it counts.
func TestClauseOfTheOnlyClass(t *testing.T) {
	for name, heavy := range map[string]bool{"a": false, "a" + results.HeavySuffix: true} {
		var samples []results.Sample
		for i := range int64(100) { // the first takes 99 s, the last takes none
			due := at0(madeWarmup + time.Duration(i)*time.Second)
			first := due.Add(time.Duration(99-i) * time.Second)
			if i == 50 {
				first = results.NoOffset // the end token alone
			}
			samples = append(samples, results.Sample{
				Service: "agent", Class: name, Model: "vlm", Endpoint: "agent-0", Seq: i, Session: i, User: -1, Last: true,
				Due: due, Sent: due, First: first, Done: due.Add(time.Duration(99-i) * time.Second), Outcome: results.OK, Chunks: 2,
			})
		}
		f := madeRun()
		f.cells[0].steps[0] = madeStep(samples, 0)
		f.cells[0].steps[0].step.Plan.Heavy = heavy
		f.environment.Services[1].SLO = []results.Clause{
			{Metric: "latency", Quantile: 0.9, Class: "a", Op: "<=", Limit: 89, Unit: "s"},
			{Metric: "ttft", Quantile: 0.9, Class: "a", Op: "<=", Limit: 89, Unit: "s"},
		}
		slo := summarized(t, f).Cells[0].Steps[0].Services[1].SLO
		for i, want := range []struct {
			value        float64
			judged, over int64
		}{{89, 100, 10}, {90, 99, 10}} {
			if got := slo[i]; !got.Value.Known() || *got.Value.Number != want.value || got.Judged != want.judged || got.Over != want.over {
				t.Errorf("%s: clause %d is %+v, want %+v", name, i, got, want)
			}
		}
	}
}

// A server that refuses most and answers the rest quickly meets nothing,
// although its SLO says no word of errors. One arrival in twenty that fails
// does not spoil the p90.
func TestFailedArrivalsMeetNoLatency(t *testing.T) {
	for _, c := range []struct {
		every int64 // of arrivals, one in so many fails
		want  []string
	}{
		{1 << 40, []string{Met, Met, Met}},
		{20, []string{Met, Met, NotMet}},
		{2, []string{NotMet, NotMet, NotMet}},
		{1, []string{NotMet, NotMet, NotMet}},
	} {
		var samples []results.Sample
		for i := range int64(1000) {
			due := at0(madeWarmup + time.Duration(i)*100*time.Millisecond)
			s := results.Sample{
				Service: "agent", Class: "a", Model: "vlm", Endpoint: "agent-0", Seq: i, Session: i, User: -1, Last: true,
				Due: due, Sent: due, First: due.Add(time.Millisecond), Done: due.Add(2 * time.Millisecond), Outcome: results.OK, Chunks: 2,
			}
			if i%c.every == c.every-1 {
				s.Outcome, s.First = results.Shed, results.NoOffset
			}
			samples = append(samples, s)
		}
		f := madeRun()
		f.cells[0].steps[0] = madeStep(samples, 0)
		f.environment.Services[1].SLO = []results.Clause{
			{Metric: "latency", Quantile: 0.9, Op: "<", Limit: 1, Unit: "s"},
			{Metric: "latency", Quantile: 0.9, Class: "a", Op: "<", Limit: 1, Unit: "s"},
		}
		slo := summarized(t, f).Cells[0].Steps[0].Services[1].SLO
		if len(slo) != 3 || slo[2].Clause.Text != "errors <= 0 % (default)" {
			t.Fatalf("clauses %+v", slo)
		}
		for i, want := range c.want {
			if slo[i].Result != want {
				t.Errorf("one in %d fails: clause %d is %s (%+v), want %s", c.every, i, slo[i].Result, slo[i].Value, want)
			}
		}
	}
}

// An open loop's window has as many first calls as its schedule had arrivals
// there; calls that follow in a session are not of the schedule.
func TestScheduleIsKept(t *testing.T) {
	for _, c := range []struct {
		scheduled int64
		holds     bool
	}{{33, true}, {34, false}, {67, false}, {0, false}} {
		f := madeRun()
		f.cells[0].steps[0].step.Services[1].Scheduled = &c.scheduled
		s := summarized(t, f)
		a := s.Cells[0].Steps[0].Services[1]
		if a.Identity.Begun != 33 || a.Identity.Holds != c.holds || (a.Verdict.Is == Void) == c.holds {
			t.Errorf("%d scheduled: identity %+v, verdict %+v", c.scheduled, a.Identity, a.Verdict)
		}
		if !c.holds && (!strings.Contains(a.Verdict.Why, "the schedule had") || !strings.Contains(codes(s, "001"), "arrivals-lost")) {
			t.Errorf("%d scheduled: %+v, warnings %s", c.scheduled, a.Verdict, codes(s, "001"))
		}
	}
}

func TestClientFaultsAreNotTheServers(t *testing.T) {
	f := madeRun()
	f.cells[0].steps[0].step.Services[1].ClientFaults = 3
	s := summarized(t, f)
	v := s.Cells[0].Steps[0].Services[1].Verdict
	if v.Is != ClientLimited || !strings.Contains(v.Why, "3 requests") || !strings.Contains(codes(s, "001"), "step-client-limited") {
		t.Errorf("%+v, warnings %s", v, codes(s, "001"))
	}
}

// A tenth of the prompt tokens may come from a prefix cache, and the median
// answer may take a twentieth of the window; more is told.
func TestWarningsOfRepeatsAndStoppedLoad(t *testing.T) {
	for _, c := range []struct {
		cached int64 // of 100 prompt tokens
		late   time.Duration
		want   string
	}{
		{0, 0, ""}, {10, 4 * time.Second, ""}, {11, 0, "cached-prompts"},
		{results.UnknownTokens, 4*time.Second + time.Millisecond, "stopped-load"},
	} {
		f := madeRun()
		var samples []results.Sample
		for s := range f.cells[0].steps[0].samples {
			if s.Service == "agent" {
				s.CachedTokens = c.cached
				s.Done += at0(c.late) // after 1 s
			}
			samples = append(samples, s)
		}
		f.cells[0].steps[0] = madeStep(samples, time.Second)
		got := codes(summarized(t, f), "001")
		for _, code := range []string{"cached-prompts", "stopped-load"} {
			if strings.Contains(got, code) != (code == c.want) {
				t.Errorf("cached %d, late %v: warnings %q, want %q", c.cached, c.late, got, c.want)
			}
		}
	}
}

func TestAbortedAreNoCompletions(t *testing.T) {
	f := madeRun()
	var with []results.Observation
	for o := range f.cells[0].observations {
		if o.Series == "vllm:request_success_total" {
			o.Subject.Detail = "stop"
			aborted := o
			aborted.Subject.Detail, aborted.Value = "abort", o.Value*2
			with = append(with, aborted)
		}
		with = append(with, o)
	}
	f.cells[0].observations = all(with)
	c := summarized(t, f).Cells[0].Steps[0].Services[1].Counters[0]
	if c.What != "completed" || c.Result != Pass {
		t.Errorf("%+v", c)
	}
}

// Readings only within the window are no proof: requests are in flight at
// both ends.
func TestCountersWithinWindowAreNotJudged(t *testing.T) {
	f := madeRun()
	var within []results.Observation
	for o := range f.cells[0].observations {
		if o.At > at0(madeWarmup) && o.At < at0(madeWarmup+madeWindow) {
			within = append(within, o)
		}
	}
	f.cells[0].observations = all(within)
	for _, c := range summarized(t, f).Cells[0].Steps[0].Services[1].Counters {
		if c.Idle || c.Result != NotJudged || !c.Server.Known() || !c.Ours.Known() || *c.Server.Number != *c.Ours.Number {
			t.Errorf("%+v", c)
		}
	}
}

func TestCounterThatWentBackIsUnknown(t *testing.T) {
	f := madeRun()
	var list []results.Observation
	for o := range f.cells[0].observations {
		if o.Series == "vllm:request_success_total" && o.At > at0(50*time.Second) {
			o.Value = 1 // the server was started again
		}
		list = append(list, o)
	}
	f.cells[0].observations = all(list)
	c := summarized(t, f).Cells[0].Steps[0].Services[1].Counters[0]
	if c.Result != NotJudged {
		t.Errorf("%+v", c)
	}
	why(t, "server's count", c.Server, "went back")
}

// Answers that come after the window are answers to its arrivals, but not the
// window's throughput.
func TestOverloadIsNotThroughput(t *testing.T) {
	var samples []results.Sample
	for i := range int64(1000) { // 10/s due for 100 s, served at 5/s
		due := at0(madeWarmup + time.Duration(i)*100*time.Millisecond)
		samples = append(samples, results.Sample{
			Service: "vision", Class: "a", Model: "a", Endpoint: "vision-0", Seq: i, Session: i, User: -1, Last: true,
			Due: due, Sent: due, First: results.NoOffset, Done: at0(madeWarmup + time.Duration(i+1)*200*time.Millisecond), Outcome: results.OK,
		})
	}
	f := madeRun()
	f.cells[0].steps[0] = madeStep(samples, 0)
	f.cells[0].steps[0].step.Plan.Levels[0].Arrivals = "poisson"
	s := summarized(t, f)
	g := s.Cells[0].Steps[0].Services[0]
	number(t, "answered", g.Total.Answered, 10)
	number(t, "throughput", g.Total.Throughput, 4.99) // done at 10.2, 10.4, …, 109.8
	if c := codes(s, "001"); !strings.Contains(c, "window-edges") {
		t.Errorf("warnings %s", c)
	}
	if g.Population.Result != NotJudged || g.Population.Why != "not a closed loop" {
		t.Errorf("population %+v", g.Population)
	}
}

// A closed loop in whose window no user went from one session to the next has
// an unknown think time, not none.
func TestNoThinkInWindowIsUnknown(t *testing.T) {
	f := madeRun()
	f.cells[0].steps[0].step.Services[1].Think = nil
	a := summarized(t, f).Cells[0].Steps[0].Services[1]
	why(t, "think time", a.Sessions.Think, "no think time")
	if a.Population.Result != NotJudged || a.Population.Left.Known() {
		t.Errorf("population %+v", a.Population)
	}
}

// A reading proves nothing of the counts before and after the load if it was
// in only after the first call was sent, if it began before the last call was
// done, or if nobody told when it began.
func TestCountersLieBetweenIdleReadings(t *testing.T) {
	// The step's first call to the agent is sent at 0, its last done at 110 s.
	for _, c := range []struct {
		name string
		keep func(o results.Observation) bool
		took float64 // seconds of the reading, which is in 1 ms after a half second
		idle bool
	}{
		{"all", func(results.Observation) bool { return true }, 0.001, true},
		{"slow", func(results.Observation) bool { return true }, 0.499, true},
		{"in after the first call was sent", func(o results.Observation) bool { return o.At > 0 }, 0.001, false},
		{"the only one after began before the last call was done", func(o results.Observation) bool { return o.At < at0(111*time.Second) }, 0.6, false},
		{"the only one after began after it", func(o results.Observation) bool { return o.At < at0(111*time.Second) }, 0.4, true},
		{"length unknown", func(o results.Observation) bool { return o.Series != results.SeriesReadSeconds }, 0, false},
	} {
		f := madeRun()
		spoil(&f, func(o results.Observation, add func(results.Observation)) {
			if o.Series == results.SeriesReadSeconds {
				o.Value = c.took
			}
			if c.keep(o) {
				add(o)
			}
		})
		for _, counter := range summarized(t, f).Cells[0].Steps[0].Services[1].Counters {
			if want := map[bool]string{true: Pass, false: NotJudged}[c.idle]; counter.Idle != c.idle || counter.Result != want {
				t.Errorf("%s: %+v, want %s", c.name, counter, want)
			}
		}
	}
}

// A server may complete a call that we took for lost; it cannot complete more
// than those.
func TestServerCompletesWhatWeLost(t *testing.T) {
	for more, want := range map[float64]string{0: Pass, 1: NotJudged, 2: NotJudged, 3: Fail, -1: Fail} {
		f := madeRun()
		var samples []results.Sample
		for s := range f.cells[0].steps[0].samples {
			if s.Service == "agent" && (s.Seq == 10 || s.Seq == 20) {
				s.Outcome = results.Timeout
			}
			samples = append(samples, s)
		}
		f.cells[0].steps[0] = madeStep(samples, time.Second)
		spoil(&f, func(o results.Observation, add func(results.Observation)) {
			// The calls 10 and 20 end at 16 and 31 s, another at 50 s.
			for at, change := range map[time.Duration]float64{16: -1, 31: -1, 50: more} {
				if o.Series == "vllm:request_success_total" && o.At > at0(at*time.Second) {
					o.Value += change
				}
			}
			add(o)
		})
		c := summarized(t, f).Cells[0].Steps[0].Services[1].Counters[0]
		if c.What != "completed" || c.Result != want {
			t.Errorf("%v more: %+v, want %s", more, c, want)
		}
	}
}
