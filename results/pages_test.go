package results

import (
	"bytes"
	"hash/crc32"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// allocated is how many bytes the program has taken for its heap in all.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// maxAllocated bounds what reading a file of some kilobytes may take, whatever it
// claims: a page of numbers of each column, and some more.
const maxAllocated = 64 << 20

// readTable reads a text as samples or observations, up to ten thousand rows.
func readTable(text []byte, observations bool) error {
	if observations {
		return readRowsOf[observationRow](text, readObservations)
	}
	return readRowsOf[sampleRow](text, readSamples)
}

func readRowsOf[R, T any](text []byte, rows func(*parquet.File) iter.Seq2[T, error]) error {
	r := bytes.NewReader(text)
	file, err := openRows[R](r, r.Size())
	if err != nil {
		return err
	}
	if err := checkPages(r, file); err != nil {
		return err
	}
	n := 0
	for _, err := range rows(file) {
		if n++; err != nil || n == 10_000 {
			return err
		}
	}
	return nil
}

// twoTables are a samples.parquet and an observations.parquet.
func twoTables(t require) [][]byte {
	dir := filepath.Join(t.(interface{ TempDir() string }).TempDir(), "run")
	must(t, writeRun(dir, nil))
	var texts [][]byte
	for _, i := range []int{6, 4} {
		text, err := os.ReadFile(filepath.Join(dir, runFiles[i]))
		must(t, err)
		texts = append(texts, text)
	}
	return texts
}

// What a damaged file claims costs no more than it could hold, wherever the wrong byte is.
// (One in the footer's length made 6 KB take 5 GiB.)
func TestWrongClaimsCostLittle(t *testing.T) {
	for which, good := range twoTables(t) {
		must(t, readTable(good, which == 1))
		for i := range good {
			for _, wrong := range []byte{good[i] ^ 0x55, 0xff, 0x7f} {
				bad := slices.Clone(good)
				bad[i] = wrong
				before := allocated()
				err := readTable(bad, which == 1)
				if took := allocated() - before; took > 8<<20 {
					t.Errorf("table %d, byte %d of %d as %#x: took %d MiB, %v", which, i, len(good), wrong, took>>20, err)
				}
			}
		}
	}
}

// As many wrong bytes as may be: a file is refused or read, without a panic and without
// more memory than it could need.
func FuzzTable(f *testing.F) {
	for which, good := range twoTables(f) {
		f.Add(good, which == 1)
		f.Add(good[len(good)/2:], which == 1)
	}
	f.Fuzz(func(t *testing.T, text []byte, observations bool) {
		before := allocated()
		err := readTable(text, observations)
		if took := allocated() - before; took > maxAllocated {
			t.Errorf("%d bytes took %d MiB: %v", len(text), took>>20, err)
		}
	})
}

// A page is a header and what follows it.
func pageOf(t *testing.T, header format.PageHeader, levels, values []byte) []byte {
	t.Helper()
	packed, err := parquet.Snappy.Encode(nil, values)
	must(t, err)
	header.CompressedPageSize += int32(len(levels) + len(packed))
	header.UncompressedPageSize += int32(len(levels) + len(values))
	text, err := thrift.Marshal(new(thrift.CompactProtocol), &header)
	must(t, err)
	return slices.Concat(text, levels, packed)
}

func dataPage(encoding format.Encoding, values, nulls, levels int32) format.PageHeader {
	return format.PageHeader{Type: format.DataPageV2, DataPageHeaderV2: thrift.New(format.DataPageHeaderV2{
		NumValues: values, NumNulls: nulls, NumRows: values, Encoding: encoding, DefinitionLevelsByteLength: levels,
	})}
}

// Each page that claims too much stands beside one that does not.
func TestPageClaims(t *testing.T) {
	texts := func(n int32) format.PageHeader {
		return format.PageHeader{Type: format.DictionaryPage, DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: n, Encoding: format.Plain})}
	}
	delta := func(n byte) []byte { // blocks of 128 in 4, so many numbers, from 0
		return append([]byte{0x80, 1, 4, n, 0}, make([]byte, 100)...)
	}
	dictionary := pageOf(t, texts(1), nil, []byte{1, 0, 0, 0, 'a'})
	// Runs: twice their number, or an odd number for eights that are packed.
	for name, c := range map[string]struct {
		kind     parquet.Kind
		nullable bool
		text     []byte
		good     bool
	}{
		"numbers":                {kind: parquet.Int64, text: pageOf(t, dataPage(format.Plain, 5, 0, 0), nil, make([]byte, 40)), good: true},
		"too few numbers":        {kind: parquet.Int64, text: pageOf(t, dataPage(format.Plain, 5, 0, 0), nil, make([]byte, 39))},
		"too many rows":          {kind: parquet.Int64, text: pageOf(t, dataPage(format.Plain, 6, 0, 0), nil, make([]byte, 48))},
		"too few rows":           {kind: parquet.Int64, text: pageOf(t, dataPage(format.Plain, 4, 0, 0), nil, make([]byte, 32))},
		"nulls where none may":   {kind: parquet.Int64, text: pageOf(t, dataPage(format.Plain, 5, 1, 0), nil, make([]byte, 40))},
		"nulls":                  {kind: parquet.Int64, nullable: true, text: pageOf(t, dataPage(format.Plain, 5, 1, 2), []byte{3, 0x1e}, make([]byte, 32)), good: true},
		"a run of levels":        {kind: parquet.Int64, nullable: true, text: pageOf(t, dataPage(format.Plain, 5, 5, 2), []byte{10, 0}, nil), good: true},
		"too long a run":         {kind: parquet.Int64, nullable: true, text: pageOf(t, dataPage(format.Plain, 5, 5, 6), []byte{0xfe, 0xff, 0xff, 0xff, 0x0f, 0}, nil)},
		"a run too few":          {kind: parquet.Int64, nullable: true, text: pageOf(t, dataPage(format.Plain, 5, 5, 2), []byte{8, 0}, nil)},
		"more levels than bytes": {kind: parquet.Int64, nullable: true, text: pageOf(t, dataPage(format.Plain, 5, 5, 200), []byte{10, 0}, nil)},
		"differences":            {kind: parquet.Int64, text: pageOf(t, dataPage(format.DeltaBinaryPacked, 5, 0, 0), nil, delta(5)), good: true},
		"too many differences":   {kind: parquet.Int64, text: pageOf(t, dataPage(format.DeltaBinaryPacked, 5, 0, 0), nil, delta(127))},
		"texts":                  {kind: parquet.ByteArray, text: slices.Concat(dictionary, pageOf(t, dataPage(format.RLEDictionary, 5, 0, 0), nil, []byte{1, 10, 0})), good: true},
		"packed texts":           {kind: parquet.ByteArray, text: slices.Concat(dictionary, pageOf(t, dataPage(format.RLEDictionary, 5, 0, 0), nil, []byte{1, 3, 0})), good: true},
		"too many texts":         {kind: parquet.ByteArray, text: slices.Concat(dictionary, pageOf(t, dataPage(format.RLEDictionary, 5, 0, 0), nil, []byte{1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0}))},
		"many runs of texts":     {kind: parquet.ByteArray, text: slices.Concat(dictionary, pageOf(t, dataPage(format.RLEDictionary, 5, 0, 0), nil, bytes.Repeat([]byte{1, 10}, 9)))},
		"too large a dictionary": {kind: parquet.ByteArray, text: slices.Concat(pageOf(t, texts(2), nil, []byte{1, 0, 0, 0, 'a'}), pageOf(t, dataPage(format.RLEDictionary, 5, 0, 0), nil, []byte{1, 10, 0}))},
		"no dictionary":          {kind: parquet.ByteArray, text: pageOf(t, dataPage(format.RLEDictionary, 5, 0, 0), nil, []byte{1, 10, 0})},
		"truths":                 {kind: parquet.Boolean, text: pageOf(t, dataPage(format.Plain, 5, 0, 0), nil, []byte{1}), good: true},
		"no truths":              {kind: parquet.Boolean, text: pageOf(t, dataPage(format.Plain, 5, 0, 0), nil, nil)},
		"another size": {kind: parquet.Boolean, text: pageOf(t, func() format.PageHeader {
			h := dataPage(format.Plain, 5, 0, 0)
			h.UncompressedPageSize = 1 << 30
			return h
		}(), nil, []byte{1})},
		"more bytes than are":   {kind: parquet.Boolean, text: pageOf(t, func() format.PageHeader { h := dataPage(format.Plain, 5, 0, 0); h.CompressedPageSize = 1; return h }(), nil, []byte{1})},
		"fewer bytes than none": {kind: parquet.Boolean, text: pageOf(t, func() format.PageHeader { h := dataPage(format.Plain, 5, 0, 0); h.CompressedPageSize = -100; return h }(), nil, []byte{1})},
		"another encoding":      {kind: parquet.Int64, text: pageOf(t, dataPage(format.DeltaLengthByteArray, 5, 0, 0), nil, make([]byte, 40))},
	} {
		c1 := chunk{r: bytes.NewReader(c.text), kind: c.kind, nullable: c.nullable, left: 5}
		meta := &format.ColumnMetaData{Codec: format.Snappy, TotalCompressedSize: int64(len(c.text))}
		if err := c1.check(meta, int64(len(c.text))); (err == nil) != c.good {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Texts of any length are no claim: they stand in the headers of pages and in the footer, too.
func TestLongTexts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Create(dir, Environment{Planned: []string{"000-a-r1"}}, []byte("name: s\n"))
	must(t, err)
	c, err := w.Cell("000-a-r1")
	must(t, err)
	var want []Observation
	for i := range 3 {
		long := strings.Repeat(string(rune('a'+i)), 300<<10)
		want = append(want, Observation{At: 1, Source: long, Series: "s", Subject: Subject{Kind: SubjectHost, ID: long, Detail: long}, Unit: "1"})
	}
	must(t, c.Observations(want))
	must(t, c.Close(Cell{Status: CellDone}))
	run, err := Read(dir)
	must(t, err)
	if got := all(t, run.Cells[0].Observations()); len(run.Problems) != 0 || !slices.Equal(got, want) {
		t.Errorf("%d observations, problems %+v", len(got), run.Problems)
	}
}

// What Snappy's text begins with is what it unpacks to, as far as it goes.
func TestLiteral(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for n := range 300 {
		want := make([]byte, n)
		for i := range want {
			want[i] = byte(r.IntN(1 + n%4*80))
		}
		packed, err := parquet.Snappy.Encode(nil, want)
		must(t, err)
		b := body{&chunk{r: bytes.NewReader(packed), end: int64(len(packed))}, 0, int64(len(packed)), int64(n)}
		begin, err := b.begin(1000)
		must(t, err)
		if got := literal(begin); !bytes.HasPrefix(want, got) || n > 100 && n%4 == 3 && len(got) < 50 {
			t.Errorf("%d bytes: got %x, want %x", n, got, want)
		}
	}
}

// A file of the right checksum whose pages claim too much gives one error, with its place.
func TestWrongPageIsTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	must(t, writeRun(dir, nil))
	name := filepath.Join(dir, runFiles[6])
	text, err := os.ReadFile(name)
	must(t, err)
	frame, err := openRows[sampleRow](bytes.NewReader(text), int64(len(text)))
	must(t, err)
	at := frame.Metadata().RowGroups[0].Columns[4].MetaData.DataPageOffset
	text[at+3] = 0x7f // the unpacked size, behind the type and two fields' numbers
	must(t, os.WriteFile(name, text, 0o600))
	rechecked(t, dir, 6, text)
	run, err := Read(dir)
	must(t, err)
	var faults []error
	for _, err := range run.Cells[0].Steps[0].Samples() {
		if err != nil {
			faults = append(faults, err)
		}
	}
	want := "read cells/000-a-r1/steps/00/samples.parquet: column seq: page 0: "
	if len(run.Problems) != 0 || len(faults) != 1 || !bytes.HasPrefix([]byte(faults[0].Error()), []byte(want)) {
		t.Errorf("problems %+v, faults %v, want one that begins with %q", run.Problems, faults, want)
	}
}

// rechecked writes the checksum of a table that was changed into the document that knows it.
func rechecked(t require, dir string, which int, table []byte) {
	t.Helper()
	sum := crc32.Checksum(table, castagnoli)
	switch which {
	case 4:
		rewrite(t, filepath.Join(dir, runFiles[2]), func(r *cellRecord) { r.ObservationsCRC = sum })
	case 6:
		rewrite(t, filepath.Join(dir, runFiles[5]), func(r *stepRecord) { r.SamplesCRC = sum })
	}
}

func rewrite[R any](t require, name string, change func(*R)) {
	t.Helper()
	text, err := os.ReadFile(name)
	must(t, err)
	var record R
	must(t, decode(text, &record))
	change(&record)
	text, err = encode(record)
	must(t, err)
	must(t, os.WriteFile(name, text, 0o600))
}
