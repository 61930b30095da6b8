package results

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
)

// maxItems bounds the lists of a Parquet file's footer and of its pages' headers. The
// longest of ours is that of the columns.
const maxItems = 100

// maxParts bounds the structures and lists of a footer, or of a page's header, together, and
// so how deep they are nested: the library goes down by calling itself, and Go ends a
// process whose stack is full. Ours have some hundreds.
const maxParts = 10_000

// footerEnd is the end of a Parquet file: the footer's length and the magic bytes.
const footerEnd = 8

// checkFooter says whether a Parquet file's footer claims more than its bytes can hold.
//
// Note: the library makes room for what a footer claims before it reads it: one wrong byte
// in 6 KB made it take 5 GiB.
func checkFooter(r io.ReaderAt, size int64) error {
	if size < footerEnd {
		return fmt.Errorf("it has %d bytes: it was cut", size)
	}
	var end [footerEnd]byte
	if _, err := r.ReadAt(end[:], size-footerEnd); err != nil {
		return plain(err)
	}
	if magic := string(end[4:]); magic != "PAR1" {
		return fmt.Errorf("it ends with %q: it was cut, or is no Parquet file", magic)
	}
	length := int64(binary.LittleEndian.Uint32(end[:4]))
	if length > min(size-footerEnd, maxText) {
		return fmt.Errorf("its footer claims %d bytes, the file has %d and %d are read at most", length, size, int64(maxText))
	}
	text := make([]byte, length)
	if _, err := r.ReadAt(text, size-footerEnd-length); err != nil {
		return plain(err)
	}
	var meta struct { // the rest is gone through, and not kept
		Version int32 `thrift:"1,required"`
	}
	if _, err := decodeThrift(text, &meta); err != nil {
		return fmt.Errorf("its footer: %w", err)
	}
	return nil
}

// decodeThrift reads a structure from the beginning of a text, and says how long it is.
func decodeThrift(text []byte, into any) (n int, err error) {
	r := thriftReader{new(thrift.CompactProtocol).NewReaderFromBytes(text), new(int)}
	err = thrift.NewDecoder(r).Decode(into)
	if base := errors.Unwrap(err); base != nil {
		err = base // without the path to it, which is as long as a damaged file likes
	}
	return r.BytesRead(), err
}

// A thriftReader refuses a list with more than maxItems, more parts than maxParts, and maps
// and sets, which the format has none of.
type thriftReader struct {
	thrift.BytesReader
	parts *int
}

func (r thriftReader) ReadList() (thrift.List, error) {
	list, err := r.BytesReader.ReadList()
	switch {
	case err != nil:
	case list.Size > maxItems:
		err = fmt.Errorf("a list claims %d items, ours have %d at most", list.Size, maxItems)
	default:
		err = r.part()
	}
	return list, err
}

func (r thriftReader) ReadField() (thrift.Field, error) {
	field, err := r.BytesReader.ReadField()
	if err == nil && field.Type == thrift.STRUCT {
		err = r.part()
	}
	return field, err
}

func (r thriftReader) part() error {
	if *r.parts++; *r.parts > maxParts {
		return fmt.Errorf("it has more than %d parts", maxParts)
	}
	return nil
}

func (r thriftReader) ReadSet() (set thrift.Set, err error) { return set, errPage }
func (r thriftReader) ReadMap() (m thrift.Map, err error)   { return m, errPage }

// Discard is what the library skips with.
func (r thriftReader) Discard(n int) (int, error) {
	return r.BytesReader.(interface{ Discard(int) (int, error) }).Discard(n)
}
