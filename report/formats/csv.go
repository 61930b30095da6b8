package formats

import (
	"encoding/csv"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/evabench/evabench/report"
)

// writeCSV writes the rows of report.Flat: RFC 4180, but lines end with a line feed.
func writeCSV(w io.Writer, d *report.Document) error {
	if d.Summary == nil || d.Data != nil {
		return errors.New("it tells of one run, and this is of none or of several")
	}
	t := report.Flat(d.Summary)
	out := csv.NewWriter(w)
	record := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		record[i] = c.Name
	}
	if err := out.Write(record); err != nil {
		return err
	}
	for _, row := range t.Rows {
		for i, c := range row {
			switch {
			case c.Value != nil:
				record[i] = plain(*c.Value)
			case t.Columns[i].Align == report.Right:
				record[i] = ""
			default:
				record[i] = harmless(c.Text)
			}
		}
		if err := out.Write(record); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// plain writes a number as every tool reads it, with all of its digits.
func plain(v float64) string {
	if size := math.Abs(v); size != 0 && (size < 1e-6 || size >= 1e15) {
		return strconv.FormatFloat(v, 'e', -1, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// harmless puts an apostrophe before a text that a spreadsheet would take for a formula, as
// OWASP advises (https://owasp.org/www-community/attacks/CSV_Injection), and before one
// that begins with an apostrophe, so that taking one off gives every text back.
func harmless(text string) string {
	begin := strings.TrimLeft(text, " \u00a0\u3000")
	if begin != "" && strings.ContainsRune("'=+-@＝＋－＠", []rune(begin)[0]) {
		return "'" + text
	}
	return text
}
