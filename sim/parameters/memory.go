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

// Budget sizes the KV cache of an engine as vLLM does: the share use of the
// device's memory, 0 < use ≤ 1, less what the model takes before it. context
// is max_model_len, 0 for the model's own or what fits. What does not fit is
// an error in vLLM's words.
func (e EngineOn) Budget(deviceBytes uint64, use float64, context int) (Budget, error) {
	b := Budget{Bytes: uint64(use * float64(deviceBytes)), ContextTokens: context, Config: e.Config}
	if b.Bytes <= e.MemoryBytes {
		return b, fmt.Errorf("CUDA out of memory: no available memory for the cache blocks: %s are needed before the cache, allowed are %s",
			GiB(e.MemoryBytes), GiB(b.Bytes))
	}
	b.Config.KVBlocks = int(float64(b.Bytes-e.MemoryBytes) / e.KVBytes / float64(e.Config.BlockTokens))
	tokens := b.Config.KVBlocks * e.Config.BlockTokens
	if context > tokens {
		return b, fmt.Errorf("CUDA out of memory: max_model_len %d is more than the %d tokens that fit the KV cache", context, tokens)
	}
	if context == 0 {
		b.ContextTokens = min(e.ContextTokens, tokens)
	}
	return b, nil
}

// GiB writes a size for people.
func GiB(bytes uint64) string { return fmt.Sprintf("%.2f GiB", float64(bytes)/(1<<30)) }
