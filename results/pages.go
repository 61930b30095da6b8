package results

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// What a page of values can hold. The writer ends a page at 256 KiB and what it was given
// at a time: some ten thousands of numbers or two million truths.
const (
	maxNumbers = 1 << 18
	maxTruths  = 1 << 22
	maxPage    = 1 << 22
	maxRatio   = 22 // Snappy makes 64 bytes of three at best
)

// errPage is a page that was not written by us, or damaged.
var errPage = errors.New("it is not encoded as ours are")

// checkPages says whether the pages of a table claim more than their bytes can hold.
//
// Note: the library makes room for sizes, counts and lengths of runs before it knows
// whether they are true. What can make it do so is looked at here; whether the values make sense
// is for who reads them.
func checkPages(r io.ReaderAt, file *parquet.File) (err error) {
	defer recovered(&err)
	groups := file.Metadata().RowGroups
	if len(groups) > 1 {
		return fmt.Errorf("it has %d row groups, ours have one", len(groups))
	}
	rows := int64(0)
	for _, group := range groups {
		rows += group.NumRows
		columns := file.Root().Columns()
		if len(columns) != len(group.Columns) {
			return fmt.Errorf("it has %d columns, its schema %d", len(group.Columns), len(columns))
		}
		var c chunk
		for i, column := range columns {
			c = chunk{r: r, kind: column.Type().Kind(), nullable: column.Optional(), left: group.NumRows, text: c.text[:0], unpacked: c.unpacked}
			if err := c.check(&group.Columns[i].MetaData, file.Size()); err != nil {
				return fmt.Errorf("column %s: %w", column.Name(), err)
			}
		}
	}
	if rows != file.NumRows() {
		return fmt.Errorf("it has %d rows, its footer claims %d", rows, file.NumRows())
	}
	return nil
}

// Most pages' headers, and the beginning of what they hold, are in a window of so many
// bytes. Those of long texts, which stand in them four times, are larger.
const windowSize = 1 << 10

// A chunk is the pages of one column.
type chunk struct {
	r        io.ReaderAt
	kind     parquet.Kind
	nullable bool
	at, end  int64 // what is not yet checked
	left     int64 // rows that have not come
	// What was read last, and where it begins.
	text   []byte
	window int64
	// What a page unpacks to.
	unpacked []byte
}

func (c *chunk) check(meta *format.ColumnMetaData, size int64) error {
	if meta.Codec != format.Snappy {
		return errPage
	}
	c.at = meta.DataPageOffset
	if meta.DictionaryPageOffset != 0 {
		c.at = meta.DictionaryPageOffset
	}
	if c.at < 0 || c.at > size || meta.TotalCompressedSize < 0 || meta.TotalCompressedSize > size-c.at {
		return fmt.Errorf("it claims %d bytes from %d on, the file has %d", meta.TotalCompressedSize, c.at, size)
	}
	c.end = c.at + meta.TotalCompressedSize
	for page := 0; c.at < c.end; page++ {
		if err := c.page(page); err != nil {
			return fmt.Errorf("page %d: %w", page, err)
		}
	}
	if c.left != 0 {
		return fmt.Errorf("its values and the rows differ by %d", c.left)
	}
	return nil
}

// read gives n bytes of the file, or what there is up to the chunk's end; they are good until
// the next call. What is in the window needs no call of the system.
func (c *chunk) read(at, n int64) ([]byte, error) {
	n = min(n, c.end-at)
	if from := at - c.window; from >= 0 && from+n <= int64(len(c.text)) {
		return c.text[from : from+n], nil
	}
	c.text = slices.Grow(c.text[:0], int(n))[:n]
	c.window = at
	_, err := c.r.ReadAt(c.text, at)
	return c.text, plain(err)
}

// A pageHeader is what is looked at of a [format.PageHeader]: its statistics are not.
type pageHeader struct {
	Type                 format.PageType                          `thrift:"1,required"`
	UncompressedPageSize int32                                    `thrift:"2,required"`
	CompressedPageSize   int32                                    `thrift:"3,required"`
	DictionaryPageHeader thrift.Null[format.DictionaryPageHeader] `thrift:"7,optional"`
	DataPageHeaderV2     thrift.Null[dataHeader]                  `thrift:"8,optional"`
}

// A dataHeader is what is looked at of a [format.DataPageHeaderV2].
type dataHeader struct {
	NumValues                  int32             `thrift:"1,required"`
	NumNulls                   int32             `thrift:"2,required"`
	NumRows                    int32             `thrift:"3,required"`
	Encoding                   format.Encoding   `thrift:"4,required"`
	DefinitionLevelsByteLength int32             `thrift:"5,required"`
	RepetitionLevelsByteLength int32             `thrift:"6,required"`
	IsCompressed               thrift.Null[bool] `thrift:"7,optional"`
}

// header reads the next page's header, and says how long it is.
func (c *chunk) header() (header pageHeader, n int, err error) {
	for size := int64(windowSize); ; size *= 16 {
		text, err := c.read(c.at, size)
		if err != nil {
			return header, 0, err
		}
		header = pageHeader{}
		n, err := decodeThrift(text, &header)
		cut := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if !cut || size >= c.end-c.at {
			return header, n, err
		}
	}
}

// page checks the next page, and goes behind it.
func (c *chunk) page(number int) error {
	header, n, err := c.header()
	if err != nil {
		return err
	}
	at, size := c.at+int64(n), int64(header.CompressedPageSize)
	if size < 0 || size > c.end-at {
		return fmt.Errorf("it claims %d bytes, %d are left", size, c.end-at)
	}
	c.at = at + size
	switch dictionary := c.kind == parquet.ByteArray && number == 0; {
	case dictionary && header.Type == format.DictionaryPage && header.DictionaryPageHeader.Valid:
		return c.dictionary(body{c, at, size, int64(header.UncompressedPageSize)}, header.DictionaryPageHeader.V)
	case !dictionary && header.Type == format.DataPageV2 && header.DataPageHeaderV2.Valid:
		return c.data(body{c, at, size, int64(header.UncompressedPageSize)}, header.DataPageHeaderV2.V)
	}
	return errPage
}

// dictionary checks a page of texts. Each has its length before it.
func (c *chunk) dictionary(b body, header format.DictionaryPageHeader) error {
	if _, err := b.begin(math.MaxInt32); err != nil {
		return err
	}
	if n := int64(header.NumValues); n < 0 || 4*n > b.claimed || header.Encoding != format.Plain {
		return fmt.Errorf("it claims %d texts in %d bytes", n, b.claimed)
	}
	return nil
}

func (c *chunk) data(b body, header dataHeader) error {
	most := int64(maxNumbers)
	if c.kind == parquet.Boolean {
		most = maxTruths
	}
	rows, nulls, levels := int64(header.NumValues), int64(header.NumNulls), int64(header.DefinitionLevelsByteLength)
	switch {
	case rows < 0 || rows > min(most, c.left) || int64(header.NumRows) != rows:
		return fmt.Errorf("it claims %d values and %d rows, %d are left and a page has %d at most", rows, header.NumRows, c.left, most)
	case nulls < 0 || nulls > rows || !c.nullable && nulls != 0:
		return fmt.Errorf("it claims %d nulls of %d", nulls, rows)
	case levels < 0 || levels > b.size || !c.nullable && levels != 0 || header.RepetitionLevelsByteLength != 0:
		return fmt.Errorf("it claims %d and %d bytes of levels in %d", levels, header.RepetitionLevelsByteLength, b.size)
	case header.IsCompressed.Valid && !header.IsCompressed.V:
		return errPage
	}
	c.left -= rows
	if c.nullable {
		text, err := c.read(b.at, levels)
		if err != nil {
			return err
		}
		if err := checkRuns(text, 1, rows); err != nil {
			return fmt.Errorf("its levels: %w", err)
		}
	}
	return body{c, b.at + levels, b.size - levels, b.claimed - levels}.values(header.Encoding, rows-nulls)
}

// A body is what a page holds, compressed.
type body struct {
	*chunk
	at, size, claimed int64
}

// begin gives how the body begins. It must unpack to what the header claims, and that to at
// most so many bytes.
func (b body) begin(most int64) ([]byte, error) {
	text, err := b.read(b.at, min(b.size, 64))
	if err != nil {
		return nil, err
	}
	n, k := binary.Uvarint(text)
	if k <= 0 || b.claimed < 0 || n != uint64(b.claimed) || b.claimed > min(most, maxRatio*b.size) {
		return nil, fmt.Errorf("it claims %d bytes in %d, and that they are %d", b.claimed, b.size, n)
	}
	return text[k:], nil
}

// all gives what the body unpacks to.
func (b body) all() ([]byte, error) {
	text, err := b.read(b.at, b.size)
	if err != nil {
		return nil, err
	}
	b.unpacked, err = parquet.Snappy.Decode(b.unpacked[:cap(b.unpacked)], text)
	return b.unpacked, err
}

// values checks so many values.
func (b body) values(encoding format.Encoding, n int64) error {
	text, err := b.begin(maxPage)
	if err != nil {
		return err
	}
	room := b.claimed / 8
	switch {
	case b.kind == parquet.ByteArray && encoding == format.RLEDictionary:
		if text, err = b.all(); err != nil || len(text) == 0 {
			return errors.Join(errPage, err)
		}
		return checkRuns(text[1:], uint64(text[0]), n)
	case b.kind == parquet.Int64 && encoding == format.DeltaBinaryPacked:
		return b.delta(text, n)
	case b.kind == parquet.Boolean && encoding == format.Plain:
		room = b.claimed * 8
	case (b.kind == parquet.Int64 || b.kind == parquet.Double) && encoding == format.Plain:
	default:
		return errPage
	}
	if n > room {
		return fmt.Errorf("it claims %d values in %d bytes", n, b.claimed)
	}
	return nil
}

// delta checks how many numbers a text of differences claims: after the sizes of its blocks.
func (b body) delta(begin []byte, n int64) error {
	total, ok := third(literal(begin))
	if !ok {
		text, err := b.all()
		if err != nil {
			return err
		}
		if total, ok = third(text); !ok {
			return errPage
		}
	}
	if total != uint64(n) {
		return fmt.Errorf("it claims %d values, its beginning %d", n, total)
	}
	return nil
}

// literal gives the bytes with which a text of Snappy's begins as they are, as far as they are there.
func literal(text []byte) []byte {
	if len(text) == 0 || text[0]&3 != 0 {
		return nil
	}
	n, text := int(text[0]>>2), text[1:]
	if long := n - 59; long > 0 { // so many bytes say how many
		if long > len(text) {
			return nil
		}
		n = 0
		for i, c := range text[:long] {
			n |= int(c) << (8 * i)
		}
		text = text[long:]
	}
	return text[:min(n+1, len(text))]
}

// third gives the third of the numbers that a text begins with, if they are there.
func third(text []byte) (v uint64, ok bool) {
	for range 3 {
		n, k := binary.Uvarint(text)
		if k <= 0 {
			return 0, false
		}
		v, text = n, text[k:]
	}
	return v, true
}

// checkRuns checks that runs of values of so many bits, whether repeated or packed in
// eights, are n and what fills the last eight.
func checkRuns(text []byte, width uint64, n int64) error {
	got := uint64(0)
	for len(text) > 0 && got < uint64(n)+8 {
		head, k := binary.Uvarint(text)
		if k <= 0 || width > 32 || head>>1 > uint64(n)+8 {
			return errPage
		}
		text = text[k:]
		values, size := head>>1, (width+7)/8
		switch {
		case values == 0:
			continue
		case head&1 == 1:
			size = values * width
			values *= 8
		}
		if size > uint64(len(text)) {
			return io.ErrUnexpectedEOF
		}
		got, text = got+values, text[size:]
	}
	if got < uint64(n) || got >= uint64(n)+8 {
		return fmt.Errorf("its runs have %d values, %d are claimed", got, n)
	}
	return nil
}
