package virtual

import (
	"fmt"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// Placed gives what a cell's record would tell of it: its instances, with the workers of
// each model and named as the samples of [Target.Step] name them, and the devices of its
// layout, which belong to the Bench.
func (b *Bench) Placed(c scenarios.Cell) ([]results.Instance, []device.Device, error) {
	assignments, err := b.assign(c.Config)
	if err != nil {
		return nil, nil, err
	}
	var instances []results.Instance
	for _, a := range assignments {
		i := results.Instance{Service: a.Service, Name: fmt.Sprintf("%s-%d", a.Service, a.Index), Device: a.Device.UUID, Workers: map[string]int{}}
		for _, v := range b.Scenario.Services {
			for _, m := range v.Models {
				if v.Name != a.Service {
					continue
				}
				if i.Workers[m.Name] = m.Workers; c.Config.Workers[m.Name] > 0 {
					i.Workers[m.Name] = c.Config.Workers[m.Name]
				}
			}
		}
		instances = append(instances, i)
	}
	return instances, b.devices[c.Config.Layout+" "+c.Config.Sharing], nil
}
