package export

import (
	"fmt"
	"strings"

	"github.com/evabench/evabench/partition/migparted"
)

// migParted writes a file for nvidia-mig-parted, whose apply resets all GPUs of the host
// where a change of a mode stays pending (NVIDIA/mig-parted,
// cmd/nvidia-mig-parted/apply/mode.go).
func (e *export) migParted() error {
	data, warnings, err := migparted.Write(e.Name, e.State, e.Layout)
	if err != nil {
		return err
	}
	file := e.Name + "-mig-parted.yaml"
	e.lacks = append(warnings, e.afterBoot()...)
	if e.undo, err = e.turnOff(); err != nil {
		return err
	}
	if e.undo == nil {
		e.undo = []string{"MIG is off already; apply another configuration to turn it on"}
	}
	about := []string{
		"nvidia-mig-parted apply --skip-reset --config-file " + file + " --selected-config " + e.Name,
		"Without --skip-reset it resets every GPU of the host, not those below alone, where a change of the MIG mode stays pending.",
	}
	for _, g := range e.State.GPUs {
		if g.MIG.Resets {
			about = append(about, fmt.Sprintf("Where it stays pending on GPU %d: with nothing running there nvidia-smi -i %s --gpu-reset, then the same command again.",
				g.Index, orElse(g.UUID, fmt.Sprintf("UUID_OF_GPU_%d", g.Index))))
		}
	}
	e.add(file, 0o644, append(about,
		"At boot: let nvidia-mig-manager.service of mig-parted's deployments/systemd select it. It resets every GPU",
		"so, or reboots the host once where it cannot: do not start it by hand while other GPUs are in use.",
		"Devices are indices of this host; a device-filter keeps other cards out.",
	), string(data))
	return nil
}

// afterBoot tells what holds of every MIG device that is made anew.
func (e *export) afterBoot() []string {
	for _, t := range e.targets {
		if t.MIG {
			return []string{"UUIDs of MIG devices: they may be others after each boot"}
		}
	}
	return nil
}

// indent puts every line of a text further in.
func indent(text, by string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(by + line)
	}
	return b.String()
}
