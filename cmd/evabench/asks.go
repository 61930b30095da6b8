package main

import (
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/sim"
)

// asks lists what a workload's requests ask, if it tells.
func (k kinds) asks(s kind.Spec) (classes, models []string, err error) {
	w, err := k.workloads.Build(s)
	if err != nil {
		return nil, nil, err
	}
	if a, ok := w.(loadgen.Asking); ok {
		classes, models = a.Asks()
	}
	return classes, models, nil
}

// tells says what an endpoint's answers tell.
func (k kinds) tells(s kind.Spec) (first, tokens bool, err error) {
	d, err := k.endpoints.Build(s)
	if err != nil {
		return false, false, err
	}
	if t, ok := d.(loadgen.Telling); ok {
		first, tokens = t.Tells()
	}
	return first, tokens, nil
}

// simulatedModels says why a service on the simulator has not its models.
func simulatedModels(s scenarios.Service) error {
	if s.Launcher.Name != simKind || s.Role != results.RoleVision && s.Role != results.RoleAgent {
		return nil // another role is told already
	}
	var models []string
	for _, m := range s.Models {
		models = append(models, m.Name)
	}
	return sim.CheckModels(s.Role, models)
}
