package tinygguf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func textFile(t rapid.TB, c TextConfig) ([]byte, readFile) {
	t.Helper()
	var b bytes.Buffer
	if err := WriteText(&b, c); err != nil {
		t.Fatalf("WriteText(%+v): %v", c, err)
	}
	f, err := read(b.Bytes())
	if err != nil {
		t.Fatalf("%+v: %v", c, err)
	}
	return b.Bytes(), f
}

func projectorFile(t rapid.TB, c ProjectorConfig) ([]byte, readFile) {
	t.Helper()
	var b bytes.Buffer
	if err := WriteProjector(&b, c); err != nil {
		t.Fatalf("WriteProjector(%+v): %v", c, err)
	}
	f, err := read(b.Bytes())
	if err != nil {
		t.Fatalf("%+v: %v", c, err)
	}
	return b.Bytes(), f
}

func wantPair(t rapid.TB, f readFile, key string, want any) {
	t.Helper()
	if got := f.pairs[key]; got != want {
		t.Errorf("%s = %v (%T), want %v (%T)", key, got, got, want, want)
	}
}

func wantDims(t rapid.TB, f readFile, name string, want ...uint64) {
	t.Helper()
	if got := f.dims(name); !slices.Equal(got, want) {
		t.Errorf("tensor %s has dims %v, want %v", name, got, want)
	}
}

// Any valid shape gives a well-formed file whose keys and tensors tell that
// shape, and gives it again.
func TestTextShape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kv := rapid.IntRange(1, 3).Draw(t, "kv heads")
		heads := kv * rapid.IntRange(1, 3).Draw(t, "heads per kv head")
		half := rapid.IntRange(1, 5).Draw(t, "half of a head's width")
		c := TextConfig{
			Embedding: 2 * half * heads, Heads: heads, KVHeads: kv,
			Layers:      rapid.IntRange(1, 3).Draw(t, "layers"),
			FeedForward: rapid.IntRange(1, 70).Draw(t, "feed forward"),
			Context:     rapid.IntRange(1, 1<<17).Draw(t, "context"),
			Seed:        rapid.Uint64().Draw(t, "seed"),
		}
		data, f := textFile(t, c)
		e, ff := uint64(c.Embedding), uint64(c.FeedForward)
		pieces := f.pairs["tokenizer.ggml.tokens"].([]string)
		wantPair(t, f, "general.architecture", "llama")
		wantPair(t, f, "llama.block_count", uint32(c.Layers))
		wantPair(t, f, "llama.rope.dimension_count", uint32(2*half))
		wantPair(t, f, "llama.vocab_size", uint32(len(pieces)))
		wantDims(t, f, "token_embd.weight", e, uint64(len(pieces)))
		wantDims(t, f, "blk.0.attn_k.weight", e, uint64(2*half*kv))
		wantDims(t, f, fmt.Sprintf("blk.%d.ffn_down.weight", c.Layers-1), ff, e)
		wantDims(t, f, fmt.Sprintf("blk.%d.ffn_down.weight", c.Layers))
		// 3 tensors outside the blocks, 9 within each.
		if got, want := len(f.tensors), 3+9*c.Layers; got != want {
			t.Errorf("%d tensors, want %d", got, want)
		}
		again, _ := textFile(t, c)
		if !bytes.Equal(data, again) {
			t.Errorf("%+v: a second writing differs", c)
		}
	})
}

func TestProjectorShape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		heads := rapid.IntRange(1, 3).Draw(t, "heads")
		patch := rapid.IntRange(1, 14).Draw(t, "patch size")
		side := rapid.IntRange(1, 6).Draw(t, "patches in a row")
		c := ProjectorConfig{
			TextEmbedding: rapid.IntRange(1, 40).Draw(t, "text embedding"),
			PatchSize:     patch, ImageSize: patch * side,
			Heads: heads, Embedding: heads * rapid.IntRange(1, 9).Draw(t, "width of a head"),
			Layers:      rapid.IntRange(1, 3).Draw(t, "layers"),
			FeedForward: rapid.IntRange(1, 40).Draw(t, "feed forward"),
			Seed:        rapid.Uint64().Draw(t, "seed"),
		}
		data, f := projectorFile(t, c)
		e, p := uint64(c.Embedding), uint64(patch)
		if got, want := c.Tokens(), side*side; got != want {
			t.Errorf("%+v: %d tokens, want %d", c, got, want)
		}
		wantPair(t, f, "clip.has_vision_encoder", true)
		wantPair(t, f, "clip.vision.projection_dim", uint32(c.TextEmbedding))
		wantDims(t, f, "v.patch_embd.weight", p, p, 3, e)
		wantDims(t, f, "v.position_embd.weight", e, uint64(side*side)+1)
		wantDims(t, f, "mm.0.weight", e, uint64(c.TextEmbedding))
		wantDims(t, f, fmt.Sprintf("v.blk.%d.ln2.bias", c.Layers-1), e)
		// 9 tensors outside the blocks; within each 6 linear maps and 2 norms,
		// all with weight and bias.
		if got, want := len(f.tensors), 9+16*c.Layers; got != want {
			t.Errorf("%d tensors, want %d", got, want)
		}
		again, _ := projectorFile(t, c)
		if !bytes.Equal(data, again) {
			t.Errorf("%+v: a second writing differs", c)
		}
	})
}

// The ready shapes belong together, and are of the sizes that they promise.
func TestReadyShapes(t *testing.T) {
	for _, pair := range []struct {
		name      string
		text      TextConfig
		projector ProjectorConfig
		bytes     [2]int // of the text model, from and to
	}{
		{"small", SmallText(), SmallProjector(), [2]int{400_000, 600_000}},
		{"medium", MediumText(), MediumProjector(), [2]int{15_000_000, 22_000_000}},
		{"large", LargeText(), LargeProjector(), [2]int{90_000_000, 100_000_000}},
	} {
		if got, want := pair.projector.TextEmbedding, pair.text.Embedding; got != want {
			t.Errorf("%s: the projector goes to %d, the text model's embedding is %d", pair.name, got, want)
		}
		data, _ := textFile(t, pair.text)
		if n := len(data); n < pair.bytes[0] || n > pair.bytes[1] {
			t.Errorf("%s: text model is %d bytes, want %v", pair.name, n, pair.bytes)
		}
		projectorFile(t, pair.projector)
	}
}

// Another seed gives other weights in the same places.
func TestSeed(t *testing.T) {
	c := SmallText()
	a, fa := textFile(t, c)
	c.Seed++
	b, fb := textFile(t, c)
	if len(a) != len(b) || bytes.Equal(fa.data, fb.data) {
		t.Errorf("seeds %d and %d: sizes %d and %d, same weights %t; want one size, other weights",
			c.Seed-1, c.Seed, len(a), len(b), bytes.Equal(fa.data, fb.data))
	}
}

func TestVocabulary(t *testing.T) {
	v := newVocabulary()
	if len(v.pieces) != len(v.scores) || len(v.pieces) != len(v.types) {
		t.Fatalf("%d pieces, %d scores, %d types", len(v.pieces), len(v.scores), len(v.types))
	}
	seen := map[string]int{}
	for i, piece := range v.pieces {
		if first, twice := seen[piece]; twice {
			t.Errorf("piece %q is both %d and %d", piece, first, i)
		}
		seen[piece] = i
	}
	// SentencePiece falls back to bytes, so every byte must have its token.
	for b := range 256 {
		i, ok := seen[fmt.Sprintf("<0x%02X>", b)]
		if !ok || v.types[i] != pieceByte {
			t.Errorf("byte %#02x has no byte token", b)
		}
	}
	if v.pieces[unknownToken] != "<unk>" || v.pieces[beginToken] != "<s>" || v.pieces[v.endOfTurn] != "<|im_end|>" {
		t.Errorf("control tokens are %q, %q, %q", v.pieces[unknownToken], v.pieces[beginToken], v.pieces[v.endOfTurn])
	}
}

func TestInvalid(t *testing.T) {
	text := func(change func(*TextConfig)) error {
		c := SmallText()
		change(&c)
		return WriteText(io.Discard, c)
	}
	projector := func(change func(*ProjectorConfig)) error {
		c := SmallProjector()
		change(&c)
		return WriteProjector(io.Discard, c)
	}
	for _, c := range []struct {
		got  error
		want string
	}{
		{text(func(c *TextConfig) { c.Layers = 0 }), "layers is 0"},
		{text(func(c *TextConfig) { c.Embedding = 60 }), "no multiple of twice the 4 heads"},
		{text(func(c *TextConfig) { c.KVHeads = 3 }), "no multiple of 3 kv heads"},
		{text(func(c *TextConfig) { *c = TextConfig{} }), "context is 0"},
		{projector(func(c *ProjectorConfig) { c.TextEmbedding = 0 }), "text embedding is 0"},
		{projector(func(c *ProjectorConfig) { c.PatchSize = 15 }), "no multiple of patch size 15"},
		{projector(func(c *ProjectorConfig) { c.Heads = 5 }), "no multiple of 5 heads"},
	} {
		if c.got == nil || !strings.Contains(c.got.Error(), c.want) {
			t.Errorf("got %v, want an error with %q", c.got, c.want)
		}
	}
}

// A full disk is told of, wherever it strikes.
func TestWriteFault(t *testing.T) {
	var whole bytes.Buffer
	if err := WriteText(&whole, SmallText()); err != nil {
		t.Fatal(err)
	}
	for _, room := range []int{0, 1, whole.Len() / 2, whole.Len() - 1} {
		if err := WriteText(&full{room}, SmallText()); !errors.Is(err, errFull) {
			t.Errorf("room for %d of %d bytes: got %v, want %v", room, whole.Len(), err, errFull)
		}
	}
	if err := WriteText(&full{whole.Len()}, SmallText()); err != nil {
		t.Errorf("room for all: %v", err)
	}
}

var errFull = errors.New("no room")

// full takes room bytes and no more.
type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	n := min(len(p), f.room)
	f.room -= n
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}
