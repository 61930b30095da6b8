package parameters

import (
	"fmt"

	"github.com/evabench/evabench/sim/model"
)

// A Budget is how vLLM divides a device's memory.
type Budget struct {
	Bytes         uint64 // taken at the start
	ContextTokens int    // the most that a call may have (max_model_len)
	Config        model.EngineConfig
}

// largeDevice is from how much memory vLLM takes more at once.
const largeDevice = 70 << 30

// batch gives vLLM's defaults of max_num_seqs and max_num_batched_tokens for
// its server: they depend on the memory of the device (vllm/engine/arg_utils.py,
// get_batch_defaults), so that a slice of a large GPU has smaller ones.
func batch(deviceBytes uint64) (seqs, tokens int) {
	if deviceBytes >= largeDevice {
		return 1024, 8192
	}
	return 256, 2048
}

// Budget sizes the KV cache of an engine as vLLM does: the share use of the
// device's memory, 0 < use ≤ 1, less what the model takes before it. It also
// sets what the engine takes at once. context is max_model_len, 0 for the
// model's own or what fits: where vLLM would refuse to start with a model whose
// longest call does not fit, this bounds the calls. What cannot be is an error.
func (e EngineOn) Budget(deviceBytes uint64, use float64, context int) (Budget, error) {
	b := Budget{Bytes: uint64(use * float64(deviceBytes)), ContextTokens: context, Config: e.Config}
	b.Config.MaxSeqs, b.Config.MaxTokens = batch(deviceBytes)
	if b.Bytes > e.MemoryBytes {
		b.Config.KVBlocks = int(float64(b.Bytes-e.MemoryBytes) / e.KVBytes / float64(e.Config.BlockTokens))
	}
	if b.Config.KVBlocks < 1 {
		return b, fmt.Errorf("no available memory for the cache blocks: %s are needed before the cache, allowed are %s; "+
			"try a larger gpu_memory_utilization or device", GiB(e.MemoryBytes), GiB(b.Bytes))
	}
	tokens := b.Config.KVBlocks * e.Config.BlockTokens
	if context > tokens {
		return b, fmt.Errorf("max_model_len %d is more than the %d tokens that fit the KV cache", context, tokens)
	}
	if context == 0 {
		b.ContextTokens = min(e.ContextTokens, tokens)
	}
	return b, nil
}

// GiB writes a size for people.
func GiB(bytes uint64) string { return fmt.Sprintf("%.2f GiB", float64(bytes)/(1<<30)) }
