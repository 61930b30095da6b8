package scenarios_test

import (
	"fmt"

	"github.com/evabench/evabench/scenarios"
)

// A scenario is read, and becomes cells and steps.
func Example() {
	data, _ := scenarios.Preset("pro6000x1")
	s, err := scenarios.Read("pro6000x1.yaml", data, scenarios.Checks{})
	if err != nil {
		fmt.Println(err)
		return
	}
	cells, _ := s.Cells(nil)
	for _, c := range cells {
		fmt.Println(c.Folder)
	}
	for _, p := range s.StepPlans() {
		fmt.Println(p.Name)
	}
	// Output:
	// 000-off-ts-r1
	// 001-off-mps-r1
	// 002-4x1g.24gb-ts-r1
	// 003-4x1g.24gb-mps-r1
	// vision 96 users, agent 10 users
}
