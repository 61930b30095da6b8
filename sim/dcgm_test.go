package sim

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	prom "github.com/prometheus/common/model"
	"pgregory.net/rapid"

	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/sim/model"
)

// A dcgmBench is an exporter over a World that the test moves: GPU 0 with MIG
// on and the layout given, GPU 1 without MIG.
type dcgmBench struct {
	*dcgmExporter
	world   model.World
	gpus    []nvml.Device
	compute map[string]nvml.ComputeInstance // of GPU 0, by "GI/CI"
}

type dcgmInstance struct {
	profile string
	start   int   // memory slice
	compute []int // sizes of its compute instances
}

func newDCGMBench(t *testing.T, layout ...dcgmInstance) *dcgmBench {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cards.json")
	must(t, nvml.CreateFake(path, []string{pro6000Name, pro6000Name}))
	cards, err := nvml.OpenFake(path)
	must(t, err)
	b := &dcgmBench{compute: make(map[string]nvml.ComputeInstance)}
	b.gpus, err = cards.Devices()
	must(t, err)
	if _, ret := cards.SetMIGMode(b.gpus[0].UUID, true); ret != nvml.Success {
		t.Fatal(ret)
	}
	profiles, err := cards.Profiles(b.gpus[0].UUID)
	must(t, err)
	for _, i := range layout {
		k := slices.IndexFunc(profiles, func(p nvml.Profile) bool { return p.Name == i.profile })
		at := nvml.Placement{Start: i.start, Size: profiles[k].Placements[0].Size}
		gi, err := cards.CreateGPUInstance(b.gpus[0].UUID, profiles[k].ID, at)
		must(t, err)
		start := 0
		for _, size := range i.compute {
			ci, err := cards.CreateComputeInstance(b.gpus[0].UUID, gi.ID, nvml.Placement{Start: start, Size: size})
			must(t, err)
			b.compute[fmt.Sprintf("%d/%d", gi.ID, ci.ID)] = ci
			start += size
		}
	}
	b.dcgmExporter = newDCGMExporter(dcgmConfig{server: "bench", host: "host-1", cards: cards, do: func(f func(*model.World)) error {
		f(&b.world)
		return nil
	}})
	b.start(&b.world)
	return b
}

const pro6000Name = "NVIDIA RTX PRO 6000 Blackwell Server Edition"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run puts a device into the World with one process that does one job now.
func (b *dcgmBench) run(uuid string, cfg model.DeviceConfig, j model.Job) (remove func()) {
	cfg.Quantum = time.Millisecond
	d := b.world.AddDevice(cfg)
	b.watch(uuid, d, cfg)
	p := d.AddProcess(model.Client{Share: 1})
	b.world.Submit(d, p, j, func() {})
	return func() {
		b.unwatch(uuid, b.world.Now())
		d.RemoveProcess(b.world.Now(), p)
		b.world.RemoveDevice(d)
	}
}

// values are the page's lines: field, a space, gpu and, for an instance, /ID.
func (b *dcgmBench) values(t *testing.T) map[string]float64 {
	t.Helper()
	page, err := b.page()
	must(t, err)
	values := make(map[string]float64)
	for name, family := range parseDCGM(t, page) {
		for _, m := range family.Metric {
			labels := make(map[string]string)
			for _, l := range m.Label {
				labels[l.GetName()] = l.GetValue()
			}
			key := name + " " + labels["gpu"]
			if id, ok := labels["GPU_I_ID"]; ok {
				key += "/" + id
			}
			if _, twice := values[key]; twice {
				t.Errorf("%s stands twice", key)
			}
			values[key] = m.GetGauge().GetValue()
		}
	}
	delete(values, "evabench_simulated_info ")
	return values
}

func parseDCGM(t *testing.T, page string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(prom.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(page))
	if err != nil {
		t.Fatalf("%v in\n%s", err, page)
	}
	for name, f := range families {
		if f.GetType() != dto.MetricType_GAUGE || f.GetHelp() == "" {
			t.Errorf("%s is a %v with help %q, want a gauge with help", name, f.GetType(), f.GetHelp())
		}
	}
	return families
}

// part gives the values of one field.
func part(values map[string]float64, field string) map[string]float64 {
	values = maps.Clone(values)
	maps.DeleteFunc(values, func(key string, _ float64) bool { return !strings.HasPrefix(key, field+" ") })
	return values
}

func checkPart(t *testing.T, when string, values map[string]float64, field string, want map[string]float64) {
	t.Helper()
	got := part(values, field)
	for key, v := range want {
		if g, ok := got[field+" "+key]; !ok || math.Abs(g-v) > 1e-6 { // %f has six digits
			t.Errorf("%s: %s of %s is %v (there: %t), want %v", when, field, key, g, ok, v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %s has %d lines, want %d: %v", when, field, len(got), len(want), got)
	}
}

// TestDCGMValues: known work on a 2g.48gb (94 SMs, half of 1.6 TB/s) beside an
// idle 1g.24gb, and on a whole GPU (188 SMs).
func TestDCGMValues(t *testing.T) {
	b := newDCGMBench(t, dcgmInstance{"2g.48gb", 0, []int{2}}, dcgmInstance{"1g.24gb", 6, []int{1}})
	two, whole := b.compute["0/0"].UUID, b.gpus[1].UUID
	idle := map[string]float64{"0/0": 0, "0/1": 0, "1": 0}

	// Before the first collection there are no averages, and memory is known.
	values := b.values(t)
	for _, field := range []string{"DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_PROF_SM_ACTIVE", "DCGM_FI_PROF_DRAM_ACTIVE", "DCGM_FI_DEV_GPU_UTIL"} {
		checkPart(t, "at the start", values, field, nil)
	}
	// 47.38 and 23.62 GiB as recorded, to whole MiB; 96 GiB nominal.
	checkPart(t, "at the start", values, "DCGM_FI_DEV_FB_TOTAL", map[string]float64{"0/0": 48517, "0/1": 24186, "1": 98304})
	checkPart(t, "at the start", values, "DCGM_FI_DEV_FB_USED", idle)

	// All SMs of the instance for 6 s: 0.2 of 30 s. 2.4e12 B: 0.1 of 30 s x 800 GB/s.
	b.run(two, model.DeviceConfig{SMs: 94, Bandwidth: 800e9}, model.Job{Work: 94 * 6, Parallel: 94, Bytes: 2.4e12})
	// 47 of 188 SMs for 12 s, of which 9 s are in the first interval.
	b.world.Advance(21 * time.Second)
	b.run(whole, model.DeviceConfig{SMs: 188, Bandwidth: 1600e9}, model.Job{Work: 47 * 12, Parallel: 47, Bytes: 0})
	must(t, b.cards.AddProcess(two, os.Getpid(), "worker", 1<<30))
	b.world.Advance(30*time.Second - 1)
	checkPart(t, "just before 30 s", b.values(t), "DCGM_FI_PROF_SM_ACTIVE", nil)
	checkPart(t, "just before 30 s", b.values(t), "DCGM_FI_DEV_FB_USED", idle)

	for _, at := range []time.Duration{30 * time.Second, 60*time.Second - 1} { // gauges keep their value
		b.world.Advance(at)
		values = b.values(t)
		when := at.String()
		checkPart(t, when, values, "DCGM_FI_PROF_GR_ENGINE_ACTIVE", map[string]float64{"0/0": 0.2, "0/1": 0, "1": 0.3})
		checkPart(t, when, values, "DCGM_FI_PROF_SM_ACTIVE", map[string]float64{"0/0": 0.2, "0/1": 0, "1": 0.3 * 47 / 188})
		checkPart(t, when, values, "DCGM_FI_PROF_DRAM_ACTIVE", map[string]float64{"0/0": 0.1, "0/1": 0, "1": 0})
		checkPart(t, when, values, "DCGM_FI_DEV_GPU_UTIL", map[string]float64{"1": 30}) // none with MIG on
		checkPart(t, when, values, "DCGM_FI_DEV_FB_USED", map[string]float64{"0/0": 1024, "0/1": 0, "1": 0})
		checkPart(t, when, values, "DCGM_FI_DEV_FB_FREE", map[string]float64{"0/0": 48517 - 1024, "0/1": 24186, "1": 98304})
	}
	b.world.Advance(60 * time.Second)
	values = b.values(t)
	checkPart(t, "60 s", values, "DCGM_FI_PROF_GR_ENGINE_ACTIVE", map[string]float64{"0/0": 0, "0/1": 0, "1": 0.1})
	b.world.Advance(90 * time.Second)
	checkPart(t, "90 s", b.values(t), "DCGM_FI_PROF_GR_ENGINE_ACTIVE", idle)
}

// TestDCGMComputeInstances: two compute instances of one GPU instance make one
// line; one of two that is busy all the time makes a half.
func TestDCGMComputeInstances(t *testing.T) {
	b := newDCGMBench(t, dcgmInstance{"2g.48gb", 6, []int{1, 1}})
	for _, ci := range b.compute {
		if ci.SMs != 47 {
			t.Fatalf("the compute instance has %d SMs, want half of 94", ci.SMs)
		}
	}
	cfg := model.DeviceConfig{SMs: 47, Bandwidth: 800e9}
	b.run(b.compute["0/0"].UUID, cfg, model.Job{Work: 47 * 1000, Parallel: 47, Bytes: 80e12}) // 80 GB/s
	b.world.Advance(30 * time.Second)
	values := b.values(t)
	checkPart(t, "one busy", values, "DCGM_FI_PROF_GR_ENGINE_ACTIVE", map[string]float64{"0/0": 0.5, "1": 0})
	checkPart(t, "one busy", values, "DCGM_FI_PROF_SM_ACTIVE", map[string]float64{"0/0": 0.5, "1": 0})
	checkPart(t, "one busy", values, "DCGM_FI_PROF_DRAM_ACTIVE", map[string]float64{"0/0": 0.1, "1": 0})
	b.run(b.compute["0/1"].UUID, cfg, model.Job{Work: 47 * 1000, Parallel: 47})
	b.world.Advance(60 * time.Second)
	checkPart(t, "both busy", b.values(t), "DCGM_FI_PROF_GR_ENGINE_ACTIVE", map[string]float64{"0/0": 1, "1": 0})
}

// TestDCGMUnknown: what cannot be told has no line, and no 0.
func TestDCGMUnknown(t *testing.T) {
	b := newDCGMBench(t, dcgmInstance{"1g.24gb", 0, []int{1}}, dcgmInstance{"1g.24gb", 3, nil})
	b.run(b.compute["0/0"].UUID, model.DeviceConfig{SMs: 46, Bandwidth: math.Inf(1)}, model.Job{Work: 46, Parallel: 46, Bytes: 1e9})
	b.world.Advance(30 * time.Second)
	values := b.values(t)
	// Bandwidth without a limit has no share in use.
	checkPart(t, "no limit", values, "DCGM_FI_PROF_DRAM_ACTIVE", map[string]float64{"0/1": 0, "1": 0})
	checkPart(t, "no limit", values, "DCGM_FI_PROF_SM_ACTIVE", map[string]float64{"0/0": 1. / 30, "0/1": 0, "1": 0})
	// A GPU instance without compute instance has no device to ask.
	checkPart(t, "no compute instance", values, "DCGM_FI_DEV_FB_USED", map[string]float64{"0/0": 0, "1": 0})
	for key := range values {
		field, _, _ := strings.Cut(key, " ")
		for _, no := range []string{"POWER", "CLOCK", "TEMP", "OCCUPANCY", "TENSOR", "RESERVED", "PCIE"} {
			if strings.Contains(field, no) {
				t.Errorf("%s is on the page and not in the model", field)
			}
		}
	}
}

// TestDCGMLayoutChange: lines follow the layout, and what a device did before
// it was removed is in the next collection, and no longer.
func TestDCGMLayoutChange(t *testing.T) {
	b := newDCGMBench(t)
	whole := b.gpus[1].UUID
	cfg := model.DeviceConfig{SMs: 188, Bandwidth: 1600e9}
	const field = "DCGM_FI_PROF_GR_ENGINE_ACTIVE"
	// 3 s on a first device; 6 s on a second one in its place.
	remove := b.run(whole, cfg, model.Job{Work: 188 * 3, Parallel: 188})
	b.world.Advance(10 * time.Second)
	remove()
	remove = b.run(whole, cfg, model.Job{Work: 188 * 6, Parallel: 188})
	b.world.Advance(20 * time.Second)
	remove()
	b.world.Advance(30 * time.Second)
	// MIG without instances: the GPU has the line.
	checkPart(t, "removed", b.values(t), field, map[string]float64{"0": 0, "1": 0.3})
	if _, ret := b.cards.SetMIGMode(whole, true); ret != nvml.Success {
		t.Fatal(ret)
	}
	gi, err := b.cards.CreateGPUInstance(whole, 0, nvml.Placement{Start: 0, Size: 12}) // 4g.96gb
	must(t, err)
	_, err = b.cards.CreateComputeInstance(whole, gi.ID, nvml.Placement{Start: 0, Size: 4})
	must(t, err)
	b.world.Advance(60 * time.Second)
	checkPart(t, "MIG", b.values(t), field, map[string]float64{"0": 0, "1/0": 0})
	if len(b.devices) != 0 {
		t.Errorf("%d devices that are gone are still kept", len(b.devices))
	}
}

// TestDCGMAddsUp: over all intervals the page's ratios make the work that was
// done, however jobs and devices come and go.
func TestDCGMAddsUp(t *testing.T) {
	b := newDCGMBench(t)
	uuid := b.gpus[1].UUID
	entity := dcgmEntity{card: b.gpus[1]}
	rapid.Check(t, func(r *rapid.T) {
		var w model.World
		e := newDCGMExporter(dcgmConfig{server: "bench", interval: time.Second, cards: b.cards})
		e.start(&w)
		cfg := model.DeviceConfig{SMs: 188, Bandwidth: 1e12, Quantum: 2 * time.Millisecond, Switch: time.Millisecond}
		var want, got struct{ busy, sm, bytes float64 }
		add := func(seconds int) {
			for range seconds {
				w.Advance(w.Now().Truncate(time.Second) + time.Second)
				used := make(map[string]watchedDevice)
				if d := e.devices[uuid]; d != nil { // else forgotten
					used[uuid] = *d
				}
				a := entity.activity(used, e.interval, true)
				got.busy += a.engine
				got.sm += a.sm * 188
				got.bytes += a.dram * cfg.Bandwidth
			}
		}
		for range rapid.IntRange(1, 3).Draw(r, "devices") {
			d := w.AddDevice(cfg)
			e.watch(uuid, d, cfg)
			var processes []model.ProcessID
			for range rapid.IntRange(1, 3).Draw(r, "processes") {
				p := d.AddProcess(model.Client{Share: 1, MPS: rapid.Bool().Draw(r, "mps")})
				processes = append(processes, p)
				for range rapid.IntRange(0, 3).Draw(r, "jobs") {
					w.Submit(d, p, model.Job{Work: rapid.Float64Range(0, 300).Draw(r, "work"),
						Parallel: rapid.Float64Range(1, 200).Draw(r, "parallel"),
						Bytes:    rapid.Float64Range(0, 2e12).Draw(r, "bytes")}, func() {})
				}
			}
			add(rapid.IntRange(0, 5).Draw(r, "seconds"))
			w.Advance(w.Now() + 300*time.Millisecond)
			u := d.Usage(w.Now())
			want.busy, want.sm, want.bytes = want.busy+u.Busy.Seconds(), want.sm+u.SMSeconds, want.bytes+u.Bytes
			e.unwatch(uuid, w.Now())
			for _, p := range processes {
				d.RemoveProcess(w.Now(), p)
			}
			w.RemoveDevice(d)
		}
		add(1)
		near := func(name string, got, want float64) {
			if math.Abs(got-want) > 1e-6*(1+want) {
				r.Errorf("%s: the intervals make %v, the devices did %v", name, got, want)
			}
		}
		near("busy seconds", got.busy, want.busy)
		near("SM-seconds", got.sm, want.sm)
		near("bytes", got.bytes, want.bytes)
	})
}
