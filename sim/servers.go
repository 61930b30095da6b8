package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/sim/model"
)

// ServerInfo tells what a simulated server is.
type ServerInfo struct {
	Name  string   // as users type it
	About string   // one line, with what its numbers rest on
	Cards []string // the GPUs by product name, in order
}

// Servers lists the simulated servers, sorted by name. The caller owns it.
func Servers() []ServerInfo {
	return []ServerInfo{
		{Name: "pro5000x3", About: "3 x RTX PRO 5000 Blackwell 48 GB (uncalibrated: plausible numbers, not fitted to measurements)",
			Cards: []string{pro5000, pro5000, pro5000}},
		{Name: "pro6000x1", About: "1 x RTX PRO 6000 Blackwell Server Edition 96 GB (uncalibrated: plausible numbers, not fitted to measurements)",
			Cards: []string{pro6000}},
	}
}

func findServer(name string) (ServerInfo, error) {
	var known []string
	for _, s := range Servers() {
		if s.Name == name {
			return s, nil
		}
		known = append(known, s.Name)
	}
	return ServerInfo{}, fmt.Errorf("unknown simulated server %q; known: %s", name, strings.Join(known, ", "))
}

const (
	pro5000 = "NVIDIA RTX PRO 5000 Blackwell 48GB"
	pro6000 = "NVIDIA RTX PRO 6000 Blackwell Server Edition"
)

const gib = 1 << 30

// turns is how time-slicing goes on the simulated GPUs. Uncalibrated: the
// driver's default slice is about 2 ms, and a switch is told to cost some
// hundred microseconds.
func turns(sms int) model.DeviceConfig {
	return model.DeviceConfig{SMs: float64(sms), Quantum: 2 * time.Millisecond, Switch: 150 * time.Microsecond}
}

// A detectorModel is a detection model on a GPU.
type detectorModel struct {
	memoryBytes uint64 // of one worker
	config      model.DetectorConfig
}

// detectorModels are the detectors that EVA names. Their work is told in
// SM-seconds of the Blackwell generation, which its cards share. Uncalibrated.
func detectorModels() map[string]detectorModel {
	entry := func(memory float64, before, gpu, after time.Duration, sms float64) detectorModel {
		return detectorModel{memoryBytes: uint64(memory * gib), config: model.DetectorConfig{
			Before: before, After: after, Spread: 0.1,
			Job: model.Job{Work: gpu.Seconds() * sms, Parallel: sms},
		}}
	}
	const ms = time.Millisecond
	return map[string]detectorModel{
		// memory in GiB, host before, GPU time on the SMs that it can use, host after, those SMs
		"rt-detrv2": entry(1.2, 8*ms, 20*ms, 3*ms, 70),
		"owl-v2":    entry(2.0, 10*ms, 45*ms, 4*ms, 110),
		"omdet":     entry(1.6, 8*ms, 15*ms, 3*ms, 60),
		"llmdet":    entry(2.4, 12*ms, 70*ms, 5*ms, 120),
	}
}

// An engineModel is a vision language model on a GPU.
type engineModel struct {
	weightsBytes  uint64 // weights and activations
	kvBytes       uint64 // of one token
	contextTokens int    // the most that the model takes
	answerTokens  float64
	config        model.EngineConfig
}

// engineModels are the language models by GPU and name. A decode step reads
// all weights, so that Base follows the card's memory bandwidth; a step can
// use the whole card. Uncalibrated.
func engineModels(gpu string) map[string]engineModel {
	// Base is in seconds of the whole card.
	entry := func(sms, base float64) map[string]engineModel {
		return map[string]engineModel{
			"qwen3-vl-8b": {
				weightsBytes: 19 * gib,
				// 36 layers x 8 heads x 128 x (key + value) x 2 bytes.
				kvBytes: 36 * 8 * 128 * 2 * 2, contextTokens: 32768, answerTokens: 64,
				config: model.EngineConfig{
					MaxSeqs: 256, MaxTokens: 4096,
					Frontend: 2 * time.Millisecond, ImageFrontend: 8 * time.Millisecond, Gap: 2 * time.Millisecond,
					Base: base * sms, PerSequence: 0.0376, PerToken: 0.012, PerImageToken: 0.0085, Parallel: sms,
				},
			},
		}
	}
	switch gpu {
	case pro6000:
		return entry(188, 0.018)
	case pro5000:
		return entry(110, 0.0214)
	}
	return nil
}

// names lists a table's names for an error.
func names[T any](table map[string]T) string {
	return strings.Join(slices.Sorted(maps.Keys(table)), ", ")
}
