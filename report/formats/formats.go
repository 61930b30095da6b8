// Package formats writes a report.Document as bytes, in one of several
// formats. The same Document gives the same bytes.
package formats

import (
	"fmt"
	"io"
	"strings"

	"github.com/evabench/evabench/report"
	html "github.com/evabench/evabench/report/formats/page" // a page of text is a page too
)

// Names lists the formats, sorted.
func Names() []string {
	return []string{"alerts", "csv", "html", "json", "markdown", "terminal", "vllm-bench", "xlsx"}
}

// OneRun lists those of them that tell of one run alone, and take no other Document.
func OneRun() []string { return []string{"alerts", "csv", "vllm-bench"} }

// Write writes d to w in the format of that name. An unknown name is an error
// that lists the known ones.
//
// "json" is the Summary itself, with every number exact and its unit beside
// it. "markdown" and "xlsx" are the document for people; in xlsx numbers are
// numbers in the units of the columns' headings. "html" is one page, with charts, that
// needs nothing else and no network. "terminal" is what [Terminal] writes at the
// DefaultWidth: plain text without colours. "alerts" is the file of alert rules for
// Prometheus, of d.Alerts, which must not be nil. "csv" is every figure of every service
// in every step, in base units. "vllm-bench" has the keys of a result file of vllm bench
// serve, an object a line for each agent service in each step. Both are of d.Summary.
func Write(name string, w io.Writer, d *report.Document) error {
	var err error
	switch name {
	case "alerts":
		var text string
		if text, err = alerts(d.Alerts); err == nil {
			_, err = io.WriteString(w, text)
		}
	case "csv":
		err = writeCSV(w, d)
	case "html":
		err = html.Write(w, d)
	case "json":
		err = writeJSON(w, d)
	case "markdown":
		_, err = io.WriteString(w, markdown(d))
	case "terminal":
		return Terminal(w, d, DefaultWidth)
	case "vllm-bench":
		err = writeVLLM(w, d)
	case "xlsx":
		err = writeXLSX(w, d)
	default:
		return fmt.Errorf("unknown format %q; known: %s", name, strings.Join(Names(), ", "))
	}
	if err != nil {
		return fmt.Errorf("write %s report: %w", name, err)
	}
	return nil
}

// heading is a column's name with its unit, unless its cells tell their own.
func heading(c report.Column) string {
	if c.Unit == "" || c.Scaled || c.Unit == "1" || c.Unit == "n" {
		return c.Name
	}
	return c.Name + " (" + c.Unit + ")"
}

// A footnotes list numbers the notes of a table's cells, each text once.
type footnotes struct{ texts []string }

// mark gives the text of a cell with the mark of its note.
func (f *footnotes) mark(c report.Cell) string {
	if c.Note == "" {
		return c.Text
	}
	for i, text := range f.texts {
		if text == c.Note {
			return fmt.Sprintf("%s [%d]", c.Text, i+1)
		}
	}
	f.texts = append(f.texts, c.Note)
	return fmt.Sprintf("%s [%d]", c.Text, len(f.texts))
}

// lines are the notes with their marks, as they stand below a table.
func (f *footnotes) lines() []string {
	var lines []string
	for i, text := range f.texts {
		lines = append(lines, fmt.Sprintf("[%d] %s", i+1, text))
	}
	return lines
}
