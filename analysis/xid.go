package analysis

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/results"
)

// The series of critical errors, as the collector nvml gives them.
const (
	seriesXid        = "nvml:xid"
	seriesXidWatched = "nvml:xid_watched"
)

// xidWarnings tells of a cell's critical errors: one warning for each device and step, whose
// Count is how many there were. An error is a step's from the step's begin to that of the
// next, as it is read some time after it happened; one before all steps is the cell's.
func (d *deviceReadings) xidWarnings(c cellFacts) []Warning {
	type key struct{ where, subject string }
	byKey := map[key][]results.Observation{}
	var keys []key
	for _, o := range d.xids {
		k := key{c.cell.Folder, o.Subject.ID}
		var begun results.Offset
		for _, s := range c.steps {
			if s.step.Start <= o.At && (k.where == c.cell.Folder || s.step.Start > begun) {
				k.where, begun = stepName(Cell{Cell: c.cell}, s.step.Index), s.step.Start
			}
		}
		if byKey[k] == nil {
			keys = append(keys, k)
		}
		byKey[k] = append(byKey[k], o)
	}
	var list []Warning
	for _, k := range keys {
		all := byKey[k]
		list = append(list, Warning{k.where, results.Warning{
			Code: "gpu-xid", Subject: k.subject, Count: int64(len(all)),
			Text: fmt.Sprintf("%s met critical errors (%s; the first was read at %s): what was measured then may be of a GPU in trouble; look the numbers up in NVIDIA's list of Xid errors",
				deviceName(c.layout.Devices, all[0].Subject), xidNumbers(all), units.Format(all[0].At.Seconds(), units.Seconds)),
		}})
	}
	return list
}

// deviceName is what the layout calls a device; its UUID if it is not there.
func deviceName(devices []device.Device, of results.Subject) string {
	for _, d := range devices {
		if d.UUID == of.ID {
			return d.Name
		}
	}
	for _, d := range devices { // a GPU of which only instances are devices
		if d.GPU == of.ID {
			name, _, _ := strings.Cut(d.Name, "/")
			return name
		}
	}
	return of.ID
}

// xidNumbers counts errors by their number, the most frequent first.
func xidNumbers(all []results.Observation) string {
	counts := map[int64]int{}
	var numbers []int64
	for _, o := range all {
		n := int64(o.Value)
		if counts[n]++; counts[n] == 1 {
			numbers = append(numbers, n)
		}
	}
	slices.SortFunc(numbers, func(a, b int64) int { return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b)) })
	var parts []string
	for _, n := range numbers {
		text := fmt.Sprintf("Xid %d", n)
		if counts[n] > 1 {
			text += fmt.Sprintf(" %d times", counts[n])
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}
