//go:build cgo && linux

package nvml

import (
	"encoding/binary"
	"errors"
	"math"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

var _ TelemetryReader = (*Library)(nil)

// An answer is a number that a call gave, and its return.
type answer struct {
	value float64
	ret   gonvml.Return
}

func answered[N uint32 | uint64](n N, ret gonvml.Return) answer { return answer{float64(n), ret} }

// telemetry gathers readings.
type telemetry struct {
	readings []Reading
	fault    error
}

// add enters a quantity, an answer times scale. A return that says that it is not
// there, or not for us, is no fault.
func (t *telemetry) add(q Quantity, a answer, scale float64) {
	r := Reading{Quantity: q, Return: Return(a.ret)}
	switch {
	case a.ret == gonvml.SUCCESS:
		r.Value = a.value * scale
	case !absent(a.ret) && a.ret != gonvml.ERROR_NO_PERMISSION:
		t.fault = errors.Join(t.fault, wrap(a.ret, "read %s", q.Name))
	}
	t.readings = append(t.readings, r)
}

// Telemetry asks for what has field ids in one call, and for the rest one by one.
//
// Note: PCIe traffic is left out: nvmlDeviceGetPcieThroughput waits 20 ms for each
// direction, and GPM tells it without.
func (l *Library) Telemetry(gpu string) ([]Reading, error) {
	dev, ret := l.handle(gpu)
	if ret != Success {
		return nil, wrap(ret, "find %s", gpu)
	}
	const milli, mega = 1e-3, 1e6
	var t telemetry
	fields := l.fields(dev)
	instant, average := fields[gonvml.FI_DEV_POWER_INSTANT], fields[gonvml.FI_DEV_POWER_AVERAGE]
	t.add(PowerInstant, instant, milli)
	t.add(PowerAverage, average, milli)
	usage := answer{ret: gonvml.ERROR_NOT_SUPPORTED}
	if instant.ret != gonvml.SUCCESS && average.ret != gonvml.SUCCESS {
		usage = answered(dev.GetPowerUsage())
	}
	t.add(PowerUsage, usage, milli)
	energy := fields[gonvml.FI_DEV_TOTAL_ENERGY_CONSUMPTION]
	if energy.ret != gonvml.SUCCESS {
		energy = answered(dev.GetTotalEnergyConsumption())
	}
	t.add(Energy, energy, milli)
	t.add(SMClock, answered(dev.GetClockInfo(gonvml.CLOCK_SM)), mega)
	t.add(MemoryClock, answered(dev.GetClockInfo(gonvml.CLOCK_MEM)), mega)
	t.add(Temperature, l.celsius(dev), 1)
	t.add(MemoryTemperature, fields[gonvml.FI_DEV_MEMORY_TEMP], 1)
	t.add(EventReasons, l.eventReasons(dev), 1)
	t.add(UncorrectedECC, answered(dev.GetTotalEccErrors(gonvml.MEMORY_ERROR_TYPE_UNCORRECTED, gonvml.VOLATILE_ECC)), 1)
	busy, bret := dev.GetUtilizationRates()
	t.add(GPUBusy, answered(busy.Gpu, bret), percent)
	t.add(MemoryBusy, answered(busy.Memory, bret), percent)
	for _, r := range reasons {
		t.add(r.Quantity, fields[r.field], 1e-9)
	}
	return t.readings, wrapErr(t.fault, "read %s", gpu)
}

// fields asks for all quantities that have a field id. One that a call as a whole
// did not answer has the call's return.
func (l *Library) fields(dev gonvml.Device) map[uint32]answer {
	asked := []gonvml.FieldValue{
		{FieldId: gonvml.FI_DEV_POWER_INSTANT}, {FieldId: gonvml.FI_DEV_POWER_AVERAGE},
		{FieldId: gonvml.FI_DEV_TOTAL_ENERGY_CONSUMPTION}, {FieldId: gonvml.FI_DEV_MEMORY_TEMP},
	}
	// The scope of the two powers is the GPU, not the module: 0 (nvml.h, NVML_POWER_SCOPE_GPU).
	for _, r := range reasons {
		asked = append(asked, gonvml.FieldValue{FieldId: r.field})
	}
	ret := dev.GetFieldValues(asked)
	answers := make(map[uint32]answer, len(asked))
	for _, f := range asked {
		a := answer{ret: ret}
		if ret == gonvml.SUCCESS {
			a.ret = gonvml.Return(f.NvmlReturn)
		}
		if a.ret == gonvml.SUCCESS {
			a.value, a.ret = fieldValue(f)
		}
		answers[f.FieldId] = a
	}
	return answers
}

// fieldValue reads the union that a field's value is. An unknown type is
// ERROR_NOT_SUPPORTED.
func fieldValue(f gonvml.FieldValue) (float64, gonvml.Return) {
	word, long := binary.NativeEndian.Uint32(f.Value[:]), binary.NativeEndian.Uint64(f.Value[:])
	switch gonvml.ValueType(f.ValueType) {
	case gonvml.VALUE_TYPE_DOUBLE:
		return math.Float64frombits(long), gonvml.SUCCESS
	case gonvml.VALUE_TYPE_UNSIGNED_INT:
		return float64(word), gonvml.SUCCESS
	case gonvml.VALUE_TYPE_SIGNED_INT:
		return float64(int32(word)), gonvml.SUCCESS
	case gonvml.VALUE_TYPE_UNSIGNED_LONG, gonvml.VALUE_TYPE_UNSIGNED_LONG_LONG: // both have 8 bytes on 64-bit Linux
		return float64(long), gonvml.SUCCESS
	case gonvml.VALUE_TYPE_SIGNED_LONG_LONG:
		return float64(int64(long)), gonvml.SUCCESS
	}
	return 0, gonvml.ERROR_NOT_SUPPORTED
}

// celsius asks the newer call for the GPU's temperature, and where the driver does
// not have it the older.
func (l *Library) celsius(dev gonvml.Device) answer {
	if l.has("nvmlDeviceGetTemperatureV") {
		if t, ret := l.temperature(dev); ret == gonvml.SUCCESS {
			return answer{float64(t), ret}
		}
	}
	return answered(dev.GetTemperature(gonvml.TEMPERATURE_GPU))
}

// eventReasons asks by the newer name of the call, and where the driver does not have
// it by the older.
func (l *Library) eventReasons(dev gonvml.Device) answer {
	if l.has("nvmlDeviceGetCurrentClocksEventReasons") {
		return answered(dev.GetCurrentClocksEventReasons())
	}
	return answered(dev.GetCurrentClocksThrottleReasons())
}
