package main

import (
	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/internal/device"
)

// deviceJobs gives the collectors of devices and of evabench itself.
func (b *bench) deviceJobs(devices []device.Device) []collectors.Job {
	return nil
}
