package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

var update = flag.Bool("update", false, "write testdata anew")

// TestReportOfAnswers writes a run whose answers tell of themselves, and has the command
// report it: of four instances, one whose counters agree, one that tells its work alone, now
// and then below 0, one that tells half its waits, and one that tells nothing.
func TestReportOfAnswers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	if err := tellingRun(dir); err != nil {
		t.Fatal(err)
	}
	var out, talk bytes.Buffer
	if err := run(t.Context(), []string{"report", dir, "--format", "markdown"}, strings.NewReader(""), &out, &talk); err != nil {
		t.Fatalf("%v\n%s", err, talk.String())
	}
	var got strings.Builder
	for _, part := range strings.Split(out.String(), "\n### ") {
		title, _, _ := strings.Cut(part, "\n")
		switch title {
		case "Queues", "The servers' own word for each request", "The answers' own waits against the servers' counters", "What the figures of queues rest on":
			part, _, _ = strings.Cut(part, "\n## ")
			got.WriteString("### " + part + "\n")
		}
	}
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "|") && (strings.Contains(line, "told-refused") || strings.Contains(line, "told-differs")) {
			got.WriteString(line)
		}
	}
	const file = "testdata/told.md"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the report differs from %s; if that is meant, run with -update and read the difference:\n%s", file, got.String())
	}
}

const tellingWindow = 100 * time.Second

// tellingRun writes the run. A request is sent each 250 ms, waits 0 to 160 ms, is computed
// for 150 ms, and is 10 ms on its way.
func tellingRun(dir string) error {
	w, err := results.Create(dir, results.Environment{
		Scenario: "telling", Planned: []string{"000-a-r1"}, Services: []results.Service{{Name: "agent", Role: results.RoleAgent}},
	}, nil)
	if err != nil {
		return err
	}
	c, err := w.Cell("000-a-r1")
	if err != nil {
		return err
	}
	names := []string{"counted", "work-only", "half", "silent"}
	var samples []results.Sample
	var observed []results.Observation
	cell := results.Cell{Folder: "000-a-r1", Replicate: 1, Status: results.CellDone, Config: results.Config{Name: "a"}}
	for _, name := range names {
		samples = append(samples, tellingSamples(name, int64(len(samples)))...)
		observed = append(observed, tellingPages(name)...)
		cell.Instances = append(cell.Instances, results.Instance{Service: "agent", Name: name})
	}
	n := int64(len(samples))
	err = c.Step(results.Step{
		Plan:        results.StepPlan{Name: "16 req/s", Window: tellingWindow, Levels: []results.Level{{Service: "agent", Arrivals: "constant", Value: 16, Unit: "req/s"}}},
		WindowStart: 0, WindowEnd: results.Offset(tellingWindow), End: results.Offset(tellingWindow + time.Second),
		Services: []results.Integrity{{Service: "agent", Due: n, Sent: n, PeakInFlight: 8, Lag: results.Lateness{N: n, P50: 1000, P99: 2000, Max: 3000}}},
	}, samples)
	if err != nil {
		return err
	}
	if err := c.Observations(observed); err != nil {
		return err
	}
	return c.Close(cell)
}

const tellingEvery, tellingWork = 250 * time.Millisecond, 150 * time.Millisecond

func tellingWait(i int) time.Duration { return time.Duration(i%5) * 40 * time.Millisecond }

func tellingSamples(name string, seq int64) []results.Sample {
	var list []results.Sample
	for i := range int(tellingWindow / tellingEvery) {
		sent := results.Offset(time.Duration(i) * tellingEvery)
		done := sent.Add(tellingWait(i) + tellingWork + 10*time.Millisecond)
		s := results.Sample{
			Service: "agent", Class: "ask", Model: "m", Endpoint: name, Seq: seq, Session: seq, User: -1, Last: true,
			Due: sent, Sent: sent, First: done, Final: done, Done: done, Outcome: results.OK, Status: 200, Chunks: 1,
			PromptTokens: results.UnknownTokens, OutputTokens: results.UnknownTokens, CachedTokens: results.UnknownTokens,
			ServerQueue: tellingWait(i), ServerWork: tellingWork,
		}
		switch name {
		case "work-only":
			s.ServerQueue = results.Untold
			if s.ServerRefused = i%100 == 0; s.ServerRefused {
				s.ServerWork = results.Untold
			}
		case "half":
			s.ServerQueue /= 2
		case "silent":
			s.ServerQueue, s.ServerWork = results.Untold, results.Untold
		}
		list, seq = append(list, s), seq+1
	}
	return list
}

// tellingPages are the engine's counters, read each second between two requests.
func tellingPages(name string) []results.Observation {
	var list []results.Observation
	for at := 240 * time.Millisecond; at <= tellingWindow; at += time.Second {
		var done, waited float64
		for i := range int(tellingWindow / tellingEvery) {
			if time.Duration(i)*tellingEvery+tellingWait(i)+tellingWork+10*time.Millisecond <= at {
				done, waited = done+1, waited+tellingWait(i).Seconds()
			}
		}
		for _, r := range []struct {
			series string
			value  float64
		}{
			{"vllm:request_success_total", done}, {"vllm:request_queue_time_seconds_sum", waited}, {"vllm:request_queue_time_seconds_count", done},
			{results.SeriesReadOK, 1}, {results.SeriesReadSeconds, 0.001},
		} {
			list = append(list, results.Observation{
				At: results.Offset(at), Source: "vllm", Series: r.series, Value: r.value, Unit: "1",
				Subject: results.Subject{Kind: results.SubjectEndpoint, ID: name},
			})
		}
	}
	return list
}
