package nvml

// A TelemetryReader tells the power, clocks, heat, errors and activity of whole GPUs.
// It is no part of [API]: what changes a server needs none of it. It is safe for
// concurrent use.
type TelemetryReader interface {
	// Telemetry reads every quantity of [Telemetry] once. They are the GPU's, also
	// with MIG on: NVML has none of them for an instance. Readings and an error may
	// come together; the error tells of calls that failed otherwise than by not being
	// there.
	Telemetry(gpu string) ([]Reading, error)
}

// An ActivityReader tells what a GPU or GPU instance was doing between two moments
// (NVML's GPM). It is safe for concurrent use; its samplers are not.
type ActivityReader interface {
	// Activity gives a sampler of a GPU with MIG off, or of the GPU instance of a
	// MIG device: compute instances of one GPU instance all show what it does.
	// ErrNotSupported means that the GPU or the driver has no GPM, and the error says
	// which. The caller closes the sampler.
	Activity(uuid string) (ActivitySampler, error)
}

// An ActivitySampler compares a device now with how it was at the sample before. It is
// used by one goroutine at a time.
type ActivitySampler interface {
	// Sample gives the quantities of [Activities], and first of all the seconds that
	// they are over. It gives none, and no error, at the first call, after a
	// sample that failed, and less than [ShortestActivity] after the last: there is
	// nothing to compare with yet. An error leaves the sampler of use: it begins
	// anew with the next call.
	Sample() ([]Reading, error)
	// Close frees the samples; the sampler is of no use after it.
	Close() error
}

// A Reading is one quantity, in a base unit, or why it is unknown.
type Reading struct {
	Quantity
	// Value means nothing unless Return is Success: unknown is not zero.
	Value  float64
	Return Return
}

// Known reports whether there is a value.
func (r Reading) Known() bool { return r.Return == Success }

// A Quantity is what a reading is of: a name with its unit in it, and the unit, "W",
// "J", "Hz", "°C", "s", "B/s", "ratio" (0 to 1) or "1".
type Quantity struct{ Name, Unit string }

// The quantities that Telemetry reads. The cumulative ones count since the driver was
// loaded.
var (
	// PowerInstant is the power of the moment, PowerAverage that over the last second.
	PowerInstant = Quantity{"power_instant_watts", "W"}
	PowerAverage = Quantity{"power_average_watts", "W"}
	// PowerUsage is one of the two, the average on Ampere (but GA100) and newer; for
	// drivers that tell neither by name.
	PowerUsage  = Quantity{"power_usage_watts", "W"}
	Energy      = Quantity{"energy_joules", "J"} // cumulative
	SMClock     = Quantity{"sm_clock_hertz", "Hz"}
	MemoryClock = Quantity{"memory_clock_hertz", "Hz"}
	Temperature = Quantity{"temperature_celsius", "°C"}
	// MemoryTemperature is of the DRAM; few cards but those with HBM tell it.
	MemoryTemperature = Quantity{"memory_temperature_celsius", "°C"}
	// EventReasons is a bit mask of why clocks are not higher at the moment
	// (nvml.h, nvmlClocksEventReason…): 0x1 idle, 0x4 power cap, and so on.
	EventReasons = Quantity{"clocks_event_reasons", "1"}
	// UncorrectedECC counts memory errors that ECC could not correct; cumulative.
	UncorrectedECC = Quantity{"ecc_uncorrected_total", "1"}
	// GPUBusy is the share of the driver's last period (1/6 s to 1 s) in which any kernel ran,
	// MemoryBusy that in which memory was read or written. Neither is told with MIG on.
	GPUBusy    = Quantity{"gpu_utilization_ratio", "ratio"}
	MemoryBusy = Quantity{"memory_utilization_ratio", "ratio"}
)

// reasons are the reasons that hold clocks down for which NVML counts the time:
// cumulative seconds. The field ids are nvml.h's.
//
// Note: the counted time misses nothing between two readings, as the bit mask does; but
// the mask knows more reasons, such as idle. So both are read.
var reasons = []struct {
	Quantity
	field uint32
}{
	{Quantity{"reason_sw_power_cap_seconds", "s"}, 74},
	{Quantity{"reason_sync_boost_seconds", "s"}, 76},
	{Quantity{"reason_board_limit_seconds", "s"}, 77},
	{Quantity{"reason_reliability_seconds", "s"}, 79},
	{Quantity{"reason_sw_thermal_seconds", "s"}, 269},
	{Quantity{"reason_hw_thermal_seconds", "s"}, 270},
	{Quantity{"reason_hw_power_brake_seconds", "s"}, 271},
}

// Telemetry lists every quantity that a [TelemetryReader] reads, in its order. The
// caller may change the list.
func Telemetry() []Quantity {
	list := []Quantity{
		PowerInstant, PowerAverage, PowerUsage, Energy, SMClock, MemoryClock, Temperature, MemoryTemperature,
		EventReasons, UncorrectedECC, GPUBusy, MemoryBusy,
	}
	for _, r := range reasons {
		list = append(list, r.Quantity)
	}
	return list
}
