package main

import (
	"context"
	"errors"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sources/dcgm"
	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
)

// dcgmJob gives the collector of dcgm-exporter's page for a layout's devices, if the
// scenario names one.
func (b *bench) dcgmJob(devices []device.Device, host results.Subject) ([]collectors.Job, error) {
	if b.scenario == nil || b.scenario.DCGM == "" {
		return nil, nil
	}
	job := collectors.Job{Name: dcgm.Name, Subject: host}
	if b.simulated.server != "" {
		job.Collector = simulatedDCGM{}
		return []collectors.Job{job}, nil
	}
	var all []dcgm.Device
	for _, d := range devices {
		of := dcgm.Device{UUID: d.UUID, GPU: d.GPU}
		if d.Instance != nil {
			of.MIG, of.GI, of.Profile = true, d.Instance.GI, d.Instance.Profile
		}
		all = append(all, of)
	}
	var err error
	if job.Collector, err = dcgm.New(all).Collector(collectors.Target{Subject: host, URL: b.scenario.DCGM}); err != nil {
		return nil, err
	}
	return []collectors.Job{job}, nil
}

// A simulatedDCGM stands for a page that is not read: it tells of real GPUs.
type simulatedDCGM struct{}

// Read tells why nothing is read.
func (simulatedDCGM) Read(context.Context) ([]collectors.Reading, error) {
	return nil, errors.New("the page was not read: the server is simulated, and collect.dcgm names the page of real GPUs")
}
