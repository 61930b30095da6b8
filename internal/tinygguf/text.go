package tinygguf

import (
	"errors"
	"fmt"
	"io"
)

// TextConfig is the shape of a text model. Every size must be above 0.
type TextConfig struct {
	Embedding   int // width of a token's vector; a multiple of 2×Heads
	Layers      int // transformer blocks
	Heads       int // attention heads; a multiple of KVHeads
	KVHeads     int // key/value heads
	FeedForward int // width within a block's feed-forward part
	Context     int // tokens that the model claims to have been trained for
	Seed        uint64
}

// SmallText is a model of about 0.5 MB that answers at once: for tests of
// protocols.
func SmallText() TextConfig {
	return TextConfig{Embedding: 64, Layers: 2, Heads: 4, KVHeads: 2, FeedForward: 128, Context: 4096, Seed: 1}
}

// MediumText is a model of about 18 MB that a shared machine can serve to
// several clients at once: for runs of a minute with many requests.
func MediumText() TextConfig {
	return TextConfig{Embedding: 256, Layers: 6, Heads: 8, KVHeads: 4, FeedForward: 704, Context: 8192, Seed: 1}
}

// LargeText is a model of about 96 MB that takes some ms for each token on one
// CPU thread: for tests in which requests must wait for each other.
func LargeText() TextConfig {
	return TextConfig{Embedding: 512, Layers: 8, Heads: 8, KVHeads: 4, FeedForward: 1408, Context: 8192, Seed: 1}
}

// Validate reports every fault of the shape at once, nil if it has none.
func (c TextConfig) Validate() error {
	err := positive(map[string]int{
		"embedding": c.Embedding, "layers": c.Layers, "heads": c.Heads, "kv heads": c.KVHeads,
		"feed forward": c.FeedForward, "context": c.Context,
	})
	if err != nil {
		return err
	}
	var faults []error
	if c.Embedding%(2*c.Heads) != 0 {
		faults = append(faults, fmt.Errorf("embedding %d is no multiple of twice the %d heads", c.Embedding, c.Heads))
	}
	if c.Heads%c.KVHeads != 0 {
		faults = append(faults, fmt.Errorf("%d heads are no multiple of %d kv heads", c.Heads, c.KVHeads))
	}
	return errors.Join(faults...)
}

// WriteText writes a llama-architecture model of c's shape with random weights
// to w. It can read text and, with a projector of the same embedding, images.
// Its chat template writes a message's content as it is, so that a server's
// image marker stays in its place.
func WriteText(w io.Writer, c TextConfig) error {
	if err := c.Validate(); err != nil {
		return fmt.Errorf("text model: %w", err)
	}
	v := newVocabulary()
	return file{pairs: textPairs(c, v), tensors: textTensors(c, len(v.pieces)), seed: c.Seed}.write(w)
}

// chatTemplate is ChatML's frame around each message.
const chatTemplate = `{% for m in messages %}<|im_start|>{{ m['role'] }}
{{ m['content'] }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`

func textPairs(c TextConfig, v vocabulary) []pair {
	return []pair{
		{"general.architecture", "llama"},
		{"general.name", "tiny-random-llama"},
		{"general.file_type", uint32(0)}, // all F32
		{"llama.context_length", uint32(c.Context)},
		{"llama.embedding_length", uint32(c.Embedding)},
		{"llama.block_count", uint32(c.Layers)},
		{"llama.feed_forward_length", uint32(c.FeedForward)},
		{"llama.attention.head_count", uint32(c.Heads)},
		{"llama.attention.head_count_kv", uint32(c.KVHeads)},
		{"llama.rope.dimension_count", uint32(c.Embedding / c.Heads)},
		{"llama.attention.layer_norm_rms_epsilon", float32(1e-5)},
		{"llama.vocab_size", uint32(len(v.pieces))},
		{"tokenizer.ggml.model", "llama"},
		{"tokenizer.ggml.tokens", v.pieces},
		{"tokenizer.ggml.scores", v.scores},
		{"tokenizer.ggml.token_type", v.types},
		{"tokenizer.ggml.unknown_token_id", uint32(unknownToken)},
		{"tokenizer.ggml.bos_token_id", uint32(beginToken)},
		{"tokenizer.ggml.eos_token_id", v.endOfTurn},
		{"tokenizer.ggml.add_bos_token", true},
		{"tokenizer.chat_template", chatTemplate},
	}
}

// weightScale keeps the activations of a deep random model in F32's range; any
// value of about 1 does.
const weightScale = 0.6

func textTensors(c TextConfig, vocabulary int) []tensor {
	e, kv := c.Embedding, c.Embedding/c.Heads*c.KVHeads
	matrix := func(name string, in, out int) tensor {
		return tensor{name, []int{in, out}, noise(weightScale, in)}
	}
	norm := func(name string) tensor { return tensor{name, []int{e}, ones()} }
	all := []tensor{
		matrix("token_embd.weight", e, vocabulary),
		norm("output_norm.weight"),
		matrix("output.weight", e, vocabulary),
	}
	for i := range c.Layers {
		block := fmt.Sprintf("blk.%d.", i)
		all = append(all,
			norm(block+"attn_norm.weight"),
			matrix(block+"attn_q.weight", e, e),
			matrix(block+"attn_k.weight", e, kv),
			matrix(block+"attn_v.weight", e, kv),
			matrix(block+"attn_output.weight", e, e),
			norm(block+"ffn_norm.weight"),
			matrix(block+"ffn_gate.weight", e, c.FeedForward),
			matrix(block+"ffn_up.weight", e, c.FeedForward),
			matrix(block+"ffn_down.weight", c.FeedForward, e),
		)
	}
	return all
}
