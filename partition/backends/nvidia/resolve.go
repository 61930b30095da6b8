package nvidia

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/internal/nvml"
)

// resolve gives the UUID of the device that a daemon's CUDA_VISIBLE_DEVICES names by the
// beginning of its UUID or by an index. An index is told where it can mean one GPU
// only: on a host with one, or in the order of the bus if CUDA_DEVICE_ORDER says so; by
// default CUDA puts the fastest first, and of that NVML knows nothing. (CUDA C++
// Programming Guide, CUDA Environment Variables.)
func (b *backend) resolve(name string, env map[string]string) (string, error) {
	ctx := context.Background()
	gpus, err := read(ctx, b.driver, "list GPUs", b.driver.api.Devices)
	if err != nil {
		return "", err
	}
	index, err := strconv.Atoi(name)
	if err != nil {
		all, blind, err := b.devicesOf(ctx, gpus)
		if err != nil {
			return "", err
		}
		if blind && !all[name] {
			return "", errors.New("a GPU cannot be read, and may have it")
		}
		var found []string
		for uuid := range all {
			if strings.HasPrefix(uuid, name) {
				found = append(found, uuid)
			}
		}
		if len(found) != 1 {
			return "", fmt.Errorf("%d devices have UUIDs that begin so", len(found))
		}
		return found[0], nil
	}
	if k := slices.IndexFunc(gpus, func(d nvml.Device) bool { return d.Fault != nil }); k >= 0 {
		return "", fmt.Errorf("GPU %d cannot be read, and its place among the others is unknown: %w", gpus[k].Index, gpus[k].Fault)
	}
	if index < 0 || index >= len(gpus) {
		return "", fmt.Errorf("there are %d GPUs", len(gpus))
	}
	if slices.ContainsFunc(gpus, func(d nvml.Device) bool { return d.MIG.Current }) {
		return "", errors.New("an index, which with MIG on may be that of a MIG device")
	}
	if len(gpus) > 1 && env["CUDA_DEVICE_ORDER"] != "PCI_BUS_ID" {
		return "", errors.New("an index, and CUDA_DEVICE_ORDER does not say PCI_BUS_ID")
	}
	slices.SortFunc(gpus, func(a, b nvml.Device) int { return cmp.Compare(a.PCI, b.PCI) })
	return gpus[index].UUID, nil
}
