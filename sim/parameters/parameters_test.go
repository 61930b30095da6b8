package parameters

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/sim/model"
)

// keys are all names of numbers that there may be. A new one is added here by
// somebody who has asked: is it one of a GPU, a model or an engine, whatever
// shares the GPU? What MIG and MPS do must come out of the model.
var keys = map[reflect.Type][]string{
	reflect.TypeFor[Set]():    {"about", "fitted", "servers", "gpus", "detectors", "engines"},
	reflect.TypeFor[Server](): {"about", "cards", "cores"},
	reflect.TypeFor[GPU]():    {"note", "bandwidth_bytes_per_second", "bandwidth_share", "sm_speed", "sm_clock_hertz", "time_slice_seconds", "switch_seconds", "measured"},
	reflect.TypeFor[Detector](): {"note", "memory_gib", "host_before", "host_launch", "bursts", "host_after", "sm_seconds", "parallel_sms",
		"dram_bytes", "spread"},
	reflect.TypeFor[Engine](): {"note", "memory_gib", "kv_bytes_per_token", "weight_bytes_per_step", "context_tokens", "answer_tokens",
		"frontend_seconds", "frontend_seconds_per_image", "gap_seconds", "step_sm_seconds", "sequence_sm_seconds",
		"prompt_token_sm_seconds", "image_token_sm_seconds"},
}

// models are what numbers may be of, beside GPUs that NVML's fake knows.
var models = []string{"rt-detrv2", "owl-v2", "omdet", "llmdet", "classifier", "ocr", "qwen3-vl-8b"}

func TestNoParameterNamesAConfiguration(t *testing.T) {
	for kind, want := range keys {
		var got []string
		for i := range kind.NumField() {
			got = append(got, kind.Field(i).Tag.Get("json"))
		}
		slices.Sort(got)
		if want = slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
			t.Errorf("%v has the numbers %q, known are %q", kind, got, want)
		}
	}
	s := Default()
	for name := range s.Detectors {
		if !slices.Contains(models, name) {
			t.Errorf("detector %q is no known model", name)
		}
	}
	for name := range s.Engines {
		if !slices.Contains(models, name) {
			t.Errorf("engine %q is no known model", name)
		}
	}
	for _, path := range s.Fitted {
		if !has(tree(t, embedded), strings.Split(path, ".")) {
			t.Errorf("fitted is %q, which is no number", path)
		}
	}
	if len(s.Fitted) == 0 {
		t.Error("nothing is said to be fitted")
	}
}

// has reports whether a tree has a number at a path.
func has(v any, path []string) bool {
	if len(path) == 0 {
		_, number := v.(float64)
		return number
	}
	m, _ := v.(map[string]any)
	return m != nil && has(m[path[0]], path[1:])
}

func tree(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// A slice is so many SMs and a share of the bandwidth, and nothing else of it
// differs from the whole GPU.
func TestDeviceIsLinear(t *testing.T) {
	for name, g := range Default().GPUs {
		whole, err := Default().Device(name, 100, 1)
		if err != nil {
			t.Fatal(err)
		}
		want := model.DeviceConfig{SMs: 100, Bandwidth: g.Bandwidth * g.BandwidthShare, Quantum: whole.Quantum, Switch: whole.Switch}
		for _, part := range []struct {
			sms   int
			share float64
		}{{100, 1}, {50, 1}, {25, 0.25}, {100, 0.5}} {
			got, err := Default().Device(name, part.sms, part.share)
			if err != nil {
				t.Fatal(err)
			}
			want.SMs, want.Bandwidth = float64(part.sms), g.Bandwidth*g.BandwidthShare*part.share
			if got != want {
				t.Errorf("%s, %+v: %+v, want %+v", name, part, got, want)
			}
		}
	}
}

// Work is told for an SM of speed 1; a GPU of twice the speed has half of it.
func TestSpeedDividesWork(t *testing.T) {
	s := Default()
	const gpu = "NVIDIA RTX PRO 6000 Blackwell Server Edition"
	s.GPUs[gpu].SMSpeed = 2
	d, err := s.DetectorOn(gpu, "owl-v2")
	if err != nil {
		t.Fatal(err)
	}
	if want := s.Detectors["owl-v2"].Work / 2; d.Config.Job.Work != want || d.Config.Job.Bytes != s.Detectors["owl-v2"].Bytes {
		t.Errorf("job %+v, want work %v", d.Config.Job, want)
	}
	e, err := s.EngineOn(gpu, "qwen3-vl-8b")
	if err != nil {
		t.Fatal(err)
	}
	of := s.Engines["qwen3-vl-8b"]
	if c := e.Config; c.PerToken != of.PerToken/2 || c.PerImageToken != of.PerImageToken/2 || c.Base != of.Base/2 || c.PerSequence != of.PerSequence/2 ||
		c.WeightBytes != of.WeightBytes || c.Gap != time.Duration(of.Gap*float64(time.Second)) {
		t.Errorf("engine %+v of %+v", c, of)
	}
}

// By hand: tokens of texts and images, and answers about their median.
func TestTokens(t *testing.T) {
	if a, b, c := TextTokens(0), TextTokens(1), TextTokens(8); a != 0 || b != 1 || c != 2 {
		t.Errorf("texts of 0, 1, 8 bytes make %d, %d, %d tokens", a, b, c)
	}
	if got := ImageTokens(1280, 720); got != 40*23 {
		t.Errorf("1280 x 720 makes %d tokens, want 40 x 23", got)
	}
	var below, within int
	const n = 20_000
	for seed := range uint64(n) {
		a := AnswerTokens(seed, 1000)
		if a < 1000 {
			below++
		}
		if a > 607 && a < 1649 { // one standard deviation of the logarithm, 0.5, to both sides
			within++
		}
	}
	if share := float64(below) / n; math.Abs(share-0.5) > 0.02 {
		t.Errorf("%.3f of the answers are shorter than the median", share)
	}
	if share := float64(within) / n; math.Abs(share-0.683) > 0.02 {
		t.Errorf("%.3f of the answers are within one standard deviation, want 0.683", share)
	}
}

// Every key is a GPU that can be simulated or a model; every number is one.
func TestParametersAreWhole(t *testing.T) {
	s := Default()
	for name, v := range s.Servers {
		measured := true
		for _, card := range v.Cards {
			measured = measured && s.GPUs[card] != nil && s.GPUs[card].Measured
		}
		if measured != strings.Contains(v.About, "(fitted to") || measured == strings.Contains(v.About, "(predictions only") {
			t.Errorf("server %s: %q, measured: %v", name, v.About, measured)
		}
		if v.Cores < 1 || len(v.Cards) == 0 || v.About == "" {
			t.Errorf("server %s: %+v", name, v)
		}
		for _, card := range v.Cards {
			if _, ok := s.GPUs[card]; !ok {
				t.Errorf("server %s has a %s, of which nothing is known", name, card)
			}
		}
	}
	var cards []string
	for name, g := range s.GPUs {
		cards = append(cards, name)
		if !(g.Bandwidth > 1e11 && g.Bandwidth < 1e14) || !(g.BandwidthShare > 0 && g.BandwidthShare <= 1) || !(g.SMSpeed > 0) ||
			!(g.TimeSlice > 0) || !(g.Switch >= 0) || g.Note == "" {
			t.Errorf("GPU %s: %+v", name, g)
		}
		for model := range s.Detectors {
			if _, err := s.DetectorOn(name, model); err != nil {
				t.Error(err)
			}
		}
		for model := range s.Engines {
			if _, err := s.EngineOn(name, model); err != nil {
				t.Error(err)
			}
		}
	}
	if err := nvml.CreateFake(t.TempDir()+"/cards.json", cards); err != nil {
		t.Errorf("a GPU with parameters cannot be simulated: %v", err)
	}
	for name, d := range s.Detectors {
		if !(d.Work > 0 && d.Parallel > 0 && d.MemoryGiB > 0 && d.Before > 0 && d.Bursts > 0) || d.Note == "" {
			t.Errorf("detector %s: %+v", name, d)
		}
	}
	for name, e := range s.Engines {
		if !(e.MemoryGiB > 0 && e.KVBytes > 0 && e.WeightBytes > 0 && e.PerToken > 0 && e.ContextTokens > 0) || e.Note == "" {
			t.Errorf("engine %s: %+v", name, e)
		}
	}
}

func TestUnknownNames(t *testing.T) {
	s := Default()
	_, device := s.Device("GTX 1", 10, 1)
	_, detector := s.DetectorOn("NVIDIA H100 80GB SXM5", "yolo")
	_, engine := s.EngineOn("GTX 1", "qwen3-vl-8b")
	_, server := s.Server("laptop")
	for _, err := range []error{device, detector, engine, server} {
		if err == nil || !strings.Contains(err.Error(), "known:") {
			t.Errorf("%v does not tell what is known", err)
		}
	}
	if _, err := Read([]byte(`{"gpu": {}}`)); err == nil {
		t.Error("an unknown name was read")
	}
}

// A quarter of the memory holds fewer tokens; too little holds none and says
// so.
func TestBudget(t *testing.T) {
	e, err := Default().EngineOn("NVIDIA RTX PRO 6000 Blackwell Server Edition", "qwen3-vl-8b")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := e.Budget(96<<30, 0.9, 0)
	if err != nil {
		t.Fatal(err)
	}
	slice, err := e.Budget(24<<30, 0.9, 8192)
	if err != nil {
		t.Fatal(err)
	}
	if slice.Config.KVBlocks >= whole.Config.KVBlocks || slice.ContextTokens != 8192 || whole.ContextTokens != e.ContextTokens {
		t.Errorf("whole GPU %+v, slice %+v", whole, slice)
	}
	if whole.Config.MaxTokens != 8192 || slice.Config.MaxTokens != 2048 {
		t.Errorf("a step takes %d tokens on the whole GPU, %d on the slice", whole.Config.MaxTokens, slice.Config.MaxTokens)
	}
	if used := uint64(slice.Config.KVBlocks*slice.Config.BlockTokens)*uint64(e.KVBytes) + e.MemoryBytes; used > slice.Bytes {
		t.Errorf("%d bytes are used of %d", used, slice.Bytes)
	}
	for _, bad := range []func() (Budget, error){
		func() (Budget, error) { return e.Budget(8<<30, 0.9, 0) },
		func() (Budget, error) { return e.Budget(e.MemoryBytes+1000, 1, 0) },
		func() (Budget, error) { return e.Budget(24<<30, 0.9, 1<<20) },
	} {
		if _, err := bad(); err == nil || !strings.Contains(err.Error(), "cache") {
			t.Errorf("%v", err)
		}
	}
}
