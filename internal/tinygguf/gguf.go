// Package tinygguf makes small language and vision models with random weights
// as GGUF files, so that tests can drive a real model server without any
// trained weights.
//
// A random model costs a server the same work as a trained one of its size; its
// answers mean nothing. [WriteText] writes a llama-architecture text model and
// [WriteProjector] the vision tower that goes with it ("mmproj"). Both are
// deterministic: one configuration gives one file, byte for byte.
//
// The container is GGUF version 3, as described in ggml's docs/gguf.md: a
// header, key/value pairs, a table of tensors and the tensors' data, all
// little-endian, the data and each tensor padded to 32 bytes. It is a testing
// aid: nothing that evabench ships imports it.
package tinygguf

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
)

const (
	magic     = "GGUF"
	version   = 3
	alignment = 32 // bytes; GGUF's default, so that no key needs to name it
)

// The value types of GGUF that we write.
const (
	typeUint32  uint32 = 4
	typeInt32   uint32 = 5
	typeFloat32 uint32 = 6
	typeBool    uint32 = 7
	typeString  uint32 = 8
	typeArray   uint32 = 9
)

// tensorF32 is the only tensor type that we write.
const tensorF32 uint32 = 0

// A pair is one key and its value: uint32, float32, bool, string, []string,
// []int32 or []float32.
type pair struct {
	key   string
	value any
}

// A tensor is one entry of the table; dims are listed fastest-varying first.
type tensor struct {
	name string
	dims []int
	fill fill
}

// A fill says what a tensor holds: a constant, or normal values of deviation
// spread where that is above 0.
type fill struct {
	constant float32
	spread   float64
}

func zeros() fill { return fill{} }
func ones() fill  { return fill{constant: 1} }

// noise is scaled by the first dimension, the one that a product sums over, so
// that activations neither vanish nor explode from layer to layer.
func noise(scale float64, fanIn int) fill { return fill{spread: scale / math.Sqrt(float64(fanIn))} }

func (t tensor) elements() int {
	n := 1
	for _, d := range t.dims {
		n *= d
	}
	return n
}

func (t tensor) bytes() int64 { return 4 * int64(t.elements()) }

func padding(n int64) int64 { return (alignment - n%alignment) % alignment }

// A file is a GGUF file before it is written.
type file struct {
	pairs   []pair
	tensors []tensor
	seed    uint64
}

func (f file) write(w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<16)
	head, err := f.header()
	if err != nil {
		return err
	}
	// A bufio.Writer keeps its first error for Flush.
	out.Write(head)
	out.Write(make([]byte, padding(int64(len(head)))))
	random := rand.New(rand.NewPCG(f.seed, f.seed))
	for _, t := range f.tensors {
		writeTensor(out, t, random)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write GGUF: %w", err)
	}
	return nil
}

func (f file) header() ([]byte, error) {
	b := append([]byte(nil), magic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(f.tensors)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(f.pairs)))
	for _, p := range f.pairs {
		var err error
		if b, err = appendPair(b, p); err != nil {
			return nil, err
		}
	}
	var offset int64
	for _, t := range f.tensors {
		b = appendString(b, t.name)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(t.dims)))
		for _, d := range t.dims {
			b = binary.LittleEndian.AppendUint64(b, uint64(d))
		}
		b = binary.LittleEndian.AppendUint32(b, tensorF32)
		b = binary.LittleEndian.AppendUint64(b, uint64(offset))
		offset += t.bytes() + padding(t.bytes())
	}
	return b, nil
}

func appendString(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}

func appendFloat(b []byte, v float32) []byte {
	return binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
}

func appendPair(b []byte, p pair) ([]byte, error) {
	le := binary.LittleEndian
	b = appendString(b, p.key)
	array := func(element uint32, n int) {
		b = le.AppendUint32(b, typeArray)
		b = le.AppendUint32(b, element)
		b = le.AppendUint64(b, uint64(n))
	}
	switch v := p.value.(type) {
	case uint32:
		b = le.AppendUint32(le.AppendUint32(b, typeUint32), v)
	case float32:
		b = appendFloat(le.AppendUint32(b, typeFloat32), v)
	case bool:
		b = le.AppendUint32(b, typeBool)
		if v {
			return append(b, 1), nil
		}
		b = append(b, 0)
	case string:
		b = appendString(le.AppendUint32(b, typeString), v)
	case []string:
		array(typeString, len(v))
		for _, s := range v {
			b = appendString(b, s)
		}
	case []int32:
		array(typeInt32, len(v))
		for _, n := range v {
			b = le.AppendUint32(b, uint32(n))
		}
	case []float32:
		array(typeFloat32, len(v))
		for _, x := range v {
			b = appendFloat(b, x)
		}
	default:
		return nil, fmt.Errorf("write GGUF key %s: no GGUF type for %T", p.key, v)
	}
	return b, nil
}

// period is after how many values a tensor's noise repeats. A load target
// needs weights of the right size, not of high entropy, and normal values are
// what making a large file would otherwise spend its time on. It is odd, so
// that the rows of a matrix, whose lengths are even, do not come out alike.
const period = 1<<16 + 1

func writeTensor(out *bufio.Writer, t tensor, random *rand.Rand) {
	n := t.elements()
	block := make([]byte, 0, 4*min(n, period))
	for range min(n, period) {
		v := t.fill.constant
		if t.fill.spread > 0 {
			v = float32(random.NormFloat64() * t.fill.spread)
		}
		block = appendFloat(block, v)
	}
	for left := t.bytes(); left > 0; {
		part := block[:min(left, int64(len(block)))]
		out.Write(part)
		left -= int64(len(part))
	}
	out.Write(make([]byte, padding(t.bytes())))
}
