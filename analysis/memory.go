package analysis

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis/stats"
)

// A MemoryTrend tells whether the memory of a device, or of the processes of an
// instance, grew while load ran. What counts is growth within the windows of steps: a
// step with more load may take more from its begin.
type MemoryTrend struct {
	// Of is a device's name, or an instance's; Process says which.
	Of      string `json:"of"`
	Process bool   `json:"process,omitempty"` // resident memory of the host
	Result  string `json:"result"`            // Grew, Steady or NotJudged
	Why     string `json:"why,omitempty"`
	// PerSecond is the median slope between blocks of one window, P how likely so clear a
	// trend is where there is none.
	PerSecond Value `json:"bytes_per_second"`
	P         Value `json:"p"`
	First     Value `json:"first"` // mean of the first block
	Last      Value `json:"last"`  // of the last
	// Span is the time within windows that readings cover, in seconds.
	Span Value `json:"span_seconds"`
	// Limit is the device's memory, and Full how long it takes at that slope until that
	// is used up; neither is known of a process.
	Limit Value `json:"limit"`
	Full  Value `json:"full_in_seconds"`
}

// The rule of growth of memory: the windows, cut into blocks, show a trend that chance
// makes in 1 of 1,000 runs; so, at 1 in 20, do their second halves, which warm caches do
// not; and all of it together is a hundredth of what was used at first.
const (
	memoryP      = 0.001
	memoryLateP  = 0.05
	memoryFloor  = 0.01
	memoryBlocks = 40 // of all windows together
	memoryLeast  = 8
)

// memory tells of the devices in the layout's order, and then of the instances' processes,
// of those of which memory was read.
func (d *deviceReadings) memory(c cellFacts) []MemoryTrend {
	var list []MemoryTrend
	for _, dev := range c.layout.Devices {
		points := d.series[dev.UUID]["nvml:memory_used_bytes"]
		if len(points) == 0 {
			points = d.series[dev.UUID]["DCGM_FI_DEV_FB_USED"]
		}
		if len(points) > 0 {
			t := trendOf(points, c)
			t.Of, t.Limit = dev.Name, unknown("B", "the device's memory was not recorded")
			if dev.MemoryBytes > 0 {
				t.Limit = known(float64(dev.MemoryBytes), "B")
			}
			t.fill()
			list = append(list, t)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(d.series)) {
		name, ok := strings.CutPrefix(key, processKey)
		points := d.series[key]["host:process_resident_memory_bytes"]
		if !ok || len(points) == 0 {
			continue
		}
		t := trendOf(points, c)
		t.Of, _, _ = strings.Cut(name, "/")
		t.Process = true
		t.Limit = inapplicable("B", "processes share the machine's memory")
		t.fill()
		list = append(list, t)
	}
	return list
}

// fill tells when the limit is reached.
func (t *MemoryTrend) fill() {
	switch {
	case !t.Limit.Known():
		t.Full = Value{Unit: "s", Why: t.Limit.Why, Inapplicable: t.Limit.Inapplicable}
	case t.Result != Grew:
		t.Full = inapplicable("s", "it did not grow")
	default:
		t.Full = known(max(0, *t.Limit.Number-*t.Last.Number) / *t.PerSecond.Number, "s")
	}
}

// trendOf judges the readings of a cell, which ascend in time.
func trendOf(points []stats.Point, c cellFacts) MemoryTrend {
	windows, late, span := blocksOf(points, c)
	var all []stats.Point
	for _, blocks := range windows {
		all = append(all, blocks...)
	}
	none := func(why string) MemoryTrend {
		v := func(unit string) Value { return unknown(unit, why) }
		return MemoryTrend{Result: NotJudged, Why: why, PerSecond: v("B/s"), P: v("1"), First: v("B"), Last: v("B"), Span: known(span, "s")}
	}
	if len(all) < memoryLeast {
		return none(fmt.Sprintf("%d readings apart in time are too few to tell a trend by, need %d", len(all), memoryLeast))
	}
	slope := slopeWithin(windows)
	if !slope.Known() {
		return none("no window has two readings")
	}
	trend, after := stats.SeasonalKendall(valuesOf(windows)), stats.SeasonalKendall(valuesOf(late))
	t := MemoryTrend{
		Result: Steady, PerSecond: slope, P: known(trend.Up, "1"),
		First: known(all[0].Value, "B"), Last: known(all[len(all)-1].Value, "B"), Span: known(span, "s"),
	}
	grown := *slope.Number * span
	if trend.Up < memoryP && after.Up < memoryLateP && *slope.Number > 0 && grown >= memoryFloor*all[0].Value {
		t.Result = Grew
	}
	return t
}

// blocksOf cuts the readings within the windows of steps into blocks of one length, and
// gives the mean of each by window, those of each window's second half too, and the time
// from first to last readings of windows.
func blocksOf(points []stats.Point, c cellFacts) (windows, late [][]stats.Point, span float64) {
	var within [][]stats.Point
	for _, s := range c.steps {
		var list []stats.Point
		for _, p := range points {
			if p.At >= s.step.WindowStart.Seconds() && p.At <= s.step.WindowEnd.Seconds() {
				list = append(list, p)
			}
		}
		if len(list) > 1 {
			within = append(within, list)
			span += list[len(list)-1].At - list[0].At
		}
	}
	if span <= 0 {
		return nil, nil, 0
	}
	length := span / memoryBlocks
	for _, list := range within {
		var blocks []stats.Point
		first, n := list[0].At, 0
		for _, p := range list {
			at := first + length*(float64(int((p.At-first)/length))+0.5)
			if last := len(blocks) - 1; last >= 0 && blocks[last].At == at {
				n++
				blocks[last].Value += (p.Value - blocks[last].Value) / float64(n)
				continue
			}
			blocks, n = append(blocks, stats.Point{At: at, Value: p.Value}), 1
		}
		windows, late = append(windows, blocks), append(late, blocks[len(blocks)/2:])
	}
	return windows, late, span
}

func valuesOf(windows [][]stats.Point) [][]float64 {
	list := make([][]float64, len(windows))
	for i, blocks := range windows {
		for _, p := range blocks {
			list[i] = append(list[i], p.Value)
		}
	}
	return list
}

// slopeWithin is the median of the slopes between all pairs of blocks of one window, as
// [stats.TheilSen] takes it of all.
func slopeWithin(windows [][]stats.Point) Value {
	var slopes []float64
	for _, blocks := range windows {
		for i, a := range blocks {
			for _, b := range blocks[i+1:] {
				slopes = append(slopes, (b.Value-a.Value)/(b.At-a.At))
			}
		}
	}
	slices.Sort(slopes)
	n := len(slopes)
	if n == 0 {
		return unknown("B/s", "no window has two readings")
	}
	return known((slopes[(n-1)/2]+slopes[n/2])/2, "B/s")
}
