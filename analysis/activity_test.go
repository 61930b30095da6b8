package analysis

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
)

// A toldSeries is a series of one device, told every second at half past.
type toldSeries struct {
	source, id, series, unit string
	value                    func(at float64) float64
}

func always(v float64) func(float64) float64 { return func(float64) float64 { return v } }

func observationsOf(list []toldSeries) []results.Observation {
	var all []results.Observation
	for t := -500 * time.Millisecond; t < madeWarmup+madeWindow+5*time.Second; t += time.Second {
		for _, s := range list {
			subject := results.Subject{Kind: results.SubjectGPU, ID: s.id}
			if strings.HasPrefix(s.id, "MIG-") {
				subject = results.Subject{Kind: results.SubjectInstance, ID: s.id, GPU: "GPU-1", Detail: "1g.24gb"}
			}
			all = append(all, results.Observation{At: at0(t), Source: s.source, Subject: subject, Series: s.series, Value: s.value(t.Seconds()), Unit: s.unit})
		}
	}
	return all
}

// madeActivity is the made-up run on two whole GPUs, vision on the first and the agent on the
// second, and on MIG instances of one; on cards that are not simulated.
func madeActivity() facts {
	f := madeRun()
	f.environment.Simulated, f.environment.Scenario = "", "made on cards"
	card := func(i int) device.Device {
		return device.Device{UUID: fmt.Sprintf("GPU-%d", i), GPU: fmt.Sprintf("GPU-%d", i), Name: fmt.Sprintf("gpu%d", i-1), Model: "NVIDIA H100 80GB HBM3", MemoryBytes: 80 << 30, SMs: 132}
	}
	f.cells[0] = madeCell(0, "off", 100*time.Millisecond, time.Second, []device.Device{card(1), card(2)})
	half := func(low, high float64) func(float64) float64 {
		return func(at float64) float64 {
			if at < 60 {
				return low
			}
			return high
		}
	}
	f.cells[0].observations = all(observationsOf([]toldSeries{
		{"gpm", "GPU-1", "gpm:span_seconds", "s", always(1)},
		{"gpm", "GPU-1", "gpm:sm_active_ratio", "ratio", half(0.2, 0.6)},
		{"gpm", "GPU-1", "gpm:sm_occupancy_ratio", "ratio", always(0.25)},
		{"gpm", "GPU-1", "gpm:tensor_active_ratio", "ratio", always(0)},
		{"gpm", "GPU-1", "gpm:refused:dram_active_ratio", "1", always(3)},
		{"gpm", "GPU-1", "gpm:gr0_ctxsw_requests", "1", always(30)},
		{"gpm", "GPU-1", "gpm:gr1_ctxsw_requests", "1", always(10)},
		{"gpm", "GPU-1", "gpm:gr0_ctxsw_active_ratio", "ratio", always(0.02)},
		{"gpm", "GPU-1", "gpm:gr1_ctxsw_active_ratio", "ratio", always(0.01)},
		{"nvml", "GPU-1", "nvml:memory_used_bytes", "B", half(10<<30, 12<<30)},
		{"nvml", "GPU-1", "nvml:processes", "1", half(4, 3)},
		{"nvml", "GPU-1", "nvml:energy_joules", "J", func(at float64) float64 { return 1e6 + 300*at }},
		{"nvml", "GPU-1", "nvml:power_instant_watts", "W", always(900)}, // the counter is believed
		{"nvml", "GPU-1", "nvml:sm_clock_hertz", "Hz", half(1.98e9, 1.41e9)},
		{"nvml", "GPU-1", "nvml:temperature_celsius", "°C", half(50, 64)},
		{"nvml", "GPU-1", "nvml:clocks_event_reasons", "1", half(0x4, 0x1)},
		{"nvml", "GPU-1", "nvml:reason_sw_power_cap_seconds", "s", func(at float64) float64 { return 100 + 0.125*at }},
		{"nvml", "GPU-1", "nvml:reason_sw_thermal_seconds", "s", always(7)},
		{"nvml", "GPU-2", "nvml:power_average_watts", "W", half(120, 180)},
	}))
	f.cells[1].observations = all(observationsOf([]toldSeries{
		{"gpm", "MIG-a", "gpm:span_seconds", "s", always(1)},
		{"gpm", "MIG-a", "gpm:dram_active_ratio", "ratio", always(0.5)},
		{"nvml", "MIG-a", "nvml:memory_used_bytes", "B", always(1 << 30)},
		{"nvml", "GPU-1", "nvml:energy_joules", "J", func(at float64) float64 { return 1e6 + 200*at }},
	}))
	return f
}

// Readings come at 10.5, 11.5, …, 109.5; GPM's are over the second before. So those of the
// window cover 0.5 s + 99 · 1 s of it.
func TestActivity(t *testing.T) {
	s := summarized(t, madeActivity())
	step := s.Cells[0].Steps[0]
	if step.Activity == nil || len(step.Activity.Devices) != 2 || len(step.Activity.GPUs) != 2 {
		t.Fatalf("activity %+v", step.Activity)
	}
	one, two := step.Activity.Devices[0], step.Activity.Devices[1]
	// 0.2 in 0.5 + 49 s, 0.6 in 50 s
	number(t, "SM", one.SM, (0.2*49.5+0.6*50)/99.5)
	number(t, "occupancy", one.Occupancy, 0.25)
	number(t, "tensor", one.Tensor, 0)
	why(t, "DRAM, which is refused", one.DRAM, "gpm:dram_active_ratio: the device does not tell it (NVML return 3)")
	number(t, "memory", one.MemoryPeak, 12<<30)
	number(t, "processes", one.Processes, 4)
	number(t, "switches", one.Switches, 40)
	number(t, "switching", one.Switching, 0.02)
	if one.Readings != 100 || two.Readings != 0 {
		t.Errorf("%d and %d readings, want 100 and 0", one.Readings, two.Readings)
	}
	for name, v := range map[string]Value{"SM": two.SM, "memory": two.MemoryPeak, "switches": two.Switches} {
		if v.Known() || v.Why == "" {
			t.Errorf("%s of the second GPU is %+v, want it unknown with a reason", name, v)
		}
	}
	gpu, other := step.Activity.GPUs[0], step.Activity.GPUs[1]
	number(t, "power", gpu.Power, 300)
	number(t, "energy per answer", gpu.PerAnswer, 300*100/float64(step.Services[0].Total.Completed))
	// 50 readings of each, by the trapezoid rule over 99 s; between 59.5 and 60.5 it is half of each
	number(t, "clock", gpu.SMClock, (1.98e9*49.5+1.41e9*49.5)/99)
	number(t, "temperature", gpu.Temperature, 64)
	number(t, "power of the second", other.Power, 150)
	number(t, "its energy per answer", other.PerAnswer, 150*100/float64(step.Services[1].Total.Completed))
	if gpu.PowerFrom != "nvml:energy_joules" || other.PowerFrom != "nvml:power_average_watts" || gpu.Readings != 100 {
		t.Errorf("power from %s and %s, %d readings", gpu.PowerFrom, other.PowerFrom, gpu.Readings)
	}
	why(t, "clock of the second", other.SMClock, "no reading")
	reasons := map[string]EventReason{}
	for _, r := range gpu.Reasons {
		reasons[r.Name] = r
	}
	number(t, "power cap, from its counter", reasons["power cap"].Share, 0.125)
	number(t, "idle, from half of the readings", reasons["idle"].Share, 0.5)
	number(t, "software thermal, whose counter stands", reasons["thermal, software"].Share, 0)
	if reasons["power cap"].Sampled || !reasons["idle"].Sampled {
		t.Error("which reasons are from readings is wrong")
	}
	why(t, "a reason of the second", other.Reasons[0].Share, "no reading of clock event reasons")

	mig := s.Cells[1].Steps[0].Activity
	if len(mig.Devices) != 2 || len(mig.GPUs) != 1 || mig.GPUs[0].GPU != "gpu0" {
		t.Fatalf("with MIG: %+v", mig)
	}
	number(t, "DRAM of an instance", mig.Devices[0].DRAM, 0.5)
	number(t, "power of the parent", mig.GPUs[0].Power, 200)
	if v := mig.GPUs[0].PerAnswer; !v.Inapplicable || !strings.Contains(v.Why, "vision and agent share") {
		t.Errorf("energy per answer of two services on a GPU: %+v", v)
	}
	golden(t, "testdata/activity.json", s)
}

// With too few readings, or a counter that went back, a value is unknown.
func TestActivityUnknown(t *testing.T) {
	f := madeActivity()
	spoil(&f, func(o results.Observation, add func(results.Observation)) {
		switch {
		case o.Source == "gpm" && o.At > at0(80*time.Second): // 69.5 of 100 s
		case o.Series == "nvml:energy_joules" && o.At > at0(60*time.Second):
			o.Value -= 1e6
			add(o)
		case o.Series == "nvml:temperature_celsius" || o.Series == "nvml:power_instant_watts":
		default:
			add(o)
		}
	})
	a := summarized(t, f).Cells[0].Steps[0].Activity
	why(t, "SM", a.Devices[0].SM, "cover 70 % of the window, need 80 %")
	why(t, "power", a.GPUs[0].Power, "nvml:energy_joules went back")
	why(t, "energy per answer", a.GPUs[0].PerAnswer, "went back")
	why(t, "temperature", a.GPUs[0].Temperature, "no reading of nvml:temperature_celsius")
}

// Memory and processes alone, as of a simulated server, are no activity.
func TestNoActivityFromMemory(t *testing.T) {
	f := madeActivity()
	spoil(&f, func(o results.Observation, add func(results.Observation)) {
		if o.Series == "nvml:memory_used_bytes" || o.Series == "nvml:processes" {
			add(o)
		}
	})
	s := summarized(t, f)
	if a := s.Cells[0].Steps[0].Activity; a != nil {
		t.Errorf("activity %+v", a)
	}
	if s.Cells[1].Steps[0].Activity == nil {
		t.Error("the other cell has none either")
	}
}

// Spans of 2 s from 9 s on, the last to 109 s, in a window of [10, 110): half of the first lies
// in it. The first has 40 requests and is busy, the 49 others have 10 and are not.
func TestSpansAcrossEdges(t *testing.T) {
	d := deviceSeries{series: map[string][]stats.Point{}, window: window{at0(10 * time.Second), at0(110 * time.Second)}}
	for at := 11.0; at <= 109; at += 2 {
		busy, requests := 0.0, 10.0
		if at == 11 {
			busy, requests = 1, 40
		}
		for series, value := range map[string]float64{"gpm:span_seconds": 2, "busy": busy, "requests": requests} {
			d.series[series] = append(d.series[series], stats.Point{At: at, Value: value})
		}
	}
	number(t, "mean", d.spanned("ratio", "busy"), 1.0/99)
	number(t, "rate", d.perSpan("requests"), (40.0/2+49*10)/99)
}

// What devices did is the same when it comes from the disk.
func TestActivityReadBack(t *testing.T) {
	f := madeActivity()
	for i := range f.cells {
		f.cells[i].cell.Folder = strings.ReplaceAll(f.cells[i].cell.Folder, "|", "-")
	}
	f.environment.Planned, f.missing = []string{f.cells[0].cell.Folder, f.cells[1].cell.Folder}, nil
	dir := filepath.Join(t.TempDir(), "run")
	writeRun(t, dir, f)
	run, err := results.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Summarize(run)
	if err != nil {
		t.Fatal(err)
	}
	want := summarized(t, f)
	for i := range want.Cells {
		if !reflect.DeepEqual(got.Cells[i].Steps[0].Activity, want.Cells[i].Steps[0].Activity) || want.Cells[i].Steps[0].Activity == nil {
			t.Errorf("cell %d: %+v\nwant %+v", i, got.Cells[i].Steps[0].Activity, want.Cells[i].Steps[0].Activity)
		}
	}
}
