package arrivals

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// A trace plays recorded moments, speed times as fast, once.
type trace struct {
	times []float64 // ascending, at least one
	speed float64
}

// rate is the mean over the whole trace; a trace of one moment counts as of one
// second.
func (t trace) rate() float64 {
	n := float64(len(t.times))
	if last := t.times[len(t.times)-1]; last > 0 {
		return n / last * t.speed
	}
	return n
}

func (t trace) seconds(uint64) func() (float64, bool) {
	i := -1
	return func() (float64, bool) {
		if i++; i >= len(t.times) {
			return 0, false
		}
		return t.times[i] / t.speed, true
	}
}

// The limits of a trace: its moments, and the length of a line in bytes.
const (
	maxTrace     = 10_000_000
	maxTraceLine = 1 << 20
)

// A TraceError says what is wrong with a line of a trace.
type TraceError struct {
	Line int // from 1
	Text string
}

// Error gives the line and the fault.
func (e *TraceError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Text) }

func readTraceFile(file string) ([]float64, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read trace: %w", err)
	}
	defer f.Close()
	times, err := ReadTrace(f)
	if err != nil {
		return nil, fmt.Errorf("read trace %s: %w", file, err)
	}
	return times, nil
}

// ReadTrace reads the moments at which sessions are due, in seconds since the
// step's start, one a line. A line is a number; or a JSON object with the key
// timestamp; or, after a line of names that has the column timestamp, a row of
// CSV. Names are known in any case; empty lines and those that begin with # are
// passed over. A timestamp is a number of seconds, or a date and time such as
// 2026-01-31 12:00:00.25, which counts from the first. Moments must not go back.
// (Where a recording counts milliseconds, play it 1000 times as fast.) An error
// about a line is a *[TraceError].
func ReadTrace(r io.Reader) ([]float64, error) {
	t := traceReader{column: -1}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxTraceLine)
	for lines.Scan() {
		t.line++
		text := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if text == "" || text[0] == '#' {
			continue
		}
		if err := t.add(text); err != nil {
			return nil, &TraceError{t.line, err.Error()}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, &TraceError{t.line + 1, err.Error()}
	}
	if len(t.times) == 0 {
		return nil, errors.New("there is no moment in it")
	}
	return t.times, nil
}

// A traceReader reads lines.
type traceReader struct {
	line   int
	column int // of CSV; -1 if there is none
	named  bool
	first  time.Time // of dates
	dates  bool
	times  []float64
}

func (t *traceReader) add(text string) error {
	word, names, err := t.word(text)
	if err != nil || names {
		return err
	}
	at, isDate, err := t.moment(word)
	switch {
	case err != nil:
		return err
	case len(t.times) == 0:
		t.dates = isDate
	case isDate != t.dates:
		return fmt.Errorf("%q is a date among numbers, or a number among dates", cut(word))
	case at < t.times[len(t.times)-1]:
		return fmt.Errorf("%s is before the moment before it", cut(word))
	case len(t.times) == maxTrace:
		return fmt.Errorf("a trace has at most %d moments", maxTrace)
	}
	t.times = append(t.times, at)
	return nil
}

// word finds the timestamp in a line, or that the line is one of names.
func (t *traceReader) word(text string) (word string, names bool, err error) {
	if text[0] == '{' {
		var row struct{ Timestamp json.RawMessage } // its name is known in any case
		if err := json.Unmarshal([]byte(text), &row); err != nil {
			return "", false, fmt.Errorf("no JSON object: %w", err)
		}
		if row.Timestamp == nil {
			return "", false, errors.New("there is no timestamp in it")
		}
		return strings.Trim(string(row.Timestamp), `"`), false, nil
	}
	begun := t.named || len(t.times) > 0
	if begun && !t.named || !begun && plain(text) {
		return text, false, nil
	}
	cells, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return "", false, fmt.Errorf("no row of CSV: %w", err)
	}
	if !begun {
		for i, c := range cells {
			if strings.EqualFold(strings.TrimSpace(c), "timestamp") {
				t.column, t.named = i, true
				return "", true, nil
			}
		}
		return "", false, fmt.Errorf("%q is no moment, and names no column timestamp", cut(text))
	}
	if t.column >= len(cells) {
		return "", false, fmt.Errorf("a row of %d cells has no column %d", len(cells), t.column+1)
	}
	return strings.TrimSpace(cells[t.column]), false, nil
}

// plain reports that a line is a moment by itself, if perhaps a wrong one.
func plain(text string) bool {
	_, number := strconv.ParseFloat(text, 64)
	_, date := parseDate(text)
	return number == nil || date == nil
}

// dateForms are those of published traces; a fraction of a second is read in
// all of them.
var dateForms = [...]string{time.RFC3339, time.DateTime, "2006-01-02 15:04:05Z07:00"}

// moment reads a timestamp, in seconds.
func (t *traceReader) moment(word string) (at float64, isDate bool, err error) {
	if at, err := strconv.ParseFloat(word, 64); err == nil {
		if !(at >= 0 && at <= maxSeconds) {
			return 0, false, fmt.Errorf("%s is not within 0 to %g seconds", cut(word), float64(maxSeconds))
		}
		return at, false, nil
	}
	d, err := parseDate(word)
	if err != nil {
		return 0, false, fmt.Errorf("%q is neither a number of seconds nor a date and time", cut(word))
	}
	if len(t.times) == 0 {
		t.first = d
	}
	return d.Sub(t.first).Seconds(), true, nil
}

func parseDate(word string) (d time.Time, err error) {
	for _, form := range dateForms {
		if d, err = time.Parse(form, word); err == nil {
			break
		}
	}
	return d, err
}

// maxSeconds is thirty years: longer ago nobody began to measure.
const maxSeconds = 1e9

func cut(text string) string {
	if len(text) > 60 {
		return text[:60] + "…"
	}
	return text
}
