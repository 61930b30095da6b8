package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
)

// observe counts who is on each device, where the backend can tell, keeps it
// with the layout, and refuses a cell whose devices are not shared as its
// configuration says: a process that started too early runs without MPS and says
// nothing. After the load it warns of that too: what was measured is not what the
// configuration says.
func (r *cellRun) observe(ctx context.Context, up []running, after bool) error {
	counter, ok := r.bench.Backend.(partition.Counter)
	if !ok || len(r.layout.devices) == 0 {
		return nil
	}
	var faults []error
	layout := &r.layout.layout
	for _, d := range r.layout.devices {
		c, err := counter.Count(ctx, d)
		if err != nil {
			faults = append(faults, fmt.Errorf("count who is on %s: %w", d.Name, err))
			continue
		}
		layout.Observed = append(layout.Observed, results.Observed{
			Device: d.UUID, Processes: append([]int{}, c.Processes...), MPS: append([]int{}, c.MPS...), After: after,
		})
		placed := 0
		for _, u := range up {
			if u.device == d.UUID {
				placed++
			}
		}
		err = checkShared(d, c, placed)
		if err != nil && after {
			err = fmt.Errorf("after the load: %w", err)
			r.record.Warnings = append(r.record.Warnings, results.Warning{Code: "sharing-lost", Subject: d.Name, Text: err.Error(), Count: 1})
		}
		faults = append(faults, err)
	}
	return errors.Join(append(faults, r.writer.Layout(*layout))...)
}

// checkShared compares who is on a device with how it is to be shared, when so many
// instances were placed on it, each of which is one process or more.
func checkShared(d device.Device, c partition.Clients, placed int) error {
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
	case len(c.MPS) < placed:
		return fmt.Errorf("%s is to be shared by MPS, and %s placed on it, but its MPS daemon has %s; %s (%s)",
			d.Name, units.Plural(placed, "instance")+wasWere(placed), units.Plural(len(c.MPS), "client"), start, strings.Join(d.Environ(), " "))
	}
	return nil
}

func wasWere(n int) string {
	if n == 1 {
		return " was"
	}
	return " were"
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
