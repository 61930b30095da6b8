package progress

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// JSONLines is a [Consumer] that writes each event as one line of JSON. Figures of a
// step that runs are written every five seconds at most, so that a day's file stays
// small; those of its end always.
type JSONLines struct {
	w    io.WriteCloser
	last time.Time // of the figures that were written last
	told bool      // that an event was left out
	err  error     // the first of the writer; nothing is written after it
}

// jsonFiguresEvery is how far apart figures of a step that runs are written.
const jsonFiguresEvery = 5 * time.Second

// NewJSONLines makes JSONLines on w, which it closes.
func NewJSONLines(w io.WriteCloser) *JSONLines { return &JSONLines{w: w} }

// Take writes an event. One that cannot be written as JSON is left out, and a line
// in the place of the first such tells so.
func (j *JSONLines) Take(e Event) {
	if e.Kind == StepRuns {
		if e.At.Sub(j.last) < jsonFiguresEvery {
			return
		}
		j.last = e.At
	}
	if j.err != nil {
		return
	}
	line, err := json.Marshal(e)
	if err != nil {
		if j.told {
			return
		}
		j.told = true
		text := fmt.Sprintf("an event %s was left out, as others like it will be without a word: %v", e.Kind, err)
		if line, err = json.Marshal(Event{At: e.At, Kind: Said, Text: text}); err != nil {
			return // a date that is none
		}
	}
	_, j.err = j.w.Write(append(line, '\n'))
}

// Close closes the writer and gives the first fault: events were asked for, and are
// missing.
func (j *JSONLines) Close() error {
	err := j.w.Close()
	if j.err != nil {
		err = j.err
	}
	if err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	return nil
}
