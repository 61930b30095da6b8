package virtual

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/sim/parameters"
)

// open reads a preset, changed as a user would change its text.
func open(t testing.TB, preset string, replace ...string) *Bench {
	t.Helper()
	data, ok := scenarios.Preset(preset)
	if !ok {
		t.Fatalf("no preset %s", preset)
	}
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(string(data), replace[i]) {
			t.Fatalf("%s has no %q", preset, replace[i])
		}
	}
	b, err := Open(preset, []byte(strings.NewReplacer(replace...).Replace(string(data))))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// runAll gives the first step of every cell, by configuration.
func runAll(t testing.TB, b *Bench, window time.Duration) map[string]Result {
	t.Helper()
	b.Scenario.Warmup, b.Scenario.Window = 30*time.Second, window
	all := make(map[string]Result)
	for _, c := range b.Cells {
		r, err := b.Run(c, parameters.Default())
		if err != nil {
			t.Fatalf("%s: %v", c.Config.Name, err)
		}
		all[c.Config.Name] = r
	}
	return all
}

func TestSameSeedSameResult(t *testing.T) {
	b := open(t, "pro6000x1")
	first, again := runAll(t, b, time.Minute), runAll(t, open(t, "pro6000x1"), time.Minute)
	same := func(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) } // NaN is itself here
	if !same(first, again) {
		t.Errorf("two runs differ:\n%+v\n%+v", first, again)
	}
	b.Cells[0].Seed++
	if other := runAll(t, b, time.Minute); same(first[b.Cells[0].Config.Name], other[b.Cells[0].Config.Name]) {
		t.Error("another seed gives the same result")
	}
}

// By hand: one user of one detector waits for the host, the launches and the
// GPU; a thread percentage bounds the SMs, and two workers serve two users.
func TestOneDetectorByHand(t *testing.T) {
	p := parameters.Default()
	d := p.Detectors["rt-detrv2"]
	d.Spread = 0
	host := d.Before + d.After + float64(d.Bursts)*d.Launch
	for _, test := range []struct {
		sharing string
		users   float64
		workers int
		sms     float64 // that one request has
		latency float64 // in services of one request
	}{
		{"mps", 1, 1, d.Parallel, 1},
		{"mps:25", 1, 1, 110 * 0.25, 1},
		{"mps:25", 2, 2, 110 * 0.25, 1},
		{"mps:25", 2, 1, 110 * 0.25, 2},
	} {
		b := open(t, "mps-vision", "[ts, mps]", "["+test.sharing+"]")
		for i := range b.Scenario.Services {
			b.Scenario.Services[i].Load.Levels, b.Scenario.Services[i].Load.Think = []float64{0}, 0
		}
		b.Scenario.Services[0].Load.Levels[0] = test.users
		b.Cells[0].Config.Workers["rt-detrv2"] = test.workers
		b.Scenario.Window = time.Minute
		r, err := b.Run(b.Cells[0], p)
		if err != nil {
			t.Fatal(err)
		}
		want := (host + d.Work/test.sms) * test.latency
		if got := r.Services[0].Latency; math.Abs(got/want-1) > 0.01 {
			t.Errorf("%+v: a request takes %.4f s, want %.4f", test, got, want)
		}
	}
}

// A slice has its share of the card's bandwidth, and an image's tokens count.
func TestSharesAndTokens(t *testing.T) {
	b := open(t, "pro6000x1")
	for key, devices := range b.devices {
		want := 1.0
		if strings.HasPrefix(key, "4x1g.24gb") {
			want = 0.25
		}
		for _, d := range devices {
			if got := b.memoryShare(d); got != want {
				t.Errorf("%s, %s: %v of the bandwidth, want %v", key, d.Name, got, want)
			}
		}
	}
	small := open(t, "pro6000x1", "width: 3200, height: 1760, kilobytes: 200", "width: 640, height: 352, kilobytes: 20")
	large, few := runAll(t, b, 4*time.Minute)["off-ts"].Services[1], runAll(t, small, 4*time.Minute)["off-ts"].Services[1]
	if !(few.Latency < large.Latency/2) {
		t.Errorf("a call takes %.1f s with small images, %.1f s with large ones", few.Latency, large.Latency)
	}
}

// In a closed loop, requests in the server and users who think are all users:
// Little's law holds for every service of every cell.
func TestUsersAreConserved(t *testing.T) {
	b := open(t, "pro6000x1")
	for i := range b.Scenario.Services {
		b.Scenario.Services[i].Load.Think = 0
	}
	for name, r := range runAll(t, b, 8*time.Minute) {
		for i, s := range r.Services {
			users := float64(s.Completed) / r.Window.Seconds() * s.Latency
			if want := b.Scenario.Services[i].Load.Levels[0]; math.Abs(users/want-1) > 0.08 {
				t.Errorf("%s: %.2f requests of %s in flight for %v users", name, users, s.Name, want)
			}
		}
	}
}

// Calls side by side: sessions are the same, so that on an idle engine one takes
// less time in all, and a user has more than one call in flight, at most as many as
// are side by side.
func TestTreesOfCalls(t *testing.T) {
	completed := map[bool]Service{}
	for _, parallel := range []bool{false, true} {
		b := open(t, "pro6000x1", "inspect: 6 ", fmt.Sprintf("inspect: 6\n      parallel: %v ", parallel), "levels: [10], think: 20s", "levels: [1]")
		b.Scenario.Services[0].Load.Levels[0] = 1
		r := runAll(t, b, 8*time.Minute)["off-ts"]
		completed[parallel] = r.Services[1]
		inFlight := float64(r.Services[1].Completed) / r.Window.Seconds() * r.Services[1].Latency
		if low, high := 0.97, 1.03; !parallel && (inFlight < low || inFlight > high) || parallel && (inFlight < 1.5 || inFlight > 6) {
			t.Errorf("parallel %v: %.2f calls of one user in flight", parallel, inFlight)
		}
	}
	if completed[true].Completed <= completed[false].Completed {
		t.Errorf("%d calls side by side, %d one after the other", completed[true].Completed, completed[false].Completed)
	}
}

// A routing's arguments reach the router, and one that does not fit the
// instances is a fault.
func TestRoutings(t *testing.T) {
	for _, routing := range []string{"sticky", "prefix-hash(load=0)", "weighted(1)", "least-outstanding"} {
		b := open(t, "pro6000x1")
		b.Scenario.Window = time.Minute
		c := b.Cells[0]
		c.Config.Routing = routing
		if r, err := b.Run(c, parameters.Default()); err != nil || r.Services[1].Completed == 0 {
			t.Errorf("%s: %+v, %v", routing, r.Services, err)
		}
	}
	b := open(t, "pro6000x1")
	i := slices.IndexFunc(b.Cells, func(c scenarios.Cell) bool { return c.Config.Layout != "off" })
	b.Cells[i].Config.Routing = "weighted(3,1)" // four slices, one with Vision
	if _, err := b.Run(b.Cells[i], parameters.Default()); err == nil || !strings.Contains(err.Error(), "service agent: router weighted: 2 weights do not fit 3 instances") {
		t.Errorf("two weights for three instances: %v", err)
	}
}

// A layout and a GPU that were never fitted: every configuration answers, and
// what must be faster is.
func TestUnfittedIsSane(t *testing.T) {
	known := runAll(t, open(t, "pro6000x1"), 4*time.Minute)
	sliced := runAll(t, open(t, "pro6000x1", "4x1g.24gb", "2x2g.48gb"), 4*time.Minute)
	h100 := runAll(t, open(t, "pro6000x1", "server: pro6000x1", "server: h100x1", "4x1g.24gb", "3g.40gb+4g.40gb"), 4*time.Minute)
	for _, all := range []map[string]Result{known, sliced, h100} {
		for name, r := range all {
			for _, s := range r.Services {
				if s.Completed == 0 || s.Refused > 0 || !(s.Latency > 0) {
					t.Errorf("%s, %s: %+v", name, s.Name, s)
				}
			}
		}
	}
	// Vision on half a GPU is faster than on a quarter.
	if half, quarter := sliced["2x2g.48gb-mps"].Services[0], known["4x1g.24gb-mps"].Services[0]; half.Completed <= quarter.Completed {
		t.Errorf("Vision completes %d on half the GPU, %d on a quarter", half.Completed, quarter.Completed)
	}
	// An H100 has two thirds of the SMs: Vision, which fills some of them, is
	// slower where it has the GPU through MPS.
	if a, b := h100["off-mps"].Services[0], known["off-mps"].Services[0]; a.Completed >= b.Completed {
		t.Errorf("Vision completes %d on an H100, %d on an RTX PRO 6000", a.Completed, b.Completed)
	}
}

func TestOpenRefuses(t *testing.T) {
	data, _ := scenarios.Preset("pro6000x1")
	for _, test := range []struct{ from, to, want string }{
		{"server: pro6000x1", "server: laptop", "unknown simulated server"},
		{"{kind: sim, server: pro6000x1, scale: 60}", "{kind: nvidia}", "want sim"},
		{"version: 1", "version: 7", "version"},
		{"launcher: {kind: sim}", "launcher: {kind: sim, fault: {kind: slow-worker, factor: 2}}", "it has a fault"},
		{"stages: [decompose", "shared_prefix: 9\n      stages: [decompose", "prefix cache"},
	} {
		text := strings.Replace(string(data), test.from, test.to, 1)
		if _, err := Open("x.yaml", []byte(text)); text == string(data) || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want …%s…", test.to, err, test.want)
		}
	}
	b := open(t, "pro6000x1")
	b.Cells[0].Config.Params = map[string]string{"agent.max_num_seqs": "1"}
	if _, err := b.Run(b.Cells[0], parameters.Default()); err == nil || !strings.Contains(err.Error(), "launch parameters") {
		t.Errorf("launch parameters: %v", err)
	}
	b.Scenario.Services[0].Load.Arrivals, b.Scenario.Services[0].Load.Levels = scenarios.Poisson, []float64{-1}
	if _, err := b.Run(b.Cells[1], parameters.Default()); err == nil || !strings.Contains(err.Error(), "service vision: arrivals poisson") {
		t.Errorf("a rate below 0: %v", err)
	}
}

// BenchmarkHour is one hour of server time of a whole preset's configuration,
// its services under full load.
func BenchmarkHour(b *testing.B) {
	bench := open(b, "pro6000x1")
	bench.Scenario.Warmup, bench.Scenario.Window = 0, time.Hour
	for _, c := range bench.Cells {
		b.Run(c.Config.Name, func(b *testing.B) {
			for range b.N {
				r, err := bench.Run(c, parameters.Default())
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(r.Services[0].Completed), "vision_requests")
			}
		})
	}
}
