package results

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/parquet-go/parquet-go"
)

// sampleBatch is how many samples are put together at a time: so few that they stay in
// the nearest caches while their columns are filled in one after the other.
const sampleBatch = 128

// readSamples gives the samples of an opened file. A fault ends the sequence. It reads
// column by column.
//
// Note: the library's reader of rows puts them together through values that know their
// type at run time, and makes each number that may be null anew: it took six times as
// long.
func readSamples(file *parquet.File) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		for _, group := range file.RowGroups() {
			if !readGroup(file.Schema(), group, yield) {
				return
			}
		}
	}
}

// readGroup gives the samples of a row group; false if that is to be the end.
func readGroup(schema *parquet.Schema, group parquet.RowGroup, yield func(Sample, error) bool) bool {
	columns, err := sampleColumns(schema, group)
	defer func() {
		for _, c := range columns {
			c.close()
		}
	}()
	if err != nil {
		yield(Sample{}, err)
		return false
	}
	batch := make([]Sample, sampleBatch)
	for left := group.NumRows(); left > 0; left -= int64(len(batch)) {
		batch = batch[:min(int64(len(batch)), left)]
		clear(batch)
		for _, c := range columns {
			if err := c.fill(batch); err != nil {
				yield(Sample{}, err)
				return false
			}
		}
		for i := range batch {
			if !yield(batch[i], nil) {
				return false
			}
		}
	}
	return true
}

// sampleColumns opens the columns of a row group. Those that it opened are to be closed,
// also with an error.
func sampleColumns(schema *parquet.Schema, group parquet.RowGroup) (columns []*column, err error) {
	defer recovered(&err)
	chunks := group.ColumnChunks()
	for _, f := range sampleFields {
		leaf, ok := schema.Lookup(f.name)
		if !ok || leaf.ColumnIndex >= len(chunks) {
			return columns, fmt.Errorf("there is no column %s", f.name)
		}
		columns = append(columns, &column{field: f, pages: chunks[leaf.ColumnIndex].Pages(), nullable: leaf.MaxDefinitionLevel > 0})
	}
	return columns, nil
}

// A field is a column of samples.parquet and where it goes: a number, a text, a truth or
// the outcome.
type field struct {
	name    string
	number  func(*Sample, int64)
	none    int64 // the number for null
	text    func(*Sample, string)
	truth   func(*Sample, bool)
	outcome bool
}

// sampleFields are the columns of a sampleRow.
var sampleFields = []field{
	{name: "service", text: func(s *Sample, v string) { s.Service = v }},
	{name: "class", text: func(s *Sample, v string) { s.Class = v }},
	{name: "model", text: func(s *Sample, v string) { s.Model = v }},
	{name: "endpoint", text: func(s *Sample, v string) { s.Endpoint = v }},
	{name: "seq", number: func(s *Sample, v int64) { s.Seq = v }},
	{name: "session", number: func(s *Sample, v int64) { s.Session = v }},
	{name: "user", number: func(s *Sample, v int64) { s.User = v }},
	{name: "call", number: func(s *Sample, v int64) { s.Call = int(v) }},
	{name: "last", truth: func(s *Sample, v bool) { s.Last = v }},
	{name: "attempt", number: func(s *Sample, v int64) { s.Attempt = int(v) }},
	{name: "due_ns", number: func(s *Sample, v int64) { s.Due = Offset(v) }},
	{name: "sent_ns", none: int64(NoOffset), number: func(s *Sample, v int64) { s.Sent = Offset(v) }},
	{name: "first_ns", none: int64(NoOffset), number: func(s *Sample, v int64) { s.First = Offset(v) }},
	{name: "final_ns", none: int64(NoOffset), number: func(s *Sample, v int64) { s.Final = Offset(v) }},
	{name: "done_ns", number: func(s *Sample, v int64) { s.Done = Offset(v) }},
	{name: "longest_gap_ns", number: func(s *Sample, v int64) { s.LongestGap = time.Duration(v) }},
	{name: "lag_ns", number: func(s *Sample, v int64) { s.Lag = time.Duration(v) }},
	{name: "outcome", outcome: true},
	{name: "http_status", number: func(s *Sample, v int64) { s.Status = int(v) }},
	{name: "bytes_sent", number: func(s *Sample, v int64) { s.BytesSent = v }},
	{name: "bytes_read", number: func(s *Sample, v int64) { s.BytesRead = v }},
	{name: "chunks", number: func(s *Sample, v int64) { s.Chunks = v }},
	{name: "prompt_tokens", none: UnknownTokens, number: func(s *Sample, v int64) { s.PromptTokens = v }},
	{name: "output_tokens", none: UnknownTokens, number: func(s *Sample, v int64) { s.OutputTokens = v }},
	{name: "cached_tokens", none: UnknownTokens, number: func(s *Sample, v int64) { s.CachedTokens = v }},
	{name: "server_queue_ns", none: int64(Untold), number: func(s *Sample, v int64) { s.ServerQueue = time.Duration(v) }},
	{name: "server_work_ns", none: int64(Untold), number: func(s *Sample, v int64) { s.ServerWork = time.Duration(v) }},
	{name: "server_refused", truth: func(s *Sample, v bool) { s.ServerRefused = v }},
}

// A column reads one field of the rows of a row group in their order, a page at a time.
type column struct {
	field
	pages    parquet.Pages
	nullable bool

	page parquet.Page
	rows int // of the page
	at   int // the next of them
	// next is the next of the page's values, which are those that are not null; levels
	// says which are, and is nil if all are.
	next    int
	levels  []byte
	numbers []int64
	bits    []byte
	// index has the places of the page's texts in words, which are those of dictionary;
	// outcomes are what the words mean, 0 where they mean none.
	index      []int32
	words      []string
	outcomes   []Outcome
	dictionary parquet.Dictionary
}

// fill sets the field of the next len(batch) rows.
func (c *column) fill(batch []Sample) (err error) {
	defer recovered(&err)
	for len(batch) > 0 {
		if c.at == c.rows {
			if err := c.turn(); err != nil {
				return fmt.Errorf("column %s: %w", c.name, err)
			}
			continue
		}
		n := min(len(batch), c.rows-c.at)
		if err := c.some(batch[:n]); err != nil {
			return err
		}
		batch, c.at = batch[n:], c.at+n
	}
	return nil
}

// some sets the field of rows of one page.
func (c *column) some(batch []Sample) error {
	number := c.number // here, as next and none below: in c they are looked up again with each value
	switch {
	case c.text != nil:
		for i, word := range c.index[c.next : c.next+len(batch)] {
			c.text(&batch[i], c.words[word])
		}
		c.next += len(batch)
	case c.outcome:
		for i, word := range c.index[c.next : c.next+len(batch)] {
			s := &batch[i]
			if s.Outcome = c.outcomes[word]; s.Outcome == 0 {
				return fmt.Errorf("sample %d of service %q: %q is no outcome", s.Seq, s.Service, c.words[word])
			}
		}
		c.next += len(batch)
	case c.truth != nil:
		for i := range batch {
			k := c.next + i
			c.truth(&batch[i], c.bits[k/8]>>(k%8)&1 == 1)
		}
		c.next += len(batch)
	case !c.nullable:
		for i, v := range c.numbers[c.next : c.next+len(batch)] {
			c.number(&batch[i], v)
		}
		c.next += len(batch)
	default:
		numbers, none, next := c.numbers[c.next:], c.none, 0
		for i, level := range c.levels[c.at : c.at+len(batch)] {
			v := none
			if level != 0 {
				v = numbers[next]
				next++
			}
			number(&batch[i], v)
		}
		c.next += next
	}
	return nil
}

// turn reads the next page.
func (c *column) turn() error {
	c.release()
	page, err := c.pages.ReadPage()
	if err == io.EOF {
		return errors.New("it has fewer values than there are rows")
	}
	if err != nil {
		return err
	}
	c.page, c.rows, c.at, c.next = page, int(page.NumRows()), 0, 0
	data := page.Data()
	switch {
	case c.text != nil || c.outcome:
		return c.turnTexts(page)
	case c.truth != nil:
		c.bits = data.Boolean()
	default:
		c.numbers, c.levels = data.Int64(), page.DefinitionLevels()
	}
	return nil
}

// turnTexts takes a page of texts. All that we write have a dictionary.
func (c *column) turnTexts(page parquet.Page) error {
	dictionary := page.Dictionary()
	if dictionary == nil {
		return errors.New("its texts have no dictionary")
	}
	data := page.Data()
	c.index = data.Int32()
	if dictionary == c.dictionary {
		return nil
	}
	c.dictionary, c.words = dictionary, make([]string, dictionary.Len())
	for i := range c.words {
		c.words[i] = string(dictionary.Index(int32(i)).ByteArray()) // a copy: the page's memory is used again
	}
	c.outcomes = make([]Outcome, len(c.words))
	for i, word := range c.words {
		if c.outcomes[i].UnmarshalText([]byte(word)) != nil {
			c.outcomes[i] = 0
		}
	}
	return nil
}

func (c *column) release() {
	if c.page != nil {
		parquet.Release(c.page)
		c.page = nil
	}
}

func (c *column) close() {
	c.release()
	c.pages.Close()
}
