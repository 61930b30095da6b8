package analysis

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// Critical errors are warned of where they were read: of the step that had begun, by device,
// with numbers and counts; of the cell if none had. That a GPU is watched is no error.
func TestXidWarnings(t *testing.T) {
	f := madeActivity()
	step := f.cells[0].steps[0].step
	at := func(offset results.Offset, id, series string, value float64) results.Observation {
		return results.Observation{At: offset, Source: "nvml", Subject: results.Subject{Kind: results.SubjectGPU, ID: id}, Series: series, Value: value, Unit: "1"}
	}
	before := []results.Observation{
		at(step.Start-results.Offset(time.Minute), "GPU-1", seriesXidWatched, 1),
		at(step.Start-1, "GPU-2", seriesXid, 13),
		at(step.Start, "GPU-1", seriesXid, 31),
		at(step.WindowEnd, "GPU-1", seriesXid, 79),
		at(step.End+results.Offset(time.Second), "GPU-1", seriesXid, 79),
	}
	rest := f.cells[0].observations
	f.cells[0].observations = func(yield func(results.Observation, error) bool) {
		for o := range slices.Values(before) {
			if !yield(o, nil) {
				return
			}
		}
		rest(yield)
	}
	var got []string
	for _, w := range summarized(t, f).Warnings {
		if w.Code == "gpu-xid" {
			text, _, _ := strings.Cut(w.Text, "; the first")
			got = append(got, strings.Join([]string{w.Where, w.Subject, text}, " | "))
			if want := map[string]int64{"GPU-1": 3, "GPU-2": 1}[w.Subject]; w.Count != want {
				t.Errorf("%s: counted %d, want %d", w.Subject, w.Count, want)
			}
		}
	}
	folder := f.cells[0].cell.Folder
	want := []string{
		folder + " | GPU-2 | gpu1 met critical errors (Xid 13",
		folder + " step 0 | GPU-1 | gpu0 met critical errors (Xid 79 2 times, Xid 31",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Nothing of a device's activity is claimed of a run in which only errors were watched for.
func TestXidsAreNoActivity(t *testing.T) {
	d := &deviceReadings{}
	for _, series := range []string{seriesXid, seriesXidWatched} {
		o := results.Observation{Source: "nvml", Subject: results.Subject{Kind: results.SubjectGPU, ID: "GPU-1"}, Series: series, Value: 1}
		if !d.add(o, nil) || d.told {
			t.Errorf("%s: told of activity %v", series, d.told)
		}
	}
}
