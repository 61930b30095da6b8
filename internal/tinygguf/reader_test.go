package tinygguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// A reader takes a GGUF file apart, on its own terms: it shares no code with
// the writer but the type numbers of the format.
type reader struct {
	data []byte
	at   int
}

type readTensor struct {
	name   string
	dims   []uint64
	kind   uint32
	offset uint64
}

type readFile struct {
	pairs   map[string]any
	keys    []string
	tensors []readTensor
	data    []byte
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.data)-r.at) {
		panic(fmt.Errorf("%d bytes wanted at %d of %d: %w", n, r.at, len(r.data), io.ErrUnexpectedEOF))
	}
	part := r.data[r.at : r.at+int(n)]
	r.at += int(n)
	return part
}

func (r *reader) u32() uint32    { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64    { return binary.LittleEndian.Uint64(r.take(8)) }
func (r *reader) string() string { return string(r.take(r.u64())) }
func (r *reader) float() float32 { return math.Float32frombits(r.u32()) }
func (r *reader) boolean() bool  { return r.take(1)[0] == 1 }
func (r *reader) integer() int32 { return int32(r.u32()) }

func list[T any](n uint64, next func() T) []T {
	var all []T
	for range n {
		all = append(all, next())
	}
	return all
}

func (r *reader) value() any {
	switch kind := r.u32(); kind {
	case typeUint32:
		return r.u32()
	case typeFloat32:
		return r.float()
	case typeBool:
		return r.boolean()
	case typeString:
		return r.string()
	case typeArray:
		element, n := r.u32(), r.u64()
		switch element {
		case typeString:
			return list(n, r.string)
		case typeInt32:
			return list(n, r.integer)
		case typeFloat32:
			return list(n, r.float)
		}
		panic(fmt.Errorf("array of type %d", element))
	default:
		panic(fmt.Errorf("value of type %d", kind))
	}
}

// read takes data apart and checks all that the format itself demands.
func read(data []byte) (f readFile, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("read GGUF: %v", v)
		}
	}()
	r := &reader{data: data}
	if got := string(r.take(4)); got != "GGUF" {
		return f, fmt.Errorf("magic is %q", got)
	}
	if got := r.u32(); got != 3 {
		return f, fmt.Errorf("version is %d", got)
	}
	tensors, pairs := r.u64(), r.u64()
	f.pairs = map[string]any{}
	for range pairs {
		key := r.string()
		f.pairs[key] = r.value()
		f.keys = append(f.keys, key)
	}
	for range tensors {
		t := readTensor{name: r.string()}
		t.dims = list(uint64(r.u32()), r.u64)
		t.kind, t.offset = r.u32(), r.u64()
		f.tensors = append(f.tensors, t)
	}
	for r.at%32 != 0 {
		if r.take(1)[0] != 0 {
			return f, errors.New("padding before the data is not zero")
		}
	}
	f.data = data[r.at:]
	return f, f.check()
}

// check holds the tensors against the data: aligned, one after the other, no
// gap but padding, nothing left over, every value finite.
func (f readFile) check() error {
	if len(f.keys) != len(f.pairs) {
		return fmt.Errorf("a key stands twice in %q", f.keys)
	}
	var end uint64
	names := map[string]bool{}
	for _, t := range f.tensors {
		if names[t.name] {
			return fmt.Errorf("tensor %s stands twice", t.name)
		}
		names[t.name] = true
		if want := (end + 31) / 32 * 32; t.offset != want {
			return fmt.Errorf("tensor %s begins at %d, want %d", t.name, t.offset, want)
		}
		if t.kind != 0 {
			return fmt.Errorf("tensor %s has type %d, want F32", t.name, t.kind)
		}
		end = t.offset + t.bytes()
		if end > uint64(len(f.data)) {
			return fmt.Errorf("tensor %s ends at %d of %d", t.name, end, len(f.data))
		}
		for i := t.offset; i < end; i += 4 {
			v := math.Float32frombits(binary.LittleEndian.Uint32(f.data[i:]))
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return fmt.Errorf("tensor %s holds %v at byte %d", t.name, v, i-t.offset)
			}
		}
	}
	if want := (end + 31) / 32 * 32; uint64(len(f.data)) != want {
		return fmt.Errorf("data is %d bytes, want %d", len(f.data), want)
	}
	return nil
}

func (t readTensor) bytes() uint64 {
	n := uint64(4)
	for _, d := range t.dims {
		n *= d
	}
	return n
}

func (f readFile) dims(name string) []uint64 {
	i := slices.IndexFunc(f.tensors, func(t readTensor) bool { return t.name == name })
	if i < 0 {
		return nil
	}
	return f.tensors[i].dims
}
