package progress

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// Lines is a [Consumer] that writes a line for people for each thing worth one, each
// with the time of day in front.
type Lines struct {
	w     io.Writer
	every time.Duration // between two lines of figures; 0 for none
	state State
	last  time.Time // of the figures that were written last, or of the step's begin
}

// FiguresEvery is how far apart [Lines] writes figures of a step that runs.
const FiguresEvery = 10 * time.Second

// NewLines makes Lines on w, with figures of the step that runs at most every so often,
// and none for 0.
func NewLines(w io.Writer, every time.Duration) *Lines { return &Lines{w: w, every: every} }

// Take writes what an event is worth.
func (l *Lines) Take(e Event) {
	cell := l.state.Cell
	l.state.Take(e)
	switch e.Kind {
	case Said:
		l.line(e.At, e.Text)
	case StepBegins:
		l.last = e.At
	case StepRuns:
		if l.every == 0 || e.At.Sub(l.last) < l.every {
			return
		}
		l.last = e.At
		l.line(e.At, fmt.Sprintf("cell %s: step %d: %s", e.Cell, *e.Step, e.Figures.Words()))
	case StepEnds:
		text := ""
		for i, s := range e.Figures.Services {
			if i > 0 {
				text += "; "
			}
			text += s.Service + " " + s.EndWords()
		}
		l.line(e.At, fmt.Sprintf("cell %s: step %d ended: %s", e.Cell, *e.Step, text))
	case CellEnds:
		took := ""
		if cell != nil {
			took = " after " + Span(e.At.Sub(cell.Begun))
		}
		l.line(e.At, fmt.Sprintf("cell %s: %s%s; %s", e.Cell, e.Status, took, l.state.Words(e.At)))
	}
}

// line writes one. What cannot be written is not told anywhere: the run goes on.
func (l *Lines) line(at time.Time, text string) {
	_, _ = fmt.Fprintf(l.w, "%s %s\n", at.Local().Format("15:04:05"), Clean(text))
}

// Clean makes what would steer a terminal visible, but for the ends of lines: texts hold
// words of servers.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// Close does nothing: who gave the writer closes it.
func (l *Lines) Close() error { return nil }
