package sim

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/services"
)

func number(n int) *int { return &n }

// A fault that cannot be is one clear fault of the scenario, before anything starts.
func TestFaultArguments(t *testing.T) {
	h := NewHost("/nonexistent", t.TempDir(), nil)
	launchers := kind.Set[services.Launcher]{h.LauncherKind()}
	for _, c := range []struct {
		fault Fault
		want  string // of the error; empty for none
	}{
		{Fault{Kind: SlowPreprocessing, Factor: 3}, ""},
		{Fault{Kind: SlowWorker, Factor: 1.5, Instance: number(2)}, ""},
		{Fault{Kind: LaunchBound, Factor: 1000}, ""},
		{Fault{Kind: ClockDrop, Share: 0.05}, ""},
		{Fault{Kind: ClockDrop, Share: 0.99, Reason: Thermal}, ""},
		{Fault{Kind: MemoryLeak, MiB: 0.5}, ""},
		{Fault{Kind: PacketDelay, Delay: time.Minute}, ""},
		{Fault{}, `unknown kind ""; known: clock-drop, launch-bound, memory-leak, packet-delay, slow-preprocessing, slow-worker`},
		{Fault{Kind: "slow"}, `unknown kind "slow"`},
		{Fault{Kind: SlowWorker}, "factor: want more than 1"},
		{Fault{Kind: SlowWorker, Factor: 1}, "factor: want more than 1"},
		{Fault{Kind: LaunchBound, Factor: 1001}, "at most 1000"},
		{Fault{Kind: ClockDrop, Share: 1}, "share: want at least 0.05 and less than 1"},
		{Fault{Kind: ClockDrop, Share: 0.04}, "share: want at least 0.05"},
		{Fault{Kind: ClockDrop, Share: 0.5, Reason: "age"}, "reason: want power-cap or thermal"},
		{Fault{Kind: ClockDrop, Share: 0.5, Factor: 2}, "it has no factor; it has: share, reason, instance"},
		{Fault{Kind: MemoryLeak}, "mebibytes: want more than 0"},
		{Fault{Kind: MemoryLeak, MiB: 65537}, "at most 65536"},
		{Fault{Kind: PacketDelay, Delay: -1}, "delay: want more than 0s"},
		{Fault{Kind: PacketDelay, Delay: time.Minute + 1}, "at most 1m"},
		{Fault{Kind: PacketDelay, Delay: 1, MiB: 1}, "it has no mebibytes"},
		{Fault{Kind: SlowWorker, Factor: 2, Instance: number(-1)}, "instance -1"},
	} {
		_, err := launchers.Build(kind.Spec{Name: "sim", Decode: func(into any) error {
			into.(*LauncherConfig).Fault = &c.fault
			return nil
		}})
		if got := err != nil; got != (c.want != "") || got && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.fault, err, c.want)
		}
	}
}

// A slow worker is the first instance unless another is named; other faults are of all.
func TestFaultOf(t *testing.T) {
	for _, c := range []struct {
		fault Fault
		want  [3]bool
	}{
		{Fault{Kind: SlowWorker, Factor: 2}, [3]bool{true, false, false}},
		{Fault{Kind: SlowWorker, Factor: 2, Instance: number(2)}, [3]bool{false, false, true}},
		{Fault{Kind: LaunchBound, Factor: 2}, [3]bool{true, true, true}},
		{Fault{Kind: LaunchBound, Factor: 2, Instance: number(0)}, [3]bool{true, false, false}},
	} {
		for i, want := range c.want {
			if got := c.fault.of(i) != nil; got != want {
				t.Errorf("%v has instance %d: %v, want %v", &c.fault, i, got, want)
			}
		}
	}
	if (*Fault)(nil).of(0) != nil {
		t.Error("an instance has a fault that nobody asked for")
	}
}

// An answer that is held back is late for its client, and the server does not know.
func TestPacketDelayIsBehindTheServersStamps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := virtualTorchServe(t, defaultTorchServe(), 1, "m")
		ts.hold = 50 * time.Millisecond
		frame := string(jpegFrame(t, 16, 16, 1))
		begin := time.Now()
		if w := call(ts.inference(), "POST", "/predictions/m", "image/jpeg", frame); w.Code != 200 {
			t.Fatalf("%d", w.Code)
		}
		if took := time.Since(begin); took != 60*time.Millisecond {
			t.Errorf("took %v, want 10 ms of work and 50 ms on the way", took)
		}
		checkPage(t, ts.metrics(), map[string]float64{"ts_inference_latency_microseconds{model_name=m,model_version=default}": 10000})
		if ts.served.finished != 1 || ts.served.took != 10*time.Millisecond {
			t.Errorf("served %+v", ts.served)
		}
	})
}

// launchFaulty starts one detector on the card with a fault.
func launchFaulty(t *testing.T, c controlClient, f *Fault) (url, device string) {
	t.Helper()
	r := visionRequest("vision-0", 1)
	r.Fault = f
	i, err := c.launch(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if f != nil && !strings.Contains(i.Version, "simulated, faulty: "+f.Kind) {
		t.Errorf("its version does not say what is wrong: %s", i.Version)
	}
	return i.URL + "/predictions/rt-detrv2", i.Device
}

// Each request leaves the same memory behind, the card's list shows it in whole segments,
// a request that finds no room fails as TorchServe's do, and what the instance had is free
// when it has ended.
func TestMemoryLeak(t *testing.T) {
	dir := t.TempDir()
	c, _ := start(t, Options{Dir: dir, Scale: 100})
	cards, err := nvml.OpenFake(cardsPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	const each = 8000
	url, device := launchFaulty(t, c, &Fault{Kind: MemoryLeak, MiB: each})
	memory, err := cards.Memory(device)
	if err != nil {
		t.Fatal(err)
	}
	base := memory.UsedBytes
	fit := int((memory.TotalBytes - base) / (each << 20))
	if fit < 3 {
		t.Fatalf("%d requests fit: the test's numbers are wrong", fit)
	}
	frame := jpegFrame(t, 16, 16, 1)
	for n := 1; n <= fit+2; n++ {
		resp, answer := post(t, url, "image/jpeg", frame)
		if n > fit {
			if resp.StatusCode != http.StatusInsufficientStorage || !strings.Contains(answer, `"Out of resources"`) {
				t.Errorf("request %d of %d that fit: %d %s", n, fit, resp.StatusCode, answer)
			}
			continue
		}
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("request %d of %d that fit: %d %s", n, fit, resp.StatusCode, answer)
		}
		// 8000 MiB are 400 segments of 20 MiB.
		want := base + uint64(n)*each<<20
		waitFor(t, "memory of request", func() bool {
			now, err := cards.Memory(device)
			return err == nil && now.UsedBytes == want
		})
	}
	if err := c.stop(t.Context(), "vision-0"); err != nil {
		t.Fatal(err)
	}
	if now, err := cards.Memory(device); err != nil || now.UsedBytes != 0 {
		t.Errorf("after the end: %+v, %v", now, err)
	}
}

// waitFor waits until something holds that another goroutine brings about.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for tick := time.NewTicker(time.Millisecond); !holds(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: it never came", what)
		}
	}
}

// While an instance with the fault runs, its GPU's clock is lower, for everything on
// the GPU; NVML says so and why; and work that SMs limit takes as much longer.
func TestClockDrop(t *testing.T) {
	dir := t.TempDir()
	c, _ := start(t, Options{Dir: dir, Scale: 10})
	cards, err := nvml.OpenFake(cardsPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	frame := jpegFrame(t, 16, 16, 1)
	// asked gives the model's own time of one request, in seconds.
	asked := func(url string) float64 {
		if resp, answer := post(t, url, "image/jpeg", frame); resp.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", resp.StatusCode, answer)
		}
		var now counts
		if err := c.call(t.Context(), http.MethodGet, "/counts", nil, &now); err != nil {
			t.Fatal(err)
		}
		return now.Instances["vision-0"].Seconds
	}
	told := func(gpu string) (hertz, reasons float64) {
		readings, err := cards.Telemetry(gpu)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range readings {
			switch {
			case !r.Known():
			case r.Quantity == nvml.SMClock:
				hertz = r.Value
			case r.Quantity == nvml.EventReasons:
				reasons = r.Value
			}
		}
		return hertz, reasons
	}
	url, gpu := launchFaulty(t, c, nil)
	full, reasons := told(gpu)
	if full == 0 || reasons != 0 {
		t.Errorf("a sound card tells %v Hz, reasons %#x", full, int(reasons))
	}
	sound := asked(url)
	other := visionRequest("vision-1", 1)
	other.Fault = &Fault{Kind: ClockDrop, Share: 0.25, Reason: Thermal}
	if _, err := c.launch(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if hertz, reasons := told(gpu); hertz != full/4 || reasons != 0x40 {
		t.Errorf("a hot card tells %v Hz of %v, reasons %#x", hertz, full, int(reasons))
	}
	// Of the request's time, all but host_before 15 ms, 50 launches of 0.2 ms and
	// host_after 5 ms is the SMs'.
	slow := asked(url) - sound
	if want := 0.030 + 4*(sound-0.030); slow < want*0.999 || slow > want*1.001 {
		t.Errorf("a request took %v s, at a quarter of the clock %v s, want %v s", sound, slow, want)
	}
	if err := c.stop(t.Context(), "vision-1"); err != nil {
		t.Fatal(err)
	}
	if hertz, reasons := told(gpu); hertz != full || reasons != 0 {
		t.Errorf("afterwards it tells %v Hz, reasons %#x", hertz, int(reasons))
	}
}

// What a language model's engine cannot have is refused when it is to start.
func TestAgentFaults(t *testing.T) {
	c, _ := start(t, Options{})
	for _, f := range []*Fault{{Kind: LaunchBound, Factor: 2}, {Kind: MemoryLeak, MiB: 1}} {
		r := agentRequest("agent-0")
		r.Fault = f
		if _, err := c.launch(t.Context(), r); err == nil || !strings.Contains(err.Error(), "fault "+f.Kind+": an agent instance cannot have it") {
			t.Errorf("%v: %v", f, err)
		}
	}
	r := agentRequest("agent-0")
	r.Fault = &Fault{Kind: SlowWorker, Factor: 2}
	if i, err := c.launch(t.Context(), r); err != nil || !strings.Contains(i.Version, "faulty: slow-worker by 2") {
		t.Errorf("%+v, %v", i, err)
	}
}
