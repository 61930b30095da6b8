package formats

import (
	"archive/zip"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/evabench/evabench/report"
	"github.com/xuri/excelize/v2"
)

// writeXLSX writes a workbook: see plan for its sheets. Every sheet begins with the
// document's title and its banner. A number is a number, in the unit of its column's
// heading; a text is a text, whatever it begins with. Charts are native, and drawn from
// the cells of the sheet "Chart data".
func writeXLSX(w io.Writer, d *report.Document) error {
	f := excelize.NewFile()
	defer f.Close()
	b := &book{file: f, document: d, names: map[string]bool{}, defined: map[string]bool{}, data: chartDataOf(d)}
	if err := b.makeStyles(); err != nil {
		return err
	}
	for _, p := range append(plan(d), b.data.plan()...) {
		if err := b.sheet(p); err != nil {
			return fmt.Errorf("sheet %s: %w", p.name, err)
		}
	}
	return b.write(w)
}

// newSheet adds a sheet. The first takes the place of the one that a new file has, which
// is the one that is shown.
//
// Note: to delete that at the end, and to choose the first, both of the library's calls
// read all sheets that were streamed into memory again: a gigabyte for 200 cells.
func (b *book) newSheet(name string) error {
	if len(b.names) == 1 {
		return b.file.SetSheetName("Sheet1", name)
	}
	_, err := b.file.NewSheet(name)
	return err
}

// write finishes the workbook. Its properties carry the run's date and not
// today's, and its parts come sorted and undated: excelize orders streamed
// sheets by a map.
func (b *book) write(w io.Writer) error {
	date := b.document.Summary.Environment.Started.UTC().Format("2006-01-02T15:04:05Z")
	err := b.file.SetDocProps(&excelize.DocProperties{
		Title: b.document.Title, Subject: b.document.Banner, Creator: "evabench", LastModifiedBy: "evabench", Created: date, Modified: date,
	})
	if err != nil {
		return err
	}
	full := true
	if err := b.file.SetCalcProps(&excelize.CalcPropsOptions{FullCalcOnLoad: &full}); err != nil {
		return err
	}
	var made bytes.Buffer
	if err := b.file.Write(&made); err != nil {
		return err
	}
	return sortParts(w, made.Bytes())
}

func sortParts(w io.Writer, made []byte) error {
	archive, err := zip.NewReader(bytes.NewReader(made), int64(len(made)))
	if err != nil {
		return err
	}
	parts := slices.Clone(archive.File)
	slices.SortFunc(parts, func(a, b *zip.File) int { return cmp.Compare(a.Name, b.Name) })
	out := zip.NewWriter(w)
	for _, part := range parts {
		from, err := part.Open()
		if err != nil {
			return err
		}
		to, err := out.Create(part.Name)
		if err == nil && part.Name == "[Content_Types].xml" {
			err = sortTypes(to, from)
		} else if err == nil {
			_, err = io.Copy(to, from)
		}
		if err := cmp.Or(err, from.Close()); err != nil {
			return fmt.Errorf("copy %s: %w", part.Name, err)
		}
	}
	return out.Close()
}

var defaultTypes = regexp.MustCompile(`(?:<Default [^>]*></Default>)+`)

// sortTypes copies the list of the parts' types with its defaults sorted: excelize takes
// those of pictures, which it adds with the first chart, from a map.
func sortTypes(to io.Writer, from io.Reader) error {
	text, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	text = defaultTypes.ReplaceAllFunc(text, func(list []byte) []byte {
		const end = "</Default>"
		types := strings.SplitAfter(strings.TrimSuffix(string(list), end), end)
		types[len(types)-1] += end
		slices.Sort(types)
		return []byte(strings.Join(types, ""))
	})
	_, err = to.Write(text)
	return err
}

// numberFormats gives how a spreadsheet shows each column: one format for a
// column of one unit, so that its figures can be compared at a glance. It is
// empty for a column of several units, whose cells have formats of their own.
func numberFormats(t report.Table) []string {
	formats := make([]string, len(t.Columns))
	for i := range t.Columns {
		var cells []report.Cell
		mixed := false
		for _, row := range t.Rows {
			if row[i].Value == nil {
				continue
			}
			cells = append(cells, row[i])
			mixed = mixed || row[i].Unit != cells[0].Unit || row[i].Signed != cells[0].Signed || row[i].Meaning != cells[0].Meaning
		}
		if len(cells) > 0 && !mixed {
			formats[i] = numberFormat(cells...)
		}
	}
	return formats
}

// numberFormat is how a spreadsheet shows values of one unit: with as many
// places as their texts have, if those are even; shares in percent with two, small
// ones with six; whole numbers as they are; else
// with so many places that the largest has four digits and the smallest span
// three.
func numberFormat(cells ...report.Cell) string {
	largest, smallest, whole := 0.0, math.Inf(1), true
	for _, c := range cells {
		v := math.Abs(*c.Value)
		largest = max(largest, v)
		if v > 0 {
			smallest = min(smallest, v)
		}
		whole = whole && v == math.Trunc(v)
	}
	c := cells[0]
	switch {
	case c.Meaning != "":
		return fmt.Sprintf(`+0.0%%" (%[1]s)";-0.0%%" (%[1]s)";0.0%%" (%[1]s)"`, c.Meaning)
	case c.Signed:
		return "+0.0%;-0.0%;0.0%"
	case c.Unit == "ratio" && smallest < 0.0001: // which is not to look like none
		return "[=0]0.00%;[<0.0001]0.000000%;0.00%"
	case c.Unit == "ratio":
		return "0.00%"
	case c.Even:
		return places(c.Decimals)
	case c.Unit == "n" || whole:
		return places(0)
	case c.Unit == "s" && smallest < 1:
		return places(min(max(2-int(math.Floor(math.Log10(smallest))), 3), 6))
	}
	return places(min(max(3-int(math.Floor(math.Log10(largest))), 1), 3))
}

// places is the number format of so many digits after the point.
func places(n int) string {
	if n == 0 {
		return "#,##0"
	}
	return "#,##0." + strings.Repeat("0", n)
}
