package analysis

import (
	"fmt"

	"github.com/evabench/evabench/analysis/stats"
)

// The series about dcgm-exporter's page: how long its values have stood, and how long those
// before them did.
const (
	seriesUnchanged = "dcgm:unchanged_seconds"
	seriesInterval  = "dcgm:interval_seconds"
)

// dcgmShare is the most of a window that the exporter's interval may be. A figure of DCGM's
// profiling is the mean of such an interval, so that at the window's edges as much as that
// of it is of what was before, or missing.
const dcgmShare = 0.1

// share is GPM's figure of a device, else DCGM's.
func (d deviceSeries) share(gpm, dcgm string) Value {
	v := d.spanned("ratio", gpm)
	if v.Known() || len(d.of(dcgm)) == 0 {
		return v
	}
	if other := d.averaged(dcgm); other.Known() || len(d.of(gpm)) == 0 {
		return other
	}
	return v
}

// averaged is the mean over time of a figure of DCGM's profiling, of which each reading is
// the mean of the exporter's interval before it came on the page, and stands there for the
// next: it counts one interval earlier than it was read. Those that were read in the
// window's first interval are of what was before it.
func (d deviceSeries) averaged(series string) Value {
	interval, err := d.collected()
	if err != nil {
		return unknown("ratio", series+": "+err.Error())
	}
	var moved []stats.Point
	for _, p := range d.of(series) {
		moved = append(moved, stats.Point{At: p.At - interval, Value: p.Value})
	}
	return d.meanOf("ratio", series, d.window.of(moved))
}

// collected is the exporter's interval in seconds: the longest time that the page's values
// were seen to stand, since fields that DCGM updates one after the other make shorter ones.
// It is an error where the interval is not known, or too long for the window.
func (d deviceSeries) collected() (float64, error) {
	stood, interval := d.longest(seriesUnchanged), d.longest(seriesInterval)
	window := d.window.seconds()
	switch {
	case max(stood, interval) <= dcgmShare*window && interval > 0:
		return max(stood, interval), nil
	case interval > 0:
		return 0, fmt.Errorf("the exporter collects every %.3g s, the window is %.3g s; %s", max(stood, interval), window, d.shorter())
	case stood > 0:
		return 0, fmt.Errorf("the exporter's page stood still for %.3g s at least, the window is %.3g s; %s", stood, window, d.shorter())
	}
	return 0, fmt.Errorf("how often the exporter collects is not known; %s", d.shorter())
}

// longest is the largest reading about the page in the window, 0 without any.
func (d deviceSeries) longest(series string) (longest float64) {
	for _, p := range d.window.of(d.page[series]) {
		longest = max(longest, p.Value)
	}
	return longest
}

// shorter says what makes the figures known. The page is not read at the moment at which
// it changes, so that it is half of what the window bears.
func (d deviceSeries) shorter() string {
	most := max(100, min(1000, dcgmShare/2*d.window.seconds()*1000)) // ms; DCGM's profiling takes 100 at least
	return fmt.Sprintf("set its --collect-interval to %.0f and collect.every to %.0fms or less", most, most)
}
