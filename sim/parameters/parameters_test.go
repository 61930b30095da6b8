package parameters

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/nvml"
)

// forbidden is what would make a parameter one of a configuration instead of a
// GPU, a model or an engine.
var forbidden = regexp.MustCompile(`(?i)\bmig\b|\bmps\b|mig_|mps_|_mig|_mps|layout|placement|sharing|profile|instance|partition|\d+g\.\d+gb|\b(off|\d+x\S+)-(ts|mps)\b|time.?slicing`)

// faults walks parameters and gives the names that must not be there. Words
// of people (note, about) are free.
func faults(path string, v any) []string {
	var all []string
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if name == "note" || name == "about" {
				continue
			}
			if forbidden.MatchString(name) {
				all = append(all, path+"."+name)
			}
			all = append(all, faults(path+"."+name, inner)...)
		}
	case []any:
		for i, inner := range v {
			all = append(all, faults(fmt.Sprintf("%s[%d]", path, i), inner)...)
		}
	case string:
		if forbidden.MatchString(v) {
			all = append(all, path+": "+v)
		}
	}
	return all
}

func tree(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// What MIG and MPS do must come out of the model: no parameter may be keyed by
// a configuration.
func TestNoParameterNamesAConfiguration(t *testing.T) {
	for _, f := range faults("", tree(t, embedded)) {
		t.Errorf("a parameter depends on how the GPU is shared: %s", f)
	}
	for _, bad := range []string{
		`{"gpus": {"X": {"mps_gain": 1.2}}}`, `{"detectors": {"owl-v2": {"4x1g.24gb": 1}}}`, `{"engines": {"q": {"work_on": {"off-mps": 1}}}}`,
		`{"fitted": ["gpus.X.mig"]}`, `{"gpus": {"X": {"time_slicing": 1}}}`,
	} {
		if len(faults("", tree(t, []byte(bad)))) == 0 {
			t.Errorf("%s was not found", bad)
		}
	}
}

// Every key is a GPU that can be simulated or a model; every number is one.
func TestParametersAreWhole(t *testing.T) {
	s := Default()
	for name, v := range s.Servers {
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
		for gpu := range e.WorkOn {
			if !slices.Contains(cards, gpu) {
				t.Errorf("engine %s: work on %q, which is no GPU", name, gpu)
			}
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
// so in vLLM's words.
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
	if used := uint64(slice.Config.KVBlocks*slice.Config.BlockTokens)*uint64(e.KVBytes) + e.MemoryBytes; used > slice.Bytes {
		t.Errorf("%d bytes are used of %d", used, slice.Bytes)
	}
	for _, bad := range []func() (Budget, error){
		func() (Budget, error) { return e.Budget(8<<30, 0.9, 0) },
		func() (Budget, error) { return e.Budget(24<<30, 0.9, 1<<20) },
	} {
		if _, err := bad(); err == nil || !strings.Contains(err.Error(), "CUDA out of memory") {
			t.Errorf("%v", err)
		}
	}
}
