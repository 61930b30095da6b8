package results

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// How a cell was warmed up comes back as it was written.
func TestWarmedRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Create(dir, Environment{Planned: []string{"000"}}, nil)
	must(t, err)
	c, err := w.Cell("000")
	must(t, err)
	want := []Warmed{
		{Instance: "vision-0", Class: "owl-v2", Parallel: 2, Rounds: []time.Duration{3e8, 2e8, 2e8, 2e8, 2e8}, Settled: true},
		{Instance: "agent-0", Parallel: 1, Rounds: []time.Duration{5e9}},
	}
	must(t, c.Close(Cell{Status: CellDone, Warmed: want}))
	run, err := Read(dir)
	must(t, err)
	if got := run.Cells[0].Cell.Warmed; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
