package tinygguf

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// ProjectorConfig is the shape of a vision tower with an MLP projector, as in
// LLaVA. Every size must be above 0.
type ProjectorConfig struct {
	TextEmbedding int // of the text model that it goes with
	ImageSize     int // side of the square that an image is scaled to, in pixels
	PatchSize     int // side of a patch in pixels; divides ImageSize
	Embedding     int // width of a patch's vector; a multiple of Heads
	Layers        int
	Heads         int
	FeedForward   int
	Seed          uint64
}

// SmallProjector goes with [SmallText]; an image costs 64 tokens.
func SmallProjector() ProjectorConfig {
	return ProjectorConfig{
		TextEmbedding: SmallText().Embedding, ImageSize: 112, PatchSize: 14,
		Embedding: 64, Layers: 2, Heads: 4, FeedForward: 128, Seed: 2,
	}
}

// MediumProjector goes with [MediumText]; an image costs 256 tokens.
func MediumProjector() ProjectorConfig {
	return ProjectorConfig{
		TextEmbedding: MediumText().Embedding, ImageSize: 224, PatchSize: 14,
		Embedding: 128, Layers: 3, Heads: 4, FeedForward: 256, Seed: 2,
	}
}

// LargeProjector goes with [LargeText]; an image costs 256 tokens. It is about
// 11 MB.
func LargeProjector() ProjectorConfig {
	return ProjectorConfig{
		TextEmbedding: LargeText().Embedding, ImageSize: 224, PatchSize: 14,
		Embedding: 256, Layers: 4, Heads: 4, FeedForward: 512, Seed: 2,
	}
}

// Tokens is how many tokens an image costs: one for each patch.
func (c ProjectorConfig) Tokens() int {
	side := c.ImageSize / c.PatchSize
	return side * side
}

// Validate reports every fault of the shape at once, nil if it has none.
func (c ProjectorConfig) Validate() error {
	err := positive(map[string]int{
		"text embedding": c.TextEmbedding, "image size": c.ImageSize, "patch size": c.PatchSize,
		"embedding": c.Embedding, "layers": c.Layers, "heads": c.Heads, "feed forward": c.FeedForward,
	})
	if err != nil {
		return err
	}
	var faults []error
	if c.ImageSize%c.PatchSize != 0 {
		faults = append(faults, fmt.Errorf("image size %d is no multiple of patch size %d", c.ImageSize, c.PatchSize))
	}
	if c.Embedding%c.Heads != 0 {
		faults = append(faults, fmt.Errorf("embedding %d is no multiple of %d heads", c.Embedding, c.Heads))
	}
	return errors.Join(faults...)
}

// positive reports which of the named sizes are below 1, in the order of
// their names.
func positive(sizes map[string]int) error {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		if sizes[name] < 1 {
			faults = append(faults, fmt.Errorf("%s is %d, want at least 1", name, sizes[name]))
		}
	}
	return errors.Join(faults...)
}

// WriteProjector writes a vision projector of c's shape with random weights to
// w, in the form that llama-server takes with --mmproj.
func WriteProjector(w io.Writer, c ProjectorConfig) error {
	if err := c.Validate(); err != nil {
		return fmt.Errorf("vision projector: %w", err)
	}
	return file{pairs: projectorPairs(c), tensors: projectorTensors(c), seed: c.Seed}.write(w)
}

func projectorPairs(c ProjectorConfig) []pair {
	return []pair{
		{"general.architecture", "clip"},
		{"general.name", "tiny-random-mmproj"},
		{"general.file_type", uint32(0)}, // all F32
		{"clip.has_vision_encoder", true},
		{"clip.projector_type", "mlp"},
		{"clip.use_gelu", true},
		{"clip.vision.image_size", uint32(c.ImageSize)},
		{"clip.vision.patch_size", uint32(c.PatchSize)},
		{"clip.vision.embedding_length", uint32(c.Embedding)},
		{"clip.vision.feed_forward_length", uint32(c.FeedForward)},
		{"clip.vision.block_count", uint32(c.Layers)},
		{"clip.vision.projection_dim", uint32(c.TextEmbedding)},
		{"clip.vision.attention.head_count", uint32(c.Heads)},
		{"clip.vision.attention.layer_norm_epsilon", float32(1e-5)},
		// Per colour channel, of values from 0 to 1. Random weights do not mind.
		{"clip.vision.image_mean", []float32{0.5, 0.5, 0.5}},
		{"clip.vision.image_std", []float32{0.25, 0.25, 0.25}},
	}
}

func projectorTensors(c ProjectorConfig) []tensor {
	e, p := c.Embedding, c.PatchSize
	vector := func(name string, n int, f fill) tensor { return tensor{name, []int{n}, f} }
	linear := func(name string, in, out int) []tensor {
		return []tensor{
			{name + ".weight", []int{in, out}, noise(weightScale, in)},
			vector(name+".bias", out, zeros()),
		}
	}
	norm := func(name string) []tensor {
		return []tensor{vector(name+".weight", e, ones()), vector(name+".bias", e, zeros())}
	}
	all := []tensor{
		vector("v.class_embd", e, noise(weightScale, e)),
		{"v.patch_embd.weight", []int{p, p, 3, e}, noise(weightScale, 3*p*p)},
		// One position more than patches: the class token's.
		{"v.position_embd.weight", []int{e, c.Tokens() + 1}, noise(weightScale, e)},
	}
	all = append(all, norm("v.pre_ln")...)
	all = append(all, linear("mm.0", e, c.TextEmbedding)...)
	all = append(all, linear("mm.2", c.TextEmbedding, c.TextEmbedding)...)
	for i := range c.Layers {
		block := fmt.Sprintf("v.blk.%d.", i)
		for _, part := range []string{"attn_q", "attn_k", "attn_v", "attn_out"} {
			all = append(all, linear(block+part, e, e)...)
		}
		all = append(all, norm(block+"ln1")...)
		all = append(all, norm(block+"ln2")...)
		all = append(all, linear(block+"ffn_up", e, c.FeedForward)...)
		all = append(all, linear(block+"ffn_down", c.FeedForward, e)...)
	}
	return all
}
