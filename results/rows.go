package results

import (
	"fmt"
	"io"
	"iter"
	"math"

	"github.com/parquet-go/parquet-go"
)

// A sampleRow is a Sample as samples.parquet holds it. What did not come or
// was not told is null there, never zero.
type sampleRow struct {
	Service      string `parquet:"service,dict,snappy"`
	Class        string `parquet:"class,dict,snappy"`
	Model        string `parquet:"model,dict,snappy"`
	Endpoint     string `parquet:"endpoint,dict,snappy"`
	Seq          int64  `parquet:"seq,delta,snappy"`
	Session      int64  `parquet:"session,delta,snappy"`
	User         int64  `parquet:"user,delta,snappy"`
	Call         int64  `parquet:"call,delta,snappy"`
	Last         bool   `parquet:"last,snappy"`
	Attempt      int64  `parquet:"attempt,delta,snappy"`
	Due          int64  `parquet:"due_ns,delta,snappy"`
	Sent         *int64 `parquet:"sent_ns,snappy"`
	First        *int64 `parquet:"first_ns,snappy"`
	Final        *int64 `parquet:"final_ns,snappy"`
	Done         int64  `parquet:"done_ns,delta,snappy"`
	LongestGap   *int64 `parquet:"longest_gap_ns,snappy"` // null with fewer than two chunks
	Lag          int64  `parquet:"lag_ns,delta,snappy"`
	Outcome      string `parquet:"outcome,dict,snappy"`
	Status       *int64 `parquet:"http_status,snappy"`
	BytesSent    int64  `parquet:"bytes_sent,delta,snappy"`
	BytesRead    int64  `parquet:"bytes_read,delta,snappy"`
	Chunks       int64  `parquet:"chunks,delta,snappy"`
	PromptTokens *int64 `parquet:"prompt_tokens,snappy"`
	OutputTokens *int64 `parquet:"output_tokens,snappy"`
	CachedTokens *int64 `parquet:"cached_tokens,snappy"`
	// Times by the server's own clock.
	ServerQueue   *int64 `parquet:"server_queue_ns,snappy"`
	ServerWork    *int64 `parquet:"server_work_ns,snappy"`
	ServerRefused bool   `parquet:"server_refused,snappy"`
}

// known gives nil for the value that stands for "none".
func known(v, none int64) *int64 {
	if v == none {
		return nil
	}
	return &v
}

func rowOfSample(s Sample) (sampleRow, error) {
	if s.Outcome < OK || s.Outcome > NotSent {
		return sampleRow{}, fmt.Errorf("sample %d of service %q: no outcome has the number %d", s.Seq, s.Service, uint8(s.Outcome))
	}
	if s.Due == NoOffset || s.Done == NoOffset {
		return sampleRow{}, fmt.Errorf("sample %d of service %q: due and done must be set", s.Seq, s.Service)
	}
	if s.ServerQueue < Untold || s.ServerWork < Untold {
		return sampleRow{}, fmt.Errorf("sample %d of service %q: the server's times are %d and %d ns; one that it did not tell is %d", s.Seq, s.Service, s.ServerQueue, s.ServerWork, Untold)
	}
	var gap *int64
	if s.Chunks > 1 {
		gap = new(int64(s.LongestGap))
	} else if s.LongestGap != 0 {
		return sampleRow{}, fmt.Errorf("sample %d of service %q: a gap between %d chunks", s.Seq, s.Service, s.Chunks)
	}
	return sampleRow{
		Service: s.Service, Class: s.Class, Model: s.Model, Endpoint: s.Endpoint,
		Seq: s.Seq, Session: s.Session, User: s.User, Call: int64(s.Call), Last: s.Last, Attempt: int64(s.Attempt),
		Due: int64(s.Due), Sent: known(int64(s.Sent), int64(NoOffset)), First: known(int64(s.First), int64(NoOffset)),
		Final: known(int64(s.Final), int64(NoOffset)), Done: int64(s.Done), LongestGap: gap, Lag: int64(s.Lag),
		Outcome: s.Outcome.String(), Status: known(int64(s.Status), 0),
		BytesSent: s.BytesSent, BytesRead: s.BytesRead, Chunks: s.Chunks,
		PromptTokens: known(s.PromptTokens, UnknownTokens),
		OutputTokens: known(s.OutputTokens, UnknownTokens),
		CachedTokens: known(s.CachedTokens, UnknownTokens),
		ServerQueue:  known(int64(s.ServerQueue), int64(Untold)), ServerWork: known(int64(s.ServerWork), int64(Untold)), ServerRefused: s.ServerRefused,
	}, nil
}

// An observationRow is an Observation as observations.parquet holds it.
type observationRow struct {
	At     int64   `parquet:"at_ns,delta,snappy"`
	Source string  `parquet:"source,dict,snappy"`
	Kind   string  `parquet:"subject_kind,dict,snappy"`
	ID     string  `parquet:"subject_id,dict,snappy"`
	GPU    string  `parquet:"subject_gpu,dict,snappy"`
	Detail string  `parquet:"subject_detail,dict,snappy"`
	Series string  `parquet:"series,dict,snappy"`
	Value  float64 `parquet:"value,snappy"`
	Unit   string  `parquet:"unit,dict,snappy"`
}

func rowOfObservation(o Observation) (observationRow, error) {
	if math.IsNaN(o.Value) || o.At == NoOffset {
		return observationRow{}, fmt.Errorf("observation of %s: what is unknown gives no observation", o.Series)
	}
	return observationRow{
		At: int64(o.At), Source: o.Source,
		Kind: string(o.Subject.Kind), ID: o.Subject.ID, GPU: o.Subject.GPU, Detail: o.Subject.Detail,
		Series: o.Series, Value: o.Value, Unit: o.Unit,
	}, nil
}

func (r *observationRow) observation() Observation {
	return Observation{
		At: Offset(r.At), Source: r.Source,
		Subject: Subject{Kind: SubjectKind(r.Kind), ID: r.ID, GPU: r.GPU, Detail: r.Detail},
		Series:  r.Series, Value: r.Value, Unit: r.Unit,
	}
}

// The key under which a Parquet file names the schema it was written with.
const parquetSchemaKey = "evabench.schema"

// newRows starts a Parquet file of T. The bytes depend on the rows and their
// batches alone: there is no time and no build in them.
func newRows[T any](w io.Writer) *parquet.GenericWriter[T] {
	return parquet.NewGenericWriter[T](w,
		parquet.CreatedBy("evabench", "", ""),
		parquet.KeyValueMetadata(parquetSchemaKey, fmt.Sprint(SchemaVersion)),
	)
}

// rowBatch is how many rows are converted at a time.
const rowBatch = 4096

// writeRows converts and writes all of items, and says how many it wrote.
func writeRows[T, R any](w *parquet.GenericWriter[R], items []T, convert func(T) (R, error)) (written int64, err error) {
	rows := make([]R, 0, min(len(items), rowBatch))
	for start := 0; start < len(items); start += rowBatch {
		rows = rows[:0]
		for _, item := range items[start:min(start+rowBatch, len(items))] {
			row, err := convert(item)
			if err != nil {
				return written, err
			}
			rows = append(rows, row)
		}
		n, err := w.Write(rows)
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// openRows checks a Parquet file's frame: that it is whole, of our schema and
// with our columns. Nothing of its rows is read yet.
func openRows[R any](r io.ReaderAt, size int64) (file *parquet.File, err error) {
	defer recovered(&err)
	if err := checkFooter(r, size); err != nil {
		return nil, err
	}
	var row R
	want := parquet.SchemaOf(row)
	// Rows are read from the first on: no index is needed.
	file, err = parquet.OpenFile(r, size, parquet.FileSchema(want), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, err
	}
	version, _ := file.Lookup(parquetSchemaKey)
	if version != fmt.Sprint(SchemaVersion) {
		return nil, fmt.Errorf("%w %q, this program reads %d", ErrSchema, version, SchemaVersion)
	}
	if !parquet.EqualNodes(file.Root(), want) {
		return nil, fmt.Errorf("the columns are not those of schema %d", SchemaVersion)
	}
	return file, nil
}

// readObservations gives the observations of an opened file. A fault ends the sequence.
func readObservations(file *parquet.File) iter.Seq2[Observation, error] {
	return func(yield func(Observation, error) bool) {
		reader := parquet.NewGenericReader[observationRow](file)
		defer reader.Close()
		rows := make([]observationRow, 256)
		for {
			clear(rows)
			n, err := readBatch(reader, rows)
			for i := range rows[:n] {
				if !yield(rows[i].observation(), nil) {
					return
				}
			}
			switch {
			case err == io.EOF:
				return
			case err != nil:
				yield(Observation{}, err)
				return
			}
		}
	}
}

func readBatch[R any](r *parquet.GenericReader[R], rows []R) (n int, err error) {
	defer recovered(&err)
	return r.Read(rows)
}

// recovered turns a panic of the Parquet library, which some damaged files
// cause, into an error.
func recovered(err *error) {
	if fault := recover(); fault != nil {
		*err = fmt.Errorf("damaged file: %v", fault)
	}
}
