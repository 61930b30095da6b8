package analysis

import (
	"fmt"
	"math"
	"testing"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// exported are the readings that a page of dcgm-exporter gives when it is read each half
// second and collects each interval, over the seconds [0, until). What the GPU does is busy
// of the seconds [a, b), on average.
func exported(t *testing.T, d *deviceReadings, c cellFacts, interval, until float64, busy func(a, b float64) float64) {
	t.Helper()
	for at := 0.25; at < until; at += 0.5 {
		changed := interval * math.Floor(at/interval)
		seen := math.Ceil((changed-0.25)/0.5)*0.5 + 0.25 // the first read since
		for series, value := range map[string]float64{
			"DCGM_FI_PROF_SM_ACTIVE": busy(changed-interval, changed),
			seriesUnchanged:          at - seen,
			seriesInterval:           interval,
		} {
			if series == seriesInterval && changed < 2*interval {
				continue
			}
			o := results.Observation{At: results.Offset(at * 1e9), Source: "dcgm", Subject: results.Subject{Kind: results.SubjectGPU, ID: "GPU-1"}, Series: series, Value: value}
			if series != "DCGM_FI_PROF_SM_ACTIVE" {
				o.Subject = results.Subject{Kind: results.SubjectHost, ID: "node"}
			}
			if !d.add(o, c.steps) {
				t.Fatalf("%s was not taken", series)
			}
		}
	}
}

// from is a GPU that is busy from a second on.
func from(began float64) func(a, b float64) float64 {
	return func(a, b float64) float64 { return max(0, b-max(a, began)) / (b - a) }
}

// A figure of the exporter is the mean of the interval before it was collected. It is told
// where that is at most a tenth of the window, and of the moments that it is about.
func TestExporterInterval(t *testing.T) {
	for _, c := range []struct {
		name        string
		interval    float64
		from, until float64 // of the window, s
		busy        float64 // from when on, s
		want        float64
		why         string
	}{
		{"half a minute, as by default", 30, 65, 95, 60, 0, "DCGM_FI_PROF_SM_ACTIVE: the exporter collects every 30 s, the window is 30 s; set its --collect-interval to 1000 and collect.every to 1000ms or less"},
		{"and its second change not seen", 30, 5, 35, 0, 0, "DCGM_FI_PROF_SM_ACTIVE: the exporter's page stood still for 29.5 s at least, the window is 30 s; set its --collect-interval to 1000 and collect.every to 1000ms or less"},
		{"a tenth of the window", 3, 65, 95, 60, 1, ""},
		{"a little more", 3.5, 65, 95, 60, 0, "collects every 3.5 s"},
		{"a short window", 1, 65, 70, 60, 0, "set its --collect-interval to 250 and collect.every to 250ms or less"},
		// Busy from the 35th of 100 s on: without the shift it would be 0.63.
		{"half of the window", 2, 100, 200, 135, 0.65, ""},
	} {
		d, cell := &deviceReadings{}, loadedSteps(1)
		w := window{results.Offset(c.from * 1e9), results.Offset(c.until * 1e9)}
		cell.steps[0].step.WindowStart, cell.steps[0].step.WindowEnd = w.from, w.to
		exported(t, d, cell, c.interval, c.until+10, from(c.busy))
		got := d.of("GPU-1", w).share("gpm:sm_active_ratio", "DCGM_FI_PROF_SM_ACTIVE")
		if c.why != "" {
			t.Run(c.name, func(t *testing.T) { why(t, "SM", got, c.why) })
			continue
		}
		if !got.Known() || math.Abs(*got.Number-c.want) > 0.01 {
			t.Errorf("%s: %s (%s), want %v", c.name, toldValue(got), got.Why, c.want)
		}
	}
}

// Without a word about the page nothing of it is believed, and what GPM tells is.
func TestExporterUnknown(t *testing.T) {
	d := deviceSeries{series: map[string][]stats.Point{}, window: window{0, at0(100e9)}}
	for at := 0.5; at < 100; at++ {
		d.series["dcgm"] = append(d.series["dcgm"], stats.Point{At: at, Value: 1})
	}
	why(t, "of an unknown age", d.share("gpm", "dcgm"), "how often the exporter collects is not known")
	why(t, "told by nobody", d.share("gpm", "none"), "no reading of gpm in the window")
	d.series["gpm"] = []stats.Point{{At: 50, Value: 1}}
	d.series["gpm:span_seconds"] = d.series["gpm"]
	why(t, "too little of GPM", d.share("gpm", "dcgm"), fmt.Sprintf("readings of gpm cover %d %%", 1))
}
