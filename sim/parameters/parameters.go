// Package parameters is what the simulated hardware and software are: numbers
// keyed by GPU, by model and by engine, and by nothing else. What MIG, MPS or a
// placement does must come out of package model.
//
// The numbers stand in parameters.json. Those that its list "fitted" names were
// fitted to published measurements by the program in sim/fit; the others were
// read in public documents or assumed, as each entry's note says.
package parameters

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/sim/model"
)

//go:embed parameters.json
var embedded []byte

// A Set is all parameters. It is data: whoever has one may change it.
type Set struct {
	About string `json:"about"`
	// Fitted names the numbers that were fitted to published measurements, as
	// paths: "gpus.NAME.sm_speed".
	Fitted    []string             `json:"fitted"`
	Servers   map[string]Server    `json:"servers"`   // by the name that users type
	GPUs      map[string]*GPU      `json:"gpus"`      // by product name
	Detectors map[string]*Detector `json:"detectors"` // by model name
	Engines   map[string]*Engine   `json:"engines"`   // by model name
}

// A Server is a machine that can be simulated.
type Server struct {
	About string   `json:"about"` // one line, with what its numbers rest on
	Cards []string `json:"cards"` // the GPUs by product name, in order
	Cores int      `json:"cores"` // of the host's CPU
}

// Server gives a server by its name.
func (s Set) Server(name string) (Server, error) {
	v, ok := s.Servers[name]
	if !ok {
		return v, fmt.Errorf("unknown simulated server %q; known: %s", name, names(s.Servers))
	}
	return v, nil
}

// A GPU is one product.
type GPU struct {
	Note string `json:"note"` // what the numbers rest on
	// Bandwidth is the memory's, in bytes a second, as published.
	Bandwidth float64 `json:"bandwidth_bytes_per_second"`
	// BandwidthShare is the part of it that kernels reach, 0 to 1.
	BandwidthShare float64 `json:"bandwidth_share"`
	// SMSpeed is how much work an SM does against one of the RTX PRO 5000's.
	SMSpeed float64 `json:"sm_speed"`
	// SMClock is the clock of its SMs, in Hz, at which they have that speed. It is told,
	// and nothing is computed from it.
	SMClock float64 `json:"sm_clock_hertz"`
	// TimeSlice is how long a process keeps the GPU while others wait, and
	// Switch how long the GPU stands still in between, in seconds.
	TimeSlice float64 `json:"time_slice_seconds"`
	Switch    float64 `json:"switch_seconds"`
	// Measured is whether measurements on this GPU were published and fitted.
	Measured bool `json:"measured"`
}

// A Detector is a detection model's worker process. Times are in seconds, GPU
// work in SM-seconds of an RTX PRO 5000.
type Detector struct {
	Note      string  `json:"note"`
	MemoryGiB float64 `json:"memory_gib"`  // of one worker
	Before    float64 `json:"host_before"` // decode, resize
	Launch    float64 `json:"host_launch"` // of each burst of kernels
	Bursts    int     `json:"bursts"`      // of one image
	After     float64 `json:"host_after"`  // boxes and JSON
	Work      float64 `json:"sm_seconds"`  // of one image
	Parallel  float64 `json:"parallel_sms"`
	Bytes     float64 `json:"dram_bytes"` // of one image
	Spread    float64 `json:"spread"`     // standard deviation of the work's logarithm
}

// An Engine is a language model in vLLM. Work is in SM-seconds of an RTX PRO
// 5000.
type Engine struct {
	Note string `json:"note"`
	// MemoryGiB is weights, activations and graphs; KVBytes one token's cache.
	MemoryGiB     float64 `json:"memory_gib"`
	KVBytes       float64 `json:"kv_bytes_per_token"`
	WeightBytes   float64 `json:"weight_bytes_per_step"`
	ContextTokens int     `json:"context_tokens"`
	// AnswerTokens is the median length of an answer that nothing cuts.
	AnswerTokens float64 `json:"answer_tokens"`
	Frontend     float64 `json:"frontend_seconds"`
	PerImage     float64 `json:"frontend_seconds_per_image"`
	Gap          float64 `json:"gap_seconds"` // the host's, between steps

	Base          float64 `json:"step_sm_seconds"`
	PerSequence   float64 `json:"sequence_sm_seconds"`
	PerToken      float64 `json:"prompt_token_sm_seconds"`
	PerImageToken float64 `json:"image_token_sm_seconds"`
}

// Default gives the parameters that the program was built with. The caller
// owns them.
func Default() Set {
	s, err := Read(embedded)
	if err != nil {
		panic(err) // a test reads them
	}
	return s
}

// Read reads parameters; a name that it does not know is an error.
func Read(data []byte) (s Set, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, fmt.Errorf("read parameters: %w", err)
	}
	return s, nil
}

// Device gives the model of a device: so many SMs of a GPU, and a share of its
// memory bandwidth, 0 < share ≤ 1.
func (s Set) Device(gpu string, sms int, share float64) (model.DeviceConfig, error) {
	g, ok := s.GPUs[gpu]
	if !ok {
		return model.DeviceConfig{}, fmt.Errorf("nothing is known of how fast a %s is; known: %s", gpu, names(s.GPUs))
	}
	return model.DeviceConfig{
		SMs: float64(sms), Bandwidth: g.Bandwidth * g.BandwidthShare * share,
		Quantum: seconds(g.TimeSlice), Switch: seconds(g.Switch),
	}, nil
}

// A DetectorOn is a detector on a GPU: one worker, no queue, no batching.
type DetectorOn struct {
	MemoryBytes uint64 // of one worker
	Config      model.DetectorConfig
}

// DetectorOn gives a detection model on a GPU.
func (s Set) DetectorOn(gpu, name string) (DetectorOn, error) {
	d, ok := s.Detectors[name]
	if !ok {
		return DetectorOn{}, fmt.Errorf("unknown model %q; known: %s", name, names(s.Detectors))
	}
	g, ok := s.GPUs[gpu]
	if !ok {
		return DetectorOn{}, fmt.Errorf("nothing is known of how fast %s is on a %s; known: %s", name, gpu, names(s.GPUs))
	}
	return DetectorOn{
		MemoryBytes: uint64(d.MemoryGiB * (1 << 30)),
		Config: model.DetectorConfig{
			Workers: 1, BatchSize: 1, Before: seconds(d.Before), After: seconds(d.After), Launch: seconds(d.Launch), Bursts: d.Bursts, Spread: d.Spread,
			Job: model.Job{Work: d.Work / g.SMSpeed, Parallel: d.Parallel, Bytes: d.Bytes},
		},
	}, nil
}

// An EngineOn is a language model on a GPU, without what Budget decides.
type EngineOn struct {
	MemoryBytes   uint64  // before the KV cache
	KVBytes       float64 // of one token
	ContextTokens int     // the most that the model takes
	AnswerTokens  float64 // median
	Config        model.EngineConfig
}

// What the servers take unless they are told otherwise.
const (
	JobQueue  = 100 // requests that wait for a model (TorchServe's job_queue_size)
	MemoryUse = 0.9 // share of a device's memory (vLLM's gpu_memory_utilization)
)

// blockTokens is vLLM's default block_size.
const blockTokens = 16

// EngineOn gives a language model on a GPU.
func (s Set) EngineOn(gpu, name string) (EngineOn, error) {
	e, ok := s.Engines[name]
	if !ok {
		return EngineOn{}, fmt.Errorf("unknown model %q; an agent instance serves one of: %s", name, names(s.Engines))
	}
	g, ok := s.GPUs[gpu]
	if !ok {
		return EngineOn{}, fmt.Errorf("nothing is known of how fast %s is on a %s; known: %s", name, gpu, names(s.GPUs))
	}
	k := 1 / g.SMSpeed
	return EngineOn{
		MemoryBytes: uint64(e.MemoryGiB * (1 << 30)), KVBytes: e.KVBytes,
		ContextTokens: e.ContextTokens, AnswerTokens: e.AnswerTokens,
		Config: model.EngineConfig{
			BlockTokens: blockTokens,
			Frontend:    seconds(e.Frontend), ImageFrontend: seconds(e.PerImage), Gap: seconds(e.Gap),
			Base: e.Base * k, PerSequence: e.PerSequence * k, PerToken: e.PerToken * k, PerImageToken: e.PerImageToken * k,
			Parallel: everySM, WeightBytes: e.WeightBytes, KVBytes: e.KVBytes, PrefixCache: true,
		},
	}, nil
}

// everySM is more SMs than any GPU has: a step of a language model can use all.
const everySM = 1 << 16

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func names[T any](table map[string]T) string {
	return strings.Join(slices.Sorted(maps.Keys(table)), ", ")
}
