package sim

import (
	"errors"
	"math"
	"net/http"
	"testing"

	"github.com/evabench/evabench/internal/nvml"
)

// A sampler tells the differences of two answers over the time between them, nothing at
// first, and begins anew after a fault, after a device that was gone, and after one that
// was made anew.
func TestActivitySampler(t *testing.T) {
	dram := func(v float64) *float64 { return &v }
	at := func(seconds float64, d deviceActivity) activities {
		return activities{seconds, map[string]deviceActivity{"GPU-1": d}}
	}
	answers := []struct {
		give   activities
		err    error
		engine float64 // that is told; NaN for nothing
	}{
		{give: at(10, deviceActivity{Engine: 1, DRAM: dram(0)}), engine: math.NaN()},
		{give: at(12, deviceActivity{Engine: 2, SM: 0.5, DRAM: dram(1), Switches: 3}), engine: 0.5},
		{give: at(12.05, deviceActivity{Engine: 2.01, SM: 0.5, DRAM: dram(1)}), engine: math.NaN()}, // too soon
		{give: at(14, deviceActivity{Engine: 2.5, SM: 0.5, DRAM: dram(1), Switches: 5}), engine: 0.25},
		{err: errors.New("gone"), engine: math.NaN()},
		{give: at(16, deviceActivity{Engine: 3}), engine: math.NaN()},
		{give: activities{Seconds: 17}, engine: math.NaN()}, // no such device
		{give: at(18, deviceActivity{Engine: 4}), engine: math.NaN()},
		{give: at(19, deviceActivity{Engine: 0.5}), engine: math.NaN()}, // another in its place
		{give: at(20, deviceActivity{Engine: 1}), engine: 0.5},
	}
	n := -1
	s := &activitySampler{uuid: "GPU-1", read: func() (activities, error) { return answers[n].give, answers[n].err }}
	for n = range answers {
		readings, err := s.Sample()
		if !errors.Is(err, answers[n].err) {
			t.Errorf("sample %d: %v", n, err)
		}
		told := map[string]float64{}
		for _, r := range readings {
			if r.Known() {
				told[r.Name] = r.Value
			}
		}
		engine, ok := told["graphics_active_ratio"]
		if want := answers[n].engine; ok == math.IsNaN(want) || ok && engine != want {
			t.Errorf("sample %d tells %v, want the engine at %v", n, told, want)
		}
		if n == 1 && (told["span_seconds"] != 2 || told["sm_active_ratio"] != 0.25 || told["dram_active_ratio"] != 0.5 ||
			told["gr0_ctxsw_requests"] != 3 || len(told) != 6) {
			t.Errorf("sample %d tells %v", n, told)
		}
	}
}

// What a device did is what the model of it did: a request's work in SM-seconds, and the
// host's cores worked for the instance as long as its stages take.
func TestActivityAndHostAreTheModels(t *testing.T) {
	dir := t.TempDir()
	c, _ := start(t, Options{Dir: dir, Scale: 10, DCGMInterval: dcgmFinest})
	cards, err := nvml.OpenFake(cardsPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	m := &Machine{GPUs: cards, control: c}
	url, gpu := launchFaulty(t, c, nil)
	s, err := m.Activity(gpu)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Activity("GPU-none"); !errors.Is(err, nvml.ErrNotFound) {
		t.Errorf("a device that is not there: %v", err)
	}
	if first, err := s.Sample(); err != nil || len(first) > 0 {
		t.Fatalf("the first sample: %v, %v", first, err)
	}
	const n = 5
	for range n {
		if resp, answer := post(t, url, "image/jpeg", jpegFrame(t, 16, 16, 1)); resp.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", resp.StatusCode, answer)
		}
	}
	var all activities
	if err := c.call(t.Context(), http.MethodGet, "/activity", nil, &all); err != nil {
		t.Fatal(err)
	}
	var now counts
	if err := c.call(t.Context(), http.MethodGet, "/counts", nil, &now); err != nil {
		t.Fatal(err)
	}
	// rt-detrv2: 30 ms on the host a request, the rest on the GPU, where 78.31 SMs of 188 can
	// work for it.
	host, d := 0.030*n, all.Devices[gpu]
	if got, want := d.Engine, now.Instances["vision-0"].Seconds-host; math.Abs(got-want) > 1e-6 {
		t.Errorf("the engine was busy for %v s, want %v", got, want)
	}
	if got, want := d.SM/d.Engine, 78.31/188; math.Abs(got-want) > 1e-6 {
		t.Errorf("of the SMs %v were active, want %v", got, want)
	}
	readings, err := hostCollector{control: c}.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]float64{}
	for _, r := range readings {
		told[r.Series] = r.Value
	}
	if got := told["host:process_cpu_seconds_total"]; math.Abs(got-host) > 1e-6 {
		t.Errorf("the instance used %v s of cores, want %v", got, host)
	}
	if got := told["host:cpu_busy_seconds_total"]; math.Abs(got-host) > 1e-6 || told["host:cpus"] != 32 {
		t.Errorf("the host was busy for %v s on %v cores, want %v on 32", got, told["host:cpus"], host)
	}
}
