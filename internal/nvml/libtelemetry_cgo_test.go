//go:build cgo && linux

package nvml

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/gpus"
)

// tells has a GPU answer every call of Telemetry; fields with 1000 times their id, as
// unsigned long long, or as double or unsigned int where that is said.
func (r *libraryRig) tells() {
	d := r.first
	d.GetFieldValuesFunc = func(fields []gonvml.FieldValue) gonvml.Return {
		for i := range fields {
			f := &fields[i]
			f.ValueType = uint32(gonvml.VALUE_TYPE_UNSIGNED_LONG_LONG)
			value := uint64(f.FieldId) * 1000
			switch f.FieldId {
			case gonvml.FI_DEV_POWER_AVERAGE:
				f.ValueType = uint32(gonvml.VALUE_TYPE_DOUBLE)
				value = math.Float64bits(185500)
			case gonvml.FI_DEV_MEMORY_TEMP:
				f.ValueType = uint32(gonvml.VALUE_TYPE_UNSIGNED_INT)
				value = 66 | 77<<32 // the other half of the union is not to be read
			}
			binary.NativeEndian.PutUint64(f.Value[:], value)
		}
		return gonvml.SUCCESS
	}
	clocks := map[gonvml.ClockType]uint32{gonvml.CLOCK_SM: 1980, gonvml.CLOCK_MEM: 2619}
	d.GetClockInfoFunc = func(c gonvml.ClockType) (uint32, gonvml.Return) { return clocks[c], gonvml.SUCCESS }
	r.temperature = func(gonvml.Device) (int32, gonvml.Return) { return 55, gonvml.SUCCESS }
	d.GetCurrentClocksEventReasonsFunc = func() (uint64, gonvml.Return) { return 0x24, gonvml.SUCCESS }
	d.GetTotalEccErrorsFunc = func(kind gonvml.MemoryErrorType, since gonvml.EccCounterType) (uint64, gonvml.Return) {
		if kind != gonvml.MEMORY_ERROR_TYPE_UNCORRECTED || since != gonvml.VOLATILE_ECC {
			return 0, gonvml.ERROR_INVALID_ARGUMENT
		}
		return 3, gonvml.SUCCESS
	}
	d.GetUtilizationRatesFunc = func() (gonvml.Utilization, gonvml.Return) {
		return gonvml.Utilization{Gpu: 75, Memory: 20}, gonvml.SUCCESS
	}
	// The older calls, of other numbers.
	d.GetPowerUsageFunc = func() (uint32, gonvml.Return) { return 190000, gonvml.SUCCESS }
	d.GetTotalEnergyConsumptionFunc = func() (uint64, gonvml.Return) { return 7000, gonvml.SUCCESS }
	d.GetTemperatureFunc = func(gonvml.TemperatureSensors) (uint32, gonvml.Return) { return 44, gonvml.SUCCESS }
	d.GetCurrentClocksThrottleReasonsFunc = func() (uint64, gonvml.Return) { return 1, gonvml.SUCCESS }
}

// read gives what is known, by name, and checks that every quantity is told of once.
func (r *libraryRig) read(t *testing.T) (map[string]float64, error) {
	t.Helper()
	readings, err := r.Telemetry(r.gpu)
	return knownOf(t, readings, Telemetry()), err
}

// allTold is what tells answers, in base units.
var allTold = map[string]float64{
	"power_instant_watts": 186, "power_average_watts": 185.5, "energy_joules": 83, "sm_clock_hertz": 1.98e9, "memory_clock_hertz": 2.619e9,
	"temperature_celsius": 55, "memory_temperature_celsius": 66, "clocks_event_reasons": 36, "ecc_uncorrected_total": 3,
	"gpu_utilization_ratio": 0.75, "memory_utilization_ratio": 0.2,
	"reason_sw_power_cap_seconds": 74e-6, "reason_sync_boost_seconds": 76e-6, "reason_board_limit_seconds": 77e-6, "reason_reliability_seconds": 79e-6,
	"reason_sw_thermal_seconds": 269e-6, "reason_hw_thermal_seconds": 270e-6, "reason_hw_power_brake_seconds": 271e-6,
}

func same(t *testing.T, got, want map[string]float64) {
	t.Helper()
	for name, value := range want {
		if n, ok := got[name]; !ok || math.Abs(n-value) > 1e-9*math.Abs(value) {
			t.Errorf("%s is %v (known %t), want %v", name, n, ok, value)
		}
	}
	for name, value := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is %v, want it unknown", name, value)
		}
	}
}

// changed gives allTold but some, and with others.
func changed(drop []string, add map[string]float64) map[string]float64 {
	want := map[string]float64{}
	for name, value := range allTold {
		want[name] = value
	}
	for _, name := range drop {
		delete(want, name)
	}
	for name, value := range add {
		want[name] = value
	}
	return want
}

// Each call that fails leaves its own quantity unknown, or told by an older call, and
// every other as it was. "Not supported" is no fault; a lost GPU is.
func TestTelemetry(t *testing.T) {
	none, lost := gonvml.ERROR_NOT_SUPPORTED, gonvml.ERROR_GPU_IS_LOST
	rates := []string{"gpu_utilization_ratio", "memory_utilization_ratio"}
	for _, c := range []struct {
		name  string
		spoil func(*libraryRig)
		want  map[string]float64
		fault error
	}{
		{"all", func(*libraryRig) {}, allTold, nil},
		{"MIG on: no rates", func(r *libraryRig) {
			r.first.GetUtilizationRatesFunc = func() (gonvml.Utilization, gonvml.Return) { return gonvml.Utilization{}, none }
		}, changed(rates, nil), nil},
		{"one clock", func(r *libraryRig) {
			r.first.GetClockInfoFunc = func(c gonvml.ClockType) (uint32, gonvml.Return) {
				if c == gonvml.CLOCK_MEM {
					return 0, none
				}
				return 1980, gonvml.SUCCESS
			}
		}, changed([]string{"memory_clock_hertz"}, nil), nil},
		{"a field", func(r *libraryRig) { r.failField(gonvml.FI_DEV_MEMORY_TEMP, none) }, changed([]string{"memory_temperature_celsius"}, nil), nil},
		{"a field of the older call", func(r *libraryRig) { r.failField(gonvml.FI_DEV_TOTAL_ENERGY_CONSUMPTION, none) }, changed(nil, map[string]float64{"energy_joules": 7}), nil},
		{"no average on a GA100", func(r *libraryRig) { r.failField(gonvml.FI_DEV_POWER_AVERAGE, none) }, changed([]string{"power_average_watts"}, nil), nil},
		{"no fields", func(r *libraryRig) {
			r.first.GetFieldValuesFunc = func([]gonvml.FieldValue) gonvml.Return { return gonvml.ERROR_FUNCTION_NOT_FOUND }
		}, map[string]float64{
			"power_usage_watts": 190, "energy_joules": 7, "sm_clock_hertz": 1.98e9, "memory_clock_hertz": 2.619e9, "temperature_celsius": 55,
			"clocks_event_reasons": 36, "ecc_uncorrected_total": 3, "gpu_utilization_ratio": 0.75, "memory_utilization_ratio": 0.2,
		}, nil},
		{"an older driver", func(r *libraryRig) {
			r.missing["nvmlDeviceGetTemperatureV"], r.missing["nvmlDeviceGetCurrentClocksEventReasons"] = true, true
		}, changed(nil, map[string]float64{"temperature_celsius": 44, "clocks_event_reasons": 1}), nil},
		{"lost", func(r *libraryRig) {
			r.first.GetClockInfoFunc = func(gonvml.ClockType) (uint32, gonvml.Return) { return 0, lost }
		}, changed([]string{"sm_clock_hertz", "memory_clock_hertz"}, nil), ErrGPUIsLost},
		{"not allowed", func(r *libraryRig) {
			r.first.GetTotalEccErrorsFunc = func(gonvml.MemoryErrorType, gonvml.EccCounterType) (uint64, gonvml.Return) {
				return 0, gonvml.ERROR_NO_PERMISSION
			}
		}, changed([]string{"ecc_uncorrected_total"}, nil), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, gpus.A100_SXM4_40GB)
			r.tells()
			c.spoil(r)
			got, err := r.read(t)
			if c.fault == nil && err != nil || !errors.Is(err, c.fault) {
				t.Errorf("error %v, want %v", err, c.fault)
			}
			same(t, got, c.want)
		})
	}
	r := newRig(t, gpus.A100_SXM4_40GB)
	if readings, err := r.Telemetry("GPU-none"); !errors.Is(err, ErrNotFound) || len(readings) > 0 {
		t.Errorf("a GPU that is not there: %v, %v", readings, err)
	}
}

// failField has one field give a return.
func (r *libraryRig) failField(id uint32, ret gonvml.Return) {
	read := r.first.GetFieldValuesFunc
	r.first.GetFieldValuesFunc = func(fields []gonvml.FieldValue) gonvml.Return {
		all := read(fields)
		for i := range fields {
			if fields[i].FieldId == id {
				fields[i].NvmlReturn = uint32(ret)
			}
		}
		return all
	}
}

func TestFieldValue(t *testing.T) {
	for _, c := range []struct {
		kind gonvml.ValueType
		bits uint64
		want float64
		ret  gonvml.Return
	}{
		{gonvml.VALUE_TYPE_DOUBLE, math.Float64bits(-2.5), -2.5, gonvml.SUCCESS},
		{gonvml.VALUE_TYPE_UNSIGNED_LONG, 1 << 40, 1 << 40, gonvml.SUCCESS},
		{gonvml.VALUE_TYPE_SIGNED_INT, math.MaxUint32, -1, gonvml.SUCCESS},
		{gonvml.VALUE_TYPE_SIGNED_LONG_LONG, math.MaxUint64, -1, gonvml.SUCCESS},
		{gonvml.VALUE_TYPE_COUNT, 1, 0, gonvml.ERROR_NOT_SUPPORTED},
	} {
		f := gonvml.FieldValue{ValueType: uint32(c.kind)}
		binary.NativeEndian.PutUint64(f.Value[:], c.bits)
		if got, ret := fieldValue(f); got != c.want || ret != c.ret {
			t.Errorf("type %d of %#x is %v, %v; want %v, %v", c.kind, c.bits, got, ret, c.want, c.ret)
		}
	}
}
