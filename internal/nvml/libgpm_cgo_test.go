//go:build cgo && linux

package nvml

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/gpus"
)

// A gpmRig answers the calls of GPM: samples are numbers, and a metric is its id plus a
// tenth of the difference of the two samples' numbers.
type gpmRig struct {
	*libraryRig
	samples   map[gonvml.GpmSample]int // allocated, with the number of what was taken into it
	taken     []string                 // of what, in order
	asked     []uint32                 // numbers of metrics
	fail      gonvml.Return            // of taking a sample
	supported uint32
	// refuse answers a request as a whole, metric one metric.
	refuse func(get *gonvml.GpmMetricsGetType) gonvml.Return
	metric func(id uint32) gonvml.Return
}

func newGPMRig(t *testing.T) *gpmRig {
	r := &gpmRig{
		libraryRig: newRig(t, gpus.A100_SXM4_40GB), samples: map[gonvml.GpmSample]int{}, supported: 1,
		refuse: func(*gonvml.GpmMetricsGetType) gonvml.Return { return gonvml.SUCCESS },
		metric: func(uint32) gonvml.Return { return gonvml.SUCCESS },
	}
	r.server.GpmSampleAllocFunc = func() (gonvml.GpmSample, gonvml.Return) {
		s := &mock.GpmSample{}
		r.samples[s] = 0
		return s, gonvml.SUCCESS
	}
	r.server.GpmSampleFreeFunc = func(s gonvml.GpmSample) gonvml.Return {
		if _, ok := r.samples[s]; !ok {
			t.Error("a sample was freed twice, or is none")
		}
		delete(r.samples, s)
		return gonvml.SUCCESS
	}
	r.server.GpmMetricsGetFunc = r.metrics
	r.first.GpmQueryDeviceSupportFunc = func() (gonvml.GpmSupport, gonvml.Return) {
		return gonvml.GpmSupport{IsSupportedDevice: r.supported}, gonvml.SUCCESS
	}
	r.first.GpmSampleGetFunc = func(s gonvml.GpmSample) gonvml.Return { return r.take("gpu", s) }
	r.first.GpmMigSampleGetFunc = func(gi int, s gonvml.GpmSample) gonvml.Return { return r.take(fmt.Sprintf("gi %d", gi), s) }
	return r
}

func (r *gpmRig) take(what string, s gonvml.GpmSample) gonvml.Return {
	if r.fail != gonvml.SUCCESS {
		return r.fail
	}
	r.taken = append(r.taken, what)
	r.samples[s] = len(r.taken)
	return gonvml.SUCCESS
}

func (r *gpmRig) metrics(get *gonvml.GpmMetricsGetType) gonvml.Return {
	r.asked = append(r.asked, get.NumMetrics)
	if ret := r.refuse(get); ret != gonvml.SUCCESS {
		return ret
	}
	for i := range get.NumMetrics {
		m := &get.Metrics[i]
		m.NvmlReturn = uint32(r.metric(m.MetricId))
		m.Value = float64(m.MetricId) + float64(r.samples[get.Sample2]-r.samples[get.Sample1])/10
	}
	return gonvml.SUCCESS
}

// instance puts a MIG device of GPU instance gi on the GPU. It can be put at another.
func (r *gpmRig) instance(uuid string, gi *int) {
	dev := migMock(uuid, 0, 0)
	dev.GetGpuInstanceIdFunc = func() (int, gonvml.Return) { return *gi, gonvml.SUCCESS }
	dev.GetDeviceHandleFromMigDeviceHandleFunc = func() (gonvml.Device, gonvml.Return) { return r.first, gonvml.SUCCESS }
	find := r.server.DeviceGetHandleByUUIDFunc
	r.server.DeviceGetHandleByUUIDFunc = func(of string) (gonvml.Device, gonvml.Return) {
		switch {
		case of == uuid && *gi < 0:
			return nil, gonvml.ERROR_NOT_FOUND
		case of == uuid:
			return dev, gonvml.SUCCESS
		}
		return find(of)
	}
}

// sampled takes a sample after some time and wants so many readings.
func sampled(t *testing.T, s ActivitySampler, after time.Duration, want int) []Reading {
	t.Helper()
	time.Sleep(after)
	readings, err := s.Sample()
	if err != nil || len(readings) != want {
		t.Fatalf("%d readings, %v; want %d", len(readings), err, want)
	}
	return readings
}

// every is all quantities of a sample with its span.
const every = 14 + 40 + 1

func opened(t *testing.T, r *gpmRig, uuid string) ActivitySampler {
	t.Helper()
	s, err := r.Activity(uuid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), s.Close()); err != nil || len(r.samples) > 0 {
			t.Errorf("close: %v, %d samples are left", err, len(r.samples))
		}
		if _, err := s.Sample(); err == nil {
			t.Error("a closed sampler takes samples")
		}
	})
	return s
}

// The first sample is a seed. The next ones are compared with the one before, in its
// order, in base units; one that comes too early waits for the next.
func TestActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newGPMRig(t)
		r.metric = func(id uint32) gonvml.Return {
			if id == 6 || id == 174 {
				return gonvml.ERROR_NOT_SUPPORTED
			}
			return gonvml.SUCCESS
		}
		s := opened(t, r, r.gpu)
		sampled(t, s, 0, 0)
		sampled(t, s, ShortestActivity-1, 0) // counts nothing
		readings := sampled(t, s, 1, every)
		if got := readings[0]; got.Quantity != ActivitySpan || got.Value != 0.1 {
			t.Errorf("the span is %+v, want 0.1 s", got)
		}
		known := knownOf(t, readings[1:], Activities())
		if len(known) != every-3 {
			t.Errorf("%d known, want all but two", len(known))
		}
		// Newer minus older is 1, so each value is its id + 0.1.
		same(t, map[string]float64{
			"graphics_active_ratio": known["graphics_active_ratio"], "sm_active_ratio": known["sm_active_ratio"], "tensor_imma_active_ratio": known["tensor_imma_active_ratio"],
			"dram_active_ratio": known["dram_active_ratio"], "pcie_rx_bytes_per_second": known["pcie_rx_bytes_per_second"],
			"gr0_ctxsw_requests": known["gr0_ctxsw_requests"], "gr7_ctxsw_active_ratio": known["gr7_ctxsw_active_ratio"],
		}, map[string]float64{
			"graphics_active_ratio": 0.011, "sm_active_ratio": 0.021, "tensor_imma_active_ratio": 0.091, "dram_active_ratio": 0.101,
			"pcie_rx_bytes_per_second": 21.1 * (1 << 20), "gr0_ctxsw_requests": 172.1, "gr7_ctxsw_active_ratio": 2.091,
		})
		for _, reading := range readings {
			if !reading.Known() && (reading.Value != 0 || reading.Return != ErrNotSupported || reading.Name != "tensor_dfma_active_ratio" && reading.Name != "gr0_ctxsw_active_ratio") {
				t.Errorf("%+v is unknown", reading)
			}
		}
		sampled(t, s, 5*time.Second, every)
		if !slices.Equal(r.taken, []string{"gpu", "gpu", "gpu"}) || !slices.Equal(r.asked, []uint32{54, 54}) {
			t.Errorf("taken %q, asked %v", r.taken, r.asked)
		}
	})
}

// A sampler begins anew when the instance is at another place, is gone, or a call
// fails; it never compares across that.
func TestActivityReseeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newGPMRig(t)
		gi := 3
		r.instance("MIG-one", &gi)
		s := opened(t, r, "MIG-one")
		failed := func(want error) {
			t.Helper()
			time.Sleep(time.Second)
			if readings, err := s.Sample(); !errors.Is(err, want) || len(readings) > 0 {
				t.Errorf("%d readings, %v; want %v", len(readings), err, want)
			}
		}
		sampled(t, s, 0, 0)
		sampled(t, s, time.Second, every)
		gi = 4
		sampled(t, s, time.Second, 0)
		sampled(t, s, time.Second, every)
		r.fail = gonvml.ERROR_UNKNOWN
		failed(ErrUnknown)
		r.fail = gonvml.SUCCESS
		sampled(t, s, time.Second, 0)
		sampled(t, s, time.Second, every)
		gi = -1 // made anew under another UUID
		failed(ErrNotFound)
		gi = 4
		sampled(t, s, time.Second, 0)
		r.refuse = func(*gonvml.GpmMetricsGetType) gonvml.Return { return gonvml.ERROR_GPU_IS_LOST }
		failed(ErrGPUIsLost)
		r.refuse = func(*gonvml.GpmMetricsGetType) gonvml.Return { return gonvml.SUCCESS }
		sampled(t, s, time.Second, every) // the sample itself was good
		want := []string{"gi 3", "gi 3", "gi 4", "gi 4", "gi 4", "gi 4", "gi 4", "gi 4", "gi 4"}
		if !slices.Equal(r.taken, want) {
			t.Errorf("taken %q, want %q", r.taken, want)
		}
	})
}

// A driver that refuses a request with metrics that it does not know is asked for the
// basic ones, and not for the others again.
func TestActivityOfOlderDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newGPMRig(t)
		r.refuse = func(get *gonvml.GpmMetricsGetType) gonvml.Return {
			for i := range get.NumMetrics {
				if get.Metrics[i].MetricId >= 98 { // as the first headers have
					return gonvml.ERROR_INVALID_ARGUMENT
				}
			}
			return gonvml.SUCCESS
		}
		s := opened(t, r, r.gpu)
		sampled(t, s, 0, 0)
		for range 2 {
			known := knownOf(t, sampled(t, s, time.Second, every)[1:], Activities())
			if _, ok := known["gr0_ctxsw_requests"]; ok || len(known) != 14 {
				t.Errorf("known are %v, want the 14 basic ones", known)
			}
		}
		if !slices.Equal(r.asked, []uint32{54, 14, 14}) {
			t.Errorf("asked %v", r.asked)
		}
	})
}

// What has no GPM says so, and whether it is the GPU or the driver.
func TestActivityUnsupported(t *testing.T) {
	r := newGPMRig(t)
	refused := func(want error, text string) {
		t.Helper()
		s, err := r.Activity(r.gpu)
		if s != nil || !errors.Is(err, want) || err.Error() != text {
			t.Errorf("got %v, %v; want %s", s, err, text)
		}
	}
	r.supported = 0
	refused(ErrNotSupported, "GPM: not on this GPU (needs Hopper or newer): not supported")
	r.first.GpmQueryDeviceSupportFunc = func() (gonvml.GpmSupport, gonvml.Return) {
		return gonvml.GpmSupport{}, gonvml.ERROR_NOT_SUPPORTED
	}
	refused(ErrNotSupported, "GPM: not on this GPU (needs Hopper or newer): not supported")
	r.first.GpmQueryDeviceSupportFunc = func() (gonvml.GpmSupport, gonvml.Return) {
		return gonvml.GpmSupport{}, gonvml.ERROR_GPU_IS_LOST
	}
	refused(ErrGPUIsLost, "ask "+r.gpu+" for GPM: the GPU is lost")
	r.missing["nvmlGpmMigSampleGet"] = true
	refused(ErrNotSupported, "GPM: not in this driver (it has no nvmlGpmMigSampleGet): not supported")
	if len(r.samples) > 0 {
		t.Errorf("%d samples are left", len(r.samples))
	}
}

// A sample that cannot be allocated leaves none behind.
func TestActivityWithoutMemory(t *testing.T) {
	r := newGPMRig(t)
	allocate := r.server.GpmSampleAllocFunc
	r.server.GpmSampleAllocFunc = func() (gonvml.GpmSample, gonvml.Return) {
		if len(r.samples) > 0 {
			return nil, gonvml.ERROR_MEMORY
		}
		return allocate()
	}
	if s, err := r.Activity(r.gpu); err == nil || s != nil || len(r.samples) > 0 {
		t.Errorf("got %v, %v with %d samples left", s, err, len(r.samples))
	}
}
