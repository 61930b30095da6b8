package formats

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
)

// What devices did stands in every format; unknown is a word there, not a zero.
func TestActivityGolden(t *testing.T) {
	s := read(t, "activity.json")
	for file, got := range map[string][]byte{
		"testdata/activity.md":  written(t, "markdown", s),
		"testdata/activity.txt": written(t, "terminal", s),
	} {
		if *update {
			if err := os.WriteFile(file, got, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("the report differs from %s; if that is meant, run with -update and read the difference", file)
		}
	}
	book, err := excelize.OpenReader(bytes.NewReader(written(t, "xlsx", s)))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	for _, want := range []string{"What each device did in the window", "unknown", "nvml:energy_joules", "power cap"} {
		rows, err := book.GetRows("Instances")
		if text := strings.Join(flat(rows), "|"); err != nil || !strings.Contains(text, want) {
			t.Errorf("sheet Instances: %v: no %q in %s", err, want, text)
		}
	}
	if text := string(written(t, "json", s)); !strings.Contains(text, `"sm_active"`) {
		t.Error("no activity in the JSON")
	}
	// A run in which nothing of it was read has no such section.
	if text := string(written(t, "markdown", madeUp(t))); strings.Contains(text, "What each device did") {
		t.Error("a simulated run has a table of activity")
	}
}

func flat(rows [][]string) []string {
	var all []string
	for _, row := range rows {
		all = append(all, row...)
	}
	return all
}
