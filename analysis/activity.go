package analysis

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
)

// An Activity is what a step's devices, and the physical GPUs that they are of, did in
// its window.
type Activity struct {
	Devices []DeviceActivity `json:"devices"` // in the layout's order
	GPUs    []GPUActivity    `json:"gpus"`    // in that of their first device
}

// A DeviceActivity is what one device did. The shares are means over time, of all of the
// device: SM of its SMs' time, Occupancy of the warps that they could hold, Tensor of
// the time in which tensor units were used, DRAM of its memory's bandwidth.
// Those of a compute instance are its GPU instance's.
type DeviceActivity struct {
	Device    string `json:"device"`
	UUID      string `json:"uuid"`
	SM        Value  `json:"sm_active"`
	Occupancy Value  `json:"sm_occupancy"`
	Tensor    Value  `json:"tensor_active"`
	DRAM      Value  `json:"dram_active"`
	// Graphics is the share of time in which anything ran, on however few SMs: the graphics
	// engine's, or where that is not told, NVML's own figure of a whole GPU.
	Graphics Value `json:"graphics_active"`
	// Readings is how many readings these are from.
	Readings int64 `json:"readings"`
	// MemoryPeak and Processes are the most of any reading.
	MemoryPeak Value `json:"memory_used_max"`
	Processes  Value `json:"processes_max"`
	// Switches are the requests to switch contexts, over all graphics engines, a second;
	// Switching the share of time that the engine with the most of it switched.
	Switches  Value `json:"context_switches_per_second"`
	Switching Value `json:"context_switching"`
}

// A GPUActivity is what one physical GPU did. With MIG on it is of all its instances
// together: NVML has no power, clock or heat of one.
type GPUActivity struct {
	GPU  string `json:"gpu"`
	UUID string `json:"uuid"`
	// Power is the mean, from the energy counter where that is told, else from
	// readings; PowerFrom is the series.
	Power     Value  `json:"power"`
	PowerFrom string `json:"power_from,omitempty"`
	// PerAnswer is the energy of the window ÷ the ok answers that came within it from
	// the instances on the GPU.
	PerAnswer Value `json:"energy_per_answer"`
	SMClock   Value `json:"sm_clock"`
	// SMClockMax is the most of any reading of the window.
	SMClockMax  Value `json:"sm_clock_max"`
	Temperature Value `json:"temperature_max"`
	// Reasons are why clocks were held down, in a fixed order; of each the share of the
	// window.
	Reasons []EventReason `json:"clock_event_reasons"`
	// Readings is how many readings these are from.
	Readings int64 `json:"readings"`
}

// An EventReason is a reason why clocks were not higher.
type EventReason struct {
	Name  string `json:"name"`
	Share Value  `json:"share"`
	// Sampled says that Share is that of the readings at which it held, and not from
	// a counter of its time.
	Sampled bool `json:"sampled,omitempty"`
}

// deviceReadings are a cell's readings of devices within the windows of its steps, by
// the device's UUID and series.
type deviceReadings struct {
	series map[string]map[string][]stats.Point
	// refused has NVML's return code of the series that a device does not tell.
	refused map[string]map[string]float64
	// told says that something beyond memory and processes was read.
	told bool
	xids []results.Observation // critical errors, of all the cell
	// before is from the end of all that was sent to warm the services up until load
	// came; empty where that is not known.
	before window
}

// add takes an observation of a device, and reports whether it was one.
func (d *deviceReadings) add(o results.Observation, steps []stepFacts) bool {
	if d.beside(o, steps) {
		return true
	}
	if o.Source != "nvml" && o.Source != "gpm" || o.Subject.Kind != results.SubjectGPU && o.Subject.Kind != results.SubjectInstance {
		return false
	}
	if name, ok := strings.CutPrefix(o.Series, "gpm:refused:"); ok {
		if d.refused == nil {
			d.refused = map[string]map[string]float64{}
		}
		if d.refused[o.Subject.ID] == nil {
			d.refused[o.Subject.ID] = map[string]float64{}
		}
		d.refused[o.Subject.ID]["gpm:"+name] = o.Value
		return true
	}
	switch o.Series {
	case seriesXid:
		d.xids = append(d.xids, o)
		return true
	case seriesXidWatched:
		return true
	}
	if !strings.HasPrefix(o.Series, "nvml:memory_used") && !strings.HasPrefix(o.Series, "nvml:memory_total") && o.Series != "nvml:processes" {
		d.told = true
	}
	d.keep(o.Subject.ID, o, steps)
	return true
}

// keep notes a reading that lies within the window of a step, or is one of power before
// load came.
func (d *deviceReadings) keep(key string, o results.Observation, steps []stepFacts) {
	within := o.At >= d.before.from && o.At <= d.before.to && (o.Series == seriesEnergy || slices.Contains(powerGauges, o.Series))
	if !within && !slices.ContainsFunc(steps, func(s stepFacts) bool { return o.At >= s.step.WindowStart && o.At <= s.step.WindowEnd }) {
		return
	}
	if d.series == nil {
		d.series = map[string]map[string][]stats.Point{}
	}
	of := d.series[key]
	if of == nil {
		of = map[string][]stats.Point{}
		d.series[key] = of
	}
	of[o.Series] = append(of[o.Series], stats.Point{At: o.At.Seconds(), Value: o.Value})
}

// sort puts all readings in the order of time.
func (d *deviceReadings) sort() {
	for _, of := range d.series {
		for _, points := range of {
			sortPoints(points)
		}
	}
}

// activity tells of a step; nil where nothing beyond memory was read in the cell.
func (d *deviceReadings) activity(c cellFacts, s Step, w window) *Activity {
	if !d.told || len(c.layout.Devices) == 0 {
		return nil
	}
	a := &Activity{}
	var seen []string
	for _, dev := range c.layout.Devices {
		a.Devices = append(a.Devices, d.of(dev.UUID, w).device(dev))
		if !slices.Contains(seen, dev.GPU) {
			seen = append(seen, dev.GPU)
			name, _, _ := strings.Cut(dev.Name, "/")
			gpu := d.of(dev.GPU, w).gpu(name, dev.GPU)
			gpu.PerAnswer = perAnswer(gpu.Power, c, s, w, dev.GPU)
			a.GPUs = append(a.GPUs, gpu)
		}
	}
	return a
}

// of gives one device's readings.
func (d *deviceReadings) of(uuid string, w window) deviceSeries {
	return deviceSeries{d.series[uuid], d.series[dcgmKey], d.refused[uuid], w}
}

// deviceSeries are one device's readings, and a step's window.
type deviceSeries struct {
	series  map[string][]stats.Point
	page    map[string][]stats.Point // about the page of DCGM's figures
	refused map[string]float64
	window  window
}

// none says why there is no reading of a series in the window.
func (d deviceSeries) none(series string) error {
	if code, ok := d.refused[series]; ok {
		return fmt.Errorf("%s: the device does not tell it (NVML return %.0f)", series, code)
	}
	return fmt.Errorf("no reading of %s in the window", series)
}

// of gives the readings of a series within the window.
func (d deviceSeries) of(series string) []stats.Point { return d.window.of(d.series[series]) }

// of gives the points that lie within the window.
func (w window) of(points []stats.Point) []stats.Point {
	var list []stats.Point
	for _, p := range points {
		if p.At >= w.from.Seconds() && p.At <= w.to.Seconds() {
			list = append(list, p)
		}
	}
	return list
}

func (d deviceSeries) device(dev device.Device) DeviceActivity {
	a := DeviceActivity{
		Device: dev.Name, UUID: dev.UUID, Readings: int64(len(d.of("gpm:span_seconds"))),
		SM:         d.share("gpm:sm_active_ratio", "DCGM_FI_PROF_SM_ACTIVE"),
		Occupancy:  d.share("gpm:sm_occupancy_ratio", "DCGM_FI_PROF_SM_OCCUPANCY"),
		Tensor:     d.share("gpm:tensor_active_ratio", "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE"),
		DRAM:       d.share("gpm:dram_active_ratio", "DCGM_FI_PROF_DRAM_ACTIVE"),
		Graphics:   either(d.share("gpm:graphics_active_ratio", "DCGM_FI_PROF_GR_ENGINE_ACTIVE"), d.mean("ratio", "nvml:gpu_utilization_ratio")),
		MemoryPeak: d.most("B", "nvml:memory_used_bytes"), Processes: d.most("1", "nvml:processes"),
	}
	a.Switches, a.Switching = unknown("1/s", "no engine told its context switches"), unknown("ratio", "no engine told its context switches")
	for engine := range 8 {
		prefix := fmt.Sprintf("gpm:gr%d_ctxsw_", engine)
		a.Switches = sum(a.Switches, d.perSpan(prefix+"requests"))
		if share := d.spanned("ratio", prefix+"active_ratio"); share.Known() && (!a.Switching.Known() || *share.Number > *a.Switching.Number) {
			a.Switching = share
		}
	}
	return a
}

// sum adds values up, those that are known.
func sum(a, b Value) Value {
	switch {
	case !b.Known():
		return a
	case !a.Known():
		return b
	}
	return known(*a.Number+*b.Number, a.Unit)
}

// spanned is the mean of a series of GPM, of which each reading is over the span before it:
//
//	Σ value · within ÷ Σ within
//
// with within the part of the span that lies in the window, in seconds. They must
// cover most of the window.
func (d deviceSeries) spanned(unit, series string) Value {
	total, within, err := d.weighed(series, func(value, within, _ float64) float64 { return value * within })
	if err != nil {
		return unknown(unit, err.Error())
	}
	return known(total/within, unit)
}

// perSpan is the rate of a series of GPM whose readings are numbers in a span: of each the
// share that lies in the window counts.
func (d deviceSeries) perSpan(series string) Value {
	total, within, err := d.weighed(series, func(value, within, span float64) float64 { return value * within / span })
	if err != nil {
		return unknown("1/s", err.Error())
	}
	return known(total/within, "1/s")
}

// weighed adds up what weigh gives of each reading that tells its span.
func (d deviceSeries) weighed(series string, weigh func(value, within, span float64) float64) (total, covered float64, err error) {
	points := d.of(series)
	if len(points) == 0 {
		return 0, 0, d.none(series)
	}
	spans := map[float64]float64{}
	for _, p := range d.of("gpm:span_seconds") {
		spans[p.At] = p.Value
	}
	for _, p := range points {
		span := spans[p.At]
		within := min(span, p.At-d.window.from.Seconds())
		if within > 0 {
			total += weigh(p.Value, within, span)
			covered += within
		}
	}
	if share := covered / d.window.seconds(); share < covers {
		return 0, 0, fmt.Errorf("readings of %s cover %.0f %% of the window, need %.0f %%", series, share*100, covers*100)
	}
	return total, covered, nil
}

// most is the largest reading.
func (d deviceSeries) most(unit, series string) Value {
	points := d.of(series)
	if len(points) == 0 {
		return unknown(unit, d.none(series).Error())
	}
	most := math.Inf(-1)
	for _, p := range points {
		most = max(most, p.Value)
	}
	return known(most, unit)
}

// mean is the time average of a gauge.
func (d deviceSeries) mean(unit, series string) Value {
	return d.meanOf(unit, series, d.of(series))
}

// meanOf is the time average of some of a series' readings.
func (d deviceSeries) meanOf(unit, series string, points []stats.Point) Value {
	if len(points) == 0 {
		return unknown(unit, d.none(series).Error())
	}
	mean, covered := stats.TimeMean(points, d.window.from.Seconds(), d.window.to.Seconds())
	if covered < covers {
		return unknown(unit, fmt.Sprintf("readings of %s cover %.0f %% of the window, need %.0f %%", series, covered*100, covers*100))
	}
	return known(mean, unit)
}

// growth is how much a counter grew in a second, between the outermost readings within the
// window.
func (d deviceSeries) growth(unit, series string) Value {
	points := d.of(series)
	if len(points) == 0 {
		return unknown(unit, d.none(series).Error())
	}
	first, last := points[0], points[len(points)-1]
	span := last.At - first.At
	if share := span / d.window.seconds(); share < covers {
		return unknown(unit, fmt.Sprintf("readings of %s span %.0f %% of the window, need %.0f %%", series, share*100, covers*100))
	}
	for i := 1; i < len(points); i++ {
		if points[i].Value < points[i-1].Value {
			return unknown(unit, series+" went back")
		}
	}
	return known((last.Value-first.Value)/span, unit)
}
