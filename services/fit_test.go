package services

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/internal/device"
)

const gib = 1 << 30

// slice is a MIG device with 23.625 GiB, as 1g.24gb of an RTX PRO 6000 has.
func slice(gi int) device.Device {
	return device.Device{
		UUID: fmt.Sprint("MIG-", gi), GPU: "GPU-0", Name: "gpu0/1g.24gb@0", MemoryBytes: 23.625 * gib,
		Instance: &device.Instance{GI: gi, Profile: "1g.24gb"},
	}
}

// The arithmetic, worked out by hand: 2 x 3 = 6 GiB, 90 % of 23.625 = 21.2625 GiB,
// together 27.2625, which is 3.6375 more than there is.
func TestFitShowsArithmetic(t *testing.T) {
	owl := Model{Name: "owl-v2", Workers: 2, Memory: Memory{Bytes: 3 * gib}}
	vlm := Model{Name: "qwen3-vl-8b", Workers: 1, Memory: Memory{Share: 0.9}}
	rare := Model{Name: "llmdet", Workers: 1}
	limited := slice(3)
	limited.Sharing = device.Sharing{Mode: device.MPS, MemoryLimitBytes: 2 * gib}
	whole := device.Device{UUID: "GPU-0", Name: "gpu0", MemoryBytes: 8 * gib}
	on := func(d device.Device, service string, models ...Model) Instance {
		return Instance{Service: service, Device: d, Models: models}
	}
	for _, c := range []struct {
		name      string
		instances []Instance
		text, err string
	}{
		{"too much", []Instance{on(slice(1), "vision", owl), on(slice(1), "agent", vlm)},
			"gpu0/1g.24gb@0 (23.6 GiB): owl-v2 2 x 3.0 GiB = 6.0 GiB + qwen3-vl-8b 1 x 90 % = 21.3 GiB; together 27.3 GiB, 3.6 GiB too much",
			"vision and agent do not fit on gpu0/1g.24gb@0 (23.6 GiB): owl-v2 2 x 3.0 GiB = 6.0 GiB + qwen3-vl-8b 1 x 90 % = 21.3 GiB; together 27.3 GiB, 3.6 GiB too much; fewer workers, a larger slice, or a lower gpu-memory-utilization"},
		{"enough", []Instance{on(slice(1), "agent", vlm)},
			"gpu0/1g.24gb@0 (23.6 GiB): qwen3-vl-8b 1 x 90 % = 21.3 GiB; together 21.3 GiB, 2.4 GiB left", ""},
		{"instances of one service are added", []Instance{on(whole, "vision", owl), on(whole, "vision", owl)},
			"gpu0 (8.0 GiB): owl-v2 4 x 3.0 GiB = 12.0 GiB; together 12.0 GiB, 4.0 GiB too much",
			"vision does not fit on gpu0 (8.0 GiB): owl-v2 4 x 3.0 GiB = 12.0 GiB; together 12.0 GiB, 4.0 GiB too much; fewer workers, or another placement"},
		{"what is unknown is no zero", []Instance{on(slice(1), "vision", owl, rare)},
			"gpu0/1g.24gb@0 (23.6 GiB): owl-v2 2 x 3.0 GiB = 6.0 GiB (what 1 x llmdet takes is unknown, and not counted); together 6.0 GiB, 17.6 GiB left for the rest", ""},
		{"all unknown", []Instance{on(slice(1), "vision", rare)},
			"gpu0/1g.24gb@0 (23.6 GiB): what 1 x llmdet takes is unknown", ""},
		{"more than a client of MPS may have", []Instance{on(limited, "vision", owl)},
			"gpu0/1g.24gb@0 (23.6 GiB): owl-v2 2 x 3.0 GiB = 6.0 GiB; together 6.0 GiB, 17.6 GiB left",
			"owl-v2 of vision does not fit on gpu0/1g.24gb@0: a process of it needs 3.0 GiB, and mps:2G allows each 2.0 GiB, 1.0 GiB too little; a higher limit, or a smaller model"},
	} {
		fits := Fits(c.instances)
		if len(fits) != 1 {
			t.Errorf("%s: %d devices, want 1", c.name, len(fits))
			continue
		}
		if got := fits[0].String(); got != c.text {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.text)
		}
		got := ""
		if err := fits[0].Err(); err != nil {
			got = err.Error()
		}
		if got != c.err {
			t.Errorf("%s: fault\n got %s\nwant %s", c.name, got, c.err)
		}
	}
}

// A limit is met exactly: one byte more does not fit.
func TestFitAtTheLimit(t *testing.T) {
	for more, want := range []bool{true, false} {
		d := device.Device{UUID: "d", Name: "gpu0", MemoryBytes: 8 * gib}
		f := Fits([]Instance{{Device: d, Models: []Model{{Name: "m", Workers: 2, Memory: Memory{Bytes: uint64(4*gib + more)}}}}})
		if err := f[0].Err(); (err == nil) != want {
			t.Errorf("2 x (4 GiB + %d B) on 8 GiB: %v", more, err)
		} else if err != nil && !strings.Contains(err.Error(), "1 MiB too much") {
			t.Errorf("%v: what is too much is told as nothing", err)
		}
	}
}

// Compute instances of one GPU instance share its memory; slices of one GPU do not.
func TestFitKnowsSharedMemory(t *testing.T) {
	m := []Model{{Name: "m", Workers: 1, Memory: Memory{Share: 0.6}}}
	first, second := slice(1), slice(1)
	second.UUID = "MIG-1-1"
	if f := Fits([]Instance{{Device: first, Models: m}, {Device: second, Models: m}}); len(f) != 1 || f[0].Err() == nil {
		t.Errorf("two compute instances of one GPU instance: %v", f)
	}
	if f := Fits([]Instance{{Device: slice(1), Models: m}, {Device: slice(2), Models: m}}); len(f) != 2 || f[0].Err() != nil || f[1].Err() != nil {
		t.Errorf("two slices: %v", f)
	}
	if f := Fits([]Instance{{Models: m}, {Device: device.Device{UUID: "unknown"}, Models: m}}); len(f) != 0 {
		t.Errorf("no device, and one of unknown memory: %v", f)
	}
}

// What fits still fits with less, and the order of instances does not matter.
func TestFitIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := device.Device{UUID: "d", Name: "gpu0", MemoryBytes: 96 * gib}
		draw := rapid.Custom(func(t *rapid.T) Instance {
			return Instance{Service: rapid.SampledFrom([]string{"v", "a"}).Draw(t, "service"), Device: d, Models: []Model{{
				Name: rapid.SampledFrom([]string{"m", "n"}).Draw(t, "model"), Workers: rapid.IntRange(1, 8).Draw(t, "workers"),
				Memory: Memory{Bytes: rapid.Uint64Range(0, 8*gib).Draw(t, "bytes")},
			}}}
		})
		all := rapid.SliceOfN(draw, 1, 6).Draw(t, "instances")
		fault := func(all []Instance) bool { return Fits(all)[0].Err() != nil }
		sum := 0.0
		for _, i := range all {
			sum += float64(i.Models[0].Workers) * float64(i.Models[0].Memory.Bytes)
		}
		if fault(all) != (sum > 96*gib) {
			t.Fatalf("%v bytes of 96 GiB: fault %v", sum, fault(all))
		}
		if fault(rapid.Permutation(all).Draw(t, "order")) != fault(all) {
			t.Fatal("the order matters")
		}
		if len(all) > 1 && fault(all[1:]) && !fault(all) {
			t.Fatal("more fits where less does not")
		}
	})
}
