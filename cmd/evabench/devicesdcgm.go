package main

import (
	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sources/dcgm"
	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
)

// dcgmJob gives the collector of dcgm-exporter's page for a layout's devices, if the
// scenario names one. On a simulated server its own page stands for the one that is named,
// which tells of real GPUs.
func (b *bench) dcgmJob(devices []device.Device, host results.Subject) ([]collectors.Job, error) {
	if b.scenario == nil || b.scenario.DCGM == "" {
		return nil, nil
	}
	var all []dcgm.Device
	for _, d := range devices {
		of := dcgm.Device{UUID: d.UUID, GPU: d.GPU}
		if d.Instance != nil {
			of.MIG, of.GI, of.Profile = true, d.Instance.GI, d.Instance.Profile
		}
		all = append(all, of)
	}
	source, url := dcgm.New(all, b.scenario.DCGMAccess), b.scenario.DCGM
	if b.simulated.server != "" {
		machine, err := b.host.Open(b.simulated.server, b.simulated.scale)
		if err != nil {
			return nil, err
		}
		source, url = dcgm.NewSimulated(all), machine.DCGM
	}
	c, err := source.Collector(collectors.Target{Subject: host, URL: url})
	if err != nil {
		return nil, err
	}
	return []collectors.Job{{Name: dcgm.Name, Collector: c, Subject: host}}, nil
}
