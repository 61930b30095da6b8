//go:build real

package realtest

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

const (
	users  = 4 // more than slots, so that requests must wait
	warmup = 5 * time.Second
	window = 60 * time.Second
)

// evabench runs the program to its end, which must be a good one.
func evabench(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, env(t, "EVABENCH_BIN"), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 30 * time.Second
	talk, err := cmd.CombinedOutput()
	t.Logf("evabench %q:\n%s", args, talk)
	if err != nil {
		t.Fatalf("evabench: %v", err)
	}
}

// A facts is what a run directory of one cell and one step tells.
type facts struct {
	cell    *results.CellData
	step    results.Step
	samples []results.Sample
	summary analysis.Service // of the one service
}

func readFacts(t *testing.T, dir string) facts {
	t.Helper()
	run, err := results.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Problems) > 0 || len(run.Missing) > 0 {
		t.Errorf("run directory has problems %v and misses %v", run.Problems, run.Missing)
	}
	if len(run.Cells) != 1 || len(run.Cells[0].Steps) != 1 {
		t.Fatalf("%d cells, want one with one step", len(run.Cells))
	}
	f := facts{cell: run.Cells[0], step: run.Cells[0].Steps[0].Step}
	if f.cell.Cell.Status != results.CellDone || len(f.step.Services) != 1 {
		t.Fatalf("cell is %q (%s), its step has %d services; want %q and 1",
			f.cell.Cell.Status, f.cell.Cell.Fault, len(f.step.Services), results.CellDone)
	}
	for s, err := range f.cell.Steps[0].Samples() {
		if err != nil {
			t.Fatal(err)
		}
		f.samples = append(f.samples, s)
	}
	f.summary = readSummary(t, dir)
	return f
}

func readSummary(t *testing.T, dir string) analysis.Service {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "summary.json"))
	if err != nil {
		t.Fatal(err)
	}
	var summary analysis.Summary
	if err := json.Unmarshal(text, &summary); err != nil {
		t.Fatalf("summary.json: %v", err)
	}
	if len(summary.Cells) != 1 || len(summary.Cells[0].Steps) != 1 || len(summary.Cells[0].Steps[0].Services) != 1 {
		t.Fatalf("summary.json does not tell of one cell, step and service: %s", text)
	}
	return summary.Cells[0].Steps[0].Services[0]
}

// TestRun drives agents whose calls carry images at a real llama-server and
// holds what evabench recorded against what the server counted by itself.
func TestRun(t *testing.T) {
	server := startLlamaServer(t)
	// The readiness requests of evabench come before its step; what the server
	// completed until now came from us.
	before := server.mustPage(t)
	dir := filepath.Join(t.TempDir(), "run")
	evabench(t, "run",
		"--agent-url", server.url, "--agent-model", modelName, "--agent-scrape", "llama-server",
		"--agent-users", "4", "--agent-think", "1s", "--agent-max-tokens", "24", "--agent-inspect", "2",
		"--image-width", "1280", "--image-height", "720", "--image-kilobytes", "100",
		"--warmup", warmup.String(), "--window", window.String(), "--out", dir, "--yes")
	after := server.mustPage(t)
	f := readFacts(t, dir)
	t.Run("samples", f.testSamples)
	t.Run("identity", f.testIdentity)
	t.Run("server's counts", func(t *testing.T) { f.testCounts(t, server, before, after) })
	t.Run("queue", f.testQueue)
	t.Run("summary", f.testSummary)
}

// ok gives the samples that were answered, those of the warm-up too.
func (f facts) ok() []results.Sample {
	return slices.DeleteFunc(slices.Clone(f.samples), func(s results.Sample) bool { return s.Outcome != results.OK })
}

func (f facts) testSamples(t *testing.T) {
	if len(f.ok()) < users {
		t.Fatalf("%d of %d calls were answered, want at least one for each of %d users", len(f.ok()), len(f.samples), users)
	}
	byUser := map[int64]int{}
	for _, s := range f.samples {
		byUser[s.User]++
		if s.Outcome != results.OK {
			t.Errorf("call %d ended %s with HTTP %d, want ok", s.Seq, s.Outcome, s.Status)
			continue
		}
		if s.First == results.NoOffset || s.Due > s.Sent || s.Sent >= s.First || s.First > s.Done {
			t.Errorf("call %d: due %d, sent %d, first %d, done %d; want them in this order", s.Seq, s.Due, s.Sent, s.First, s.Done)
		}
		if s.Final < s.First || s.Final > s.Done || (s.Final > s.First) != (s.LongestGap > 0) || s.LongestGap > s.Final.Sub(s.First) || s.Final > s.First && s.Chunks < 2 {
			t.Errorf("call %d: first %d, last of %d chunks %d, done %d, longest gap %v", s.Seq, s.First, s.Chunks, s.Final, s.Done, s.LongestGap)
		}
		if s.PromptTokens < 1 || s.OutputTokens < 1 || s.CachedTokens < 0 || s.Chunks < 1 || s.BytesRead < 1 {
			t.Errorf("call %d tells %d prompt, %d output, %d cached tokens, %d chunks, %d bytes",
				s.Seq, s.PromptTokens, s.OutputTokens, s.CachedTokens, s.Chunks, s.BytesRead)
		}
	}
	if len(byUser) != users {
		t.Errorf("calls by user: %v, want %d users", byUser, users)
	}
	images := slices.ContainsFunc(f.ok(), func(s results.Sample) bool { return s.PromptTokens > imageTokens && s.BytesSent > 50_000 })
	if !images {
		t.Errorf("no call carried an image: none sent 50 KB for more than %d prompt tokens", imageTokens)
	}
}

// Each arrival that fell due has one sample, and each sample one outcome.
func (f facts) testIdentity(t *testing.T) {
	i := f.step.Services[0]
	var warm, counted int64
	outcomes := map[results.Outcome]int64{}
	for _, s := range f.samples {
		if s.Due < f.step.WindowStart {
			warm++
			continue
		}
		if s.Due >= f.step.WindowEnd {
			continue
		}
		counted++
		outcomes[s.Outcome]++
	}
	var sum int64
	for _, n := range outcomes {
		sum += n
	}
	if i.Due != counted || i.Due != sum || i.WarmupDue != warm || counted == 0 {
		t.Errorf("due %d and %d in the warm-up; samples %d and %d; outcomes %v", i.Due, i.WarmupDue, counted, warm, outcomes)
	}
	if id := f.summary.Identity; !id.Holds || id.Due != counted || id.Outcomes != sum {
		t.Errorf("summary tells %+v, want %d due", id, counted)
	}
}

// testCounts holds our counts against the server's log and page. Nothing else
// uses the server, and every call was answered, so all must agree exactly.
func (f facts) testCounts(t *testing.T, server *llamaServer, before, after map[string]float64) {
	// Readiness requests are no samples. They are over when the step begins,
	// and no call can be complete within this of its beginning: an answer
	// alone is 24 tokens of some ms each.
	const settled = 20 * time.Millisecond
	from := f.cell.Cell.Started.Add(time.Duration(f.step.Start)).Add(settled)
	theirs := server.completed(from, time.Now())
	ours := f.ok()
	if len(ours) != len(theirs) {
		t.Errorf("we completed %d calls, the server %d", len(ours), len(theirs))
	}
	var prompt, cached, output, serverPrompt, serverOutput int
	for _, s := range ours {
		prompt, cached, output = prompt+int(s.PromptTokens), cached+int(s.CachedTokens), output+int(s.OutputTokens)
	}
	for _, c := range theirs {
		serverPrompt, serverOutput = serverPrompt+c.prompt, serverOutput+c.output
	}
	if output != serverOutput || prompt-cached != serverPrompt {
		t.Errorf("usage tells %d output and %d-%d prompt tokens, the server's log %d and %d", output, prompt, cached, serverOutput, serverPrompt)
	}
	// The page counts since before evabench began, readiness requests and all.
	all := server.completed(time.Time{}, time.Now())[1:] // without our own first request
	for _, c := range all[:len(all)-len(theirs)] {
		output += c.output
	}
	wantMoved(t, before, after, "tokens_predicted_total", output)
	if _, cancelled, _ := server.counts(); cancelled != 0 {
		t.Errorf("the server tells of %d cancelled requests, want none", cancelled)
	}
	t.Logf("%d calls completed, %d output tokens in both counts; %d readiness requests", len(ours), serverOutput, len(all)-len(theirs))
}

// testQueue looks for the page's gauges among the observations: with more
// users than slots some must have waited, and never more than the surplus.
func (f facts) testQueue(t *testing.T) {
	peak := map[string]float64{}
	readings := map[string]int{}
	for o, err := range f.cell.Observations() {
		if err != nil {
			t.Fatal(err)
		}
		if o.Source != "llama-server" {
			continue
		}
		readings[o.Series]++
		peak[o.Series] = max(peak[o.Series], o.Value)
	}
	const processing, deferred = "llamacpp:requests_processing", "llamacpp:requests_deferred"
	// One reading a second is asked for; half of them is enough to be sure
	// that they were not taken once or twice only.
	if least := int(window.Seconds() / 2); readings[processing] < least || readings[deferred] < least {
		t.Errorf("%d and %d readings of the gauges, want at least %d; series read: %q",
			readings[processing], readings[deferred], least, slices.Sorted(maps.Keys(readings)))
	}
	if peak[processing] != slots || peak[deferred] < 1 || peak[deferred] > users-slots {
		t.Errorf("peaks: %v processing, %v deferred; want %d and 1 to %d", peak[processing], peak[deferred], slots, users-slots)
	}
	if q := f.summary.Queue; !q.Mean.Known() || *q.Mean.Number <= 0 || *q.Mean.Number > users-slots {
		t.Errorf("summary tells the queue %+v, want a mean above 0 and at most %d", q, users-slots)
	}
}

// What a person asks for must be in summary.json, and be plausible.
func (f facts) testSummary(t *testing.T) {
	total := f.summary.Total
	for _, d := range []struct {
		name string
		of   analysis.Distribution
	}{{"latency", total.Latency}, {"ttft", total.TTFT}, {"tpot", total.TPOT}} {
		if err := plausible(d.of); err != nil {
			t.Errorf("%s: %v: %+v", d.name, err, d.of)
		}
	}
	if total.TTFT.Mean.Known() && total.Latency.Mean.Known() && *total.TTFT.Mean.Number >= *total.Latency.Mean.Number {
		t.Errorf("mean TTFT %v is not below mean latency %v", *total.TTFT.Mean.Number, *total.Latency.Mean.Number)
	}
	if total.Completed < 1 || total.Output.Sum < 1 || total.Output.Untold != 0 {
		t.Errorf("%d completed, output tokens %+v; want some, and none untold", total.Completed, total.Output)
	}
	for _, c := range f.summary.Counters {
		if c.Result == analysis.Fail {
			t.Errorf("counter %q does not agree: %s", c.What, c.Why)
		}
	}
	for _, c := range []analysis.Check{f.summary.Population, f.summary.ServerInFlight} {
		t.Logf("%s: %s %s", c.What, c.Result, c.Why)
	}
}

// plausible wants values, a known median, and quantiles that do not fall.
func plausible(d analysis.Distribution) error {
	if d.N == 0 || len(d.Quantiles) == 0 {
		return errors.New("no values")
	}
	if !d.Quantiles[0].Known() {
		return errors.New("lowest quantile is unknown")
	}
	last := 0.0
	for _, q := range d.Quantiles {
		if !q.Known() {
			continue // too few samples, which it says
		}
		if *q.Number < last || *q.Number <= 0 {
			return errors.New("quantiles fall, or are not above 0")
		}
		last = *q.Number
	}
	return nil
}
