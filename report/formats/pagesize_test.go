package formats

import (
	"fmt"
	"testing"

	"github.com/evabench/evabench/report"
)

// The page of a run of 100 cells has less than 8 MB, so that it can be mailed and opened;
// whatever the run holds that the page tells of each cell. Each cell is one of a made-up
// run over again.
func TestPageOfManyCellsIsSmall(t *testing.T) {
	const cells, most = 100, 8_000_000
	for _, name := range []string{"activity.json", "capacity.json"} {
		s := read(t, name)
		for i := 0; len(s.Cells) < cells; i++ {
			c := s.Cells[i]
			c.Cell.Folder, c.Cell.Replicate = fmt.Sprintf("%03d-%s", len(s.Cells), c.Cell.Config.Name), len(s.Cells)
			s.Cells = append(s.Cells, c)
		}
		charts, rows := 0, 0
		for _, section := range report.Build(s).Sections {
			charts += len(section.Charts)
			for _, table := range section.Tables {
				rows += len(table.Rows)
			}
		}
		length := len(written(t, "html", s))
		t.Logf("%s over again: %d rows, %d charts, %.2f MB", name, rows, charts, float64(length)/1e6)
		if rows < 10*cells || length >= most {
			t.Errorf("%s over again: %d rows, %d bytes; want some ten rows for each of %d cells, and less than %d bytes", name, rows, length, cells, most)
		}
	}
}
