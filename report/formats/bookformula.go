package formats

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/evabench/evabench/report"
	"github.com/xuri/excelize/v2"
)

// A placed is a table with the row of the sheet at which its rows begin.
type placed struct {
	report.Table
	top int
}

// formula says how a cell of the last of the tables comes about, as a spreadsheet
// reckons it; empty if it is of other cells than the sheet has, or would not give the
// cell's value: an effect over some of the replicates is not the ratio of the means over
// all.
func formula(c report.Cell, tables []placed) string {
	of := c.Reckoned
	if c.Change != nil {
		of = &report.Reckoned{
			Factor: 1, Less: 1,
			Times: []report.CellAt{{Row: c.Change.Row, Column: c.Change.Column}}, Over: []report.CellAt{{Row: c.Change.Base, Column: c.Change.Column}},
		}
	}
	if of == nil || c.Value == nil {
		return ""
	}
	value := of.Factor
	var times, over []string
	for _, at := range of.Times {
		name, v, ok := cellAt(at, tables)
		if !ok {
			return ""
		}
		times, value = append(times, name), value*v
	}
	for _, at := range of.Over {
		name, v, ok := cellAt(at, tables)
		if !ok || v == 0 {
			return ""
		}
		over, value = append(over, name), value/v
	}
	if of.Factor != 1 {
		times = append(times, strconv.FormatFloat(of.Factor, 'g', -1, 64))
	}
	value -= of.Less
	const near = 1e-9 // of the value, which was reckoned in another order
	if math.Abs(value-*c.Value) > near*max(1, math.Abs(value)) {
		return ""
	}
	text := strings.Join(times, "*")
	for _, name := range over {
		text += "/" + name
	}
	if of.Less != 0 {
		text += "-" + strconv.FormatFloat(of.Less, 'g', -1, 64)
	}
	return text
}

// cellAt finds a cell among the tables: of the last of them if it names none.
func cellAt(at report.CellAt, tables []placed) (name string, value float64, ok bool) {
	i := len(tables) - 1
	for at.Table != "" && i >= 0 && tables[i].ID != at.Table {
		i--
	}
	if i < 0 || at.Row >= len(tables[i].Rows) || at.Column >= len(tables[i].Columns) {
		return "", 0, false
	}
	v := tables[i].Rows[at.Row][at.Column].Value
	name, err := excelize.CoordinatesToCellName(at.Column+1, tables[i].top+at.Row)
	if v == nil || err != nil {
		return "", 0, false
	}
	return name, *v, true
}

// name gives a key figure's cell a name that formulas of the reader's own can use.
// The first cell that asks for a name has it.
func (b *book) name(key, sheet, cell string) error {
	name := definedName(key)
	if name == "" || b.defined[name] {
		return nil
	}
	b.defined[name] = true
	absolute, err := absoluteCell(cell)
	if err != nil {
		return err
	}
	return b.file.SetDefinedName(&excelize.DefinedName{Name: name, RefersTo: quotedSheet(sheet) + "!" + absolute})
}

// definedName makes a name that workbooks allow: "change_vision_mig_mps".
func definedName(key string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(key) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
		if b.Len() == 200 { // of 255
			break
		}
	}
	name := strings.Trim(b.String(), "_")
	if name == "" {
		return ""
	}
	return "eva_" + name // so that it is no cell's
}

func absoluteCell(cell string) (string, error) {
	column, row, err := excelize.CellNameToCoordinates(cell)
	if err != nil {
		return "", err
	}
	return excelize.CoordinatesToCellName(column, row, true)
}

// quotedSheet is a sheet's name within a formula.
func quotedSheet(name string) string { return "'" + strings.ReplaceAll(name, "'", "''") + "'" }

// between is a range of cells.
func between(left, top, right, bottom int) (string, error) {
	from, err := excelize.CoordinatesToCellName(left, top)
	if err != nil {
		return "", err
	}
	to, err := excelize.CoordinatesToCellName(right, bottom)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s:%s", from, to), nil
}

func hasPrefix(text string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(text, p) {
			return true
		}
	}
	return false
}
