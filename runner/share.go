package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
)

// observe counts who is on each device, where the backend can tell, keeps it
// with the layout, and refuses a cell whose devices are not shared as its
// configuration says: a process that started too early runs without MPS and says
// nothing.
func (r *cellRun) observe(ctx context.Context, up []running) error {
	counter, ok := r.bench.Backend.(partition.Counter)
	if !ok || len(r.layout.devices) == 0 {
		return nil
	}
	var faults []error
	for _, d := range r.layout.devices {
		c, err := counter.Count(ctx, d)
		if err != nil {
			faults = append(faults, fmt.Errorf("count who is on %s: %w", d.Name, err))
			continue
		}
		r.layout.layout.Observed = append(r.layout.layout.Observed, results.Observed{
			Device: d.UUID, Processes: append([]int{}, c.Processes...), MPS: append([]int{}, c.MPS...),
		})
		expected := slices.ContainsFunc(up, func(u running) bool { return u.device == d.UUID })
		faults = append(faults, checkShared(d, c, expected))
	}
	return errors.Join(append(faults, r.writer.Layout(r.layout.layout))...)
}

// checkShared compares who is on a device with how it is to be shared. Expected
// says that an instance was placed on it.
func checkShared(d device.Device, c partition.Clients, expected bool) error {
	const start = "its services must be started after the layout stands, with the device's whole environment"
	if !d.Sharing.IsMPS() {
		if len(c.MPS) > 0 {
			return fmt.Errorf("%s is to be time-sliced, but %s of MPS; stop the MPS daemon that they reach, or take %s out of their environment",
				d.Name, pids(c.MPS, "is a client", "are clients"), "CUDA_MPS_PIPE_DIRECTORY")
		}
		return nil
	}
	without := slices.DeleteFunc(slices.Clone(c.Processes), func(pid int) bool { return slices.Contains(c.MPS, pid) })
	switch {
	case len(without) > 0:
		return fmt.Errorf("%s is to be shared by MPS, but %s its MPS daemon; %s (%s)",
			d.Name, pids(without, "runs without", "run without"), start, strings.Join(d.Environ(), " "))
	case len(c.MPS) == 0 && expected:
		return fmt.Errorf("%s is to be shared by MPS, and a service was placed on it, but its MPS daemon has no client; %s (%s)",
			d.Name, start, strings.Join(d.Environ(), " "))
	}
	return nil
}

// pids names processes with a verb.
func pids(all []int, one, more string) string {
	var texts []string
	for _, pid := range all {
		texts = append(texts, fmt.Sprint(pid))
	}
	if len(all) == 1 {
		return "process " + texts[0] + " " + one
	}
	return "processes " + strings.Join(texts, ", ") + " " + more
}
