//go:build cgo && linux

package nvml

import (
	"errors"
	"fmt"
	"strings"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

var _ ActivityReader = (*Library)(nil)

// gpmCalls are the calls of GPM, which older drivers do not have.
var gpmCalls = []string{
	"nvmlGpmQueryDeviceSupport", "nvmlGpmSampleAlloc", "nvmlGpmSampleFree", "nvmlGpmSampleGet", "nvmlGpmMigSampleGet", "nvmlGpmMetricsGet",
}

// Activity asks whether the GPU has GPM, and allocates two samples. It changes
// nothing: streaming (nvmlGpmSetStreamingEnabled) is left as it is.
func (l *Library) Activity(uuid string) (ActivitySampler, error) {
	for _, call := range gpmCalls {
		if !l.has(call) {
			return nil, fmt.Errorf("GPM: not in this driver (it has no %s): %w", call, ErrNotSupported)
		}
	}
	at, err := l.gpmPlace(uuid)
	if err != nil {
		return nil, err
	}
	switch support, ret := at.gpu.GpmQueryDeviceSupport(); {
	case absent(ret), ret == gonvml.SUCCESS && support.IsSupportedDevice == 0:
		return nil, fmt.Errorf("GPM: not on this GPU (needs Hopper or newer): %w", ErrNotSupported)
	case ret != gonvml.SUCCESS:
		return nil, wrap(ret, "ask %s for GPM", uuid)
	}
	s := &gpmSampler{lib: l, uuid: uuid}
	for i := range s.samples {
		sample, ret := l.lib.GpmSampleAlloc()
		if ret != gonvml.SUCCESS {
			return nil, errors.Join(wrap(ret, "allocate a GPM sample"), s.Close())
		}
		s.samples[i] = sample
	}
	return s, nil
}

// A gpmPlace is where a sample is taken: on a GPU, or of a GPU instance of it.
type gpmPlace struct {
	gpu      gonvml.Device
	name     string // the GPU's UUID
	mig      bool
	instance int
}

// gpmPlace looks a device up. It is done for each sample, as handles and the ids of
// instances are others after a change of the layout.
func (l *Library) gpmPlace(uuid string) (at gpmPlace, err error) {
	dev, ret := l.handle(uuid)
	if ret != Success {
		return at, wrap(ret, "find %s", uuid)
	}
	at = gpmPlace{gpu: dev, name: uuid, mig: strings.HasPrefix(uuid, "MIG-")}
	if !at.mig {
		return at, nil
	}
	var r gonvml.Return
	if at.instance, r = dev.GetGpuInstanceId(); r != gonvml.SUCCESS {
		return at, wrap(r, "find the GPU instance of %s", uuid)
	}
	if at.gpu, r = dev.GetDeviceHandleFromMigDeviceHandle(); r != gonvml.SUCCESS {
		return at, wrap(r, "find the GPU of %s", uuid)
	}
	at.name, r = at.gpu.GetUUID()
	return at, wrap(r, "find the GPU of %s", uuid)
}

// A gpmSampler keeps the sample before and has one to take the next into.
type gpmSampler struct {
	lib     *Library
	uuid    string
	samples [2]gonvml.GpmSample
	// seeded says that samples[0] was taken, at a moment and a place.
	seeded bool
	taken  time.Time
	at     gpmPlace
	// basic says that the driver refused the request with all metrics.
	basic bool
}

// Sample takes a sample and compares it with the one before, if that was of the same
// GPU instance.
//
// Note: an instance that is made anew may have the id of the one before, but has
// another UUID, so that its sampler is another; and this one's then finds nothing.
func (s *gpmSampler) Sample() ([]Reading, error) {
	if s.samples[0] == nil {
		return nil, errors.New("the GPM sampler is closed")
	}
	at, err := s.lib.gpmPlace(s.uuid)
	if err != nil {
		s.seeded = false
		return nil, err
	}
	if at.name != s.at.name || at.instance != s.at.instance {
		s.seeded = false
	}
	if s.seeded && time.Since(s.taken) < ShortestActivity {
		return nil, nil
	}
	ret := gonvml.SUCCESS
	if at.mig {
		ret = at.gpu.GpmMigSampleGet(at.instance, s.samples[1])
	} else {
		ret = at.gpu.GpmSampleGet(s.samples[1])
	}
	now := time.Now()
	if ret != gonvml.SUCCESS {
		s.seeded = false
		return nil, wrap(ret, "take a GPM sample of %s", s.uuid)
	}
	span, compare := now.Sub(s.taken), s.seeded
	s.samples[0], s.samples[1] = s.samples[1], s.samples[0] // the new one is the next one's seed
	s.seeded, s.taken, s.at = true, now, at
	if !compare {
		return nil, nil
	}
	readings, err := s.compare()
	if err != nil {
		return nil, wrapErr(err, "compare two GPM samples of %s", s.uuid)
	}
	return append([]Reading{{Quantity: ActivitySpan, Value: span.Seconds()}}, readings...), nil
}

// compare asks for all metrics, and once a driver has refused that for those that all
// drivers know; the others have then the return of that refusal.
func (s *gpmSampler) compare() ([]Reading, error) {
	if !s.basic {
		readings, ret := s.metrics(activities)
		if !absent(ret) {
			return readings, wrap(ret, "all metrics")
		}
		s.basic = true
	}
	readings, ret := s.metrics(activities[:basicActivities])
	if ret != gonvml.SUCCESS {
		s.basic = false
		return nil, wrap(ret, "basic metrics")
	}
	for _, a := range activities[basicActivities:] {
		readings = append(readings, Reading{Quantity: a.Quantity, Return: ErrNotSupported})
	}
	return readings, nil
}

// metrics asks for some metrics between the two samples, of which the first is now the
// newer.
//
// Note: nvmlGpmMetricsGet_t ends in an array whose length is NVML_GPM_METRIC_MAX: 98 in its
// first headers, 333 in CUDA 13.0's (driver 580), 477 in go-nvml 0.13.4's; the
// version stayed 1 and has no size in it. That is safe as the array comes last, a
// driver looks at the first numMetrics of it alone, and ours is the longest. More than
// a driver's own maximum could still be refused, so we ask for no more than
// 54, and never for the whole array.
func (s *gpmSampler) metrics(list []activity) ([]Reading, gonvml.Return) {
	get := gonvml.GpmMetricsGetType{NumMetrics: uint32(len(list)), Sample1: s.samples[1], Sample2: s.samples[0]}
	for i, a := range list {
		get.Metrics[i].MetricId = a.id
	}
	if ret := s.lib.lib.GpmMetricsGet(&get); ret != gonvml.SUCCESS {
		return nil, ret
	}
	readings := make([]Reading, len(list), len(activities)+1)
	for i, a := range list {
		m := get.Metrics[i]
		readings[i] = Reading{Quantity: a.Quantity, Return: Return(m.NvmlReturn)}
		if readings[i].Known() {
			readings[i].Value = m.Value * a.scale
		}
	}
	return readings, gonvml.SUCCESS
}

// Close frees both samples.
func (s *gpmSampler) Close() error {
	var faults []error
	for i, sample := range s.samples {
		if sample != nil {
			faults = append(faults, wrap(s.lib.lib.GpmSampleFree(sample), "free a GPM sample"))
			s.samples[i] = nil
		}
	}
	return errors.Join(faults...)
}
