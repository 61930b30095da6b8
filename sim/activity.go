package sim

import (
	"context"
	"net/http"
	"time"

	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/sim/model"
)

// activities is the answer to GET /activity: what each device has done, of which a
// caller takes differences.
type activities struct {
	Seconds float64                   `json:"seconds"` // of server time, since the server's start
	Devices map[string]deviceActivity `json:"devices"` // by UUID: GPUs with MIG off, else compute instances
}

// deviceActivity is sums over time since the device came, in seconds of all of it:
// of the time in which a kernel ran, of its SMs' time with work, of the bandwidth
// that was used, of the time in which contexts changed.
type deviceActivity struct {
	Engine    float64  `json:"engine_seconds"`
	SM        float64  `json:"sm_seconds"`
	DRAM      *float64 `json:"dram_seconds"` // nil if the model has no limit for it
	Switching float64  `json:"switching_seconds"`
	Switches  int64    `json:"switches"`
}

// activities tells what every device has done. As in GPM, compute instances of one GPU
// instance all show what it does.
func (e *dcgmExporter) activities() (a activities, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a.Devices = make(map[string]deviceActivity)
	var collections int64
	totals := make(map[string]watchedDevice)
	err = e.do(func(w *model.World) {
		collections, a.Seconds = e.collections, w.Now().Seconds()
		for uuid, d := range e.devices {
			totals[uuid] = watchedDevice{bandwidth: d.bandwidth, latest: d.total(w.Now())}
		}
	})
	if err != nil {
		return a, err
	}
	if err := e.look(collections); err != nil {
		return a, err
	}
	for _, entity := range e.entities {
		sum := entity.activity(totals, time.Second, true) // of one second: ratios are seconds
		d := deviceActivity{Engine: sum.engine, SM: sum.sm}
		if sum.dramKnown {
			d.DRAM = &sum.dram
		}
		uuids := []string{entity.card.UUID}
		if entity.instance != nil {
			uuids = nil
			for _, ci := range entity.instance.Compute {
				uuids = append(uuids, ci.UUID)
			}
		}
		for _, uuid := range uuids {
			d.Switching = max(d.Switching, totals[uuid].latest.Switching.Seconds())
			d.Switches += totals[uuid].latest.Switches
		}
		for _, uuid := range uuids {
			a.Devices[uuid] = d
		}
	}
	return a, nil
}

// activityTimeout bounds, on the clock, how long the server is waited for.
const activityTimeout = time.Second

// Activity gives a sampler of a device of the simulated server, of the quantities that
// the model knows; it refuses the others with ErrNotSupported, as a card does. A device
// that is not known yet tells nothing.
func (m *Machine) Activity(uuid string) (nvml.ActivitySampler, error) {
	if _, err := m.GPUs.Memory(uuid); err != nil {
		return nil, err
	}
	return &activitySampler{uuid: uuid, read: func() (a activities, err error) {
		ctx, cancel := context.WithTimeout(context.Background(), activityTimeout)
		defer cancel()
		err = m.control.call(ctx, http.MethodGet, "/activity", nil, &a)
		return a, err
	}}, nil
}

// activitySampler compares two answers of GET /activity.
type activitySampler struct {
	uuid string
	read func() (activities, error)
	last *deviceActivity // nil before the first
	at   float64         // of last
}

// Sample gives what was done since the sample before.
func (s *activitySampler) Sample() ([]nvml.Reading, error) {
	all, err := s.read()
	if err != nil {
		s.last = nil
		return nil, err
	}
	was, span := s.last, all.Seconds-s.at
	now, known := all.Devices[s.uuid]
	if !known {
		s.last = nil
		return nil, nil
	}
	if was != nil && span < nvml.ShortestActivity.Seconds() {
		return nil, nil
	}
	s.last, s.at = &now, all.Seconds
	if was == nil || now.Engine < was.Engine || now.SM < was.SM { // one that was made anew
		return nil, nil
	}
	readings := []nvml.Reading{{Quantity: nvml.ActivitySpan, Value: span}}
	values := now.since(*was, span)
	for _, q := range nvml.Activities() {
		r := nvml.Reading{Quantity: q, Return: nvml.ErrNotSupported}
		if v, ok := values[q.Name]; ok {
			r.Value, r.Return = v, nvml.Success
		}
		readings = append(readings, r)
	}
	return readings, nil
}

// since gives what the model knows of GPM's quantities, by name.
func (d deviceActivity) since(was deviceActivity, span float64) map[string]float64 {
	values := map[string]float64{
		"graphics_active_ratio":  (d.Engine - was.Engine) / span,
		"sm_active_ratio":        (d.SM - was.SM) / span,
		"gr0_ctxsw_requests":     float64(d.Switches - was.Switches),
		"gr0_ctxsw_active_ratio": (d.Switching - was.Switching) / span,
	}
	if d.DRAM != nil && was.DRAM != nil {
		values["dram_active_ratio"] = (*d.DRAM - *was.DRAM) / span
	}
	return values
}

// Close does nothing: there is nothing to free.
func (s *activitySampler) Close() error { return nil }

var _ nvml.ActivityReader = (*Machine)(nil)
