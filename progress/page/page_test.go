package page

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/evabench/evabench/progress"
	"github.com/evabench/evabench/results"
)

// running is a page of a run in its first step, with names that a page must quote.
func running() *Page {
	p := &Page{}
	step, value, holds := 0, 0.5, false
	for _, e := range []progress.Event{
		{Kind: progress.SweepBegins, At: time.Now(), Sweep: &progress.Sweep{Scenario: "a\"b\\c\n<script>", Simulated: "pro6000x1", Cells: []string{"000-a-r1", "001-b-r1"}, LoadSeconds: 60}},
		{Kind: progress.CellBegins, At: time.Now(), Cell: "000-a-r1", Config: "a"},
		{Kind: progress.CellPhase, At: time.Now(), Cell: "000-a-r1", Phase: "steps"},
		{Kind: progress.StepBegins, Cell: "000-a-r1", Step: &step, Plan: &results.StepPlan{}},
		{Kind: progress.StepRuns, Cell: "000-a-r1", Step: &step, Figures: &progress.Figures{
			IntoSeconds: 5, WarmupSeconds: 2, WindowSeconds: 10, Part: progress.PartWindow,
			Services: []progress.ServiceFigures{
				{Service: "vision", Offered: new(20.0), Done: 40, Failed: 3, Outcomes: map[string]int64{"timeout": 1, "shed": 2}, Quantiles: []progress.Quantile{{Quantile: 0.95, Seconds: &value}, {Quantile: 0.99}},
					Clauses: []progress.Clause{{Text: "p95 < 300 ms", Value: &value, Limit: 0.3, Unit: "s", Holds: &holds}, {Text: "queue <= 4", Limit: 4, Unit: "1"}}},
				{Service: "agent\xff", Delivered: new(0.25), Queue: new(2.0)},
			},
			Devices: []progress.DeviceFigures{{Device: progress.Device{UUID: "MIG-1", Name: "gpu0/1g"}, Activity: new(0.75)}, {Device: progress.Device{UUID: "MIG-2", Name: "gpu0/2g"}, Memory: new(1e9)}},
		}},
	} {
		p.Take(e)
	}
	return p
}

func get(t *testing.T, p *Page, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

// Prometheus' own parser reads the page: each figure under its labels, and nothing of
// what is unknown.
func TestMetrics(t *testing.T) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(get(t, running(), http.MethodGet, "/metrics").Body)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for name, f := range families {
		for _, m := range f.Metric {
			labels := ""
			for _, l := range m.Label {
				labels += fmt.Sprintf(",%s=%s", l.GetName(), l.GetValue())
			}
			got[name+labels] = m.GetGauge().GetValue()
		}
	}
	for key, want := range map[string]float64{
		"evabench_run_info,scenario=a\"b\\c\n<script>,simulated=pro6000x1,version=": 1,
		"evabench_cells_planned": 2, "evabench_cells_ended,status=done": 0, "evabench_step_into_seconds": 5, "evabench_run_ended": 0,
		"evabench_cell_info,cell=000-a-r1,config=a,phase=steps":          1,
		"evabench_offered_per_second,service=vision":                     20,
		"evabench_delivered_per_second,service=agent\ufffd":              0.25,
		"evabench_step_requests,service=vision,outcome=ok":               37,
		"evabench_step_requests,service=vision,outcome=shed":             2,
		"evabench_server_queue_requests,service=agent\ufffd":             2,
		"evabench_latency_quantile_seconds,service=vision,quantile=0.95": 0.5,
		"evabench_slo_holds,service=vision,clause=p95 < 300 ms,unit=s":   0,
		"evabench_slo_limit,service=vision,clause=queue <= 4,unit=1":     4,
		"evabench_device_activity_ratio,device=gpu0/1g,uuid=MIG-1":       0.75,
		"evabench_device_memory_bytes,device=gpu0/2g,uuid=MIG-2":         1e9,
	} {
		if v, ok := got[key]; !ok || v != want {
			t.Errorf("%q is %v, %v; want %v", key, v, ok, want)
		}
	}
	for _, key := range []string{
		"evabench_offered_per_second,service=agent\ufffd", "evabench_server_queue_requests,service=vision",
		"evabench_latency_quantile_seconds,service=vision,quantile=0.99", "evabench_slo_holds,service=vision,clause=queue <= 4,unit=1",
		"evabench_device_activity_ratio,device=gpu0/2g,uuid=MIG-2",
	} {
		if v, ok := got[key]; ok {
			t.Errorf("%q is unknown, and told as %v", key, v)
		}
	}
	if _, ok := got["evabench_time_left_seconds"]; !ok {
		t.Error("the time that is left is not told")
	}
}

// A page can be asked before its run begins, and after it ended.
func TestBeforeAndAfter(t *testing.T) {
	p := &Page{}
	var v struct {
		Words  string
		Status string
		Cells  []any
		Left   *float64 `json:"left_seconds"`
	}
	ask := func() {
		t.Helper()
		if err := json.Unmarshal(get(t, p, http.MethodGet, "/state.json").Body.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
	}
	ask()
	if v.Words != "not begun" || v.Left != nil {
		t.Errorf("before its begin it tells %+v", v)
	}
	if body := get(t, p, http.MethodGet, "/metrics").Body.String(); !strings.Contains(body, "evabench_run_begun 0\n") {
		t.Errorf("before its begin the metrics are %q", body)
	}
	p = running()
	p.Take(progress.Event{Kind: progress.SweepEnds, At: time.Now(), Status: results.CellFailed, Text: "why"})
	ask()
	if v.Status != results.CellFailed || v.Left != nil || !strings.HasSuffix(v.Words, "failed") {
		t.Errorf("after its end it tells %+v", v)
	}
}

// Eager viewers get what was rendered a moment ago.
func TestRenderedSeldom(t *testing.T) {
	p := running()
	first := get(t, p, http.MethodGet, "/state.json").Body.String()
	for range 20 {
		if again := get(t, p, http.MethodGet, "/state.json").Body.String(); again != first {
			t.Fatal("it was rendered again within the quarter of a second")
		}
	}
}

func TestServeHTTP(t *testing.T) {
	p := running()
	for _, c := range []struct {
		method, path string
		status       int
		kind, has    string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8", `<script src="page.js">`},
		{"GET", "/page.js", 200, "text/javascript; charset=utf-8", "textContent"},
		{"GET", "/page.css", 200, "text/css; charset=utf-8", "color-scheme"},
		{"HEAD", "/state.json", 200, "application/json", ""},
		{"GET", "/../page.go", 404, "text/plain; charset=utf-8", ""},
		{"POST", "/", 405, "text/plain; charset=utf-8", "looked at only"},
	} {
		w := get(t, p, c.method, c.path)
		if w.Code != c.status || w.Header().Get("Content-Type") != c.kind || !strings.Contains(w.Body.String(), c.has) {
			t.Errorf("%s %s: status %d, %s, %.80q", c.method, c.path, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
		if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; script-src 'self';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s %s: policy %q", c.method, c.path, policy)
		}
	}
	// Every text is set as text: nothing that a server says becomes HTML.
	for _, way := range []string{"innerHTML", "insertAdjacentHTML", "document.write", "eval("} {
		if strings.Contains(string(js), way) {
			t.Errorf("the script uses %s", way)
		}
	}
}

// Without a host a page is served to this machine alone, and to no page elsewhere whose
// name was made to lead here; with one, wherever that is.
func TestServe(t *testing.T) {
	s, err := Serve(running(), ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	if s.Open || !strings.HasPrefix(s.URL, "http://127.0.0.1:") {
		t.Errorf("served at %s, open: %v", s.URL, s.Open)
	}
	port := strings.TrimSuffix(s.URL[strings.LastIndex(s.URL, ":")+1:], "/")
	for host, want := range map[string]int{"": 200, "localhost:" + port: 200, "[::1]:80": 200, "127.0.0.1": 200, "evil.example:" + port: 403, "10.0.0.1": 403} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("a request for the host %q gets status %d, want %d", host, answer.StatusCode, want)
		}
	}
	if _, err := Serve(&Page{}, strings.TrimSuffix(strings.TrimPrefix(s.URL, "http://"), "/")); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("of a port that is taken it tells %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get(s.URL); err == nil {
		t.Error("it answers after its end")
	}
	if _, err := Serve(&Page{}, "8090"); err == nil || !strings.Contains(err.Error(), "HOST:PORT") {
		t.Errorf("of no address it tells %v", err)
	}
	wide, err := Serve(&Page{}, "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if !wide.Open {
		t.Error("an address of every interface is not said to be open")
	}
	if err := wide.Close(); err != nil {
		t.Error(err)
	}
}

// TestEagerViewersAreRefused: connections in tight loops get some 20 answers a second,
// and later viewers get theirs.
func TestEagerViewersAreRefused(t *testing.T) {
	s, err := Serve(running(), ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		http.DefaultClient.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	ask := func() int {
		answer, err := http.Get(s.URL + "state.json")
		if err != nil {
			t.Error(err)
			return 0
		}
		defer answer.Body.Close()
		_, _ = io.Copy(io.Discard, answer.Body)
		if answer.StatusCode == http.StatusTooManyRequests && !answer.Close {
			t.Error("a refusal keeps its connection")
		}
		return answer.StatusCode
	}
	var answered, refused atomic.Int64
	var all sync.WaitGroup
	begun := time.Now()
	for range 16 {
		all.Go(func() {
			for time.Since(begun) < time.Second {
				if ask() == http.StatusOK {
					answered.Add(1)
				} else {
					refused.Add(1)
				}
			}
		})
	}
	all.Wait()
	most := answersAtOnce + int64(time.Since(begun).Seconds()*answersPerSecond) + 1
	if n := answered.Load(); n < answersAtOnce || n > most {
		t.Errorf("%d were answered, want %d to %d", n, answersAtOnce, most)
	}
	if n := refused.Load(); n == 0 || n > 16*20 {
		t.Errorf("%d were refused: each is held for %v", n, refusedAfter)
	}
	time.Sleep(200 * time.Millisecond)
	if status := ask(); status != http.StatusOK {
		t.Errorf("a later viewer gets status %d", status)
	}
}
