package runner

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// A cell that is skipped leaves no record, and a layout of which every cell is skipped is
// not applied. Each is asked of when those before it have ended.
func TestRunSkips(t *testing.T) {
	once := "apply, launch vision-0, stop vision-0, "
	for name, test := range map[string]struct {
		skipped string // folders
		want    string // the order of work
	}{
		"the only cell of a layout": {"000-a-r1", "apply, launch vision-0, stop vision-0, launch vision-0, stop vision-0, restore"},
		"the first of a layout":     {"001-b-r1", once + "restore, " + once + "restore"},
		"the last of a layout":      {"002-b-r2", once + "restore, " + once + "restore"},
		"all of a layout":           {"001-b-r1 002-b-r2", once + "restore"},
		"none":                      {"", once + "restore, " + once + "launch vision-0, stop vision-0, restore"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{}
				b, dir := w.bench(t)
				b.Cells = append(b.Cells, scenarios.Cell{Index: 2, Folder: "002-b-r2", Config: config("b"), Replicate: 2})
				ended := 0
				b.Skip = func(c scenarios.Cell) string {
					if got := strings.Count(strings.Join(w.log, ","), "stop"); got < ended {
						t.Errorf("%d cells have ended, %d had", got, ended)
					} else {
						ended = got
					}
					if w.up > 0 {
						t.Errorf("asked of %s while a cell runs", c.Folder)
					}
					if slices.Contains(strings.Fields(test.skipped), c.Folder) {
						return "it cannot win"
					}
					return ""
				}
				var told []string
				b.Tell = func(line string) { told = append(told, line) }
				if err := b.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				w.undone(t)
				if got := strings.Join(w.log, ", "); got != test.want {
					t.Errorf("order of work:\n got %s\nwant %s", got, test.want)
				}
				run, err := results.Read(dir)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range b.Cells {
					skipped := slices.Contains(strings.Fields(test.skipped), c.Folder)
					if recorded := slices.ContainsFunc(run.Cells, func(k *results.CellData) bool { return k.Cell.Folder == c.Folder }); recorded == skipped {
						t.Errorf("%s: recorded %v", c.Folder, recorded)
					}
					if tells := slices.ContainsFunc(told, func(line string) bool { return strings.Contains(line, c.Folder+": left out: it cannot win") }); tells != skipped {
						t.Errorf("%s: told %v", c.Folder, tells)
					}
				}
			})
		})
	}
}
