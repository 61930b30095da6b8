package scenarios

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// A Fault is one thing that is wrong with a scenario file, and where.
type Fault struct {
	File         string // as given to Read
	Line, Column int    // from 1; columns count characters
	Text         string // what is wrong, one line
	Source       string // the offending line; empty if the file has no such line
	Hint         string // what would be right; may be empty
}

// Error gives "file:line:column: text", the line with a caret under the place,
// and the hint, each on a line of its own.
func (f *Fault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: %s", f.File, f.Line, f.Column, f.Text)
	if f.Source != "" {
		line, caret := excerpt(f.Source, f.Column)
		fmt.Fprintf(&b, "\n  %s\n  %s^", line, strings.Repeat(" ", caret))
	}
	if f.Hint != "" {
		b.WriteString("\n  " + f.Hint)
	}
	return b.String()
}

// excerpt gives what is printed of a line, and how far right the caret
// stands. Long lines are cut around the place; whatever is no printable
// character (tabs, escapes) is shown as a space.
func excerpt(source string, column int) (line string, caret int) {
	const width = 120
	runes := []rune(source)
	for i, r := range runes {
		if !unicode.IsPrint(r) {
			runes[i] = ' '
		}
	}
	caret = max(column-1, 0)
	if len(runes) > width && caret > width/2 {
		cut := min(caret-width/2, len(runes)-1)
		runes, caret = runes[cut:], caret-cut
	}
	if len(runes) > width {
		runes = runes[:width]
	}
	return strings.TrimRight(string(runes), " "), min(caret, width)
}

// source is the text that faults point into.
type source struct {
	file  string
	lines []string
}

func (s source) fault(at place, text, hint string) *Fault {
	f := &Fault{File: s.file, Line: max(at.line, 1), Column: max(at.column, 1), Text: text, Hint: hint}
	if f.Line <= len(s.lines) {
		f.Source = strings.TrimRight(s.lines[f.Line-1], "\r")
	}
	return f
}

// join sorts faults by their place, drops repeated ones and makes one error.
func join(faults []*Fault) error {
	slices.SortStableFunc(faults, func(a, b *Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	var all []error
	for i, f := range faults {
		if i == 0 || *f != *faults[i-1] {
			all = append(all, f)
		}
	}
	return errors.Join(all...)
}

// Faults gives the faults within an error of [Read], in their order.
func Faults(err error) []*Fault {
	switch e := err.(type) {
	case nil:
		return nil
	case *Fault:
		return []*Fault{e}
	case interface{ Unwrap() []error }:
		var all []*Fault
		for _, inner := range e.Unwrap() {
			all = append(all, Faults(inner)...)
		}
		return all
	}
	return Faults(errors.Unwrap(err))
}
