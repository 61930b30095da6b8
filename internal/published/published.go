// Package published holds the tables of the EVA GPU MIG/MPS Optimization Guide, as
// they were printed: it is the project's one copy of them.
package published

import (
	_ "embed"
	"encoding/json"
)

// EVA is the file itself: JSON, in which each row has its cells as they were printed
// and, for programs that calculate, the numbers that they stand for. Nobody may change it.
//
//go:embed eva.json
var EVA []byte

// Tables is what was published. Its texts are verbatim: thousands are apart where the
// guide sets them apart, and a unit stands in a cell where it does so there.
type Tables struct {
	Source    string  `json:"source"`
	Note      string  `json:"note"`
	Tables    []Table `json:"tables"`
	Placement Grid    `json:"placement"`
}

// A Table is one table of measurements.
type Table struct {
	ID     string `json:"id"` // the guide's section: "4.1"
	Title  string `json:"title"`
	Server string `json:"server"`
	// Window is for how long requests were counted, in seconds. WindowNote says where
	// it is from if the guide does not tell it.
	Window     float64  `json:"window_seconds"`
	WindowNote string   `json:"window_note,omitempty"`
	Columns    []string `json:"columns"`
	Rows       []Row    `json:"rows"`
	// Change is the guide's own table of changes, and Sentence what it says of them in
	// its text; both are empty where it prints none.
	Change   Grid   `json:"change_table"`
	Sentence string `json:"sentence,omitempty"`
}

// A Row has one cell for each of the table's columns.
type Row struct {
	Cells []string `json:"cells"`
}

// A Grid is a table of texts.
type Grid struct {
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
}

// Read gives the tables. They are the caller's.
func Read() Tables {
	var t Tables
	if err := json.Unmarshal(EVA, &t); err != nil {
		panic("published tables: " + err.Error()) // a test reads them
	}
	return t
}

// Cell gives the text in the row's cell below a column of that name; false if the table
// has none.
func (t Table) Cell(row int, column string) (string, bool) {
	for i, name := range t.Columns {
		if name == column && row >= 0 && row < len(t.Rows) && i < len(t.Rows[row].Cells) {
			return t.Rows[row].Cells[i], true
		}
	}
	return "", false
}
