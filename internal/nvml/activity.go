package nvml

import (
	"fmt"
	"time"
)

// ShortestActivity is the shortest time that can be told of: a GPU renews its counters
// about as often (nvml.h, nvmlGpmSampleGet).
const ShortestActivity = 100 * time.Millisecond

// ActivitySpan is the time between the two samples that the other quantities of a
// Sample are over.
var ActivitySpan = Quantity{"span_seconds", "s"}

// An activity is a metric of GPM. The ids, units and words are nvml.h's (nvmlGpmMetricId_t).
type activity struct {
	Quantity
	id uint32
	// scale makes the base unit: of percent, of MiB/s.
	scale float64
}

const (
	percent = 0.01
	mib     = 1 << 20
)

// activities are the metrics that are asked for: 14 that every driver with GPM knows, then
// the context switches of each graphics engine, which older drivers may not.
var activities = append([]activity{
	{Quantity{"graphics_active_ratio", "ratio"}, 1, percent},
	{Quantity{"sm_active_ratio", "ratio"}, 2, percent},
	{Quantity{"sm_occupancy_ratio", "ratio"}, 3, percent},
	{Quantity{"integer_active_ratio", "ratio"}, 4, percent},
	{Quantity{"tensor_active_ratio", "ratio"}, 5, percent},
	{Quantity{"tensor_dfma_active_ratio", "ratio"}, 6, percent},
	{Quantity{"tensor_hmma_active_ratio", "ratio"}, 7, percent},
	{Quantity{"tensor_imma_active_ratio", "ratio"}, 9, percent},
	{Quantity{"dram_active_ratio", "ratio"}, 10, percent},
	{Quantity{"fp64_active_ratio", "ratio"}, 11, percent},
	{Quantity{"fp32_active_ratio", "ratio"}, 12, percent},
	{Quantity{"fp16_active_ratio", "ratio"}, 13, percent},
	{Quantity{"pcie_tx_bytes_per_second", "B/s"}, 20, mib},
	{Quantity{"pcie_rx_bytes_per_second", "B/s"}, 21, mib},
}, contextSwitches()...)

// basicActivities is how many of activities every driver with GPM knows.
const basicActivities = 14

// contextSwitches are five metrics for each of eight graphics engines.
func contextSwitches() []activity {
	var list []activity
	for engine := range uint32(8) {
		id := 170 + 5*engine
		for i, of := range []struct {
			name, unit string
			scale      float64
		}{
			{"cycles_elapsed", "1", 1}, {"cycles_active", "1", 1}, {"requests", "1", 1}, {"cycles_per_request", "1", 1}, {"active_ratio", "ratio", percent},
		} {
			list = append(list, activity{Quantity{fmt.Sprintf("gr%d_ctxsw_%s", engine, of.name), of.unit}, id + uint32(i), of.scale})
		}
	}
	return list
}

// Activities lists every quantity that an [ActivitySampler] asks for, in its order, without
// [ActivitySpan]. Numbers of cycles and requests are those of the span. The caller
// may change the list.
func Activities() []Quantity {
	list := make([]Quantity, len(activities))
	for i, a := range activities {
		list[i] = a.Quantity
	}
	return list
}
