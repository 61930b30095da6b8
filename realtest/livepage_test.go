//go:build real

package realtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/evabench/evabench/progress"
	livepage "github.com/evabench/evabench/progress/page"
	"github.com/evabench/evabench/results"
)

// TestPageLive opens the page of a run that goes on in Chromium: it follows the run
// without being loaded again, takes no text for HTML, asks its own server for nothing but
// itself, complains of nothing, and says so when the server is gone.
func TestPageLive(t *testing.T) {
	b := startBrowser(t)
	shown := &livepage.Page{}
	server, err := livepage.Serve(shown, ":0")
	if err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate(server.URL))
	text := func(selector, want string) {
		t.Helper()
		b.until(fmt.Sprintf("(document.querySelector(%q)?.textContent || '').includes(%q)", selector, want))
	}
	text("#words", "not begun")

	step, holds := 0, false
	figures := func(into, delivered float64) progress.Event {
		return progress.Event{Kind: progress.StepRuns, At: time.Now(), Cell: "000-a-r1", Step: &step, Figures: &progress.Figures{
			IntoSeconds: into, WarmupSeconds: 10, WindowSeconds: 30, Part: progress.PartWindow,
			Services: []progress.ServiceFigures{{
				Service: "vision", Level: 20, Unit: "req/s", Offered: new(20.0), Delivered: &delivered, Done: 1234, Failed: 2, Outcomes: map[string]int64{"timeout": 2}, Queue: new(3.0),
				Quantiles: []progress.Quantile{{Quantile: 0.5, Seconds: new(0.0412)}, {Quantile: 0.99}},
				Clauses:   []progress.Clause{{Text: "p95 < 300 ms", Value: new(0.412), Unit: "s", Limit: 0.3, Holds: &holds}},
			}},
			Devices: []progress.DeviceFigures{{Device: progress.Device{Name: "gpu0/1g.5gb@0"}, Activity: new(0.87), Memory: new(float64(3 << 30))}, {Device: progress.Device{Name: "gpu0/1g.5gb@1"}}},
		}}
	}
	const hostile = `<img src=x onerror="document.title='taken'"><b>bold</b>`
	for _, e := range []progress.Event{
		{Kind: progress.SweepBegins, At: time.Now(), Sweep: &progress.Sweep{Scenario: hostile, Simulated: "pro6000x1", Cells: []string{"000-a-r1", "001-b-r1"}, Steps: 1, LoadSeconds: 40}},
		{Kind: progress.Said, At: time.Now(), Text: hostile},
		{Kind: progress.CellBegins, At: time.Now(), Cell: "000-a-r1"},
		{Kind: progress.CellPhase, At: time.Now(), Cell: "000-a-r1", Phase: "steps"},
		{Kind: progress.StepBegins, At: time.Now(), Cell: "000-a-r1", Step: &step, Plan: &results.StepPlan{}},
		figures(20, 19.5),
	} {
		shown.Take(e)
	}
	text("#services td:nth-child(4)", "19.5/s")
	for selector, want := range map[string]string{
		"#scenario": hostile, "#said": hostile, "#simulated": "SIMULATED server pro6000x1", "#words": "0 of 2 cells",
		"#step-words": "20s of 40s, window", "#cell-words": "000-a-r1: driving load",
		"#services td:nth-child(5)": "p50 41.2 ms", "#services td:nth-child(6) .missed": "p95 < 300 ms: 412 ms MISSED",
		"#services td:nth-child(8)": "3", "#services td:nth-child(9)": "2 of 1,234",
		"#devices td:nth-child(2)": "87 %", "#devices td:nth-child(3)": "3 GiB",
		"#devices tr:nth-child(2) td:nth-child(2)": "unknown",
	} {
		if got := valueIn[string](b, fmt.Sprintf("document.querySelector(%q)?.textContent || 'none'", selector)); !strings.Contains(got, want) {
			t.Errorf("%s reads %q, want %q", selector, got, want)
		}
	}
	if n := valueIn[int](b, "document.querySelectorAll('img, b').length"); n > 0 {
		t.Errorf("%d elements were made of a text", n)
	}
	if got := valueIn[float64](b, "document.getElementById('step').value"); got != 0.5 {
		t.Errorf("the step's bar is at %v, want 0.5", got)
	}

	shown.Take(figures(30, 12.25))
	text("#services td:nth-child(4)", "12.3/s") // without being loaded again
	shown.Take(progress.Event{Kind: progress.CellEnds, At: time.Now(), Cell: "000-a-r1", Status: results.CellFailed, Text: "vision-0 died"})
	text("#cells td:nth-child(4)", "vision-0 died")
	text("#services td", "no step runs")

	b.do(chromedp.EmulateViewport(400, 800)) // a telephone
	if wide := valueIn[int](b, "document.documentElement.scrollWidth"); wide > 400 {
		t.Errorf("on 400 pixels the page is %d wide", wide)
	}
	b.mu.Lock()
	for _, line := range b.told {
		t.Errorf("the browser told: %.300s", line)
	}
	for _, address := range b.asked {
		if !strings.HasPrefix(address, server.URL) && !strings.HasPrefix(address, "data:") {
			t.Errorf("the page asked for %.300s", address)
		}
	}
	b.mu.Unlock()
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	b.until("!document.getElementById('lost').hidden")
}
