package analysis

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
	"pgregory.net/rapid"
)

func summarized(t *testing.T, f facts) *Summary {
	t.Helper()
	s, err := summarize(f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// number checks a Value to within one part in a thousand million.
func number(t *testing.T, what string, got Value, want float64) {
	t.Helper()
	if !got.Known() {
		t.Errorf("%s is unknown (%s), want %v", what, got.Why, want)
	} else if math.Abs(*got.Number-want) > 1e-9*max(1, math.Abs(want)) {
		t.Errorf("%s = %v, want %v", what, *got.Number, want)
	}
}

func why(t *testing.T, what string, got Value, want string) {
	t.Helper()
	if got.Known() {
		t.Errorf("%s = %v, want unknown", what, *got.Number)
	} else if !strings.Contains(got.Why, want) {
		t.Errorf("%s is unknown because %q, want %q", what, got.Why, want)
	}
}

func TestMadeRunVision(t *testing.T) {
	v := summarized(t, madeRun()).Cells[0].Steps[0].Services[0]
	// 2 users, 100 ms a request, 100 s: 2,000 due, of which one was shed.
	if v.Total.Due != 2000 || v.Total.OK != 1999 || v.Total.Completed != 1999 {
		t.Errorf("due %d, ok %d, completed %d; want 2000, 1999, 1999", v.Total.Due, v.Total.OK, v.Total.Completed)
	}
	if got := fmt.Sprint(v.Total.Outcomes); got != "[{ok 1999} {shed 1}]" {
		t.Errorf("outcomes %s", got)
	}
	number(t, "throughput", v.Total.Throughput, 19.99)
	number(t, "p99", v.Total.Latency.Quantiles[2].Value, 0.1)
	number(t, "users by Little's law", v.Population.Left, 2)
	number(t, "in flight", v.InFlight, 2)
	number(t, "queue", v.Queue.Mean, 3)
	why(t, "time to first token", v.Total.TTFT.Mean, "not streamed")
	why(t, "output tokens/s", v.Total.Output.PerSecond, "no tokens")
	if v.ServerInFlight.Result != NotJudged || !strings.Contains(v.ServerInFlight.Why, "waiting requests only") {
		t.Errorf("in-flight check: %+v", v.ServerInFlight)
	}
	if v.Population.Result != Pass || v.Verdict.Is != Valid || !v.Identity.Holds {
		t.Errorf("population %+v, verdict %+v, identity %+v", v.Population, v.Verdict, v.Identity)
	}
	if v.SLO[0].Result != Met || v.SLO[1].Result != NotMet {
		t.Errorf("SLO %+v", v.SLO)
	}
	number(t, "errors", v.SLO[1].Value, 1.0/2000)
	if len(v.Models) != 2 || v.Models[0].Name != "owl-v2" || v.Models[0].Due+v.Models[1].Due != 2000 {
		t.Errorf("models %+v", v.Models)
	}
}

func TestMadeRunAgent(t *testing.T) {
	a := summarized(t, madeRun()).Cells[0].Steps[0].Services[1]
	number(t, "latency", a.Total.Latency.Mean, 1)
	number(t, "time to first token", a.Total.TTFT.Mean, 0.25)
	number(t, "time per output token", a.Total.TPOT.Mean, 0.75/5)
	number(t, "session time", a.Sessions.Time.Mean, 2)
	number(t, "think time", a.Sessions.Think, 1)
	why(t, "session p90", a.Sessions.Time.Quantiles[1].Value, "need n ≥ 36")
	// Sessions begin every 3 s; those that end in [10, 110) end at 11, 14, …,
	// 107: 33. Calls end at 10, 11, 13, 14, …, 107, 109: 34 + 33.
	if a.Sessions.Ended != 33 || a.Total.Completed != 67 {
		t.Errorf("%d sessions, %d calls; want 33, 67", a.Sessions.Ended, a.Total.Completed)
	}
	number(t, "responses an hour", a.Total.PerHour, 67*36)
	number(t, "output tokens/s", a.Total.Output.PerSecond, 67*6/100.0)
	number(t, "users by Little's law", a.Population.Left, 0.99)
	if a.Population.Result != Pass {
		t.Errorf("population %+v", a.Population)
	}
	// The gauge is 1 in two seconds of three: 0.6667, ours 0.67.
	if a.ServerInFlight.Result != Pass {
		t.Errorf("in flight %+v", a.ServerInFlight)
	}
	if len(a.Counters) != 2 {
		t.Fatalf("counters %+v", a.Counters)
	}
	for _, c := range a.Counters {
		if c.Result != Pass || !c.Idle {
			t.Errorf("counter %+v", c)
		}
	}
	if a.SLO[0].Result != Met || a.SLO[1].Result != Unknown {
		t.Errorf("SLO %+v", a.SLO)
	}
	why(t, "latency p99", a.SLO[1].Value, "need n ≥ 368, have 67")
}

func TestComparison(t *testing.T) {
	c := summarized(t, madeRun()).Comparison
	if len(c) != 1 || len(c[0].Rows) != 2 || c[0].Base != 0 || len(c[0].Changes) != 1 {
		t.Fatalf("comparison %+v", c)
	}
	off, mig := c[0].Rows[0], c[0].Rows[1]
	if off.MIG != UseNone || off.MPS != UseNone || mig.MIG != UseAll || mig.MPS != UseAll {
		t.Errorf("flags %v %v, %v %v", off.MIG, off.MPS, mig.MIG, mig.MPS)
	}
	// With MIG a session takes 2 s and two calls: one call a second.
	number(t, "MIG VLM responses", mig.VLMResponses.Mean, 3600)
	number(t, "MIG req/min", mig.Agent.Mean, 60)
	number(t, "MIG vision", mig.Vision.Mean, 9.99)
	number(t, "model", off.Models[0].Rate.Mean, 10)
	number(t, "change of latency", c[0].Changes[0].VLMLatency, -0.5)
	number(t, "change of vision", c[0].Changes[0].Vision, 9.99/19.99-1)
	why(t, "spread", mig.Vision.Min, "one replicate")
}

func TestReplicatesHaveSpread(t *testing.T) {
	f := madeRun()
	again := madeCell(1, "off", 200*time.Millisecond, time.Second, f.cells[0].layout.Devices)
	f.cells[1] = again
	row := summarized(t, f).Comparison[0].Rows[0]
	number(t, "mean", row.Vision.Mean, (19.99+9.99)/2)
	number(t, "min", row.Vision.Min, 9.99)
	number(t, "max", row.Vision.Max, 19.99)
	if row.Replicates != 2 {
		t.Errorf("%d replicates", row.Replicates)
	}
}

// codes lists the codes of the warnings about what is under a name.
func codes(s *Summary, where string) string {
	var list []string
	for _, w := range s.Warnings {
		if strings.HasPrefix(w.Where, where) {
			list = append(list, w.Code)
		}
	}
	return strings.Join(list, " ")
}

func TestLostArrivalIsLoud(t *testing.T) {
	for _, warmup := range []bool{false, true} {
		f := madeRun()
		var kept []results.Sample
		dropped := false
		for s := range f.cells[0].steps[0].samples {
			inWarmup := s.Due < at0(madeWarmup)
			if !dropped && s.Service == "agent" && inWarmup == warmup {
				dropped = true
				continue
			}
			kept = append(kept, s)
		}
		f.cells[0].steps[0].samples = all(kept)
		s := summarized(t, f)
		got := s.Cells[0].Steps[0].Services[1]
		if got.Identity.Holds || got.Verdict.Is != Void {
			t.Errorf("warm-up %v: identity %+v, verdict %+v", warmup, got.Identity, got.Verdict)
		}
		if c := codes(s, "001"); !strings.Contains(c, "arrivals-lost") {
			t.Errorf("warm-up %v: warnings %s", warmup, c)
		}
	}
}

func TestLateClientIsNotValid(t *testing.T) {
	// Agent's median latency is 1 s, so the limit of the lag's p99 is 50 ms;
	// Vision's 100 ms give 5 ms.
	ttft := []results.Clause{{Metric: "ttft", Quantile: 0.9, Op: "<", Limit: 30, Unit: "s"}}
	for _, c := range []struct {
		service int
		lag     time.Duration
		want    string
		slo     []results.Clause
	}{
		{0, 5 * time.Millisecond, Valid, nil}, {0, 5*time.Millisecond + 1, ClientLimited, nil},
		{1, 50 * time.Millisecond, Valid, nil}, {1, 50*time.Millisecond + 1, ClientLimited, nil},
		{1, 50 * time.Millisecond, ClientLimited, ttft}, // of a tenth of it
	} {
		f := madeRun()
		f.environment.Services[1].SLO = c.slo
		f.cells[0].steps[0].step.Services[c.service].Lag.P99 = c.lag
		got := summarized(t, f).Cells[0].Steps[0].Services[c.service].Verdict
		if got.Is != c.want {
			t.Errorf("lag %v: %+v, want %s", c.lag, got, c.want)
		}
	}
}

func TestEmptyWindow(t *testing.T) {
	f := madeRun()
	f.cells[0].steps[0] = madeStep(nil, time.Second)
	s := summarized(t, f)
	for _, service := range s.Cells[0].Steps[0].Services {
		if service.Verdict.Is != Void || !service.Identity.Holds {
			t.Errorf("%s: %+v", service.Name, service.Verdict)
		}
		for _, clause := range service.SLO {
			if clause.Result != NotMet {
				t.Errorf("%s: clause %q is %s in an empty window", service.Name, clause.Clause.Text, clause.Result)
			}
		}
		why(t, "mean", service.Total.Latency.Mean, "no samples")
	}
	if c := codes(s, "001"); !strings.Contains(c, "step-void") {
		t.Errorf("warnings %s", c)
	}
}

func TestServerThatCountsOtherwise(t *testing.T) {
	f := madeRun()
	var more []results.Observation
	for o := range f.cells[0].observations {
		if o.Series == "vllm:request_success_total" && o.At > at0(50*time.Second) {
			o.Value++
		}
		if o.Series == "vllm:num_requests_running" {
			o.Value *= 1.5
		}
		more = append(more, o)
	}
	f.cells[0].observations = all(more)
	s := summarized(t, f)
	c := codes(s, "001")
	if !strings.Contains(c, "counts-differ") || !strings.Contains(c, "little-law") {
		t.Errorf("warnings %q, want counts-differ and little-law", c)
	}
}

func TestNoPagesIsUnknown(t *testing.T) {
	f := madeRun()
	f.cells[0].observations = all([]results.Observation(nil))
	for _, service := range summarized(t, f).Cells[0].Steps[0].Services {
		why(t, service.Name+" queue", service.Queue.Mean, "no readings")
		why(t, service.Name+" in servers", service.ServerInFlight.Right, "no readings")
		if service.ServerInFlight.Result != NotJudged {
			t.Errorf("%s: %+v", service.Name, service.ServerInFlight)
		}
	}
}

func TestUnfinishedCellIsInNoComparison(t *testing.T) {
	f := madeRun()
	f.cells[1].finished, f.cells[1].cell = false, results.Cell{Folder: f.cells[1].cell.Folder}
	f.missing = append(f.missing, f.cells[1].cell.Folder)
	s := summarized(t, f)
	if len(s.Comparison[0].Rows) != 1 {
		t.Errorf("rows %+v", s.Comparison[0].Rows)
	}
	if c := codes(s, f.cells[1].cell.Folder); c != "cell-missing" {
		t.Errorf("warnings %q", c)
	}
}

// A run that broke off within its first cell has steps and nothing to compare.
func TestNoFinishedCell(t *testing.T) {
	f := madeRun()
	f.cells = f.cells[:1]
	f.cells[0].finished, f.cells[0].cell = false, results.Cell{Folder: f.cells[0].cell.Folder}
	s := summarized(t, f)
	if len(s.Comparison) != 0 {
		t.Errorf("comparison %+v", s.Comparison)
	}
	if len(s.Cells) != 1 || len(s.Cells[0].Steps) != 1 || s.Cells[0].Steps[0].Services[0].Total.Due != 2000 {
		t.Errorf("the whole step of the unfinished cell is not told: %+v", s.Cells)
	}
	// Another cell's step is compared alone.
	f = madeRun()
	f.cells[1].finished, f.cells[1].cell = false, results.Cell{Folder: f.cells[1].cell.Folder}
	second := f.cells[1].steps[0]
	second.step.Index = 1
	f.cells[1].steps = append(f.cells[1].steps, second)
	if c := summarized(t, f).Comparison; len(c) != 1 || len(c[0].Rows) != 1 {
		t.Errorf("comparison %+v", c)
	}
}

// Whatever became of the arrivals, each is counted once in the whole and once
// in each cut, and quantiles lie between the extremes.
func TestSumsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sample := rapid.Custom(func(t *rapid.T) results.Sample {
			due := results.Offset(rapid.Int64Range(0, int64(110*time.Second)-1).Draw(t, "due"))
			s := results.Sample{
				Service: "agent", Model: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "model"),
				Class:    rapid.SampledFrom([]string{"x", "y", ""}).Draw(t, "class"),
				Endpoint: rapid.SampledFrom([]string{"agent-0", "agent-1", ""}).Draw(t, "endpoint"),
				Outcome:  rapid.SampledFrom(results.Outcomes()).Draw(t, "outcome"),
				Due:      due, Sent: results.NoOffset, First: results.NoOffset, Final: results.NoOffset,
				OutputTokens: rapid.Int64Range(-1, 3).Draw(t, "tokens"), PromptTokens: results.UnknownTokens,
				Session: rapid.Int64Range(0, 5).Draw(t, "session"), Last: rapid.Bool().Draw(t, "last"),
				Chunks: rapid.Int64Range(0, 2).Draw(t, "chunks"),
			}
			step := func(name string) results.Offset {
				return results.Offset(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, name))
			}
			if rapid.Bool().Draw(t, "sent") {
				s.Sent = due + step("wait")
				if rapid.Bool().Draw(t, "first") {
					s.First = s.Sent + step("first")
					s.Final = s.First + step("final")
				}
			}
			s.Done = max(s.Due, s.Sent, s.First, s.Final) + step("done")
			return s
		})
		samples := rapid.SliceOfN(sample, 0, 200).Draw(t, "samples")
		f := madeRun()
		f.cells = f.cells[:1]
		f.cells[0].steps[0] = madeStep(samples, time.Second)
		s, err := summarize(f)
		if err != nil {
			t.Fatal(err)
		}
		checkSums(t, s.Cells[0].Steps[0].Services[1])
	})
}

func checkSums(t *rapid.T, s Service) {
	if !s.Identity.Holds || s.Identity.Due != s.Total.Due {
		t.Fatalf("identity %+v, due %d", s.Identity, s.Total.Due)
	}
	for _, cut := range [][]Group{s.Classes, s.Models, s.Instances} {
		var due, ok, completed, latencies int64
		for _, g := range cut {
			var outcomes int64
			for _, c := range g.Outcomes {
				outcomes += c.N
			}
			if outcomes != g.Due {
				t.Fatalf("%s: %d due, %d outcomes", g.Name, g.Due, outcomes)
			}
			due, ok, completed, latencies = due+g.Due, ok+g.OK, completed+g.Completed, latencies+g.Latency.N
		}
		if due != s.Total.Due || ok != s.Total.OK || completed != s.Total.Completed || latencies != s.Total.OK {
			t.Fatalf("sums %d %d %d %d, total %+v", due, ok, completed, latencies, s.Total)
		}
	}
	for _, d := range []Distribution{s.Total.Latency, s.Total.Wait, s.Total.TTFT, s.Total.TPOT, s.Total.LongestGap} {
		if d.Deviation.Known() != (d.N > 1) || d.N > 1 && *d.Deviation.Number > *d.Max.Number-*d.Min.Number {
			t.Fatalf("deviation %+v of %d values in [%v, %v]", d.Deviation, d.N, d.Min, d.Max)
		}
		for _, q := range d.Quantiles {
			if q.Known() && (*q.Number < *d.Min.Number || *q.Number > *d.Max.Number) {
				t.Fatalf("quantile %v = %v outside of [%v, %v]", q.Q, *q.Number, *d.Min.Number, *d.Max.Number)
			}
		}
	}
}

var update = flag.Bool("update", false, "write testdata anew")

// golden holds a Summary against a file of testdata, which the reports' tests
// read too.
func golden(t *testing.T, file string, s *Summary) {
	t.Helper()
	var got bytes.Buffer
	e := json.NewEncoder(&got)
	e.SetIndent("", " ")
	if err := e.Encode(s); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the Summary differs from %s; if that is meant, run with -update and read the difference", file)
	}
}

// The whole Summary of the made-up run.
func TestSummaryGolden(t *testing.T) {
	golden(t, "testdata/summary.json", summarized(t, madeRun()))
}

// The steps of a search are at each cell's own loads: they stand beside no others, and
// are in no mean of replicates.
func TestSearchedStepsAreNotCompared(t *testing.T) {
	f := madeRun()
	if n := len(summarized(t, f).Comparison); n != 1 {
		t.Fatalf("%d comparisons of a ladder's step, want 1", n)
	}
	for i := range f.cells {
		plan := &f.cells[i].steps[0].step.Plan
		plan.Purpose, plan.Levels = results.PurposeProbe, slices.Clone(plan.Levels)
		plan.Levels[0].Value += float64(i)
	}
	if s := summarized(t, f); len(s.Comparison) != 0 {
		t.Errorf("a search's steps are compared: %+v", s.Comparison)
	}
}
